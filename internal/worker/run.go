package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// The bounds of a batch in the making: rows are penstock.MaxBatchRows.
const (
	batchBytes  = 1536 << 10 // uncompressed; about a third of it on the bus
	batchWithin = 200 * time.Millisecond
)

var (
	errRunOver = errors.New("data-streams has ended the run")
	errStopped = errors.New("stopped")
	errPublish = errors.New("a batch could not be published")
	errNoType  = errors.New("the account does not have this object type, or has not switched it on")
)

// run is a granted stretch of work in one lane. A backfill has a run of its own
// for each range that it reads, all of one grant: root is the first of them,
// which is stopped, counted and ended for all.
type run struct {
	root   *run
	rng    int64 // the range
	h      *holder
	stream penstock.Stream
	lane   penstock.Lane
	grant  penstock.Grant
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   atomic.Bool

	table penstock.Table
	// computed are the properties that HubSpot changes without a new date.
	computed []string
	columns  uint64    // of the table, hashed
	defined  time.Time // when the properties of the table were read
	ask      []string  // the properties to ask HubSpot for
	builder  *shape.Builder
	first    time.Time // when the oldest row in the builder came
	cursor   penstock.Cursor
	seq      uint64
	inHand   []observation // objects in the builder
	sending  chan error    // of the batch that is being published; nil when none is

	parts  []*run // of the root, under mu: the runs of its ranges
	splits chan splitting
	closed chan struct{} // once the range is read no more
	busy   bool          // it is being split; like the next guarded by the backfill's mu
	uncut  bool          // it cannot be split any more
	hungry atomic.Bool   // its reader waits for pages, rather than pages for it
	below  atomic.Int64  // where the range ends; 0: with the list
	left   atomic.Int64  // objects to read, as far as is known
	after  atomic.Int64  // the id that the reader has come to

	end       atomic.Pointer[penstock.RunEnd] // once the run is over
	published atomic.Uint64
	read      atomic.Int64
	total     atomic.Int64
	late      time.Duration

	fills  bool         // only some properties are read, for rows that lack them
	ahead  int          // pages fetched while others are decoded
	pages  int          // of a list that this run is to read at most; 0 for all
	long   atomic.Bool  // the properties do not fit in a URL
	atOnce atomic.Int64 // objects a page, where full pages are too heavy; 0 for full ones
	doubts []penstock.Want
	proved stretch // of a list, by the rows still in hand at its end

	mu      sync.Mutex
	pending []observed // published, not known to be committed
}

// observation is an object that was read whole.
type observation struct {
	id      string
	updated int64
}

// observed are the objects of one batch.
type observed struct {
	seq     uint64
	columns uint64 // of the table that they were read with, hashed
	objects []observation
}

func (h *holder) newRun(ctx context.Context, stream penstock.Stream, lane penstock.Lane, g penstock.Grant) *run {
	r := &run{h: h, stream: stream, lane: lane, grant: g, ahead: fetchAhead}
	r.root = r
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	for _, head := range g.Heads {
		if head.Lane == lane && head.Range == 0 {
			r.cursor = head.Cursor
		}
	}
	h.mu.Lock()
	if h.epoch == g.Epoch {
		h.runs[g.Token] = r
	} else {
		r.cancel(errRunOver) // the next heartbeat brings the new epoch
	}
	h.mu.Unlock()
	return r
}

func (r *run) progress() penstock.Progress {
	return penstock.Progress{
		Grant: r.grant.Token, Published: r.marks(), Read: r.read.Load(), Total: r.total.Load(), End: r.end.Load(),
	}
}

// marks are how far each range has been published.
func (r *run) marks() []penstock.Mark {
	var marks []penstock.Mark
	for _, of := range r.all() {
		if seq := of.published.Load(); seq > 0 {
			marks = append(marks, penstock.Mark{Range: of.rng, Seq: seq})
		}
	}
	return marks
}

// do reads what the lane has to read.
func (r *run) do() (penstock.Outcome, error) {
	err := context.Cause(r.ctx)
	if err == nil {
		err = r.dispatch()
	}
	if sentErr := r.sent(); err == nil {
		err = sentErr
	}
	switch {
	case err == nil:
		return penstock.Done, nil
	case errors.Is(err, errStopped), r.ctx.Err() != nil:
		return penstock.Stopped, err
	case hubspot.KindOf(err) == hubspot.Forbidden, errors.Is(err, errNoType):
		return penstock.Skipped, err
	}
	return penstock.Failed, err
}

func (r *run) dispatch() error {
	switch r.stream.Family {
	case penstock.Objects:
	case penstock.Associations:
		return r.links()
	case penstock.PropertyHistory:
		return r.history()
	default:
		return r.family()
	}
	if err := r.prepare(); err != nil {
		return err
	}
	switch r.lane {
	case penstock.Backfill:
		return r.backfill()
	case penstock.Fresh:
		return r.fresh()
	case penstock.Settled:
		return r.settled()
	case penstock.Archive:
		return r.whole(true)
	case penstock.Sweep:
		if r.stream.Whole {
			return r.whole(false)
		}
		return r.sweep()
	case penstock.Named:
		return r.named()
	}
	return fmt.Errorf("lane %q is not one that this worker knows: it is older than data-streams", r.lane)
}

// prepare makes the table of a stream of objects.
func (r *run) prepare() error {
	properties, err := r.h.lists.of(r.ctx, r.h.client, r.stream.ObjectType, definitionsFor)
	if kind := hubspot.KindOf(err); kind == hubspot.NotFound || kind == hubspot.BadRequest {
		return fmt.Errorf("%w: %w", errNoType, err)
	}
	if err != nil {
		return err
	}
	r.defined = r.h.lists.readAt(r.stream.ObjectType)
	rules := r.h.rulesOf(r.stream)
	properties, names, err := rules.follow(properties)
	if err != nil {
		return err
	}
	for _, p := range properties {
		if p.Computed() {
			r.computed = append(r.computed, p.Name)
		}
	}
	table := shape.TableOf(r.stream, properties)
	table.Names = names
	if len(rules.Hash) > 0 {
		table.HashKey = rules.key
	}
	r.use(table)
	return nil
}

// use begins to build rows of the table.
func (r *run) use(table penstock.Table) {
	r.table, r.columns = table, columnsOf(table)
	r.builder, r.first = shape.NewBuilder(table), time.Now()
	r.ask = r.ask[:0]
	merged := map[string]bool{"hs_merged_object_ids": true}
	if r.stream.ObjectType == "0-1" {
		merged["hs_calculated_merged_vids"] = true
	}
	for _, c := range table.Columns {
		source := table.Source(c.Property)
		r.ask = append(r.ask, source)
		delete(merged, source)
	}
	for name := range merged {
		r.ask = append(r.ask, name)
	}
}

// A draft is what a batch says besides its rows.
type draft struct {
	after     penstock.Cursor
	splits    []penstock.Split
	begin     penstock.Cursor
	filled    []string
	wanted    []penstock.Want
	inventory *penstock.Inventory
	settledAt int64
	freshAt   int64
}

// full tells whether the rows in hand are a batch's worth.
func (r *run) full() bool {
	return r.builder.Rows() > penstock.MaxBatchRows-hubspot.MaxList ||
		r.builder.Bytes() >= batchBytes ||
		(r.builder.Rows() > 0 && time.Since(r.first) >= batchWithin)
}

// emit publishes the rows in hand with the place that they move the range to,
// in the order of the sequence. It ends the run when it was asked to stop.
func (r *run) emit(d draft) error {
	built := r.builder.Flush()
	if !r.fills && r.h.newTable(r) && len(built.Records) == 0 {
		built.Records = append(built.Records, array.NewRecordBuilder(arrowmem.DefaultAllocator, r.table.Schema()).NewRecordBatch())
	}
	d.wanted = append(d.wanted, r.doubts...)
	b := &penstock.Batch{
		Connection: r.h.name, Stream: r.stream, Lane: r.lane, Grant: r.grant.Token, Range: r.rng, Seq: r.seq + 1,
		Before: r.cursor, After: d.after, Splits: d.splits, Rows: built.Records, Rejects: built.Rejects, Counts: built.Counts,
		Stamp: built.Stamp, Begin: d.begin, Filled: d.filled, Wanted: d.wanted, Inventory: d.inventory,
		SettledAt: d.settledAt, FreshAt: d.freshAt,
	}
	if d.inventory != nil {
		b.Stamp = max(b.Stamp, d.inventory.Stamp)
	}
	objects := observed{b.Seq, r.columns, r.inHand}
	r.seq, r.cursor, r.doubts, r.inHand = b.Seq, d.after, nil, nil
	if err := r.sent(); err != nil {
		b.Release()
		return err
	}
	sending := make(chan error, 1)
	r.sending = sending
	go func() { sending <- r.publish(b, objects) }()
	if r.root.stop.Load() {
		return errStopped
	}
	return nil
}

// publish sends one batch while the next one is built.
func (r *run) publish(b *penstock.Batch, objects observed) error {
	defer b.Release()
	if err := r.h.w.cfg.Out.Publish(r.ctx, b); err != nil {
		return fmt.Errorf("%w: %s: %w", errPublish, r.stream.Name, err)
	}
	r.published.Store(b.Seq)
	if len(objects.objects) > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pending = append(r.pending, objects)
	}
	return nil
}

// sent waits until the batch before is safe on the bus.
func (r *run) sent() error {
	if r.sending == nil {
		return nil
	}
	err := <-r.sending
	r.sending = nil
	return err
}

// add appends an answer's objects to the rows in hand. Rows that cannot share
// a batch with it are emitted first, at the place they reach to.
func (r *run) add(page *hubspot.Page, via penstock.Via, before draft) ([]shape.Object, error) {
	if r.builder.Rows() == 0 {
		r.first = time.Now()
	}
	take := r.builder.Objects
	if r.fills {
		take = r.builder.Fill
	}
	objects, err := take(page, via)
	if errors.Is(err, shape.ErrColumns) {
		if err := r.emit(before); err != nil {
			return nil, err
		}
		r.first = time.Now()
		objects, err = take(page, via)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadPage, err)
	}
	r.h.clock.saw(page.Date)
	r.root.read.Add(int64(len(objects)))
	if via != penstock.BySearch { // whose values may be older than their date
		r.note(page.Date, objects)
	}
	return objects, nil
}

// surely is how long after a change an answer must have come to be sure to
// hold all of it: HubSpot's date has whole seconds, and two edits may share a
// millisecond.
const surely = 5 * time.Second

// memorable is how long before the lag a change may lie to be kept in mind:
// search windows begin before the lag only after a pause, and forgetting costs
// calls only.
const memorable = 24 * time.Hour

// note keeps in mind which objects were read whole, so that they are not read
// again for the same change.
func (r *run) note(date time.Time, objects []shape.Object) {
	if r.fills {
		return
	}
	until := date.Add(-surely).UnixMilli()
	from := date.Add(-r.grant.Lag - memorable).UnixMilli()
	for _, o := range objects {
		if !o.Rejected && !o.Archived && o.Updated >= from && o.Updated <= until {
			r.inHand = append(r.inHand, observation{o.ID, o.Updated})
		}
	}
}
