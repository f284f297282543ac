package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// worth a reader. Each split costs a search, which could have read 200 objects.
const (
	listReaders   = 14
	searchReaders = 2     // at 150 ms an answer one alone leaves some of five a second unused
	leastForList  = 1200  // objects left of a range that a list reader splits
	leastToSearch = 300   // objects left of a range that a search reader takes from
	takenWhole    = 1200  // with fewer left it takes them all
	takenWaiting  = 2000  // and with fewer than these of one whose reader would wait long for the list
	halvedBlindly = 2500  // with fewer left a list reader takes the upper half of the ids: a page too many costs less than a search
	mostOffset    = 9_000 // how far into a range a split point is looked for: HubSpot answers 10,000 hits
	quarters      = 4     // so many times as fast as its span lists use up the ten-second window
)

// pageWork is about how long this machine works on a page of a wide table, and
// so for how much of an answer's time another reader is worth its memory.
const pageWork = 10 * time.Millisecond

// A backfill is read by several readers, each of which has a range at a time.
type backfill struct {
	run   *run // the root
	began time.Time

	mu        sync.Mutex
	change    sync.Cond // of what is below
	places    map[int64]cursor.Pass
	queue     []*run // ranges that nobody reads
	active    []*run // ranges that are read
	known     bool   // how many objects there are: then ranges can be split
	failed    error
	search    bool           // search compares ids as numbers: it can read ranges
	refused   map[*run]int64 // where ranges stood when they could not be cut
	searching map[*run]bool  // active ranges that are read by search
	answer    time.Duration  // the fastest that a search was answered
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
		for range searchReaders {
			group.Go(func() error { return b.readers(ctx, penstock.BySearch) })
		}
	}
	return group.Wait()
}

// closedLong is for how long the window of lists must be closed that search
// takes over what lists wait for, however little that is.
const closedLong = time.Second

// soon is what is not worth a search, of which a second has few.
const soon = 2 * time.Second

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
	b.active = slices.DeleteFunc(b.active, func(r *run) bool { return r == of })
	delete(b.searching, of)
	delete(b.refused, of)
	for _, r := range b.active { // what it was thought to hold is theirs
		r.left.Add(of.left.Load() / int64(len(b.active)))
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
				b.refused[of] = of.after.Load()
				of.uncut = true // it could not be split: it is too near its end, or its reader has failed
				continue
			}
			b.active = append(b.active, cut)
			if by == penstock.BySearch {
				b.searching[cut] = true
			}
			b.change.Broadcast()
			return cut
		}
		b.change.Wait()
	}
	return nil
}

// largest is the range with the most objects left that may be split; nil also
// where it is not worth it. The caller holds mu.
func (b *backfill) largest(by penstock.Via) *run {
	full, enough := b.window()
	lists := len(b.active) - len(b.searching)
	if !b.known || (by == penstock.ByList && (full || lists >= enough)) {
		return nil
	}
	least := int64(leastForList)
	if by == penstock.BySearch {
		if !b.search || !full && b.soonListed() || b.largest(penstock.ByList) != nil { // lists go first: they read faster
			return nil
		}
		least = leastToSearch
	}
	var best *run
	for _, r := range b.active {
		left, waits := r.left.Load(), by == penstock.BySearch && full && b.listed(r)
		if waits { // longer than search takes, however little is left
			left = max(left, 0) + leastToSearch
		}
		// Before its first page nobody knows whether cursors are ids.
		if r.after.Load() > 0 && !r.busy && (!r.uncut || waits) && left >= least && (r.hungry.Load() || len(b.active) == 1) {
			best, least = r, left
		}
	}
	return best
}

// soonListed tells whether lists will have read all that is left before a few
// searches are answered; the caller holds mu.
func (b *backfill) soonListed() bool {
	left := int64(0)
	for _, r := range b.active {
		left += max(0, r.left.Load())
	}
	lists := b.run.h.client.Quota().Windows[0]
	allowed := lists.Span / time.Duration(max(1, lists.Share)) * time.Duration(left/hubspot.MaxList)
	worked := time.Since(b.began) / time.Duration(max(1, b.run.read.Load())) * time.Duration(left)
	return max(allowed, worked) < soon
}

// listed tells whether a range is read by the list, and can be taken from its
// reader where that stands now; the caller holds mu.
func (b *backfill) listed(r *run) bool {
	refused, was := b.refused[r]
	after := r.after.Load()
	return !b.searching[r] && after > 0 && !(was && refused == after)
}

// waits tells whether the reader of a range waits long for the list.
func (b *backfill) waits(of *run) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	full, _ := b.window()
	return full && b.listed(of)
}

// window tells whether lists wait for HubSpot's ten-second window, and how many
// readers of lists use it up in a quarter of its span: what is read beside that
// by search is then the most, and the fewest searches are spent on splits. No
// more than this machine can work for while one answer is waited for.
func (b *backfill) window() (full bool, readers int) {
	lists := b.run.h.client.Quota().Windows[0]
	pages := float64(lists.Share) * quarters * b.answer.Seconds() / lists.Span.Seconds()
	kept := int(b.answer/pageWork) + 1
	return lists.Waiting > 0 && lists.Opens > closedLong, min(listReaders, kept, int(pages)+1)
}

// ask searches, and notes how long an answer takes.
func (b *backfill) ask(ctx context.Context, req hubspot.SearchRequest) (*hubspot.Hits, error) {
	req.Type, req.Modified = b.run.stream.ObjectType, modified(b.run.stream)
	began := time.Now()
	hits, err := b.run.h.client.Search(ctx, req)
	if took := time.Since(began); err == nil {
		b.note(func() {
			if b.answer == 0 || took < b.answer {
				b.answer = took
			}
		})
	}
	return hits, err
}

// A splitPoint is where a range is split.
type splitPoint struct {
	at    int64         // ids from here on are left to another reader; 0: all that is left
	taken int64         // objects there
	head  *hubspot.Hits // the first of them, which need not be read again; nil where they are not known
}

// split has the upper part of a range left to a new reader.
func (b *backfill) split(ctx context.Context, of *run, by penstock.Via) *run {
	point, ok := b.splitPoint(ctx, of, by)
	if !ok {
		return nil
	}
	s := splitting{at: point.at, answer: make(chan cursor.Part, 1)}
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
	of.left.Add(-point.taken)
	r := b.reader(cut, cut.Place.Cursor())
	r.left.Store(point.taken)
	place := r.begun(cut.Place, point.head)
	b.note(func() { b.places[cut.Range] = place })
	return r
}

// begun takes the objects with which a new range begins, where the answer that
// named its first one holds them, and is the place behind them.
func (r *run) begun(place cursor.Pass, head *hubspot.Hits) cursor.Pass {
	if head == nil {
		return place
	}
	objects, err := r.add(head.Page, penstock.BySearch, draft{after: place.Cursor()})
	top, ok := cursor.ID(head.IDs[0].ID) // the highest comes first
	if err != nil || !ok {
		return place // its reader reads them again
	}
	r.left.Add(-int64(len(objects)))
	place.After = strconv.FormatInt(top, 10)
	r.reached(place.After)
	if place.Past(strconv.FormatInt(top+1, 10)) {
		return place.To("")
	}
	return place
}

// splitPoint looks for the middle of a range, or for the place from which on
// the most is left that search can look back at. Its answer names all objects
// between the first and the last that it names: an offset leaves something
// out only between two answers.
func (b *backfill) splitPoint(ctx context.Context, of *run, by penstock.Via) (splitPoint, bool) {
	left := of.left.Load()
	after, below := of.after.Load(), of.below.Load()
	switch {
	case by == penstock.BySearch && (left <= takenWhole || of.uncut || left <= takenWaiting && b.waits(of)):
		return splitPoint{taken: left}, true
	case by == penstock.ByList && b.search && left <= halvedBlindly && after > 0 && below > after:
		return splitPoint{at: after + (below-after)/2, taken: left / 2}, true
	}
	req := hubspot.SearchRequest{Descending: true, Limit: 1}
	if b.search && !b.run.fills {
		req.Limit, req.Properties = hubspot.MaxSearch, of.ask
	}
	taken := min(left/2, mostOffset)
	req.Offset = int(taken) - req.Limit
	if after > 0 {
		req.AfterID = strconv.FormatInt(after, 10)
	}
	if below > 0 {
		req.BelowID = strconv.FormatInt(below, 10)
	}
	hits, err := b.ask(ctx, req)
	switch {
	case err == nil && hits.Total == 0 && by == penstock.BySearch:
		return splitPoint{}, true
	case err != nil || len(hits.IDs) == 0:
		return splitPoint{}, false // it is read by one reader then
	}
	of.left.Store(int64(hits.Total))
	at, ok := cursor.ID(hits.IDs[len(hits.IDs)-1].ID)
	point := splitPoint{at: at, taken: int64(req.Offset + len(hits.IDs))}
	if req.Limit > 1 && len(hits.IDs) == req.Limit && falling(hits.IDs) {
		point.head = hits
	}
	return point, ok
}

// falling tells whether each hit has a lower id than the one before. An answer
// in another order, or a short one, may leave something out in its middle.
func falling(hits []hubspot.Hit) bool {
	before := int64(math.MaxInt64)
	for _, hit := range hits {
		id, ok := cursor.ID(hit.ID)
		if !ok || id >= before {
			return false
		}
		before = id
	}
	return true
}

// count learns how many objects there are, for the progress shown and to split
// by, while they are read; and whether search reads ranges of ids. That it
// fails matters to nothing else.
func (b *backfill) count(ctx context.Context) error {
	r := b.run
	hits, err := b.ask(ctx, hubspot.SearchRequest{Limit: 1})
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
