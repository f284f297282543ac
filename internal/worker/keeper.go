package worker

import (
	"context"
	"time"

	"penstock"
	"penstock/internal/hubspot"
)

// askAgain is when a keeper asks again whose question was lost.
const askAgain = 2 * time.Second

// askOn is when it asks on for a lane that has no interval.
const askOn = 50 * time.Millisecond

// keep asks for runs of one lane, again and again, and does those that are
// granted. Whether one is due is data-streams' to say.
func (h *holder) keep(ctx context.Context, stream penstock.Stream, lane penstock.Lane) error {
	slots := h.others
	switch lane {
	case penstock.Backfill:
		slots = h.backfills
	case penstock.Archive:
		slots = h.archives
	case penstock.Sweep:
		if slots = h.sweeps; stream.Of != "" {
			slots = h.links
		}
	}
	ctx = hubspot.WithPriority(ctx, lane.Priority())
	ctx = hubspot.WithLabel(ctx, hubspot.Label{Stream: stream.Name, Lane: string(lane)})
	for {
		h.mu.Lock()
		wake, wanted := h.wake, make(chan struct{})
		if lane == penstock.Named {
			wanted = h.wantedOf(stream.Name)
		}
		h.mu.Unlock()
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		again := h.turn(ctx, stream, lane)
		<-slots
		timer := time.NewTimer(again)
		select {
		case <-timer.C:
		case <-wake:
		case <-wanted:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// turn asks once, does the run if there is one, and says when to ask again.
func (h *holder) turn(ctx context.Context, stream penstock.Stream, lane penstock.Lane) time.Duration {
	g, err := h.w.cfg.Orders.Grant(ctx, penstock.GrantRequest{
		Worker: h.w.name, Connection: h.name, Stream: stream, Lane: lane,
	})
	if err != nil {
		return askAgain
	}
	if g.Token == "" {
		return max(g.Again, 100*time.Millisecond)
	}
	switch outcome := h.execute(ctx, stream, lane, g); {
	case outcome != penstock.Done, lane == penstock.Named:
		return askAgain // data-streams says when to try again
	case g.Again == 0:
		return askOn
	}
	return g.Again
}

// execute does a run and tells how it ended.
func (h *holder) execute(ctx context.Context, stream penstock.Stream, lane penstock.Lane, g penstock.Grant) penstock.Outcome {
	r := h.newRun(ctx, stream, lane, g)
	defer r.cancel(nil)
	outcome, err := r.do()
	h.log.Debug("run ended", "stream", stream.Name, "lane", lane, "run", g.Run, "outcome", outcome, "error", err)
	if outcome != penstock.Done {
		h.forgetTable(stream.Name) // what was said of it may not have arrived
	}
	end := penstock.RunEnd{
		Worker: h.w.name, Connection: h.name, Grant: g.Token,
		Last: r.marks(), Outcome: outcome, Late: r.late,
	}
	if outcome == penstock.Failed || outcome == penstock.Skipped {
		end.Trouble = troubleOf(err)
	}
	// The word of a worker that is ending must still go out.
	tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), askAgain)
	defer cancel()
	r.end.Store(&end)
	if err := h.w.cfg.Orders.End(tell, end); err != nil {
		h.log.Debug("the end of a run could not be told; heartbeats tell it", "run", g.Run, "error", err)
	}
	return outcome
}
