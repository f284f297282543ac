package datastreams

import (
	"context"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/warehouse"
)

// lane is what the service knows of one lane of a stream.
type lane struct {
	laneID
	current *run // nil when none is open (W6)

	began     time.Time // when the last run was granted
	doneAt    time.Time // when the last run that came to its end was granted
	doneGrant string    // of that run
	outcome   penstock.Outcome
	failures  int             // in a row
	complete  bool            // backfill: nothing is left to read
	checked   time.Time       // when that was seen
	due       bool            // named: there are keys to read
	took      time.Duration   // the last run that came to its end
	asked     map[string]bool // sweep: keys that it did not find and that were granted to be read, of the pass under way
	passed    int64           // sweep: when that pass began
	held      int64           // sweep: rows that it did not find, too many to go on (V5)
	swept     time.Time       // sweep: when the last that came to its end had begun, on HubSpot's clock
	back      time.Duration   // settled: how much to go back, after the index proved late
	why       string
}

// remember takes up a run that the catalog kept.
func (l *lane) remember(r catalog.Run) {
	if r.Began.After(l.began) {
		l.began, l.outcome, l.why = r.Began, r.Outcome, r.Why
	}
	if r.Outcome == penstock.Done && r.Began.After(l.doneAt) {
		l.doneAt, l.doneGrant = r.Began, r.Grant
		l.complete = l.laneID.lane == penstock.Backfill // until a worker asks
	}
}

// run is a granted stretch of work.
type run struct {
	laneID
	catalog.Run
	beat      time.Time        // when its worker last spoke of it
	moved     time.Time        // when something of it last committed
	published map[int64]uint64 // by range, as the worker says
	committed map[int64]uint64
	last      map[int64]uint64 // once the worker has ended it
	trouble   *penstock.Trouble
	suspect   int64         // one more than the round in which something seemed to be missing; 0: nothing
	back      time.Duration // settled: how much it goes back
	passed    bool          // a batch that was published after its last one has come
	floor     int64         // no stamp of it is lower
	read      int64
	total     int64
}

func newRun(id laneID, r catalog.Run) *run {
	now := time.Now()
	return &run{
		laneID: id, Run: r, beat: now, moved: now,
		published: map[int64]uint64{}, committed: map[int64]uint64{},
	}
}

// settled tells whether the worker has ended the run and all of it has
// committed.
func (r *run) settled() bool {
	if r.last == nil {
		return false
	}
	for at, seq := range r.last {
		if r.committed[at] < seq {
			return false
		}
	}
	return true
}

// behind tells whether the worker has published what has not committed.
func (r *run) behind() bool {
	for at, seq := range r.published {
		if r.committed[at] < seq {
			return true
		}
	}
	return r.last != nil && !r.settled()
}

// gap notes that something before a batch is missing: whether that is news, or
// is so still although the queue has begun again at its oldest batch since.
// Batches further on in the same round say nothing.
func (r *run) gap(round int64) (first, again bool) {
	if r.suspect == 0 {
		r.suspect = round + 1
		return true, false
	}
	return false, round+1 > r.suspect
}

// commit notes that a batch has taken effect.
func (r *run) commit(b *penstock.Batch, o warehouse.Outcome) {
	r.committed[b.Range] = max(r.committed[b.Range], b.Seq)
	r.moved, r.passed = time.Now(), false
	if o.Verdict != warehouse.Apply {
		return
	}
	r.suspect = 0
	r.Batches++
	r.Counts = r.Counts.Add(b.Counts)
	r.Applied = add(r.Applied, o.Applied)
}

func marks(m map[int64]uint64) []penstock.Mark {
	out := make([]penstock.Mark, 0, len(m))
	for at, seq := range m {
		out = append(out, penstock.Mark{Range: at, Seq: seq})
	}
	return out
}

// recentMost is how many runs that have ended are remembered.
const recentMost = 1000

// recent remembers what ended runs had committed, until their workers have
// heard it with a heartbeat.
type recent struct {
	order []string
	marks map[string][]penstock.Mark
}

func (e *recent) add(grant string, committed []penstock.Mark) {
	if e.marks == nil {
		e.marks = map[string][]penstock.Mark{}
	}
	if len(e.order) == recentMost {
		delete(e.marks, e.order[0])
		e.order = e.order[1:]
	}
	e.order = append(e.order, grant)
	e.marks[grant] = committed
}

func (e *recent) of(grant string) []penstock.Mark { return e.marks[grant] }

// End takes a worker's word that a run is over. It ends here once all of it
// has committed.
func (s *Service) End(ctx context.Context, e penstock.RunEnd) error {
	c := s.connections[e.Connection]
	if c == nil {
		return errNoConnection(e.Connection)
	}
	c.mu.Lock()
	r := c.runs[e.Grant]
	known := r == nil || r.last != nil
	c.mu.Unlock()
	if known {
		return nil
	}
	// Before the end is taken: it is told again until it is.
	if err := c.noteLate(ctx, r.laneID, e.Late); err != nil {
		return err
	}
	c.mu.Lock()
	if r.last != nil {
		c.mu.Unlock()
		return nil
	}
	r.last = map[int64]uint64{}
	for _, m := range e.Last {
		r.last[m.Range] = m.Seq
		r.published[m.Range] = max(r.published[m.Range], m.Seq)
	}
	r.moved, r.passed = time.Now(), false
	r.beat, r.Outcome, r.trouble = time.Now(), e.Outcome, c.spurned(e.Trouble)
	done := r.settled()
	c.mu.Unlock()
	if done {
		c.finish(ctx, r)
	}
	return nil
}

// finish ends a run that has said all, and records what became of it.
func (c *connection) finish(ctx context.Context, r *run) {
	c.mu.Lock()
	outcome := r.Outcome // as its worker said
	c.mu.Unlock()
	if !c.close(ctx, r, outcome, "") {
		return
	}
	switch {
	case r.trouble != nil:
		c.report(ctx, r.laneID, *r.trouble)
	case outcome == penstock.Done:
		c.resolve(ctx, r.laneID)
	}
}

// abandon ends a run that cannot come to its end; the next grant starts at
// the heads, so nothing is lost.
func (c *connection) abandon(ctx context.Context, r *run, why string) {
	if !c.close(ctx, r, penstock.Failed, why) {
		return
	}
	c.logger().Info("a run is given up; the next one goes on from what is committed",
		"stream", r.stream, "lane", r.laneID.lane, "run", r.ID, "why", why)
	if r.trouble != nil {
		c.report(ctx, r.laneID, *r.trouble)
	}
}

// close removes the run from the lane, which fences it (W4); false when it was
// removed already.
func (c *connection) close(ctx context.Context, r *run, outcome penstock.Outcome, why string) bool {
	c.mu.Lock()
	if c.runs[r.Grant] != r {
		c.mu.Unlock()
		return false
	}
	delete(c.runs, r.Grant)
	c.ended.add(r.Grant, marks(r.committed))
	l := c.lane(r.laneID)
	if l.current == r {
		l.current = nil
	}
	if why == "" && r.trouble != nil {
		why = r.trouble.Message
	}
	r.State, r.Outcome, r.Why, r.Ended = "ended", outcome, why, time.Now()
	l.outcome, l.why = outcome, why
	switch outcome {
	case penstock.Done:
		l.due = false // until the warehouse is asked again
		l.doneAt, l.doneGrant, l.failures, l.took = r.Began, r.Grant, 0, r.Ended.Sub(r.Began)
	case penstock.Failed:
		l.failures++
	}
	ended, wentBack := r.Run, r.back > 0 && l.back == 0
	c.mu.Unlock()
	if wentBack {
		if err := c.service.cfg.Catalog.WentBack(ctx, c.Name, r.stream); err != nil {
			c.logger().Error("that the search window went back could not be recorded; it does so once more after a restart", "error", err)
		}
	}
	if err := c.service.cfg.Catalog.EndRun(ctx, ended); err != nil {
		c.logger().Error("the end of a run could not be recorded", "run", r.ID, "error", err)
	}
	c.service.tell()
	return true
}

// committed takes note of what a commit of the run means for others: what it
// went back for is read now, and whatever was published before the run was
// granted has come by now if it comes at all. The caller holds mu.
func (c *connection) committed(r *run) {
	if l := c.lane(r.laneID); r.back > 0 && l.back == r.back {
		l.back = 0
	}
	for _, other := range c.runs {
		if other.moved.Before(r.Began) {
			other.passed = true
		}
	}
}

// reap ends runs whose worker is silent (W6) and runs whose tail was lost on
// the bus: something published has not committed, although nothing waits there
// or later batches have come. A run of which everything was committed before a
// restart is at its end.
func (c *connection) reap(ctx context.Context) {
	now := time.Now()
	idle := c.loader.idleSince()
	type end struct {
		run *run
		why string
	}
	var ends []end
	var settled []*run
	lease := c.service.cfg.Lease
	quiet := !idle.IsZero() && now.Sub(idle) > lease/3
	c.mu.Lock()
	for _, r := range c.runs {
		switch {
		case r.settled():
			settled = append(settled, r)
		case r.last == nil && now.Sub(r.beat) > lease:
			ends = append(ends, end{r, "its worker has been silent"})
		case r.behind() && now.Sub(r.moved) > lease && (quiet || r.passed):
			ends = append(ends, end{r, "batches of it were lost on the bus"})
		}
	}
	c.mu.Unlock()
	for _, r := range settled {
		c.finish(ctx, r)
	}
	for _, e := range ends {
		c.abandon(ctx, e.run, e.why)
	}
}

// noteLate acts on a search index that proved later than is safe: above half
// the lag it warns, above it the lag is doubled and the window goes back. Both
// are stored first: a restart must not forget what is yet to be read again.
func (c *connection) noteLate(ctx context.Context, id laneID, late time.Duration) error {
	c.mu.Lock()
	lag := c.Lag
	c.mu.Unlock()
	if late <= lag/2 {
		return nil
	}
	if late > lag {
		if err := c.service.cfg.Catalog.Late(ctx, c.Name, id.stream, 2*lag); err != nil {
			return err
		}
		c.mu.Lock()
		c.Lag = 2 * lag
		c.lane(laneID{id.stream, penstock.Settled}).back = c.Lag
		c.mu.Unlock()
	}
	t := penstock.Trouble{
		Kind: "index_late", Heals: true,
		Message: "HubSpot's search index was " + late.Round(time.Second).String() + " late",
		Remedy:  "if this goes on, set a longer lag than " + lag.String(),
	}
	if late > lag {
		t.Message += "; the lag is doubled and the changes of that time are read again"
	}
	// Not of the lane that saw it, whose end this is: the settled lane sets it right.
	c.report(ctx, laneID{id.stream, penstock.Settled}, t)
	return nil
}
