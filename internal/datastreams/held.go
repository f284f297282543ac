package datastreams

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock"
)

// What a sweep may find absent before it stops and asks (V5).
const (
	absentAlways = 100 // rows, however few there are
	absentOf     = 20  // one of so many
)

// stops tells whether a sweep has found so much absent that somebody must say
// that it is so (V5).
func stops(absent, rows int64) bool { return absent > absentAlways && absent*absentOf > rows }

// noteAsked keeps in mind which keys that the pass of a sweep did not find have
// been granted: they count for it though they may be answered by now.
func (c *connection) noteAsked(stream string, wanted []penstock.Want) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sweep := c.lane(laneID{stream, penstock.Sweep})
	for _, w := range wanted {
		if w.Reason != penstock.WantAbsent {
			continue
		}
		if sweep.asked == nil {
			sweep.asked = map[string]bool{}
		}
		sweep.asked[w.Key] = true
	}
}

// tellHeld shows which sweeps have stopped and which go on. The trouble is the
// stream's and not a lane's: it is not over when a run of the lane succeeds.
func (c *connection) tellHeld(ctx context.Context, stopped, going []string, rows map[string]int64) {
	for _, stream := range stopped {
		c.mu.Lock()
		absent := c.lane(laneID{stream, penstock.Sweep}).held
		c.mu.Unlock()
		c.report(ctx, laneID{stream: stream}, penstock.Trouble{
			Kind: "sweep_stopped",
			Message: fmt.Sprintf("a sweep did not find %d of %d %s in HubSpot's list, which is more than 5 %%: none of them is asked for or deleted",
				absent, rows[stream], stream),
			Remedy: fmt.Sprintf("if they were deleted in HubSpot, run `penstock sweep --confirm %s`; if not, see whether the credential may still read all of them", stream),
		})
	}
	for _, stream := range going {
		c.resolve(ctx, laneID{stream: stream})
		if err := c.confirm(ctx, stream, false); err != nil {
			c.logger().Error("that a confirmed sweep is over could not be recorded", "stream", stream, "error", err)
		}
	}
}

// ConfirmSweep lets a sweep that has stopped go on: what it did not find is
// asked for by id, and deleted where HubSpot says so (V3, V5).
func (s *Service) ConfirmSweep(ctx context.Context, connection, stream string) error {
	c := s.connections[connection]
	if c == nil {
		return errNoConnection(connection)
	}
	c.mu.Lock()
	held := c.lane(laneID{stream, penstock.Sweep}).held
	var waiting []string
	for id, l := range c.lanes {
		if id.lane == penstock.Sweep && l.held > 0 {
			waiting = append(waiting, id.stream)
		}
	}
	c.mu.Unlock()
	if held == 0 {
		slices.Sort(waiting)
		hint := "no sweep does"
		if len(waiting) > 0 {
			hint = "these do: " + strings.Join(waiting, ", ")
		}
		return fmt.Errorf("the sweep of %q does not wait to be confirmed; %s", stream, hint)
	}
	if err := c.confirm(ctx, stream, true); err != nil {
		return err
	}
	c.resolve(ctx, laneID{stream: stream})
	return nil
}

// confirm stores whether what a sweep did not find may be asked for.
func (c *connection) confirm(ctx context.Context, stream string, may bool) error {
	if err := c.service.cfg.Catalog.ConfirmSweep(ctx, c.Name, stream, may); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news.Store(true)
	if may {
		c.confirmed[stream] = true
	} else {
		delete(c.confirmed, stream)
	}
	return nil
}
