package worker

import (
	"errors"
	"slices"
	"time"

	"penstock"
	"penstock/internal/cursor"
)

// backfill reads everything once, from the last committed places; or the
// values of new properties for rows that were loaded before. Several readers
// share it: whoever has nothing to do has a range that is being read split.
func (r *run) backfill() error {
	parts, err := cursor.Parts(r.grant.Heads)
	if err != nil {
		return err
	}
	left := cursor.Left(parts)
	if len(left) == 0 && len(r.grant.Fill) > 0 {
		left = cursor.Fill(parts, r.grant.Fill)
	}
	if len(left) == 0 {
		return nil
	}
	r.narrow(left)
	b := &backfill{run: r, began: time.Now(), places: map[int64]cursor.Pass{}, searching: map[*run]bool{}, refused: map[*run]int64{}}
	b.change.L = &b.mu
	for _, p := range parts {
		b.places[p.Range] = p.Place
	}
	for _, p := range left {
		b.places[p.Range] = p.Place
		b.queue = append(b.queue, b.reader(p, r.headOf(p.Range)))
	}
	if len(r.grant.Heads) == 0 {
		if err := b.queue[0].begin(); err != nil {
			return err
		}
	}
	if r.fills && len(r.table.Columns) == 0 { // the properties are in the account no more
		for _, of := range b.queue {
			if err := b.part(of, penstock.ByList); err != nil {
				return err
			}
		}
		return nil
	}
	return b.read()
}

// narrow has only the properties read that a pass fills, where the parts are of
// such a pass. One that the account does not have now is not asked for, and so
// is not filled by the pass.
func (r *run) narrow(left []cursor.Part) {
	var fill []string
	for _, p := range left {
		fill = append(fill, p.Place.Fill...)
	}
	if r.fills = len(fill) > 0; !r.fills {
		return
	}
	r.use(only(r.table, fill))
	there := properties(r.table)
	for i := range left {
		fill := slices.Clone(left[i].Place.Fill)
		left[i].Place.Fill = slices.DeleteFunc(fill, func(property string) bool { return !slices.Contains(there, property) })
	}
}

// headOf is the range's cursor as committed.
func (r *run) headOf(first int64) penstock.Cursor {
	for _, head := range r.grant.Heads {
		if head.Lane == r.lane && head.Range == first {
			return head.Cursor
		}
	}
	return ""
}

// begin fixes, before anything is read, where the settled lane begins: what
// changes from now on is its to find.
func (r *run) begin() error {
	begin := r.h.clock.now().Add(-r.grant.Lag).UnixMilli()
	return r.emit(draft{after: r.cursor, begin: cursor.Window{From: begin}.Cursor()})
}

// part reads one range by the list or by search, to its end.
func (b *backfill) part(of *run, by penstock.Via) error {
	place := b.placeOf(of.rng)
	var err error
	switch {
	case place.Done && len(place.Fill) == 0: // nothing of it can be asked for
		place = place.To("")
	case by == penstock.BySearch:
		place, err = of.searchRange(place)
	default:
		place, err = of.list(place, func(p cursor.Pass, _ stretch) draft { return draft{after: p.Cursor()} })
	}
	if err != nil {
		return errors.Join(err, of.sent())
	}
	filled := b.finish(of.rng, place)
	if err := of.emit(draft{after: place.Cursor(), filled: filled}); err != nil {
		return err
	}
	return of.sent()
}

// placeOf is where the range stands, as far as is known here.
func (b *backfill) placeOf(first int64) cursor.Pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.places[first]
}

// finish notes that a range has been read to its end; after the last one of a
// pass it names the properties that the pass has filled everywhere.
func (b *backfill) finish(first int64, place cursor.Pass) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.places[first] = place
	if !b.run.fills {
		return nil
	}
	parts := make([]cursor.Part, 0, len(b.places))
	for first, place := range b.places {
		parts = append(parts, cursor.Part{Range: first, Place: place})
	}
	return cursor.Filled(parts)
}
