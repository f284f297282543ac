package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"penstock/internal/datastreams"
)

// registerStanding adds the routes that tell how connections and streams stand.
func (s *site) registerStanding(routes huma.API) {
	list := route(http.MethodGet, "/v1/connections", "list-connections", "The connections")
	list.Description, list.Tags = "In the order in which they are configured.", []string{tagConnections}
	huma.Register(routes, list, func(_ context.Context, in *Paging) (*answer[Page[Connection]], error) {
		var all []Connection
		for _, c := range s.Connections() {
			all = append(all, toConnection(c))
		}
		return pageOf(all, func(c Connection) string { return c.Name }, *in)
	})
	one := route(http.MethodGet, "/v1/connections/{connection}", "get-connection", "A connection")
	one.Description, one.Tags = "How it stands, how often it is read, and what it has spent of HubSpot's daily limit.", list.Tags
	huma.Register(routes, one, func(_ context.Context, in *AtConnection) (*answer[Connection], error) {
		c, err := s.connection(in.Connection)
		return answered(c), err
	})
	data := route(http.MethodGet, "/data", "list-data", "The streams with their row counts")
	data.Description = "By name, each with how many rows it has, up to when it is complete, and where its rows are."
	data.Tags = []string{tagEveryday}
	huma.Register(routes, data, func(ctx context.Context, in *struct {
		AtDefault
		Paging
	}) (*answer[Page[Stream]], error) {
		return s.streams(ctx, in.Connection, in.Paging)
	})
	streams := route(http.MethodGet, "/v1/connections/{connection}/streams", "list-streams", "The streams of a connection")
	streams.Description, streams.Tags = data.Description, list.Tags
	huma.Register(routes, streams, func(ctx context.Context, in *struct {
		AtConnection
		Paging
	}) (*answer[Page[Stream]], error) {
		return s.streams(ctx, in.Connection, in.Paging)
	})
}

func (s *site) connection(name string) (Connection, error) {
	c, err := s.Connection(name)
	if err != nil {
		return Connection{}, s.exists(name)
	}
	return toConnection(c), nil
}

func (s *site) streams(ctx context.Context, connection string, p Paging) (*answer[Page[Stream]], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	found, err := s.Streams(ctx, connection)
	if err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	all := make([]Stream, len(found))
	for i, st := range found {
		all[i] = toStream(connection, st)
	}
	return pageOf(all, func(st Stream) string { return st.Stream }, p)
}

// knowsStream is the problem that a connection or a stream of it is not there.
func (s *site) knowsStream(ctx context.Context, connection, stream string) error {
	if err := s.exists(connection); err != nil {
		return err
	}
	known, err := s.Streams(ctx, connection)
	if err != nil {
		return trouble(err, mendWarehouse)
	}
	if !slices.ContainsFunc(known, func(st datastreams.StreamStatus) bool { return st.Stream == stream }) {
		return newProblem(noStream, "there is no stream "+shorten(stream), "GET /data lists the streams")
	}
	return nil
}

// registerHealth adds the routes for whoever starts and watches the process.
func (s *site) registerHealth(routes huma.API) {
	alive := route(http.MethodGet, "/healthz", "healthz", "Whether the process lives")
	alive.Description, alive.Tags, alive.Security = "200 as long as it can answer at all.", []string{tagHealth}, openToAll()
	huma.Register(routes, alive, func(context.Context, *struct{}) (*answer[Health], error) {
		return answered(Health{Status: "alive", Version: s.version}), nil
	})
	ready := route(http.MethodGet, "/readyz", "readyz", "Whether the service can work")
	ready.Description = "200, or 503 with what keeps it from its work: a warehouse or catalog that does not answer, or no worker."
	ready.Tags, ready.Security = alive.Tags, openToAll()
	huma.Register(routes, ready, func(ctx context.Context, _ *struct{}) (*answer[Health], error) {
		if reasons := s.Ready(ctx); len(reasons) > 0 {
			p := newProblem(notReady, strings.Join(reasons, "; "), "ask again; GET /error tells more where it stays so")
			p.Reasons = reasons
			return nil, p
		}
		return answered(Health{Status: "ready", Version: s.version}), nil
	})
}

// openToAll says in the description that an operation needs no token.
func openToAll() []map[string][]string { return []map[string][]string{{}} }

// Health says that the process is well.
type Health struct {
	Status  string `json:"status" enum:"alive,ready" doc:"Alive, or ready."`
	Version string `json:"version" example:"1.0.0" doc:"The program's version."`
}
