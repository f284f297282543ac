package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/negotiation"
)

// maxPageBytes ends a page of rows early, so that neither side must hold a
// thousand of the largest.
const maxPageBytes = 8 << 20

// WhichRows says which rows of a stream to answer, and how.
type WhichRows struct {
	Stream  string   `path:"stream" maxLength:"100" example:"contacts" doc:"The stream."`
	Limit   int      `query:"limit" minimum:"1" maximum:"1000" doc:"The most rows to answer. JSON: 100 when absent. The other formats: without a limit, all rows are streamed."`
	After   string   `query:"after" maxLength:"32768" doc:"Go on after the former answer: its next. The formats other than JSON have it in the header Link."`
	Fields  []string `query:"fields" nullable:"false" example:"id,email" doc:"The columns to answer, in this order; all when absent."`
	Deleted bool     `query:"deleted" doc:"Also the rows of what is deleted in HubSpot."`
	Accept  string   `header:"Accept" example:"text/csv" doc:"application/json, application/x-ndjson, text/csv, application/vnd.apache.parquet or application/vnd.apache.arrow.stream."`

	Filter       map[string]string `query:"filter,deepObject" doc:"Only rows that pass all filters, as in filter[amount][ge]=100, by a property's name in HubSpot or a column's. Text is compared byte by byte, a number by its value, a date or moment as such; a row without a value passes only null. Moments are RFC 3339, dates like 2026-01-31."`
	ChangedSince string            `query:"changed_since" maxLength:"1024" doc:"Only rows loaded since a former answer, which gave this as its changes: each once, in the order of load, tombstones too. Empty or 0 begins with everything. With filters a row is left out that does not pass them any more, so a copy that is kept by changes takes none."`

	query   url.Values // as it was asked, for what the HTTP library cannot tell apart
	changes bool       // changed_since is there, maybe empty
}

// Resolve keeps the query.
func (w *WhichRows) Resolve(c huma.Context) []error {
	asked := c.URL()
	w.query = asked.Query()
	w.changes = w.query.Has("changed_since")
	return nil
}

const aboutRows = "In key order, each as an object by column name. A page ends after 8 MB at the latest. " +
	"Whole numbers of 64 bits are JSON numbers; decimals that a double does not hold are text. " +
	"In CSV a text that a spreadsheet would take for a formula is preceded by an apostrophe. " +
	"Parquet and Arrow have a double for a number, which rounds what has more than 15 digits, a timestamp in UTC for a moment, and a date for a date. " +
	"Every answer has a token for changed_since, which finds what is loaded after the answer's first page began: " +
	"changes in JSON, the header Penstock-Changes otherwise. Use it once all pages are read."

// registerRows adds the routes of rows.
func (s *site) registerRows(routes huma.API) {
	everyday := route(http.MethodGet, "/data/{stream}", "read-data", "The rows of a stream")
	everyday.Description, everyday.Tags, everyday.Responses = aboutRows, []string{tagEveryday}, rowFormats(routes)
	huma.Register(routes, everyday, func(ctx context.Context, in *struct {
		AtDefault
		WhichRows
	}) (*huma.StreamResponse, error) {
		return s.read(ctx, in.Connection, in.WhichRows)
	})
	rows := route(http.MethodGet, "/v1/connections/{connection}/rows/{stream}", "read-rows", everyday.Summary)
	rows.Description, rows.Tags, rows.Responses = aboutRows, []string{tagConnections}, rowFormats(routes)
	huma.Register(routes, rows, func(ctx context.Context, in *struct {
		AtConnection
		WhichRows
	}) (*huma.StreamResponse, error) {
		return s.read(ctx, in.Connection, in.WhichRows)
	})
	describeFilter(routes, everyday.Path)
	describeFilter(routes, rows.Path)
}

// A RowPage is a part of a stream's rows.
type RowPage struct {
	Columns []string         `json:"columns" nullable:"false" doc:"The columns, in order."`
	Items   []map[string]any `json:"items" nullable:"false" doc:"The rows by column name."`
	Next    string           `json:"next,omitempty" doc:"The value of after for the next page; absent on the last one."`
	Changes string           `json:"changes" doc:"The value of changed_since for what is loaded from now on, the same on all pages."`
}

func rowFormats(routes huma.API) map[string]*huma.Response {
	page := huma.SchemaFromType(routes.OpenAPI().Components.Schemas, reflect.TypeFor[RowPage]())
	text, binary := &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeString, Format: "binary"}
	return map[string]*huma.Response{"200": {
		Description: "The rows",
		Headers: map[string]*huma.Param{
			"Link":        {Description: "The next page, where there is one", Schema: text},
			changesHeader: {Description: "The value of changed_since for what is loaded from now on; not with JSON, which has changes", Schema: text},
		},
		Content: map[string]*huma.MediaType{
			asJSON: {Schema: page}, asLines: {Schema: text}, asCSV: {Schema: text}, asParquet: {Schema: binary}, asArrow: {Schema: binary},
		},
	}}
}

// changesHeader has the token for changed_since.
const changesHeader = "Penstock-Changes"

// read prepares the first page, so that what is wrong can still be said, and
// answers with it and the ones after it.
func (s *site) read(ctx context.Context, connection string, in WhichRows) (*huma.StreamResponse, error) {
	format, err := formatOf(in.Accept)
	if err != nil {
		return nil, err
	}
	r, err := s.reading(ctx, connection, in)
	if err != nil {
		return nil, err
	}
	r.limit, r.all = in.Limit, in.Limit == 0 && format != asJSON
	switch {
	case r.all:
		r.limit = maxLimit
	case in.Limit == 0:
		r.limit = 100
	}
	if r.rows, err = newEncoder(format, r.columns[:r.shown]); err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	if err := r.page(ctx); err != nil {
		return nil, s.unreadable(ctx, connection, in.Stream, err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		request, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", contentType(format))
		if format != asJSON {
			w.Header().Set(changesHeader, r.changes())
		}
		if !r.all && r.next != nil {
			w.Header().Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", nextPage(request.URL, r.token())))
		}
		if err := s.send(c.Context(), w, r); err != nil {
			if c.Context().Err() == nil {
				s.log.Error("an answer with rows was broken off", "stream", in.Stream, "error", err)
			}
			breakOff(request, w)
		}
	}}, nil
}

func formatOf(accept string) (string, error) {
	accept = strings.ToLower(accept)
	if format := negotiation.SelectQValue(accept, []string{asJSON, asLines, asCSV, asParquet, asArrow}); format != "" {
		return format, nil
	}
	if accept == "" || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*") {
		return asJSON, nil
	}
	return "", newProblem(badAccept, "rows cannot be had as "+shorten(accept),
		"accept "+strings.Join([]string{asJSON, asLines, asCSV, asParquet}, ", ")+" or "+asArrow)
}

func nextPage(asked *url.URL, token string) string {
	query := asked.Query()
	query.Set("after", token)
	return (&url.URL{Path: asked.Path, RawQuery: query.Encode()}).String()
}

// send writes pages until there are no more, or until the one that was asked
// for is written. Each page is a query of its own: a slow caller holds nothing
// in the warehouse. An error says that the answer is not whole; that the caller
// is gone is none.
func (s *site) send(ctx context.Context, w http.ResponseWriter, r *reading) error {
	for {
		if err := allow(w, writeTimeout); err != nil {
			return nil // the connection is gone
		}
		more := r.all && r.next != nil
		body, err := r.rows.take(ending{last: !more, next: r.token(), changes: r.changes()})
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil || !more {
			return nil // done, or the caller is gone
		}
		if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		if err := r.page(ctx); err != nil {
			return err
		}
	}
}

// breakOff ends the connection so that half an answer does not look like a whole
// one. HTTP/1.0 knows the end of an answer by the end of the connection only, so
// that one is reset.
func breakOff(r *http.Request, w http.ResponseWriter) {
	if !r.ProtoAtLeast(1, 1) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if tcp, ok := conn.(*net.TCPConn); ok && err == nil && errors.Join(tcp.SetLinger(0), tcp.Close()) == nil {
			return
		}
	}
	panic(http.ErrAbortHandler)
}
