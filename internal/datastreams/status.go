package datastreams

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/warehouse"
)

// ConnectionStatus is how a connection stands.
type ConnectionStatus struct {
	Name      string            `json:"name"`
	Account   int64             `json:"account" doc:"HubSpot portal id; 0 until a worker has seen it"`
	Schedule  penstock.Schedule `json:"schedule"`
	Lag       time.Duration     `json:"lag" doc:"how late HubSpot's search index is taken to be, in nanoseconds"`
	State     string            `json:"state" enum:"waiting for a worker,refused,warehouse down,stopped,first load,up to date" doc:"in one phrase"`
	Message   string            `json:"message,omitempty" doc:"what is wrong, where something is"`
	Round     time.Duration     `json:"round" doc:"the longest that a stream took to be read once, in nanoseconds; a shorter interval is kept as fast as the quota permits"`
	Spent     penstock.Spent    `json:"spent"`
	WorkerAge time.Duration     `json:"worker_age" doc:"since a worker was heard, in nanoseconds; -1 when never"`

	Followers []FollowerStatus `json:"followers,omitempty" doc:"the other warehouses, which are filled from the first"`
}

// StreamStatus is how a stream stands.
type StreamStatus struct {
	Stream    string        `json:"stream"`
	State     string        `json:"state" enum:"waiting,first load,current,skipped,failing,not chosen"`
	Why       string        `json:"why,omitempty"`
	Rows      int64         `json:"rows" doc:"live rows in the warehouse"`
	Deleted   int64         `json:"deleted" doc:"tombstones"`
	Rejects   int64         `json:"rejects"`
	Wanted    int64         `json:"wanted" doc:"ids that are to be read again"`
	FreshAt   time.Time     `json:"fresh_at" doc:"every change up to then is loaded as far as HubSpot's search knew it"`
	SettledAt time.Time     `json:"settled_at" doc:"every change up to then is loaded"`
	SweptAt   time.Time     `json:"swept_at" doc:"when the last complete sweep began: what nothing else tells is loaded as it was then"`
	Within    time.Duration `json:"within" doc:"how long what nothing else tells may go unseen: two sweeps, in nanoseconds; 0 without sweeps"`
	Read      int64         `json:"read" doc:"objects read by the first load that is under way"`
	Total     int64         `json:"total" doc:"objects it has to read; 0 when unknown"`
	TimeLeft  time.Duration `json:"time_left" doc:"what is left of the first load at the pace so far, in nanoseconds; 0 when unknown"`
}

// Connections are the connections in the order they are configured.
func (s *Service) Connections() []ConnectionStatus {
	out := make([]ConnectionStatus, 0, len(s.order))
	for _, name := range s.order {
		out = append(out, s.connections[name].status())
	}
	return out
}

// Connection is one of them.
func (s *Service) Connection(name string) (ConnectionStatus, error) {
	c := s.connections[name]
	if c == nil {
		return ConnectionStatus{}, errNoConnection(name)
	}
	return c.status(), nil
}

func (c *connection) status() ConnectionStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := ConnectionStatus{
		Name: c.Name, Account: c.account.ID, Schedule: c.schedule, Lag: c.Lag,
		Spent: c.service.leases.spentOn(c.account.ID), WorkerAge: -1, State: "up to date",
	}
	if !c.seen.IsZero() {
		st.WorkerAge = time.Since(c.seen)
	}
	for _, f := range c.following {
		st.Followers = append(st.Followers, f.shown())
	}
	first := false
	for _, stream := range c.streams {
		l := c.lanes[laneID{stream.Name, penstock.Backfill}]
		first = first || (l != nil && !l.complete && l.outcome != penstock.Skipped && c.Chosen(stream.Name))
	}
	down := c.loader.down.Load()
	switch {
	case down != nil:
		st.State, st.Message = "warehouse down", down.Message
	case c.refused != "":
		st.State, st.Message = "refused", c.refused
	case time.Since(c.seen) > c.service.cfg.Lease:
		st.State = "waiting for a worker"
	case !c.schedule.On:
		st.State = "stopped"
	case first || len(c.streams) == 0:
		st.State = "first load"
	}
	for id, l := range c.lanes {
		if id.lane != penstock.Backfill {
			st.Round = max(st.Round, l.took)
		}
	}
	if slow := c.loader.slow.Load(); slow != nil && st.Message == "" {
		st.Message = slow.Message
	}
	if st.State == "up to date" && st.Message == "" && st.Round > c.schedule.Every {
		st.Message = fmt.Sprintf("reading a stream takes %s, longer than the interval of %s: it is read as often as HubSpot's limits permit",
			st.Round.Round(time.Second), c.schedule.Every)
	}
	return st
}

func (l *leases) spentOn(account int64) penstock.Spent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[account].spent
}

// sweeps is how many calls the day's sweeps have made on the account.
func (l *leases) sweeps(account int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(0)
	for _, by := range l.held[account].spent.By {
		if by.Lane == penstock.Sweep {
			n += by.Calls
		}
	}
	return n
}

// Streams tells how each stream of a connection stands, by name.
func (s *Service) Streams(ctx context.Context, connection string) ([]StreamStatus, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("the warehouse does not answer: %w", err)
	}
	byName := map[string]StreamStatus{}
	for _, t := range tables {
		byName[t.Stream.Name] = StreamStatus{
			Stream: t.Stream.Name, Rows: t.Rows, Deleted: t.Deleted, Rejects: t.Rejects, Wanted: t.Wanted,
			FreshAt: moment(t.FreshAt), SettledAt: moment(t.SettledAt),
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stream := range c.streams {
		st, held := byName[stream.Name]
		if stream.Of != "" && !held && !c.failing(stream) {
			continue // a pair without links, of which there are many
		}
		st.Stream = stream.Name
		if l := c.lanes[laneID{stream.Name, penstock.Sweep}]; l != nil && rolling(stream, penstock.Sweep) {
			st.SweptAt = l.swept
		}
		st.Within = c.unseen(stream)
		byName[stream.Name] = c.standing(stream, st)
	}
	out := make([]StreamStatus, 0, len(byName))
	for _, st := range byName {
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b StreamStatus) int {
		if a.Stream < b.Stream {
			return -1
		}
		return 1
	})
	return out, nil
}

// unseen is how long a change may go unseen of which nothing but the sweep
// tells: a mere change of links, or a deletion without a trace. A stream that is
// read whole shows it at each interval.
func (c *connection) unseen(stream penstock.Stream) time.Duration {
	switch {
	case stream.Whole:
		return c.period(stream, penstock.Sweep)
	case c.Sweep.Share == 0:
		return 0
	}
	every := cmp.Or(c.Sweep.Every, sweepOnce)
	if c.Sweep.From != c.Sweep.To {
		every = max(every, 24*time.Hour) // it begins in its hours only
	}
	return 2 * every
}

// failing tells whether a lane of the stream has come to nothing lately; the
// caller holds mu.
func (c *connection) failing(stream penstock.Stream) bool {
	for _, name := range stream.Lanes() {
		if l := c.lanes[laneID{stream.Name, name}]; l != nil && l.failures > 0 {
			return true
		}
	}
	return false
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// standing says in one word how the stream's lanes stand.
func (c *connection) standing(stream penstock.Stream, st StreamStatus) StreamStatus {
	if !c.reads(stream) {
		st.State = "not chosen"
		return st
	}
	st.State = "waiting"
	for _, name := range stream.Lanes() {
		l := c.lanes[laneID{stream.Name, name}]
		if l == nil {
			continue
		}
		switch {
		case l.outcome == penstock.Skipped:
			st.State, st.Why = "skipped", l.why
			return st
		case l.failures > 0:
			st.State, st.Why = "failing", l.why
			return st
		case stream.Of != "" && name == penstock.Sweep && l.swept.IsZero() && !l.began.IsZero():
			st.State = "first load"
		case name == penstock.Backfill && !l.complete && !l.began.IsZero():
			st.State = "first load"
			if l.current != nil {
				st.Read, st.Total = l.current.read, l.current.total
				if left := st.Total - st.Read; left > 0 && st.Read > 0 {
					st.TimeLeft = time.Duration(float64(time.Since(l.current.Began)) * float64(left) / float64(st.Read))
				}
			}
		case st.State == "waiting" && !l.doneAt.IsZero():
			st.State = "current"
		}
	}
	return st
}

// Runs lists a connection's runs, the newest first.
func (s *Service) Runs(ctx context.Context, q catalog.RunQuery) ([]catalog.Run, error) {
	if s.connections[q.Connection] == nil {
		return nil, errNoConnection(q.Connection)
	}
	return s.cfg.Catalog.Runs(ctx, q)
}

// Troubles lists what failed, the newest first.
func (s *Service) Troubles(ctx context.Context, q catalog.TroubleQuery) ([]catalog.Trouble, error) {
	if s.connections[q.Connection] == nil {
		return nil, errNoConnection(q.Connection)
	}
	return s.cfg.Catalog.Troubles(ctx, q)
}

// Rejects lists values and objects that could not be loaded as typed (V2).
func (s *Service) Rejects(ctx context.Context, connection, stream, after string, limit int) ([]penstock.Reject, string, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, "", errNoConnection(connection)
	}
	return c.Store.Rejects(ctx, stream, after, limit)
}

// Rows reads rows of a stream's table.
func (s *Service) Rows(ctx context.Context, connection string, q warehouse.Query) (*warehouse.Result, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	return c.Store.Rows(ctx, q)
}

// Tables describes a connection's tables.
func (s *Service) Tables(ctx context.Context, connection string) ([]warehouse.TableState, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	return c.Store.Tables(ctx)
}

// Ready says what keeps the service from its work; empty when nothing does.
func (s *Service) Ready(ctx context.Context) []string {
	var out []string
	for _, name := range s.order {
		c := s.connections[name]
		if down := c.loader.down.Load(); down != nil {
			out = append(out, name+": "+down.Message)
		} else if !c.loader.claimed.Load() {
			out = append(out, name+": the warehouse is not claimed yet")
		}
		if st := c.status(); st.WorkerAge < 0 || st.WorkerAge > s.cfg.Lease {
			out = append(out, name+": no worker was heard lately")
		}
	}
	if err := s.cfg.Bus.Down(); err != nil {
		out = append(out, "the message bus does not answer: "+err.Error())
	}
	if _, err := s.cfg.Catalog.Lease(ctx, 0); err != nil {
		out = append(out, "the catalog does not answer: "+err.Error())
	}
	return out
}
