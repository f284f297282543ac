package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"penstock/internal/datastreams"
)

const getToo = " GET works as well, for a browser's address line, unless a page of another website sends it."

// registerCommands adds the commands of everyday use.
func (s *site) registerCommands(routes huma.API) {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		start := everyday(route(method, "/start", "start", "Read the connection now and at each interval"),
			"The interval stays as it was, 5 minutes at first. Starting twice is starting once.")
		huma.Register(routes, start, func(ctx context.Context, in *AtDefault) (*answer[Schedule], error) {
			return s.start(ctx, in.Connection, 0)
		})
		every := everyday(route(method, "/start/{interval}", "start-every", "Read the connection now and at this interval"),
			"Whole minutes, or a duration such as 90s or 2h; from 10 seconds to 30 days.")
		huma.Register(routes, every, func(ctx context.Context, in *startEvery) (*answer[Schedule], error) {
			interval, err := parseInterval(in.Interval)
			if err != nil {
				return nil, err
			}
			return s.start(ctx, in.Connection, interval)
		})
		stop := everyday(route(method, "/stop", "stop", "Pause the connection"),
			"What is in hand is committed, and a first load goes on where it stood after the next start.")
		huma.Register(routes, stop, func(ctx context.Context, in *AtDefault) (*answer[Schedule], error) {
			return s.stop(ctx, in.Connection)
		})
	}
}

// everyday completes the description of a command of everyday use; as a GET it
// is guarded.
func everyday(op huma.Operation, text string) huma.Operation {
	op.Description, op.Tags = text+getToo, []string{tagEveryday}
	if op.Method == http.MethodGet {
		op.OperationID += "-by-get"
		op.Middlewares = huma.Middlewares{deliberate}
	}
	return op
}

type startEvery struct {
	AtDefault
	Interval string `path:"interval" example:"15" doc:"Whole minutes, or a duration such as 90s."`
}

func (s *site) start(ctx context.Context, connection string, every time.Duration) (*answer[Schedule], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	schedule, err := s.Start(ctx, connection, every)
	if err != nil {
		return nil, trouble(err, mendCatalog)
	}
	return answered(toSchedule(connection, schedule)), nil
}

func (s *site) stop(ctx context.Context, connection string) (*answer[Schedule], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	schedule, err := s.Stop(ctx, connection)
	if err != nil {
		return nil, trouble(err, mendCatalog)
	}
	return answered(toSchedule(connection, schedule)), nil
}

// exists is the problem that a connection is not there.
func (s *site) exists(connection string) error {
	if _, err := s.Connection(connection); err != nil {
		return newProblem(noConnection, err.Error(), "GET /v1/connections lists them")
	}
	return nil
}

// A ScheduleChange is what PUT takes.
type ScheduleChange struct {
	On    bool   `json:"on" doc:"Whether to read the connection."`
	Every string `json:"every,omitempty" example:"5m" doc:"How often, in whole minutes or as a duration; as before when absent. Only together with on."`
}

// registerSchedule adds the routes of a connection's schedule.
func (s *site) registerSchedule(routes huma.API) {
	get := route(http.MethodGet, "/v1/connections/{connection}/schedule", "get-schedule", "How often a connection is read")
	get.Description, get.Tags = "Whether the connection is read, how often, and since when.", []string{tagConnections}
	huma.Register(routes, get, func(_ context.Context, in *AtConnection) (*answer[Schedule], error) {
		c, err := s.connection(in.Connection)
		return answered(c.Schedule), err
	})
	put := route(http.MethodPut, get.Path, "put-schedule", "Set how often a connection is read")
	put.Description, put.Tags = "The same as /start and /stop. A start after a stop reads at once.", get.Tags
	put.BodyReadTimeout, put.MaxBodyBytes = bodyTimeout, maxBodyBytes
	huma.Register(routes, put, func(ctx context.Context, in *struct {
		AtConnection
		Body ScheduleChange
	}) (*answer[Schedule], error) {
		return s.reschedule(ctx, in.Connection, in.Body)
	})
}

func (s *site) reschedule(ctx context.Context, connection string, change ScheduleChange) (*answer[Schedule], error) {
	if !change.On && change.Every != "" {
		return nil, newProblem(badRequest, "a pause has no interval; the one before is kept", `leave every away, or set on to true`)
	}
	if !change.On {
		return s.stop(ctx, connection)
	}
	if change.Every == "" {
		return s.start(ctx, connection, 0)
	}
	every, err := parseInterval(change.Every)
	if err != nil {
		return nil, err
	}
	return s.start(ctx, connection, every)
}

// registerLoads adds the commands that have something read at once.
func (s *site) registerLoads(routes huma.API) {
	backfill := route(http.MethodPost, "/v1/connections/{connection}/backfills", "backfill", "Read all objects of a stream again")
	backfill.Description = "The rows stay and are brought up to date. The answer does not wait for it: the stream's state tells how far it is."
	backfill.Tags, backfill.DefaultStatus = []string{tagConnections}, http.StatusAccepted
	backfill.BodyReadTimeout, backfill.MaxBodyBytes = bodyTimeout, maxBodyBytes
	huma.Register(routes, backfill, func(ctx context.Context, in *struct {
		AtConnection
		Body Backfill
	}) (*answer[Backfill], error) {
		return s.backfill(ctx, in.Connection, in.Body)
	})
	catchUp := route(http.MethodPost, "/v1/connections/{connection}/catchups", "catch-up", "Read everything once and wait until it is committed")
	catchUp.Description = "Answers when first loads are complete and every change that HubSpot's search knew when the request came is in the warehouse, which may take hours; nothing is sent before. Breaking the request off ends the wait; what is committed stays."
	catchUp.Tags, catchUp.MaxBodyBytes = backfill.Tags, maxBodyBytes
	// Where there is no body, the limit on reading it would end the wait for
	// the answer.
	catchUp.BodyReadTimeout, catchUp.Middlewares = -1, huma.Middlewares{patient}
	huma.Register(routes, catchUp, func(ctx context.Context, in *struct {
		AtConnection
		Body *CatchUp
	}) (*answer[CaughtUp], error) {
		return s.catchUp(ctx, in.Connection, in.Body)
	})
}

// A Backfill names what to read again.
type Backfill struct {
	Stream string `json:"stream" minLength:"1" example:"contacts" doc:"The stream."`
}

func (s *site) backfill(ctx context.Context, connection string, b Backfill) (*answer[Backfill], error) {
	if err := s.knowsStream(ctx, connection, b.Stream); err != nil {
		return nil, err
	}
	if err := s.Backfill(ctx, connection, b.Stream); err != nil {
		return nil, newProblem(noBackfill, err.Error(), "GET /readyz tells whether the warehouse can be reached")
	}
	return answered(b), nil
}

// A CatchUp names what to catch up with.
type CatchUp struct {
	Streams []string `json:"streams,omitempty" nullable:"false" maxItems:"1000" doc:"The streams; all chosen ones when absent or empty."`
}

// CaughtUp tells that a catch-up is complete.
type CaughtUp struct {
	Connection string   `json:"connection" example:"default" doc:"The connection."`
	Streams    []string `json:"streams" nullable:"false" doc:"The streams that were asked for; none means all."`
	Took       string   `json:"took" example:"42s" doc:"How long it took."`
}

func (s *site) catchUp(ctx context.Context, connection string, c *CatchUp) (*answer[CaughtUp], error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	began, streams := time.Now(), []string{}
	if c != nil {
		streams = append(streams, c.Streams...)
	}
	if err := s.CatchUp(ctx, connection, streams); err != nil {
		return nil, s.behind(ctx, connection, streams, err)
	}
	return answered(CaughtUp{Connection: connection, Streams: streams, Took: brief(time.Since(began))}), nil
}

// behind says why a catch-up failed: because of what was asked for, or of what
// it met.
func (s *site) behind(ctx context.Context, connection string, streams []string, failed error) error {
	if ctx.Err() != nil {
		return trouble(failed, "ask again")
	}
	p := newProblem(notCaughtUp, failed.Error(), "GET /error tells what each failure needs")
	known, err := s.Streams(ctx, connection)
	if err != nil {
		p.Reasons = append(p.Reasons, err.Error())
		return p
	}
	for _, name := range streams {
		if !slices.ContainsFunc(known, func(st datastreams.StreamStatus) bool { return strings.EqualFold(st.Stream, name) }) {
			p.Status = http.StatusConflict
			p.Reasons = append(p.Reasons, fmt.Sprintf("there is no stream %s", shorten(name)))
			p.Remedy = "GET /data lists the streams"
		}
	}
	return p
}
