// Package api serves data-streams over HTTP: commands, the state of
// connections and streams, rows, and what went wrong.
//
// It knows HTTP - routes, formats, paging, who may ask - and nothing of how
// the answers come about: it asks the service behind it. Everything that is
// refused is refused with a problem document (RFC 9457) that says what to do.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
)

// Commands change what the service does.
type Commands interface {
	Start(ctx context.Context, connection string, every time.Duration) (penstock.Schedule, error)
	Stop(ctx context.Context, connection string) (penstock.Schedule, error)
	Backfill(ctx context.Context, connection, stream string) error
	CatchUp(ctx context.Context, connection string, streams []string) error
	ConfirmSweep(ctx context.Context, connection, stream string) error
	Repair(ctx context.Context, connection string) ([]string, error)
}

// Insight tells what HubSpot says, and what it costs to ask.
type Insight interface {
	Explain(ctx context.Context, connection, stream string, id int64) (*datastreams.Explanation, error)
	Plan(ctx context.Context, connection string) (datastreams.Plan, error)
	Quota(ctx context.Context, connection string) (datastreams.Quota, error)
	Probe(ctx context.Context, connection string) ([]penstock.Finding, error)
}

// Standing tells how things stand.
type Standing interface {
	Connections() []datastreams.ConnectionStatus
	Connection(name string) (datastreams.ConnectionStatus, error)
	Streams(ctx context.Context, connection string) ([]datastreams.StreamStatus, error)
	Ready(ctx context.Context) []string
}

// History tells what has happened.
type History interface {
	Runs(ctx context.Context, q catalog.RunQuery) ([]catalog.Run, error)
	Troubles(ctx context.Context, q catalog.TroubleQuery) ([]catalog.Trouble, error)
	Rejects(ctx context.Context, connection, stream, after string, limit int) ([]penstock.Reject, string, error)
}

// Contents are what the warehouse holds.
type Contents interface {
	Rows(ctx context.Context, connection string, q warehouse.Query) (*warehouse.Result, error)
	Tables(ctx context.Context, connection string) ([]warehouse.TableState, error)
}

// A Service is what the API stands in front of.
type Service interface {
	Commands
	Standing
	History
	Insight
	Contents
	Verifying
}

// Options are what the API is made of.
type Options struct {
	Service Service
	// Token is what callers must present as a bearer token. Without one the
	// server may only be bound to a loopback address, and answers only
	// requests that name one.
	Token   string
	Version string // of the program
	Log     *slog.Logger
}

// site is the service with its routes.
type site struct {
	Service
	version string
	log     *slog.Logger
}

// New makes the handler of all routes.
func New(o Options) http.Handler {
	s := &site{Service: o.Service, version: o.Version, log: o.Log}
	mux := http.NewServeMux()
	routes := humago.New(mux, description(o.Version))
	s.registerCommands(routes)
	s.registerSchedule(routes)
	s.registerLoads(routes)
	s.registerStanding(routes)
	s.registerHealth(routes)
	s.registerHistory(routes)
	s.registerInsight(routes)
	s.registerSweeps(routes)
	s.registerRepairs(routes)
	s.registerRows(routes)
	s.registerVerifying(routes)
	mux.Handle("GET /metrics", s.metrics())
	mux.Handle("GET /openapi.json", openAPI(routes))
	mux.HandleFunc("GET /{$}", index)
	mux.Handle("/", nowhere{mux})
	return &guard{next: mux, token: o.Token, origins: http.NewCrossOriginProtection(), log: o.Log}
}

// answer is a response with a JSON body.
type answer[T any] struct{ Body T }

func answered[T any](body T) *answer[T] { return &answer[T]{Body: body} }

// route begins the description of an operation.
func route(method, path, id, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary}
}

const welcome = `Penstock copies a HubSpot account into a data warehouse.

POST /start             fetch now and at each interval; /start/15 for every 15 minutes, /start/90s
POST /stop              pause
GET  /data              the streams, with row counts
GET  /data/{stream}     rows, as JSON, NDJSON, CSV, Parquet or Arrow; all, by filters, or what changed
GET  /error             what failed, and what to do
GET  /v1/connections    everything else, by connection
GET  /healthz           whether the process lives
GET  /readyz            whether it can work
GET  /metrics           for Prometheus
GET  /openapi.json      the description of all of it
`

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(welcome)) // a caller that is gone has nobody to be told
}

// nowhere answers what no route does.
type nowhere struct{ mux *http.ServeMux }

func (n nowhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := n.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		newProblem(notFound, "there is nothing at "+shorten(r.URL.Path), "GET / lists where to look").write(w)
		return
	}
	refuseMethod(w, r, allowed...)
}
