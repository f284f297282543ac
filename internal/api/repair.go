package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// A Repaired tells what a repair has done.
type Repaired struct {
	Done []string `json:"done" nullable:"false" doc:"What was added back, empty; its streams are read again from the beginning. Empty where nothing was missing."`
}

// registerRepairs adds the command that mends tables.
func (s *site) registerRepairs(routes huma.API) {
	repair := route(http.MethodPost, "/v1/connections/{connection}/repair", "repair", "Add back what somebody has dropped of the tables")
	repair.Description = "Of the first warehouse's tables and of the followers'. Columns and tables of your own are left alone."
	repair.Tags = []string{tagConnections}
	huma.Register(routes, repair, func(ctx context.Context, in *AtConnection) (*answer[Repaired], error) {
		if err := s.exists(in.Connection); err != nil {
			return nil, err
		}
		done, err := s.Repair(ctx, in.Connection)
		if err != nil {
			return nil, trouble(err, mendWarehouse)
		}
		return answered(Repaired{Done: append([]string{}, done...)}), nil
	})
}
