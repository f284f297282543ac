package datastreams

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/cursor"
	"penstock/internal/warehouse"
)

// How long a keeper waits before it asks again.
const (
	askSoon      = time.Second
	endsSoon     = 100 * time.Millisecond // an open run may be about to end
	askLater     = time.Minute
	retryFirst   = 5 * time.Second // after a failed run, doubled with each
	retryAtMost  = 5 * time.Minute
	skippedAgain = time.Hour // a stream that the credential may not read
	wantedAtOnce = 1000      // keys of one run in the named lane
)

func errNoConnection(name string) error {
	return fmt.Errorf("there is no connection %q; see penstock.yaml for the names", name)
}

// Grant answers a keeper that asks for a run: it grants one or says why not
// and when to ask again (W4, W6).
func (s *Service) Grant(ctx context.Context, req penstock.GrantRequest) penstock.Grant {
	c := s.connections[req.Connection]
	if c == nil {
		return penstock.Grant{Refused: errNoConnection(req.Connection).Error(), Again: askLater}
	}
	id := laneID{req.Stream.Name, req.Lane}
	if why, again := c.due(req.Worker, req.Stream, id); why != "" {
		return penstock.Grant{Refused: why, Again: again}
	}
	if !c.loader.claimed.Load() || c.loader.down.Load() != nil {
		return penstock.Grant{Refused: "the warehouse is not ready", Again: askSoon}
	}
	if err := c.loader.lock(ctx); err != nil {
		return penstock.Grant{Refused: err.Error(), Again: askSoon}
	}
	defer c.loader.unlock()
	// The same question may have been asked twice, and granted meanwhile (W6).
	if why, again := c.due(req.Worker, req.Stream, id); why != "" {
		return penstock.Grant{Refused: why, Again: again}
	}
	g, err := c.prepare(ctx, req.Stream, id)
	if err != nil && ctx.Err() == nil {
		c.logger().Warn("a run cannot be granted yet", "stream", id.stream, "lane", id.lane, "error", err)
	}
	if err != nil {
		return penstock.Grant{Refused: err.Error(), Again: askSoon}
	}
	if g.Refused != "" {
		return g
	}
	if err := c.open(ctx, req, id, &g); err != nil {
		return penstock.Grant{Refused: err.Error(), Again: askSoon}
	}
	return g
}

// due tells why the lane is not to be read now; empty when it is.
func (c *connection) due(worker string, stream penstock.Stream, id laneID) (string, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.service.leases.holds(c.account.ID, worker) {
		return "another worker reads this account", askSoon
	}
	if stream.Of == "" && !c.Chosen(id.stream) || stream.Of != "" && !c.relates(stream) {
		return "the stream is not chosen", askLater
	}
	l := c.lane(id)
	if l.current != nil {
		return "a run is open", endsSoon
	}
	asked := c.catchup.wants(stream, l, c.listPeriod(stream, id.lane))
	asked = asked || c.verifying > 0 && id.lane == penstock.Named
	if !c.running() && !asked {
		return "stopped", askLater
	}
	wait := c.pause(stream, l, asked)
	if wait > 0 {
		return "not due yet", min(wait, askLater)
	}
	return "", 0
}

// running tells whether the schedule is on and counts; the caller holds mu.
func (c *connection) running() bool { return c.schedule.On && !c.service.cfg.CatchUpOnly }

// pause is how long until the lane is due.
func (c *connection) pause(stream penstock.Stream, l *lane, asked bool) time.Duration {
	since := time.Since(l.began)
	fresh := c.schedule.On && l.began.Before(c.schedule.Since) // started anew: fetch at once
	switch {
	case l.began.IsZero():
		return 0
	case l.outcome == penstock.Skipped:
		if fresh || (asked && l.began.Before(c.catchup.began)) {
			return 0
		}
		return skippedAgain - since
	case l.outcome == penstock.Failed:
		return min(retryAtMost, retryFirst<<min(max(l.failures-1, 0), 6)) - since
	case l.outcome == penstock.Stopped, unpaced(stream, l.laneID.lane), asked:
		return 0
	}
	period := c.period(stream, l.laneID.lane)
	if fresh && period == c.schedule.Every {
		return 0
	}
	return period - since
}

// period is how often the lane is read.
func (c *connection) period(stream penstock.Stream, lane penstock.Lane) time.Duration {
	return max(c.schedule.Every, c.listPeriod(stream, lane))
}

// listShort is how many archived objects are read as often as lists are, ten
// calls; a longer list is read so much less often.
const listShort = 1000

// listPeriod is how often at most a list is read whole; the caller holds mu.
func (c *connection) listPeriod(stream penstock.Stream, lane penstock.Lane) time.Duration {
	period := c.service.listPeriod(stream, lane)
	if lane == penstock.Archive {
		period = min(period*time.Duration(1+c.deleted[stream.Name]/listShort), 24*time.Hour)
	}
	return period
}

// unpaced tells whether the lane goes on as long as there is something to do,
// whatever the interval.
func unpaced(stream penstock.Stream, lane penstock.Lane) bool {
	return lane == penstock.Backfill || lane == penstock.Named || rolling(stream, lane)
}

// listPeriod is how often at most a list is read whole: hourly what is large or
// seldom changes, at each interval what is small.
func (s *Service) listPeriod(stream penstock.Stream, lane penstock.Lane) time.Duration {
	definitions := stream.Family == penstock.Properties || stream.Family == penstock.PropertyOptions
	if lane == penstock.Archive || lane == penstock.Sweep && definitions {
		return s.cfg.ListEvery
	}
	return 0
}

// prepare reads where the lane stands, under the loader's lock: what commits
// from now on is the new run's.
func (c *connection) prepare(ctx context.Context, stream penstock.Stream, id laneID) (penstock.Grant, error) {
	var g penstock.Grant
	var err error
	if g.Heads, err = c.Store.Heads(ctx, id.stream, id.lane); err != nil {
		return g, err
	}
	c.mu.Lock()
	g.Lag, g.Epoch = c.Lag, c.epoch
	c.mu.Unlock()
	switch id.lane {
	case penstock.Sweep:
		if rolling(stream, id.lane) {
			return c.prepareSweep(ctx, stream, g)
		}
	case penstock.Backfill:
		return c.prepareBackfill(ctx, id, g)
	case penstock.Named:
		if !c.look(ctx) { // what a sweep has just found absent may be too much (V5)
			g.Refused, g.Again = "the warehouse does not say what is wanted", askSoon
			return g, nil
		}
		c.mu.Lock()
		but := ""
		if c.lane(laneID{id.stream, penstock.Sweep}).held > 0 {
			but = penstock.WantAbsent
		}
		c.mu.Unlock()
		g.Wanted, err = c.Store.Wanted(ctx, id.stream, time.Now(), wantedAtOnce, but)
		c.noteAsked(id.stream, g.Wanted)
		if err == nil && len(g.Wanted) == 0 {
			g.Refused, g.Again = "nothing is wanted", askLater
		}
		return g, err
	case penstock.Fresh:
		settled, err := c.Store.Heads(ctx, id.stream, penstock.Settled)
		g.Heads = append(g.Heads, settled...)
		return begun(g, settled), err
	case penstock.Settled:
		c.mu.Lock()
		g.Back = c.lane(id).back // until a batch of the run has committed
		c.mu.Unlock()
		return begun(g, g.Heads), nil
	}
	return g, nil
}

// begun refuses a lane whose window has no beginning yet.
func begun(g penstock.Grant, settled []penstock.Head) penstock.Grant {
	if len(settled) == 0 || settled[0].Cursor == "" {
		g.Refused, g.Again = "the backfill has not begun", endsSoon*2
	}
	return g
}

// prepareBackfill finds out whether anything is left to read: objects, or the
// values of a new property for old rows.
func (c *connection) prepareBackfill(ctx context.Context, id laneID, g penstock.Grant) (penstock.Grant, error) {
	if len(g.Heads) == 0 {
		c.observe(id, false)
		return g, nil
	}
	parts, err := cursor.Parts(g.Heads)
	if err != nil {
		return g, err
	}
	if len(cursor.Left(parts)) > 0 {
		c.observe(id, false)
		return g, nil
	}
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return g, err
	}
	for _, t := range tables {
		if t.Stream.Name == id.stream {
			g.Fill = warehouse.Unfilled(t.Columns)
		}
	}
	c.observe(id, len(g.Fill) == 0)
	if len(g.Fill) == 0 {
		g.Refused, g.Again = "complete", askLater
	}
	return g, nil
}

// observe notes whether anything is left for the lane to read.
func (c *connection) observe(id laneID, complete bool) {
	c.mu.Lock()
	c.lane(id).complete = complete
	if complete {
		c.lane(id).checked = time.Now()
	}
	c.mu.Unlock()
}

// open writes the run down and makes it the lane's.
func (c *connection) open(ctx context.Context, req penstock.GrantRequest, id laneID, g *penstock.Grant) error {
	r := catalog.Run{
		Connection: c.Name, Stream: id.stream, Lane: id.lane, Grant: rand.Text(),
		Worker: req.Worker, State: "open", Began: time.Now(),
	}
	number, err := c.service.cfg.Catalog.BeginRun(ctx, r)
	if err != nil {
		return err
	}
	r.ID = number
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lane(id)
	l.current = newRun(id, r)
	l.current.floor, l.current.back = c.service.leases.told(c.account.ID), g.Back
	l.began = r.Began
	c.runs[r.Grant] = l.current
	g.Token, g.Run, g.Again = r.Grant, number, c.again(req.Stream, id)
	return nil
}

// again is when the keeper is to ask after the run.
func (c *connection) again(stream penstock.Stream, id laneID) time.Duration {
	if unpaced(stream, id.lane) {
		return 0
	}
	return c.period(stream, id.lane)
}
