package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// linkPages bounds the pages of one object's links: a list that goes on has
// cursors that do not lead to its end.
const linkPages = 20_000

// A following is the place among the objects whose belongings a run reads:
// those that something wants, or in a sweep the next ones by id.
type following struct {
	*run
	ids   []string
	place cursor.Pass
	rows  int // rows and rejects in hand
}

func (r *run) following() (following, error) {
	f := following{run: r, ids: r.grant.Keys}
	if r.lane == penstock.Sweep {
		place, err := cursor.ParsePass(r.cursor)
		f.place = place.Sweeping(r.h.clock.now().UnixMilli())
		return f, err
	}
	f.ids = nil
	for _, w := range r.grant.Wanted {
		f.ids = append(f.ids, w.Key)
	}
	return f, nil
}

// reached is the cursor once the first n objects are done with.
func (f *following) reached(n int) penstock.Cursor {
	switch {
	case f.lane != penstock.Sweep:
		return f.cursor
	case n == len(f.ids) && f.grant.Last:
		return f.place.SweptOnce().Cursor()
	case n > 0:
		f.place.After = f.ids[n-1]
	}
	return f.place.Cursor()
}

// send emits the rows in hand.
func (f *following) send(d draft) error {
	f.rows = 0
	return f.emit(d)
}

// crowded tells whether another row must wait for the next batch.
func (f *following) crowded() bool {
	return f.rows >= penstock.MaxBatchRows || f.builder.Bytes() >= batchBytes
}

// doubt has an object read again that could not be read to its end. One that
// is wanted stays so.
func (f *following) doubt(id string, stamp int64) {
	if f.lane == penstock.Sweep {
		f.doubts = append(f.doubts, penstock.Want{Key: id, Reason: penstock.WantDoubt, Stamp: stamp})
	}
}

// keepHand publishes what was read before a failure.
func (f *following) keepHand(err error, publish func() error) error {
	if f.rows == 0 || f.ctx.Err() != nil || errors.Is(err, errStopped) || errors.Is(err, errPublish) {
		return err
	}
	return errors.Join(err, publish())
}

// ofType names a refusal that is about the types, not about their objects.
func ofType(err error) error {
	if kind := hubspot.KindOf(err); kind == hubspot.NotFound || kind == hubspot.BadRequest {
		return fmt.Errorf("%w: %w", errNoType, err)
	}
	return err
}

// linking reads the links of objects.
type linking struct {
	following
	objects []*linked // in the order of the ids
	byID    map[string]*linked
	next    []*linked // have more pages
	again   []*linked // must begin again
	settled int       // so many of the first objects are done with, as published
}

// linked is an object whose links are being read.
type linked struct {
	id       string
	after    string // the next page
	stamp    int64  // of the first page
	asked    int64  // of the last answer
	pages    map[string]bool
	rejected []string // links, told with the last page: they answer what wants the object
	done     bool     // what it has is published, or another run's to find out
}

// links reads the links of the objects that the grant names. An object's
// links are known when all its pages are; then what was held and not named is
// gone, unless a link could not be read.
func (r *run) links() error {
	r.use(shape.AssociationsTable(r.stream))
	f, err := r.following()
	if err != nil {
		return err
	}
	l := &linking{following: f, byID: map[string]*linked{}}
	for _, id := range f.ids {
		o := &linked{id: id}
		l.objects = append(l.objects, o)
		l.byID[id] = o
	}
	l.total.Store(int64(len(f.ids)))
	waiting := l.objects
	for tries := 0; len(waiting) > 0 && tries <= pageTries; tries++ {
		if tries > 0 && !sleep(r.ctx, retryFirst<<tries) {
			return context.Cause(r.ctx)
		}
		if err := l.all(waiting); err != nil {
			return l.keepHand(err, func() error { return l.send(draft{after: l.cursorNow()}) })
		}
		waiting, l.again = l.again, nil
		if len(waiting) > 0 && l.rows > 0 { // what their first reading has said must not share a batch with the second's inventory
			if err := l.send(draft{after: l.cursorNow()}); err != nil {
				return err
			}
		}
	}
	for _, o := range waiting {
		l.doubt(o.id, o.asked)
		o.done = true
	}
	if at := l.cursorNow(); at != r.cursor || l.rows > 0 || len(l.doubts) > 0 || r.seq == 0 {
		return l.send(draft{after: at})
	}
	return nil
}

// all reads objects to the end of their links, but for those that must begin
// again.
func (l *linking) all(objects []*linked) error {
	for len(objects) > 0 || len(l.next) > 0 {
		most := hubspot.MaxAssociations
		if l.atOnce.Load() > 0 {
			most = l.most()
		}
		ask := l.next[:min(len(l.next), most)]
		more := min(len(objects), most-len(ask))
		ask = slices.Concat(ask, objects[:more])
		page, err := l.page(ask)
		if err != nil && l.heavy(nil, err) {
			continue
		}
		if err != nil {
			return ofType(err)
		}
		l.next, objects = l.next[len(ask)-more:], objects[more:]
		if err := l.take(page); err != nil {
			return err
		}
	}
	return nil
}

// page asks for the next page of each object.
func (l *linking) page(objects []*linked) (*hubspot.AssociationPage, error) {
	ask := hubspot.AssociationRequest{From: l.stream.ObjectType, To: l.stream.ToType}
	for _, o := range objects {
		ask.Inputs = append(ask.Inputs, hubspot.AssociationInput{ID: o.id, After: o.after})
	}
	return l.h.client.Associations(l.ctx, ask)
}

// take adds an answer to the rows in hand and publishes what is complete by it.
func (l *linking) take(page *hubspot.AssociationPage) error {
	l.h.clock.saw(page.Date)
	var whole []*linked
	for _, id := range page.None {
		o := l.byID[id]
		o.begin(page.Stamp)
		whole = append(whole, o)
	}
	for _, id := range page.Unanswered {
		l.anew(l.byID[id], page.Stamp)
	}
	for _, of := range page.Linked {
		o := l.byID[of.From]
		if o.after == "" {
			o.begin(page.Stamp)
		}
		o.rejected, of.Rejected = append(o.rejected, of.Rejected...), nil
		if of.Next == "" {
			of.Rejected = o.rejected
		}
		if err := l.add(page, of); err != nil {
			return err
		}
		switch {
		case of.Next == "":
			whole = append(whole, o)
		case o.pages[of.Next] || len(o.pages) >= linkPages:
			l.anew(o, page.Stamp)
		default:
			o.asked, o.after, o.pages[of.Next] = page.Stamp, of.Next, true
			l.next = append(l.next, o)
		}
	}
	return l.publishWhole(whole)
}

// begin notes that the object's first page has come.
func (o *linked) begin(stamp int64) {
	o.stamp, o.asked, o.rejected, o.pages = stamp, stamp, nil, map[string]bool{}
}

// anew has the object read again from its first page: what its pages have said
// so far does not make a whole.
func (l *linking) anew(o *linked, stamp int64) {
	o.after, o.asked = "", stamp
	l.again = append(l.again, o)
}

// add appends a page of one object's links, in as many batches as they need.
func (l *linking) add(page *hubspot.AssociationPage, of hubspot.Linked) error {
	for range l.builder.Links(page, of) {
		if l.crowded() {
			if err := l.send(draft{after: l.cursorNow()}); err != nil {
				return err
			}
		}
		l.rows++
	}
	return nil
}

// publishWhole says of objects that all their links are in this batch or an
// earlier one. A batch has one inventory, and its stamp must be that of each
// of its objects' first pages: a later one would bury links that only
// another object's answer postdates, an earlier one would leave those
// standing that an unfinished reading of the same object has published and
// that were removed before it began again.
func (l *linking) publishWhole(objects []*linked) error {
	slices.SortStableFunc(objects, func(a, b *linked) int { return cmp.Compare(a.stamp, b.stamp) })
	for len(objects) > 0 {
		n := slices.IndexFunc(objects, func(o *linked) bool { return o.stamp != objects[0].stamp })
		if n < 0 {
			n = len(objects)
		}
		inv := &penstock.Inventory{Stamp: objects[0].stamp}
		for _, o := range objects[:n] {
			o.done = true
			if len(o.rejected) == 0 { // else what cannot be read may be what is not named
				inv.Of = append(inv.Of, o.id)
			}
		}
		if len(inv.Of) == 0 {
			inv = nil
		}
		l.root.read.Add(int64(n))
		objects = objects[n:]
		if err := l.send(draft{after: l.cursorNow(), inventory: inv}); err != nil {
			return err
		}
	}
	return nil
}

// cursorNow is the cursor up to which every object is done with.
func (l *linking) cursorNow() penstock.Cursor {
	for l.settled < len(l.objects) && l.objects[l.settled].done {
		l.settled++
	}
	return l.reached(l.settled)
}
