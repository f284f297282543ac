// Package datastreams is the service that owns schedules, grants runs to
// workers, loads their batches into warehouses and answers what became of
// them.
//
// It never calls HubSpot and does not know how messages travel: whoever wires
// it hands it a queue of batches and carries the workers' questions to it.
package datastreams

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/warehouse"
)

// The clockwork of the service.
const (
	announceEvery = 2 * time.Second
	tickEvery     = 100 * time.Millisecond
	lookEvery     = 20  // ticks: after news the warehouse is asked
	lookAnyway    = 300 // ticks: for what becomes due as time passes
)

// A Queue is a connection's batches as they wait on the bus, in the order they
// were published.
type Queue interface {
	// Next waits for the oldest batch that was not handed out yet.
	Next(ctx context.Context) (Delivery, error)
	// Rewind hands out again everything that was not acked, from the oldest.
	Rewind(ctx context.Context) error
	Close()
}

// A Delivery is a batch from the queue, or, with Err, what is left of one that
// cannot be read. It comes again until Ack.
type Delivery struct {
	Batch *penstock.Batch
	Err   error
	Grant string // of a batch that cannot be read, as far as known
	Ack   func() error
}

// A Bus carries announcements and questions to the workers, and batches from
// them.
type Bus interface {
	Announce(ctx context.Context, a penstock.Announcement) error
	Batches(ctx context.Context, connection string) (Queue, error)
	// Ask asks the worker that holds the connection's account.
	Ask(ctx context.Context, q penstock.Question) (penstock.Answer, error)
	Down() error // what is wrong with it, nil when nothing is
}

// A Source is a connection as configured.
type Source struct {
	penstock.Connection
	Store   warehouse.Store
	Sweep   SweepPolicy
	History map[string][]string // by stream: the properties whose former values are kept
	// Token is the access token to hand to the worker; nil when the worker
	// has its own. It is asked again and again, so that it can be replaced.
	// An error that is a *penstock.Trouble is shown as it is.
	Token func() (string, error)
	// Refused tells that HubSpot refused the token handed out, and returns
	// whether another comes; nil when none can.
	Refused func() bool
	// Followers are the connection's other warehouses.
	Followers []Follower
	// HashKey hashes the columns that the settings name; it is given to the worker.
	HashKey []byte
}

// A Config is what a Service is made of.
type Config struct {
	Sources      []Source
	Catalog      *catalog.Catalog
	Bus          Bus
	Seal         func(publicKey, secret string) ([]byte, error)
	Installation string        // of the data folder
	ListEvery    time.Duration // how often archived lists and definitions are read; default an hour
	VerifyEvery  time.Duration // how often everything is compared with HubSpot; 0: when asked for
	KeepGone     time.Duration // how long the values of rows are kept that HubSpot does not know any more; default a week
	Lease        time.Duration // how long a silent worker keeps an account and its runs; default 15 s
	CatchUpOnly  bool          // schedules rest: only what somebody waits for is read
	Log          *slog.Logger
}

// A Service is data-streams.
type Service struct {
	cfg         Config
	instance    string
	connections map[string]*connection
	order       []string
	leases      leases
	changed     chan struct{} // something to announce
}

// New makes the service and takes up what the catalog remembers.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.ListEvery == 0 {
		cfg.ListEvery = time.Hour
	}
	if cfg.Lease == 0 {
		cfg.Lease = 15 * time.Second
	}
	s := &Service{
		cfg: cfg, instance: rand.Text(),
		connections: map[string]*connection{},
		leases:      leases{held: map[int64]lease{}},
		changed:     make(chan struct{}, 1),
	}
	for _, source := range cfg.Sources {
		c, err := s.newConnection(ctx, source)
		if err != nil {
			return nil, fmt.Errorf("connection %s: %w", source.Name, err)
		}
		s.connections[source.Name] = c
		s.order = append(s.order, source.Name)
	}
	return s, nil
}

// Run announces and loads until ctx ends. A warehouse that fails is reported
// and tried again; Run itself ends only with ctx.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.announce(ctx) })
	for _, c := range s.connections {
		group.Go(func() error { return c.tick(ctx) })
		group.Go(func() error { return c.loader.run(ctx) })
		group.Go(func() error { return c.verifies(ctx) })
		group.Go(func() error { return c.erases(ctx) })
		group.Go(func() error { return c.describes(ctx) })
		group.Go(func() error { return c.maintains(ctx) })
		for _, f := range c.following {
			group.Go(func() error { return f.run(ctx) })
		}
	}
	return group.Wait()
}

// Look is the state that workers are to bring about (D1).
func (s *Service) Look() penstock.Announcement {
	a := penstock.Announcement{Instance: s.instance}
	for _, name := range s.order {
		a.Connections = append(a.Connections, s.connections[name].announced())
	}
	return a
}

// announce tells the state when it changes and again and again besides, so
// that no lost message matters (D1).
func (s *Service) announce(ctx context.Context) error {
	ticker := time.NewTicker(announceEvery)
	defer ticker.Stop()
	for {
		if err := s.cfg.Bus.Announce(ctx, s.Look()); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("the announcement did not go out; it is repeated", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.changed:
		}
	}
}

func (s *Service) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// tick ends what nothing can be expected of any more. Each connection has its
// own: a warehouse that hangs holds up nobody else's.
func (c *connection) tick(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		c.reap(ctx)
		if n%lookAnyway == 0 || n%lookEvery == 0 && c.news.Swap(false) {
			c.look(ctx)
		}
		c.checkCatchup(ctx)
	}
}

// connection is a Source at work. mu guards what is below it; the loader's
// turn, where both are needed, is taken first.
type connection struct {
	Source
	service   *Service
	loader    *loader
	following []*follower

	news atomic.Bool // the warehouse may have something new to say

	rescheduling sync.Mutex // held while a schedule is stored: what is announced last is what was stored last

	mu         sync.Mutex
	schedule   penstock.Schedule
	account    penstock.Account
	epoch      string
	streams    []penstock.Stream // discovered and related; empty until a worker has looked
	discovered []penstock.Stream
	related    []candidate         // the streams that belong to others
	followers  map[string][]string // by stream: the names of those that belong to it
	deleted    map[string]int64    // tombstones by stream, as the warehouse last said
	verifying  int                 // verifications under way: what they want is read though the schedule is off
	confirmed  map[string]bool     // streams whose sweeps may go on (V5)
	lanes      map[laneID]*lane
	runs       map[string]*run // by grant: the current ones
	ended      recent          // what runs had committed that ended lately
	catchup    *catchup
	worker     string
	seen       time.Time // when a worker last spoke of this connection
	refused    string
	wasRead    bool // a worker of this process's time has read the account
}

// laneID names a lane of a stream.
type laneID struct {
	stream string
	lane   penstock.Lane
}

func (s *Service) newConnection(ctx context.Context, source Source) (*connection, error) {
	c := &connection{
		Source: source, service: s, schedule: source.Schedule, epoch: rand.Text(),
		lanes: map[laneID]*lane{}, runs: map[string]*run{},
	}
	c.loader = newLoader(c)
	for _, f := range source.Followers {
		c.following = append(c.following, newFollower(c, f))
	}
	schedule, found, err := s.cfg.Catalog.Schedule(ctx, source.Name)
	if err != nil {
		return nil, err
	}
	if found {
		c.schedule = schedule
	}
	if c.account, err = s.cfg.Catalog.Account(ctx, source.Name); err != nil {
		return nil, err
	}
	if c.confirmed, err = s.cfg.Catalog.ConfirmedSweeps(ctx, source.Name); err != nil {
		return nil, err
	}
	lag, back, err := s.cfg.Catalog.Lateness(ctx, source.Name)
	if err != nil {
		return nil, err
	}
	c.Lag = max(c.Lag, lag)
	for stream, by := range back {
		c.lane(laneID{stream, penstock.Settled}).back = by
	}
	names, err := s.cfg.Catalog.StreamNames(ctx, source.Name)
	if err != nil {
		return nil, err
	}
	c.followers = formerFollowers(names)
	return c, c.recall(ctx)
}

// recall takes up the runs that were open when the last process ended: their
// workers may go on as if nothing had happened.
func (c *connection) recall(ctx context.Context) error {
	last, err := c.service.cfg.Catalog.LastRuns(ctx, c.Name)
	if err != nil {
		return err
	}
	for _, r := range last {
		l := c.lane(laneID{r.Stream, r.Lane})
		l.remember(r)
	}
	open, err := c.service.cfg.Catalog.OpenRuns(ctx, c.Name)
	if err != nil {
		return err
	}
	for _, r := range open {
		l := c.lane(laneID{r.Stream, r.Lane})
		l.current = newRun(laneID{r.Stream, r.Lane}, r)
		c.runs[r.Grant] = l.current
	}
	return nil
}

func (c *connection) lane(id laneID) *lane {
	l := c.lanes[id]
	if l == nil {
		l = &lane{laneID: id}
		c.lanes[id] = l
	}
	return l
}

func (c *connection) announced() penstock.Connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.Connection
	a.Schedule = c.schedule
	if c.catchup != nil && c.catchup.err == nil && !c.catchup.over {
		a.Once = c.catchup.id
	}
	return a
}

// logger names the connection in each line.
func (c *connection) logger() *slog.Logger {
	return c.service.cfg.Log.With("connection", c.Name)
}

// report records a trouble where a user sees it.
func (c *connection) report(ctx context.Context, id laneID, t penstock.Trouble) {
	c.logger().Warn(t.Message, "stream", id.stream, "lane", id.lane, "kind", t.Kind, "remedy", t.Remedy)
	if err := c.service.cfg.Catalog.Report(ctx, catalog.Place{Connection: c.Name, Stream: id.stream, Lane: id.lane}, t, time.Now()); err != nil {
		c.logger().Error("a trouble could not be recorded", "error", err)
	}
}

// resolve records that what failed works again.
func (c *connection) resolve(ctx context.Context, id laneID) {
	if err := c.service.cfg.Catalog.Resolve(ctx, catalog.Place{Connection: c.Name, Stream: id.stream, Lane: id.lane}, time.Now()); err != nil {
		c.logger().Error("a trouble could not be marked as resolved", "error", err)
	}
}
