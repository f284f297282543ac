package datastreams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// failed shows that the warehouse does not take batches. They wait on the bus
// and nothing is lost; once the bus is full, reading pauses.
func (l *loader) failed(ctx context.Context, err error) {
	t := troubleOf(err)
	if old := l.down.Swap(&t); old == nil || old.Message != t.Message {
		l.c.report(ctx, laneID{}, t)
	}
	if !t.Heals {
		l.c.failCatchup(t)
	}
}

// unread shows that the warehouse's tables cannot be read. Where nothing is to be
// loaded, nothing else would tell: without the heads there are no runs. A load's
// own failure is not replaced, and what only a claim mends is left to the loader.
func (l *loader) unread(ctx context.Context, err error) {
	old := l.down.Load()
	if ctx.Err() != nil || errors.Is(err, warehouse.ErrReplaced) || old != nil && old != l.dark.Load() {
		return
	}
	t := troubleOf(err)
	if !l.down.CompareAndSwap(old, &t) {
		return
	}
	l.dark.Store(&t)
	if old == nil || old.Message != t.Message {
		l.c.report(ctx, laneID{}, t)
	}
}

// read shows that the tables can be read again, if that was all that was wrong.
func (l *loader) read(ctx context.Context) {
	if old := l.dark.Swap(nil); old != nil && l.down.CompareAndSwap(old, nil) {
		l.c.logger().Info("the warehouse can be read again")
		l.c.resolve(ctx, laneID{})
	}
}

// slowAfter is how long a transaction may take before people are told.
const slowAfter = 30 * time.Second

// watched calls the warehouse for a transaction of so many batches, and shows
// while it takes long, and until one does not.
func (l *loader) watched(ctx context.Context, batches int, transaction func() error) error {
	told := make(chan struct{})
	patience := time.AfterFunc(slowAfter, func() {
		defer close(told)
		t := penstock.Trouble{
			Kind: "slow_warehouse", Heals: true,
			Message: fmt.Sprintf("the warehouse takes long: a transaction of %d batches had no answer after %s", batches, slowAfter),
			Remedy:  "look at what its server is busy with, and at the network to it; what was read waits and is loaded then",
		}
		l.slow.Store(&t)
		l.c.report(ctx, laneID{}, t)
	})
	err := transaction()
	switch {
	case !patience.Stop():
		<-told
	case err == nil && l.slow.Swap(nil) != nil:
		l.c.resolve(ctx, laneID{})
	}
	return err
}

// troubleOf tells people what an error of the warehouse means.
func troubleOf(err error) penstock.Trouble {
	t := penstock.Trouble{
		Kind: "warehouse", Heals: true,
		Message: "the warehouse cannot be loaded: " + err.Error(),
		Remedy:  "mend the warehouse; what was read waits and is loaded then",
	}
	switch {
	case errors.Is(err, warehouse.ErrOtherAccount):
		t.Kind, t.Heals = "other_account", false
		t.Remedy = "use the token of the account that the warehouse holds, or start a second connection with a warehouse of its own in penstock.yaml"
	case errors.Is(err, warehouse.ErrOtherInstallation):
		t.Kind, t.Heals = "other_installation", false
		t.Remedy = "point PENSTOCK_WAREHOUSE at a warehouse of its own, or run penstock with the data folder that loads this one"
	case errors.Is(err, warehouse.ErrNewer):
		t.Kind, t.Heals = "newer_format", false
		t.Remedy = "run the newer version of penstock, or load into another warehouse"
	case errors.Is(err, warehouse.ErrAltered):
		t.Kind = "altered_tables"
		t.Remedy = "run `penstock repair`: it adds back what is missing and has it read again; what was read waits and is loaded then"
	case errors.Is(err, warehouse.ErrFenced):
		t.Kind, t.Heals = "fenced", false
		t.Remedy = "only one data-streams may load a warehouse: stop one of them and restart the other"
	}
	return t
}

func (l *loader) recovered(ctx context.Context) {
	if l.down.Swap(nil) != nil {
		l.c.logger().Info("the warehouse takes batches again")
		l.c.resolve(ctx, laneID{})
	}
}

// errStopped says that this process does not load the warehouse any more.
var errStopped = errors.New("loading has stopped; see what was reported before, and restart data-streams when it is mended")

// stopLoading ends the loader for good, visibly; the rest of the service goes
// on and tells why.
func (l *loader) stopLoading(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	l.failed(ctx, err)
	l.stopped.Store(true)
	l.claimed.Store(false)
	<-ctx.Done()
	return nil
}

// reclaim takes a warehouse that was restored or replaced as it is now: every
// run ends, and the next grants start at the heads it has.
func (l *loader) reclaim(ctx context.Context) error {
	l.c.logger().Warn("the warehouse was restored or replaced; going on from what it holds")
	l.c.abandonAll(ctx, "the warehouse was restored or replaced")
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return l.claimNow(ctx, 0)
}

func (c *connection) abandonAll(ctx context.Context, why string) {
	c.mu.Lock()
	var open []*run
	for _, r := range c.runs {
		open = append(open, r)
	}
	c.mu.Unlock()
	for _, r := range open {
		c.abandon(ctx, r, why)
	}
}

// oneByOne loads each batch by itself and ends the runs of those that cannot
// be loaded for their own sake; they begin again at their heads. False when
// the warehouse failed meanwhile: what has committed is known by its head.
func (l *loader) oneByOne(ctx context.Context, gathered []handed) bool {
	for i := range gathered {
		err := l.attempt(ctx, gathered[i:i+1])
		switch {
		case errors.Is(err, warehouse.ErrBatch):
			l.refuse(ctx, gathered[i].Delivery, err)
		case err != nil:
			l.failed(ctx, err)
			return false
		}
	}
	return true
}

// refuse ends the run of a batch that the warehouse does not take.
func (l *loader) refuse(ctx context.Context, d Delivery, err error) {
	l.c.mu.Lock()
	r := l.c.runs[d.Batch.Grant]
	if r != nil {
		r.trouble = &penstock.Trouble{
			Kind:    "refused",
			Message: fmt.Sprintf("the warehouse refuses a batch of %s: %v", d.Batch.Stream.Name, err),
			Remedy:  "see the warehouse's own message; the stream goes on from what is committed",
		}
	}
	l.c.mu.Unlock()
	if r != nil {
		l.c.abandon(ctx, r, "the warehouse refused a batch of it")
	}
	l.ack(d)
}

// takeHeads makes the stamps and what the runs have committed agree with the
// warehouse as it is now, and begins an epoch. account is 0 where the
// connection's own is meant.
func (c *connection) takeHeads(ctx context.Context, account int64) error {
	top, err := c.Store.Stamp(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if account == 0 {
		account = c.account.ID
	}
	c.epoch = rand.Text()
	c.ended = recent{} // it was committed in the warehouse as it was
	runs := make([]*run, 0, len(c.runs))
	for _, r := range c.runs {
		runs = append(runs, r)
	}
	c.mu.Unlock()
	if account != 0 && top > 0 {
		if err := c.service.raiseStamps(ctx, account, top); err != nil {
			return err
		}
	}
	if err := c.forgetSweeps(ctx); err != nil {
		return err
	}
	for _, r := range runs {
		heads, err := c.Store.Heads(ctx, r.stream, r.laneID.lane)
		if err != nil {
			return err
		}
		c.mu.Lock()
		for _, h := range heads {
			if h.Grant == r.Grant {
				r.committed[h.Range] = h.Seq
			}
		}
		c.mu.Unlock()
	}
	return nil
}

// forgetSweeps has those sweeps read again whose last run the warehouse does
// not know of: it is an older copy, and the lane's memory is the catalog's.
func (c *connection) forgetSweeps(ctx context.Context) error {
	c.mu.Lock()
	var sweeps []*lane
	for id, l := range c.lanes {
		if (id.lane == penstock.Sweep || id.lane == penstock.Archive) && !l.doneAt.IsZero() {
			sweeps = append(sweeps, l)
		}
	}
	c.mu.Unlock()
	for _, l := range sweeps {
		heads, err := c.Store.Heads(ctx, l.stream, l.laneID.lane)
		if err != nil {
			return err
		}
		c.mu.Lock()
		if len(heads) == 0 || heads[0].Grant != l.doneGrant {
			l.began, l.doneAt = time.Time{}, time.Time{}
		}
		c.mu.Unlock()
	}
	return nil
}
