package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"penstock/internal/warehouse"
)

// A Problem is an error as its receiver sees it: an RFC 9457 document that
// also says what to do.
type Problem struct {
	Type    string   `json:"type" example:"urn:penstock:bad-interval" doc:"The kind of problem; stable."`
	Title   string   `json:"title" example:"The interval is not possible" doc:"The kind in a few words."`
	Status  int      `json:"status" example:"422" doc:"The HTTP status."`
	Detail  string   `json:"detail" example:"\"soon\" is not an interval" doc:"What happened this time."`
	Remedy  string   `json:"remedy,omitempty" example:"give whole minutes such as 5, or a duration such as 90s" doc:"What can be done about it."`
	Reasons []string `json:"reasons,omitempty" doc:"One by one, where several things are wrong."`
}

// kind names a kind of problem.
type kind string

const (
	unauthorized kind = "unauthorized"
	wrongHost    kind = "wrong-host"
	crossSite    kind = "cross-site"
	notFound     kind = "not-found"
	badMethod    kind = "method-not-allowed"
	badRequest   kind = "invalid-request"
	badAccept    kind = "not-acceptable"
	badInterval  kind = "bad-interval"
	badToken     kind = "bad-token"
	noConnection kind = "unknown-connection"
	noStream     kind = "unknown-stream"
	noField      kind = "unknown-field"
	badFilter    kind = "bad-filter"
	changesLost  kind = "changes-lost"
	notLoaded    kind = "not-loaded-yet"
	noBackfill   kind = "no-backfill"
	notCaughtUp  kind = "not-caught-up"
	notHeld      kind = "not-held"
	noObjects    kind = "no-objects"
	noWorker     kind = "no-worker"
	notVerified  kind = "not-verified"
	notReady     kind = "not-ready"
	unavailable  kind = "unavailable"
)

var kinds = map[kind]struct {
	status int
	title  string
}{
	unauthorized: {http.StatusUnauthorized, "A token is needed"},
	wrongHost:    {http.StatusMisdirectedRequest, "The request names another host"},
	crossSite:    {http.StatusForbidden, "Another website may not do this"},
	notFound:     {http.StatusNotFound, "There is nothing here"},
	badMethod:    {http.StatusMethodNotAllowed, "The method is not possible here"},
	badRequest:   {http.StatusUnprocessableEntity, "The request is not understood"},
	badAccept:    {http.StatusNotAcceptable, "There is no such format"},
	badInterval:  {http.StatusUnprocessableEntity, "The interval is not possible"},
	badToken:     {http.StatusBadRequest, "The place to go on from is not known"},
	noConnection: {http.StatusNotFound, "There is no such connection"},
	noStream:     {http.StatusNotFound, "There is no such stream"},
	noField:      {http.StatusBadRequest, "There is no such column"},
	badFilter:    {http.StatusBadRequest, "The filter is not possible"},
	changesLost:  {http.StatusGone, "The place in the changes is gone"},
	notLoaded:    {http.StatusNotFound, "Nothing has been loaded yet"},
	noBackfill:   {http.StatusConflict, "The stream cannot be read again"},
	notCaughtUp:  {http.StatusBadGateway, "The catch-up failed"},
	notHeld:      {http.StatusConflict, "No sweep waits to be confirmed"},
	noObjects:    {http.StatusConflict, "The stream has no objects"},
	noWorker:     {http.StatusServiceUnavailable, "No worker answers"},
	notVerified:  {http.StatusBadGateway, "The comparison with HubSpot failed"},
	notReady:     {http.StatusServiceUnavailable, "The service cannot do its work now"},
	unavailable:  {http.StatusServiceUnavailable, "The service cannot answer now"},
}

func newProblem(k kind, detail, remedy string) *Problem {
	return &Problem{
		Type: "urn:penstock:" + string(k), Title: kinds[k].title, Status: kinds[k].status,
		Detail: detail, Remedy: remedy,
	}
}

// Error is what happened and what to do, in one line.
func (p *Problem) Error() string {
	if p.Remedy == "" {
		return p.Detail
	}
	return p.Detail + "; " + p.Remedy
}

// GetStatus is the HTTP status, as the library that writes answers asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a caller that is gone has nobody to be told
}

func refuseMethod(w http.ResponseWriter, r *http.Request, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	newProblem(badMethod, fmt.Sprintf("%s does not take %s", shorten(r.URL.Path), shorten(r.Method)),
		"use "+strings.Join(allowed, " or ")).write(w)
}

// translate turns the errors that the HTTP library makes into problems.
func translate(_ huma.Context, _ string, body any) (any, error) {
	model, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	p := newProblem(badRequest, model.Detail, "see /openapi.json for what is accepted")
	p.Status = model.Status
	if len(model.Errors) > 0 {
		p.Detail = ""
	}
	for i, e := range model.Errors {
		if i > 0 {
			p.Detail += "; "
		}
		p.Detail += strings.TrimPrefix(e.Location+": ", ": ") + e.Message
	}
	if model.Status == http.StatusUnsupportedMediaType {
		p.Remedy = "send JSON with the header Content-Type: application/json"
	}
	return p, nil
}

// trouble is what an error of the service is to a caller.
func trouble(err error, remedy string) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, warehouse.ErrNoColumn):
		return newProblem(noField, err.Error(), "ask without fields to see all columns")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newProblem(unavailable, "the request was broken off: "+err.Error(), "ask again")
	}
	return newProblem(unavailable, err.Error(), remedy)
}

// What to do when one of the stores does not answer.
const (
	mendWarehouse = "see that the warehouse can be reached, then ask again; /readyz tells more"
	mendCatalog   = "see that the data folder can be read and written and has space left, then ask again"
)

// shorten quotes what a caller sent, so that an answer can show it.
func shorten(text string) string {
	const most = 60
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
