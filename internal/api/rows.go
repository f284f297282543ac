package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"penstock"
	"penstock/internal/warehouse"
)

// maxPageBytes ends a page of rows early, so that neither side must hold a
// thousand of the largest.
const maxPageBytes = 8 << 20

// WhichRows says which rows of a stream to answer, and how.
type WhichRows struct {
	Stream  string   `path:"stream" maxLength:"100" example:"contacts" doc:"The stream."`
	Limit   int      `query:"limit" minimum:"1" maximum:"1000" doc:"The most rows to answer. JSON: 100 when absent. NDJSON and CSV: without a limit, all rows are streamed."`
	After   string   `query:"after" maxLength:"32768" doc:"Go on after the former answer: its next. NDJSON and CSV have it in the header Link."`
	Fields  []string `query:"fields" nullable:"false" example:"id,email" doc:"The columns to answer, in this order; all when absent."`
	Deleted bool     `query:"deleted" doc:"Also the rows of what is deleted in HubSpot."`
	Accept  string   `header:"Accept" example:"text/csv" doc:"application/json, application/x-ndjson or text/csv."`
}

const aboutRows = "In key order, each as an object by column name. A page ends after 8 MB at the latest. " +
	"Whole numbers of 64 bits are JSON numbers; decimals that a double does not hold are text. " +
	"In CSV a text that a spreadsheet would take for a formula is preceded by an apostrophe."

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
}

// A RowPage is a part of a stream's rows.
type RowPage struct {
	Columns []string         `json:"columns" nullable:"false" doc:"The columns, in order."`
	Items   []map[string]any `json:"items" nullable:"false" doc:"The rows by column name."`
	Next    string           `json:"next,omitempty" doc:"The value of after for the next page; absent on the last one."`
}

func rowFormats(routes huma.API) map[string]*huma.Response {
	page := huma.SchemaFromType(routes.OpenAPI().Components.Schemas, reflect.TypeFor[RowPage]())
	return map[string]*huma.Response{"200": {
		Description: "The rows",
		Headers: map[string]*huma.Param{"Link": {
			Description: "The next page, where there is one", Schema: &huma.Schema{Type: "string"},
		}},
		Content: map[string]*huma.MediaType{
			asJSON: {Schema: page}, asLines: {Schema: &huma.Schema{Type: "string"}}, asCSV: {Schema: &huma.Schema{Type: "string"}},
		},
	}}
}

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
	r.rows = newEncoder(format, r.table.Columns)
	if err := r.page(ctx); err != nil {
		return nil, s.unreadable(ctx, connection, in.Stream, err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		request, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", contentType(format))
		if !r.all && r.next != nil {
			w.Header().Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", nextPage(request.URL, r.token())))
		}
		s.send(c.Context(), w, r)
	}}, nil
}

func formatOf(accept string) (string, error) {
	accept = strings.ToLower(accept)
	if format := negotiation.SelectQValue(accept, []string{asJSON, asLines, asCSV}); format != "" {
		return format, nil
	}
	if accept == "" || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*") {
		return asJSON, nil
	}
	return "", newProblem(badAccept, "rows cannot be had as "+shorten(accept),
		"accept "+asJSON+", "+asLines+" or "+asCSV)
}

func nextPage(asked *url.URL, token string) string {
	query := asked.Query()
	query.Set("after", token)
	return (&url.URL{Path: asked.Path, RawQuery: query.Encode()}).String()
}

// send writes pages until there are no more, or until the one that was asked
// for is written. Each page is a query of its own: a slow caller holds nothing
// in the warehouse.
func (s *site) send(ctx context.Context, w http.ResponseWriter, r *reading) {
	for {
		if err := allow(w, writeTimeout); err != nil {
			return // the connection is gone
		}
		more := r.all && r.next != nil
		if _, err := w.Write(r.rows.take(r.token())); err != nil || !more {
			return // done, or the caller is gone
		}
		if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		if err := r.page(ctx); err != nil {
			if ctx.Err() == nil {
				s.log.Error("an answer with rows was broken off", "stream", r.table.Stream.Name, "error", err)
			}
			// Half an answer must not look like a whole one.
			panic(http.ErrAbortHandler)
		}
	}
}

// reading is a stream's rows on their way to a caller.
type reading struct {
	contents   Contents
	connection string
	table      warehouse.TableState
	query      warehouse.Query
	named      int // of the columns asked for; the key's, which follow, are not shown
	limit      int
	all        bool
	rows       encoder
	next       penstock.Key // where the next page begins; nil when there is none
}

func (s *site) reading(ctx context.Context, connection string, in WhichRows) (*reading, error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	tables, err := s.Tables(ctx, connection)
	if err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	at := slices.IndexFunc(tables, func(t warehouse.TableState) bool { return t.Stream.Name == in.Stream })
	if at < 0 {
		return nil, s.unreadable(ctx, connection, in.Stream, warehouse.ErrNoTable)
	}
	r := &reading{contents: s, connection: connection, table: tables[at]}
	r.query = warehouse.Query{Stream: in.Stream, Deleted: in.Deleted, Fields: unique(in.Fields)}
	r.named = len(r.query.Fields)
	for _, k := range r.table.Stream.Key() {
		if r.named > 0 && !slices.Contains(r.query.Fields, k.Name) {
			r.query.Fields = append(r.query.Fields, k.Name)
		}
	}
	r.query.After, err = keyOf(in.After, r.table.Stream)
	return r, err
}

// unreadable says why there are no rows: no such stream, or not yet, or the
// warehouse fails.
func (s *site) unreadable(ctx context.Context, connection, stream string, err error) error {
	if !errors.Is(err, warehouse.ErrNoTable) {
		return trouble(err, mendWarehouse)
	}
	if err := s.knowsStream(ctx, connection, stream); err != nil {
		return err
	}
	return newProblem(notLoaded, "nothing of "+stream+" has been loaded yet", "GET /data tells how far the first load is; POST /start begins it")
}

// page takes the next page from the warehouse. One row more than it holds
// tells whether there is another.
func (r *reading) page(ctx context.Context) error {
	query := r.query
	query.Limit = r.limit + 1
	result, err := r.contents.Rows(ctx, r.connection, query)
	if err != nil {
		return err
	}
	shown := len(result.Columns)
	if r.named > 0 {
		shown = r.named
	}
	if err := r.rows.columns(result.Columns[:shown]); err != nil {
		return err
	}
	r.next = nil
	var last penstock.Key
	count := 0
	for values, err := range result.Rows {
		if err != nil {
			return err
		}
		if count == r.limit || r.rows.size() >= maxPageBytes {
			r.next, r.query.After = last, last
			return nil
		}
		if err := r.rows.row(values[:shown]); err != nil {
			return err
		}
		last = r.key(result.Columns, values)
		count++
	}
	return nil
}

func (r *reading) key(columns []string, values []any) penstock.Key {
	var key penstock.Key
	for _, k := range r.table.Stream.Key() {
		switch value := values[slices.Index(columns, k.Name)].(type) {
		case int64:
			key = append(key, strconv.FormatInt(value, 10))
		case string:
			key = append(key, value)
		}
	}
	return key
}

// token is next as callers get it; empty when there is no next page.
func (r *reading) token() string {
	if r.next == nil {
		return ""
	}
	return tokenOf("rows of "+r.table.Stream.Name, r.next...)
}
