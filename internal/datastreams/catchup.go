package datastreams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock"
)

// A catchup is one complete catch-up that somebody waits for: every lane of
// every chosen stream runs once from now on, backfills run to their end.
type catchup struct {
	id      string
	streams []string // empty: all chosen ones
	began   time.Time
	failed  map[laneID]string
	older   *catchup // that was under way when this one began
	over    bool

	troubles int // complaints about the whole connection
	err      error
	done     chan struct{}
}

// maxTries is how often a lane may fail in one catch-up.
const maxTries = 3

// wants tells whether the catch-up still needs a run of the lane; a list that
// is read at most once in period counts when it is that young.
func (k *catchup) wants(stream penstock.Stream, l *lane, period time.Duration) bool {
	if k == nil || k.over || !k.includes(l.stream) || k.failed[l.laneID] != "" {
		return false
	}
	if rolling(stream, l.laneID.lane) {
		return stream.Of != "" && l.swept.IsZero() && !skippedSince(l, k.began)
	}
	switch l.laneID.lane {
	case penstock.Backfill:
		return !l.complete || l.checked.Before(k.began)
	case penstock.Named:
		return l.due
	}
	if skippedSince(l, k.began) {
		return false
	}
	since := k.began
	if period > 0 {
		since = since.Add(-period)
	}
	return l.doneAt.Before(since)
}

// skippedSince tells whether the lane was skipped at a moment or later.
func skippedSince(l *lane, at time.Time) bool {
	return l.outcome == penstock.Skipped && !l.began.Before(at)
}

func (k *catchup) includes(stream string) bool {
	if len(k.streams) == 0 {
		return true
	}
	for _, s := range k.streams {
		if strings.EqualFold(s, stream) {
			return true
		}
	}
	return false
}

// CatchUp has everything read once and waits until it is committed, by the
// followers too. The error
// names each stream that could not be caught up, and why.
func (s *Service) CatchUp(ctx context.Context, connection string, streams []string) error {
	c := s.connections[connection]
	if c == nil {
		return errNoConnection(connection)
	}
	k := c.beginCatchup(streams)
	s.tell()
	select {
	case <-k.done:
		err := errors.Join(k.err, c.followed(ctx))
		c.maintain(ctx) // whoever only catches up now and then does nothing else
		return err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.catchup == k {
			c.catchup = nil
		}
		err := fmt.Errorf("the catch-up was broken off before %s; what is committed stays: %w",
			strings.Join(k.missing(c), ", "), ctx.Err())
		c.logger().Info(err.Error())
		return err
	}
}

// beginCatchup begins a catch-up. One that is under way is taken along: the
// newer one reads its streams too, promises a later moment, and ends both.
func (c *connection) beginCatchup(streams []string) *catchup {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := &catchup{
		id: rand.Text(), streams: streams, began: time.Now(),
		failed: map[laneID]string{}, done: make(chan struct{}),
	}
	if old := c.catchup; old != nil && !old.over {
		next.older = old
		if len(old.streams) == 0 || len(streams) == 0 {
			next.streams = nil
		} else {
			next.streams = append(slices.Clone(streams), old.streams...)
		}
	}
	c.catchup = next
	return next
}

func (k *catchup) end(err error) {
	if k.over {
		return
	}
	k.over, k.err = true, err
	close(k.done)
	if k.older != nil {
		k.older.end(err)
	}
}

// failCatchup ends a catch-up that cannot succeed, or that keeps failing.
func (c *connection) failCatchup(t penstock.Trouble) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.catchup == nil {
		return
	}
	if c.catchup.troubles++; !t.Heals || c.catchup.troubles >= maxTries {
		c.catchup.end(fmt.Errorf("%s; %s", t.Message, t.Remedy))
	}
}

// checkCatchup ends the catch-up once it needs no run any more. What is wanted
// is looked for again then: the last batch may have made keys wanted since.
func (c *connection) checkCatchup(ctx context.Context) {
	if !c.caughtUp() || !c.look(ctx) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.catchup; k.complete(c) {
		k.end(k.verdict(c))
	}
}

func (c *connection) caughtUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catchup.complete(c)
}

// complete tells whether the catch-up needs no run any more.
func (k *catchup) complete(c *connection) bool {
	return k != nil && !k.over && len(c.streams) > 0 && len(k.missing(c)) == 0
}

// covers tells whether the catch-up waits for the stream's open runs.
func (k *catchup) covers(stream string) bool { return k != nil && !k.over && k.includes(stream) }

// missing names the lanes that the catch-up still needs a run of.
func (k *catchup) missing(c *connection) []string {
	var lanes []string
	for _, stream := range c.streams {
		if !c.reads(stream) {
			continue
		}
		skipped := c.skipped(k, stream)
		for _, name := range stream.Lanes() {
			l := c.lane(laneID{stream.Name, name})
			k.countFailure(l)
			if k.includes(stream.Name) && !skipped && k.wants(stream, l, c.listPeriod(stream, name)) {
				lanes = append(lanes, fmt.Sprintf("%s (%s)", stream.Name, name))
			}
		}
	}
	return lanes
}

// skipped tells whether the credential may not read the stream, as one of its
// lanes found out.
func (c *connection) skipped(k *catchup, stream penstock.Stream) bool {
	for _, name := range stream.Lanes() {
		l := c.lane(laneID{stream.Name, name})
		if l.outcome == penstock.Skipped && !l.began.Before(k.began) {
			return true
		}
	}
	return false
}

// countFailure gives a lane up that failed too often.
func (k *catchup) countFailure(l *lane) {
	if l.outcome == penstock.Failed && !l.began.Before(k.began) && l.failures >= maxTries {
		k.failed[l.laneID] = l.why
	}
}

// unread tells why a stream that was asked for by name was not read.
func (c *connection) unread(k *catchup, name string) string {
	for _, s := range c.streams {
		switch {
		case !strings.EqualFold(s.Name, name):
			continue
		case !c.Chosen(s.Name):
			return fmt.Sprintf("the stream %q is not among the chosen ones; see streams in penstock.yaml", name)
		}
		for _, lane := range s.Lanes() {
			if l := c.lane(laneID{s.Name, lane}); l.outcome == penstock.Skipped && !l.began.Before(k.began) {
				return fmt.Sprintf("%s is skipped: %s", name, l.why)
			}
		}
		return ""
	}
	return fmt.Sprintf("there is no stream %q in the account; `penstock streams` lists them", name)
}

func (k *catchup) verdict(c *connection) error {
	var reasons []string
	for id, why := range k.failed {
		reasons = append(reasons, fmt.Sprintf("%s (%s): %s", id.stream, id.lane, why))
	}
	for _, name := range k.streams {
		if why := c.unread(k, name); why != "" {
			reasons = append(reasons, why)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return errors.New("not caught up: " + strings.Join(reasons, "; "))
}
