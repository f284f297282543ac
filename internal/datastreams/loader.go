package datastreams

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/warehouse"
)

// The bounds of a warehouse transaction: larger ones lose the overlap with
// reading, smaller ones pay for their commits.
const (
	loadRows   = 10_000
	loadWithin = time.Second
	loadPause  = 30 * time.Millisecond

	gatherPause = time.Second // of a warehouse whose transactions are dear
	ahead       = 16          // batches decoded ahead of the warehouse
	retryMost   = 30 * time.Second
)

// loader moves one connection's batches from the bus into its warehouse, one
// transaction after the other. Whoever has the turn keeps grants still while a
// load decides by them (W4).
type loader struct {
	c    *connection
	most bounds // of one transaction
	turn chan struct{}
	rows chan handed
	hand atomic.Int64 // batches between the bus and the warehouse
	last atomic.Int64 // when the latest came from the bus or was done with, ns since 1970

	interrupt atomic.Pointer[context.CancelFunc] // ends the wait for the next batch
	again     atomic.Bool                        // begin again at the oldest batch
	round     atomic.Int64                       // how often the bus began at its oldest batch

	claimed atomic.Bool
	stopped atomic.Bool // for good: somebody else's warehouse
	down    atomic.Pointer[penstock.Trouble]
	dark    atomic.Pointer[penstock.Trouble] // the same where it is a look at the tables that has failed
	slow    atomic.Pointer[penstock.Trouble] // the latest transaction takes long, or took
}

func newLoader(c *connection) *loader {
	return &loader{c: c, most: boundsOf(c.Store), turn: make(chan struct{}, 1), rows: make(chan handed, ahead)}
}

// bounds are those of one transaction.
type bounds struct {
	rows   int
	bytes  int64
	within time.Duration
	pause  time.Duration // nothing more comes: commit what is there
}

// A gatherer is a warehouse whose transactions are dear: it says for how long
// to wait for more, and for how many bytes at most.
type gatherer interface {
	Gather() (within time.Duration, bytes int64)
}

func boundsOf(store warehouse.Store) bounds {
	b := bounds{rows: loadRows, bytes: math.MaxInt64, within: loadWithin, pause: loadPause}
	if g, ok := store.(gatherer); ok {
		b.within, b.bytes = g.Gather()
		b.rows, b.pause = math.MaxInt, min(gatherPause, b.within)
	}
	return b
}

// handed is a delivery with the round in which the bus handed it out.
type handed struct {
	Delivery
	round int64
}

// lock waits for the turn, but no longer than ctx: a warehouse that hangs in a
// load must not hold those who ask as well.
func (l *loader) lock(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the warehouse is busy: %w", ctx.Err())
	}
}

func (l *loader) unlock() { <-l.turn }

// idleSince is since when nothing waits on the bus; zero when something does,
// or nobody looks.
func (l *loader) idleSince() time.Time {
	if l.hand.Load() > 0 || !l.claimed.Load() || l.down.Load() != nil {
		return time.Time{}
	}
	return time.Unix(0, l.last.Load())
}

// count counts batches in and out.
func (l *loader) count(n int) {
	l.last.Store(time.Now().UnixNano())
	l.hand.Add(int64(n))
}

// run claims the warehouse and loads until ctx ends, whatever fails on the
// way. A warehouse that somebody else has taken over is left to them.
func (l *loader) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.pull(ctx) })
	group.Go(func() error { return l.push(ctx) })
	return group.Wait()
}

// pull hands decoded batches to push, in order.
func (l *loader) pull(ctx context.Context) error {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		queue, err := l.c.service.cfg.Bus.Batches(ctx, l.c.Name)
		if err == nil {
			wait = 0
			l.round.Add(1)
			err = l.drain(ctx, queue)
			queue.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		wait = min(retryMost, 2*wait+100*time.Millisecond)
		l.c.logger().Warn("the message bus does not hand out batches; trying again", "error", err, "in", wait)
		sleep(ctx, wait)
	}
	return nil
}

func (l *loader) drain(ctx context.Context, queue Queue) error {
	for ctx.Err() == nil {
		waiting, cancel := context.WithCancel(ctx)
		l.interrupt.Store(&cancel)
		var d Delivery
		var err error
		if !l.again.Load() {
			d, err = queue.Next(waiting)
		}
		if l.again.Swap(false) {
			release([]handed{{Delivery: d}}) // not acked: it comes again
			if err = queue.Rewind(ctx); err == nil {
				l.round.Add(1)
			}
			d = Delivery{}
		}
		if err != nil && waiting.Err() == nil {
			return err
		}
		if d.Ack == nil {
			continue
		}
		l.count(1)
		select {
		case l.rows <- handed{d, l.round.Load()}:
		case <-ctx.Done():
		}
	}
	return nil
}

// rewind has everything that was not acked handed out again: what seems to be
// missing may only have been overtaken while the bus was away.
func (l *loader) rewind() {
	l.again.Store(true)
	if interrupt := l.interrupt.Load(); interrupt != nil {
		(*interrupt)()
	}
}

// push loads what pull hands over.
func (l *loader) push(ctx context.Context) error {
	if !l.claim(ctx) {
		return nil
	}
	for {
		gathered, ok := l.gather(ctx)
		if !ok {
			return nil
		}
		if !l.knowsAccount(ctx) {
			return nil
		}
		if err := l.load(ctx, gathered); err != nil {
			return l.stopLoading(ctx, err)
		}
		release(gathered)
		l.count(-len(gathered))
	}
}

// knowsAccount waits until a worker has said whose data it reads: a catalog
// that was lost does not know, and batches of before may lie on the bus (V4).
func (l *loader) knowsAccount(ctx context.Context) bool {
	for {
		l.c.mu.Lock()
		known := l.c.account.ID != 0
		l.c.mu.Unlock()
		if known {
			return true
		}
		if !sleep(ctx, tickEvery) {
			return false
		}
	}
}

// claim makes this process the warehouse's only loader; false when ctx ended.
func (l *loader) claim(ctx context.Context) bool {
	for wait := time.Duration(0); ; wait = min(retryMost, 2*wait+100*time.Millisecond) {
		if !sleep(ctx, wait) {
			return false
		}
		err := l.lock(ctx)
		if err == nil {
			err = l.claimNow(ctx, 0)
			l.unlock()
		}
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.failed(ctx, err)
	}
}

// claimNow claims under the lock. Whatever was granted before knew another
// warehouse, so the epoch changes and with it what workers remember.
func (l *loader) claimNow(ctx context.Context, account int64) error {
	if l.stopped.Load() {
		return errStopped
	}
	s := l.c.service
	err := l.c.Store.Claim(ctx, warehouse.Claim{
		Loader: s.instance, Installation: s.cfg.Installation, Account: account,
	})
	if err != nil {
		return err
	}
	if err := l.c.takeHeads(ctx, account); err != nil {
		return err
	}
	l.claimed.Store(true)
	l.recovered(ctx)
	return nil
}

// gather collects the batches of one transaction; false when ctx ended.
func (l *loader) gather(ctx context.Context) ([]handed, bool) {
	var got []handed
	var full <-chan time.Time
	rows, bytes := 0, int64(0)
	for rows < l.most.rows && bytes < l.most.bytes {
		var pause <-chan time.Time
		if len(got) > 0 {
			pause = time.After(l.most.pause)
		}
		select {
		case d := <-l.rows:
			if len(got) == 0 {
				full = time.After(l.most.within)
			}
			got = append(got, d)
			n, size := sizeOf(d.Batch)
			rows, bytes = rows+n, bytes+size
		case <-pause:
			return got, true
		case <-full:
			return got, true
		case <-ctx.Done():
			return nil, false
		}
	}
	return got, true
}

// sizeOf are a batch's rows and their bytes in memory.
func sizeOf(b *penstock.Batch) (rows int, bytes int64) {
	if b == nil {
		return 0, 0
	}
	for _, r := range b.Rows {
		rows += int(r.NumRows())
		for _, column := range r.Columns() {
			bytes += int64(column.Data().SizeInBytes())
		}
	}
	return rows, bytes
}

func release(gathered []handed) {
	for _, d := range gathered {
		if d.Batch != nil {
			d.Batch.Release()
		}
	}
}

// load applies the deliveries, trying as long as the warehouse is away. Only
// an error that forbids loading ends it.
func (l *loader) load(ctx context.Context, gathered []handed) error {
	for tries := 0; ; tries++ {
		err := l.attempt(ctx, gathered)
		switch {
		case err == nil:
			l.recovered(ctx)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, warehouse.ErrFenced), errors.Is(err, warehouse.ErrOtherAccount),
			errors.Is(err, warehouse.ErrOtherInstallation):
			return err
		case errors.Is(err, warehouse.ErrReplaced):
			if err := l.reclaim(ctx); err != nil {
				l.failed(ctx, err)
			}
		case errors.Is(err, warehouse.ErrBatch):
			if l.oneByOne(ctx, gathered) {
				l.recovered(ctx)
				return nil
			}
		default:
			l.failed(ctx, err)
		}
		if !sleep(ctx, min(retryMost, time.Duration(1<<min(tries, 9))*100*time.Millisecond)) {
			return ctx.Err()
		}
	}
}

// attempt is one transaction: admitted by the grants as they are now, and
// acked once it has committed (B1). After a commit whose outcome is unknown
// the next attempt finds the heads moved and repeats nothing (W2).
func (l *loader) attempt(ctx context.Context, gathered []handed) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	items, from := l.items(gathered)
	var outcomes []warehouse.Outcome
	var err error
	if len(items) > 0 {
		err = l.watched(ctx, len(items), func() (err error) {
			outcomes, err = l.c.Store.Load(ctx, items, l.moment())
			return err
		})
	}
	l.unlock()
	l.c.news.Store(true)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		l.done(ctx, from[i], o)
	}
	for _, d := range gathered {
		if d.Err != nil {
			l.unreadable(ctx, d.Delivery)
		}
	}
	return nil
}

func (l *loader) items(gathered []handed) ([]warehouse.Item, []handed) {
	var items []warehouse.Item
	var from []handed
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	for _, d := range gathered {
		if d.Batch == nil {
			continue
		}
		current := ""
		if r := l.c.lane(laneID{d.Batch.Stream.Name, d.Batch.Lane}).current; r != nil {
			current = r.Grant
		}
		items = append(items, warehouse.Item{Batch: d.Batch, Current: current})
		from = append(from, d)
	}
	return items, from
}

func (l *loader) moment() warehouse.Moment {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	m := warehouse.Moment{Now: time.Now(), Account: l.c.account.ID, Followers: l.c.followers}
	first := true
	for _, r := range l.c.runs {
		if first || r.floor < m.Horizon { // 0 for a run of which nothing is known
			m.Horizon, first = r.floor, false
		}
	}
	return m
}

// done takes note of what became of a batch, and acks it unless it may come
// into its own after what is missing before it has come.
func (l *loader) done(ctx context.Context, d handed, o warehouse.Outcome) {
	b := d.Batch
	l.c.mu.Lock()
	r := l.c.runs[b.Grant]
	if r != nil && o.Verdict == warehouse.Gap {
		first, again := r.gap(d.round)
		l.c.mu.Unlock()
		l.missing(ctx, d, r, first, again)
		return
	}
	if r != nil && o.Verdict != warehouse.Zombie {
		r.commit(b, o)
		l.c.committed(r)
	}
	settled := r != nil && r.settled()
	l.c.mu.Unlock()
	l.ack(d.Delivery)
	if settled {
		l.c.finish(ctx, r)
	}
}

// missing has the queue begin again when something before a batch is missing
// for the first time; if it is missing still, the run ends (W3).
func (l *loader) missing(ctx context.Context, d handed, r *run, first, again bool) {
	switch {
	case first:
		l.rewind()
	case again:
		l.c.abandon(ctx, r, fmt.Sprintf("what comes before batch %d is missing", d.Batch.Seq))
		l.ack(d.Delivery)
	}
}

func add(a, b penstock.Applied) penstock.Applied {
	return penstock.Applied{
		Loaded: a.Loaded + b.Loaded, Unchanged: a.Unchanged + b.Unchanged,
		Superseded: a.Superseded + b.Superseded, Buried: a.Buried + b.Buried, Wanted: a.Wanted + b.Wanted,
	}
}

// ack tells the bus. One that is lost brings the batch again, which repeats
// nothing.
func (l *loader) ack(d Delivery) {
	if err := d.Ack(); err != nil {
		l.c.logger().Debug("an ack was lost; the batch comes again and is known", "error", err)
	}
}

// unreadable ends the run of a batch that cannot be decoded: reading it again
// from HubSpot is the way to have it whole.
func (l *loader) unreadable(ctx context.Context, d Delivery) {
	l.c.mu.Lock()
	r := l.c.runs[d.Grant]
	l.c.mu.Unlock()
	l.c.logger().Error("a batch on the bus cannot be read; its run begins again at what is committed", "error", d.Err)
	if r != nil {
		l.c.abandon(ctx, r, "a batch of it was damaged on the bus")
	}
	l.ack(d)
}
