package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"penstock/internal/datastreams"
)

// Verifying compares the warehouse with HubSpot.
type Verifying interface {
	Verify(ctx context.Context, connection string, streams []string, every bool) ([]datastreams.Verification, error)
	Verifications(ctx context.Context, connection string, before int64, limit int) ([]datastreams.Verification, error)
}

// A Verify says what to compare with HubSpot.
type Verify struct {
	Streams     []string `json:"streams,omitempty" nullable:"false" maxItems:"1000" doc:"The streams; all with tables when absent or empty."`
	EveryObject bool     `json:"every_object,omitempty" doc:"Compare each object, which costs a call per hundred, instead of counts."`
}

// Verified are the reports of a verification.
type Verified struct {
	Items []datastreams.Verification `json:"items" nullable:"false" doc:"One report a stream."`
	Equal bool                       `json:"equal" doc:"Whether nothing differed."`
}

// registerVerifying adds the routes that compare with HubSpot.
func (s *site) registerVerifying(routes huma.API) {
	verify := route(http.MethodPost, "/v1/connections/{connection}/verifications", "verify", "Compare the warehouse with HubSpot, and repair what differs")
	verify.Description = "Answers when the comparison is over, which may take minutes; nothing is sent before. Reports are kept."
	verify.Tags, verify.MaxBodyBytes = []string{tagConnections}, maxBodyBytes
	verify.BodyReadTimeout, verify.Middlewares = -1, huma.Middlewares{patient}
	huma.Register(routes, verify, func(ctx context.Context, in *struct {
		AtConnection
		Body *Verify
	}) (*answer[Verified], error) {
		return s.verify(ctx, in.Connection, in.Body)
	})
	list := route(http.MethodGet, verify.Path, "list-verifications", "What former comparisons with HubSpot found")
	list.Description, list.Tags = "The newest first.", verify.Tags
	huma.Register(routes, list, func(ctx context.Context, in *struct {
		AtConnection
		Paging
	}) (*answer[Page[datastreams.Verification]], error) {
		return s.verifications(ctx, in.Connection, in.Paging)
	})
}

func (s *site) verify(ctx context.Context, connection string, v *Verify) (*answer[Verified], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	var streams []string
	every := false
	if v != nil {
		streams, every = v.Streams, v.EveryObject
	}
	reports, err := s.Verify(ctx, connection, streams, every)
	if err != nil {
		return nil, newProblem(notVerified, err.Error(), "GET /readyz tells whether the warehouse and a worker can be reached")
	}
	verified := Verified{Items: append([]datastreams.Verification{}, reports...), Equal: true}
	for _, report := range reports {
		verified.Equal = verified.Equal && report.Equal()
	}
	return answered(verified), nil
}

func (s *site) verifications(ctx context.Context, connection string, p Paging) (*answer[Page[datastreams.Verification]], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	before, err := p.before()
	if err != nil {
		return nil, err
	}
	found, err := s.Verifications(ctx, connection, before, p.Limit)
	if err != nil {
		return nil, trouble(err, mendCatalog)
	}
	same := func(v datastreams.Verification) datastreams.Verification { return v }
	return numbered(found, p, same, func(v datastreams.Verification) int64 { return v.ID }), nil
}
