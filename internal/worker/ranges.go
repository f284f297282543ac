package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// The bounds of reading in parallel. A range is split where both parts are
// worth a reader, and as many readers are at work as use up a window of
// HubSpot's within its first seconds at 150 ms an answer.
const (
	listReaders   = 14
	leastForList  = 600   // objects left of a range that a list reader splits
	leastToSearch = 300   // objects left of a range that a search reader takes from
	mostToSearch  = 2000  // objects that a search reader takes at once
	takenWhole    = 600   // with fewer left it takes them all
	mostOffset    = 9_000 // how far into a range a split point is looked for: HubSpot answers 10,000 hits
)

// A backfill is read by several readers, each of which has a range at a time.
type backfill struct {
	run *run // the root

	mu     sync.Mutex
	change sync.Cond // of what is below
	places map[int64]cursor.Pass
	queue  []*run // ranges that nobody reads
	active []*run // ranges that are read
	known  bool   // how many objects there are: then ranges can be split
	failed error
	search bool // search compares ids as numbers: it can read ranges
}

// reader is a run of its own for a range, in the grant of the whole.
func (b *backfill) reader(p cursor.Part, at penstock.Cursor) *run {
	root := b.run
	r := &run{
		root: root, rng: p.Range, h: root.h, stream: root.stream, lane: root.lane, grant: root.grant,
		ctx: root.ctx, cancel: root.cancel, table: root.table, columns: root.columns, defined: root.defined,
		ask: root.ask, fills: root.fills, builder: shape.NewBuilder(root.table), cursor: at,
		ahead: fetchAhead, splits: make(chan splitting), closed: make(chan struct{}),
	}
	if end, ends := cursor.ID(p.Place.Below); ends {
		r.below.Store(end)
	}
	r.reached(p.Place.After)
	root.mu.Lock()
	root.parts = append(root.parts, r)
	root.mu.Unlock()
	return r
}

// all are the run and those of its ranges.
func (r *run) all() []*run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*run{r}, r.parts...)
}

// reached notes the id that the reader has come to.
func (r *run) reached(after string) {
	if id, err := strconv.ParseInt(after, 10, 64); err == nil {
		r.after.Store(id)
	}
}

// read reads all ranges to their ends.
func (b *backfill) read() error {
	group, ctx := errgroup.WithContext(b.run.ctx)
	stop := context.AfterFunc(ctx, func() { b.note(func() { b.failed = context.Cause(ctx) }) })
	defer stop()
	looking, enough := context.WithCancel(ctx)
	defer enough()
	go b.lookAround(looking)
	group.Go(func() error { return b.count(ctx) })
	for range listReaders {
		group.Go(func() error { return b.readers(ctx, penstock.ByList) })
	}
	if !b.run.fills {
		group.Go(func() error { return b.readers(ctx, penstock.BySearch) })
	}
	return group.Wait()
}

// lookAgainAfter is how long readers without a range wait before they look
// whether one is worth splitting by now.
const lookAgainAfter = 100 * time.Millisecond

// lookAround has waiting readers look for work again and again.
func (b *backfill) lookAround(ctx context.Context) {
	for sleep(ctx, lookAgainAfter) {
		b.note(func() {})
	}
}

// note changes what readers wait for.
func (b *backfill) note(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	b.change.Broadcast()
}

// readers reads one range after the other, by the list or by search.
func (b *backfill) readers(ctx context.Context, by penstock.Via) error {
	for {
		of := b.next(ctx, by)
		if of == nil {
			return nil
		}
		err := b.part(of, by)
		close(of.closed)
		b.note(func() {
			b.drop(of)
			if err != nil && b.failed == nil {
				b.failed = err
			}
		})
		if err != nil {
			return err
		}
	}
}

// drop takes a range from those that are read; the caller holds mu.
func (b *backfill) drop(of *run) {
	for i, r := range b.active {
		if r == of {
			b.active = append(b.active[:i], b.active[i+1:]...)
			return
		}
	}
}

// next is a range to read; nil when there is none any more.
func (b *backfill) next(ctx context.Context, by penstock.Via) *run {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.failed == nil {
		if len(b.queue) > 0 && by == penstock.ByList {
			of := b.queue[0]
			b.queue, b.active = b.queue[1:], append(b.active, of)
			return of
		}
		if len(b.active)+len(b.queue) == 0 {
			return nil
		}
		if of := b.largest(by); of != nil {
			of.busy = true
			b.mu.Unlock()
			cut := b.split(ctx, of, by)
			b.mu.Lock()
			of.busy = false
			if cut == nil {
				of.uncut = true // it could not be split: it is too near its end, or its reader has failed
				continue
			}
			b.active = append(b.active, cut)
			b.change.Broadcast()
			return cut
		}
		b.change.Wait()
	}
	return nil
}

// largest is the range with the most objects left that may be split; the caller
// holds mu.
func (b *backfill) largest(by penstock.Via) *run {
	if !b.known || (by == penstock.BySearch && !b.search) {
		return nil
	}
	least, best := int64(leastForList), (*run)(nil)
	if by == penstock.BySearch {
		least = leastToSearch
	}
	for _, r := range b.active {
		left := r.left.Load()
		if !r.busy && !r.uncut && left >= least && (r.hungry.Load() || len(b.active) == 1) {
			best, least = r, left
		}
	}
	return best
}

// split has the upper part of a range left to a new reader.
func (b *backfill) split(ctx context.Context, of *run, by penstock.Via) *run {
	at, taken, ok := b.splitPoint(ctx, of, by)
	if !ok {
		return nil
	}
	s := splitting{at: at, answer: make(chan cursor.Part, 1)}
	select {
	case of.splits <- s:
	case <-of.closed:
		return nil
	case <-ctx.Done():
		return nil
	}
	cut, ok := <-s.answer
	if !ok {
		return nil
	}
	of.left.Add(-taken)
	r := b.reader(cut, cut.Place.Cursor())
	r.left.Store(taken)
	b.note(func() { b.places[cut.Range] = cut.Place })
	return r
}

// splitPoint is the id from which on a range is left to another reader, and how
// many objects that is; 0 for all that is left.
func (b *backfill) splitPoint(ctx context.Context, of *run, by penstock.Via) (at, taken int64, ok bool) {
	left := of.left.Load()
	taken = min(left/2, mostOffset)
	if by == penstock.BySearch {
		if left <= takenWhole {
			return 0, left, true
		}
		taken = min(left/2, mostToSearch)
	}
	req := hubspot.SearchRequest{
		Type: of.stream.ObjectType, Modified: modified(of.stream), Descending: true, Offset: int(taken) - 1, Limit: 1,
	}
	if after := of.after.Load(); after > 0 {
		req.AfterID = strconv.FormatInt(after, 10)
	}
	if below := of.below.Load(); below > 0 {
		req.BelowID = strconv.FormatInt(below, 10)
	}
	hits, err := of.h.client.Search(ctx, req)
	if err != nil || len(hits.IDs) == 0 {
		return 0, 0, false // it is read by one reader then
	}
	of.left.Store(int64(hits.Total))
	at, ok = cursor.ID(hits.IDs[0].ID)
	return at, taken, ok
}

// count learns how many objects there are, for the progress shown and to split
// by, while they are read; and whether search reads ranges of ids. That it
// fails matters to nothing else.
func (b *backfill) count(ctx context.Context) error {
	r := b.run
	hits, err := r.h.client.Search(ctx, hubspot.SearchRequest{
		Type: r.stream.ObjectType, Modified: modified(r.stream), Limit: 1,
	})
	if err != nil {
		r.h.log.Debug("the number of objects is not known", "stream", r.stream.Name, "error", err)
		return nil
	}
	r.total.Store(int64(hits.Total))
	if hits.Total < leastForList {
		return nil
	}
	numeric, err := r.h.probeSearch(ctx, r.stream, hits)
	if err != nil {
		r.h.log.Info("ranges of ids are not read by search", "stream", r.stream.Name, "reason", err)
	}
	b.note(func() {
		b.known, b.search = true, numeric
		ranges := append(slices.Clone(b.active), b.queue...)
		for _, of := range ranges {
			of.left.Store((int64(hits.Total) - r.read.Load()) / int64(len(ranges)))
		}
	})
	return nil
}

// errTextIDs says that search compares ids as text.
var errTextIDs = errors.New("search does not compare ids as numbers")

// probeSearch finds out whether search compares ids as numbers: almost all then
// lie above 9 and below the first number with more digits than the highest has,
// whereas nothing does as text.
func (h *holder) probeSearch(ctx context.Context, stream penstock.Stream, lowest *hubspot.Hits) (bool, error) {
	highest, err := h.client.Search(ctx, hubspot.SearchRequest{
		Type: stream.ObjectType, Modified: modified(stream), Limit: 1, Descending: true,
	})
	if err != nil {
		return false, err
	}
	if len(lowest.IDs) == 0 || len(highest.IDs) == 0 {
		return false, errTextIDs
	}
	first, ok := cursor.ID(lowest.IDs[0].ID)
	last, ends := cursor.ID(highest.IDs[0].ID)
	if !ok || !ends || last <= first {
		return false, fmt.Errorf("%w: the first is %q and the last %q", errTextIDs, lowest.IDs[0].ID, highest.IDs[0].ID)
	}
	between := hubspot.SearchRequest{Type: stream.ObjectType, Modified: modified(stream), Limit: 1, AfterID: "9"}
	if digits := len(highest.IDs[0].ID); digits < mostDigits {
		between.BelowID = "1" + strings.Repeat("0", digits)
	}
	hits, err := h.client.Search(ctx, between)
	if err != nil {
		return false, err
	}
	if hits.Total < (lowest.Total-9)*9/10 || hits.Total == 0 { // others may come and go meanwhile
		return false, fmt.Errorf("%w: %d of %d lie between 9 and %s", errTextIDs, hits.Total, lowest.Total, between.BelowID)
	}
	return true, nil
}

// mostDigits is how many a 64-bit integer can have.
const mostDigits = 19
