package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"penstock"
	"penstock/internal/catalog"
)

// WhichErrors says which errors to list.
type WhichErrors struct {
	Stream   string `query:"stream" maxLength:"100" doc:"Only those of this stream."`
	Resolved bool   `query:"resolved" doc:"Also those that are over."`
}

// registerHistory adds the routes that tell what has happened.
func (s *site) registerHistory(routes huma.API) {
	everyday := route(http.MethodGet, "/error", "list-errors", "What failed, and what to do")
	everyday.Description = "The newest first: of which stream, since when and how often, whether it heals by itself, and what you can do. Only what is still so, unless resolved is true."
	everyday.Tags = []string{tagEveryday}
	huma.Register(routes, everyday, func(ctx context.Context, in *struct {
		AtDefault
		WhichErrors
		Paging
	}) (*answer[Page[Trouble]], error) {
		return s.errors(ctx, in.Connection, in.WhichErrors, in.Paging)
	})
	errors := route(http.MethodGet, "/v1/connections/{connection}/errors", "list-connection-errors", everyday.Summary)
	errors.Description, errors.Tags = everyday.Description, []string{tagConnections}
	huma.Register(routes, errors, func(ctx context.Context, in *struct {
		AtConnection
		WhichErrors
		Paging
	}) (*answer[Page[Trouble]], error) {
		return s.errors(ctx, in.Connection, in.WhichErrors, in.Paging)
	})
	runs := route(http.MethodGet, "/v1/connections/{connection}/runs", "list-runs", "The runs of a connection")
	runs.Description, runs.Tags = "The newest first, with what was counted: of the objects fetched, each was loaded, unchanged, superseded or rejected.", errors.Tags
	huma.Register(routes, runs, s.runs)
	rejects := route(http.MethodGet, "/v1/connections/{connection}/rejects", "list-rejects", "Values that could not be loaded as typed")
	rejects.Description, rejects.Tags = "With the original and the reason. A reject goes away by itself once the value loads.", errors.Tags
	huma.Register(routes, rejects, s.rejects)
}

func (s *site) errors(ctx context.Context, connection string, which WhichErrors, p Paging) (*answer[Page[Trouble]], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	before, err := p.before()
	if err != nil {
		return nil, err
	}
	found, err := s.Troubles(ctx, catalog.TroubleQuery{
		Connection: connection, Stream: which.Stream, Open: !which.Resolved, Before: before, Limit: p.Limit,
	})
	if err != nil {
		return nil, trouble(err, mendCatalog)
	}
	return numbered(found, p, toTrouble, func(t catalog.Trouble) int64 { return t.ID }), nil
}

type whichRuns struct {
	AtConnection
	Paging
	Stream string `query:"stream" maxLength:"100" doc:"Only those of this stream."`
	Lane   string `query:"lane" enum:"backfill,fresh,settled,archive,sweep,named" doc:"Only those of this way of reading."`
	Before int64  `query:"before" minimum:"1" doc:"Only those with a smaller number."`
}

func (s *site) runs(ctx context.Context, in *whichRuns) (*answer[Page[Run]], error) {
	if err := s.exists(in.Connection); err != nil {
		return nil, err
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	if before == 0 || (in.Before > 0 && in.Before < before) {
		before = in.Before
	}
	found, err := s.Runs(ctx, catalog.RunQuery{
		Connection: in.Connection, Stream: in.Stream, Lane: penstock.Lane(in.Lane), Before: before, Limit: in.Limit,
	})
	if err != nil {
		return nil, trouble(err, mendCatalog)
	}
	return numbered(found, in.Paging, toRun, func(r catalog.Run) int64 { return r.ID }), nil
}

type whichRejects struct {
	AtConnection
	Paging
	Stream string `query:"stream" maxLength:"100" doc:"Only those of this stream."`
}

func (s *site) rejects(ctx context.Context, in *whichRejects) (*answer[Page[Reject]], error) {
	if err := s.exists(in.Connection); err != nil {
		return nil, err
	}
	after, list := "", "rejects of "+in.Stream
	if in.After != "" {
		place, err := placeOf(in.After, list, 1)
		if err != nil {
			return nil, err
		}
		after = place[0]
	}
	found, next, err := s.Rejects(ctx, in.Connection, in.Stream, after, in.Limit)
	if err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	page := Page[Reject]{Items: []Reject{}}
	for _, r := range found {
		page.Items = append(page.Items, toReject(r))
	}
	if next != "" {
		page.Next = tokenOf(list, next)
	}
	return answered(page), nil
}
