package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"penstock"
	"penstock/internal/datastreams"
)

type whichObject struct {
	AtConnection
	Stream string `path:"stream" maxLength:"100" example:"contacts" doc:"The stream."`
	ID     int64  `path:"id" minimum:"1" example:"123" doc:"The object's id."`
}

// registerInsight adds the routes that ask HubSpot through a worker, and those
// that tell what asking costs.
func (s *site) registerInsight(routes huma.API) {
	explain := route(http.MethodGet, "/v1/connections/{connection}/streams/{stream}/explain/{id}", "explain", "What is known of one object")
	explain.Description = "What HubSpot says of it now, what the warehouse holds, what is wanted and rejected of it, the lanes that may have touched it, and why they differ where they do. Costs three calls."
	explain.Tags, explain.Middlewares = []string{tagConnections}, huma.Middlewares{patient}
	huma.Register(routes, explain, func(ctx context.Context, in *whichObject) (*answer[*datastreams.Explanation], error) {
		return insight(s, in.Connection, func() (*datastreams.Explanation, error) {
			return s.Explain(ctx, in.Connection, in.Stream, in.ID)
		})
	})
	plan := route(http.MethodGet, "/v1/plan", "plan", "What reading the account costs")
	plan.Description = "How many objects there are, how many calls and how long the first load takes, and how many calls a day afterwards. Nothing is loaded. Costs a search for each stream."
	plan.Tags, plan.Middlewares = explain.Tags, explain.Middlewares
	huma.Register(routes, plan, func(ctx context.Context, in *AtDefault) (*answer[datastreams.Plan], error) {
		return insight(s, in.Connection, func() (datastreams.Plan, error) { return s.Plan(ctx, in.Connection) })
	})
	quota := route(http.MethodGet, "/v1/quota", "quota", "What is used and left of HubSpot's limits")
	quota.Description = "The calls of the day by stream and lane, what is left and reserved, and what a day of the present settings uses. Costs no call."
	quota.Tags = explain.Tags
	huma.Register(routes, quota, func(ctx context.Context, in *AtDefault) (*answer[datastreams.Quota], error) {
		return insight(s, in.Connection, func() (datastreams.Quota, error) { return s.Quota(ctx, in.Connection) })
	})
	probes := route(http.MethodGet, "/v1/connections/{connection}/probes", "probes", "Whether what is assumed of HubSpot holds on the account")
	probes.Description = "Tries it on the stream with the most rows. Costs five calls."
	probes.Tags, probes.Middlewares = explain.Tags, explain.Middlewares
	huma.Register(routes, probes, func(ctx context.Context, in *AtConnection) (*answer[Probes], error) {
		return insight(s, in.Connection, func() (Probes, error) {
			found, err := s.Probe(ctx, in.Connection)
			return Probes{Findings: found}, err
		})
	})
}

// Probes are what was tried.
type Probes struct {
	Findings []penstock.Finding `json:"findings" nullable:"false" doc:"What was tried, one by one."`
}

// insight answers, or says what keeps the service from knowing.
func insight[T any](s *site, connection string, find func() (T, error)) (*answer[T], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	found, err := find()
	var failed *penstock.Trouble
	switch {
	case err == nil:
		return answered(found), nil
	case errors.Is(err, datastreams.ErrNoStream):
		return nil, newProblem(noStream, err.Error(), "GET /data lists the streams")
	case errors.Is(err, datastreams.ErrNotObjects):
		return nil, newProblem(noObjects, err.Error(), "ask for a stream of objects, such as contacts")
	case errors.Is(err, datastreams.ErrNoWorker):
		return nil, newProblem(noWorker, err.Error(), "see that a worker runs and may read the account: GET /readyz and GET /error tell more")
	case errors.As(err, &failed) && failed.Remedy != "":
		return nil, newProblem(unavailable, failed.Message, failed.Remedy)
	}
	return nil, trouble(err, mendWarehouse)
}

// A Confirmation names the stream whose sweep may go on.
type Confirmation struct {
	Stream string `json:"stream" minLength:"1" example:"contacts" doc:"The stream."`
}

// registerSweeps adds the command that lets a sweep go on.
func (s *site) registerSweeps(routes huma.API) {
	confirm := route(http.MethodPost, "/v1/connections/{connection}/sweep/confirm", "confirm-sweep", "Let a sweep go on that has stopped")
	confirm.Description = "A sweep that does not find more than 5 % of a stream stops and asks. Confirmed, it asks HubSpot for each missing object by id, and marks those as deleted of which HubSpot says so."
	confirm.Tags, confirm.BodyReadTimeout, confirm.MaxBodyBytes = []string{tagConnections}, bodyTimeout, maxBodyBytes
	huma.Register(routes, confirm, func(ctx context.Context, in *struct {
		AtConnection
		Body Confirmation
	}) (*answer[Confirmation], error) {
		if err := s.knowsStream(ctx, in.Connection, in.Body.Stream); err != nil {
			return nil, err
		}
		if err := s.ConfirmSweep(ctx, in.Connection, in.Body.Stream); err != nil {
			return nil, newProblem(notHeld, err.Error(), "GET /error tells which sweeps have stopped")
		}
		return answered(in.Body), nil
	})
}
