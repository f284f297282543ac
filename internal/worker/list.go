package worker

import (
	"context"
	"errors"
	"strconv"

	"penstock"
	"penstock/internal/cursor"
)

// A splitting asks the reader of a range to leave what lies from an id on to
// another; 0: all that it has not come to. The answer is the new part; the
// channel is closed without one when there is nothing to leave.
type splitting struct {
	at     int64
	answer chan cursor.Part
}

// list reads a list from the place to its end, emitting batches on the way as
// told by made. The rows of the last pages stay in hand: the caller emits
// them with the place that list returns.
func (r *run) list(place cursor.Pass, made func(cursor.Pass, stretch) draft) (cursor.Pass, error) {
	for tries := 0; ; tries++ {
		next, err := r.listOnce(place, made)
		if !errors.Is(err, errBadPage) || tries == pageTries {
			return next, err
		}
		place = next
		r.h.log.Warn("a page is fetched again", "stream", r.stream.Name, "error", err)
		if !sleep(r.ctx, retryFirst<<tries) {
			return place, context.Cause(r.ctx)
		}
	}
}

// A listing is a list on the way.
type listing struct {
	*run
	place  cursor.Pass
	proved stretch
	made   func(cursor.Pass, stretch) draft
	seen   int // pages so far
}

// listOnce reads as far as pages can be read.
func (r *run) listOnce(place cursor.Pass, made func(cursor.Pass, stretch) draft) (cursor.Pass, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	l := &listing{run: r, place: place, proved: stretch{from: place.After, to: place.After}, made: made}
	pages := r.fetch(ctx, place)
	for {
		var over bool
		var err error
		r.hungry.Store(len(pages) == 0)
		select {
		case f, open := <-pages:
			if !open {
				return l.place, context.Cause(r.ctx)
			}
			over, err = l.take(f)
		case s := <-r.splits:
			over, err = l.split(s)
		}
		if over || err != nil {
			return l.place, err
		}
	}
}

// take adds a page to the rows in hand; over after the last.
func (l *listing) take(f fetched) (over bool, err error) {
	if f.err != nil {
		return false, l.keepHand(f.err)
	}
	if l.proved.stamp == 0 {
		l.proved.stamp = f.page.Stamp
	}
	before := l.seq
	objects, err := l.add(f.page, f.via, l.made(l.place, l.proved))
	if err != nil {
		return false, l.keepHand(err)
	}
	if l.seq != before { // what was in hand had to go first
		l.proved = stretch{from: l.place.After, stamp: f.page.Stamp}
	}
	l.doubts = append(l.doubts, f.unanswered(objects)...)
	l.left.Add(-int64(len(objects)))
	if f.end || l.place.Past(f.next) {
		l.place, l.proved.to = l.place.To(""), l.place.Below
		l.run.proved = l.proved
		return true, nil
	}
	l.place, l.proved.to = l.place.To(f.next), f.next
	l.reached(f.next)
	l.seen++
	enough := l.pages > 0 && l.seen >= l.pages
	if l.full() || enough {
		if err := l.flush(); err != nil {
			return false, err
		}
	}
	if enough {
		return false, errEnough
	}
	return false, nil
}

// flush emits the rows in hand with the place that they reach to.
func (l *listing) flush() error {
	err := l.emit(l.made(l.place, l.proved))
	l.proved = stretch{from: l.place.After, to: l.place.After}
	return err
}

// keepHand publishes what was read before a failure, so that the next run does
// not read it again.
func (l *listing) keepHand(err error) error {
	if l.builder.Rows() == 0 || l.ctx.Err() != nil || errors.Is(err, errStopped) || errors.Is(err, errPublish) {
		return err
	}
	return errors.Join(err, l.flush())
}

// split leaves a part of the range to another reader; over when that is all
// that was left.
func (l *listing) split(s splitting) (over bool, err error) {
	defer close(s.answer)
	rest, cut, ok := l.cutAt(s.at, l.place)
	if !ok {
		return false, nil
	}
	l.place = rest
	d := l.made(l.place, l.proved)
	d.splits = []penstock.Split{{Range: cut.Range, Cursor: cut.Place.Cursor()}}
	if err := l.emitNow(d); err != nil {
		return false, err
	}
	l.proved = stretch{from: l.place.After, to: l.place.After}
	s.answer <- cut
	return l.ended(l.place), nil
}

// cutAt cuts what lies from the id on off the place; 0: all that is left.
func (r *run) cutAt(id int64, place cursor.Pass) (rest cursor.Pass, cut cursor.Part, ok bool) {
	if id == 0 {
		id, _ = cursor.ID(place.After)
	}
	part, cut, ok := cursor.Part{Range: r.rng, Place: place}.Split(id)
	if !ok {
		return place, cut, false
	}
	r.below.Store(id)
	if rest = part.Place; rest.Past(rest.After) {
		rest = rest.To(rest.After)
	}
	return rest, cut, true
}

// ended tells whether nothing is left of the range.
func (r *run) ended(p cursor.Pass) bool { return p.Done && len(p.Fill) == 0 && p.After == "" }

// emitNow emits a batch and waits until it is safe on the bus: what another
// reader publishes then comes after it.
func (r *run) emitNow(d draft) error {
	if err := r.emit(d); err != nil {
		return err
	}
	return r.sent()
}

// past tells whether a list's cursor lies behind the end of the range, which a
// split may have brought nearer.
func (r *run) past(next string) bool {
	end := r.below.Load()
	at, err := strconv.ParseInt(next, 10, 64)
	return end > 0 && err == nil && at >= end
}
