package worker

import (
	"errors"

	"penstock"
	"penstock/internal/cursor"
)

// sweepPages is how many pages one run of a sweep reads: then it asks whether
// it may go on, as the day's calls and the clock allow.
const sweepPages = 100

// whole reads the archived list from its beginning to its end; for a type that
// nothing tells the changes of, all live objects before.
func (r *run) whole(archivedOnly bool) error {
	place, err := cursor.ParsePass(r.cursor)
	if err != nil {
		return err
	}
	place.Archived = place.Archived || archivedOnly
	for {
		archived := place.Archived
		made := func(p cursor.Pass, s stretch) draft {
			return draft{after: p.Cursor(), inventory: s.inventory(archived)}
		}
		if place, err = r.list(place, made); err != nil {
			return err
		}
		next := cursor.Pass{} // the next time begins anew
		if !archived {
			next = cursor.Pass{Archived: true}
		}
		if err := r.emit(draft{after: next.Cursor(), inventory: r.proved.inventory(archived)}); err != nil {
			return err
		}
		if archived {
			return nil
		}
		place = next
	}
}

// sweep compares everything that the list of live objects names with what is
// held: an object of another date is wanted, and so is one of ours that the
// list does not name. Of the values only those are taken that HubSpot computes
// and changes without a new date.
func (r *run) sweep() error {
	place, err := cursor.ParsePass(r.cursor)
	if err != nil {
		return err
	}
	r.fills, r.pages = true, sweepPages
	r.use(only(r.table, r.computed))
	place = place.Sweeping(r.h.clock.now().UnixMilli())
	made := func(p cursor.Pass, s stretch) draft {
		return draft{after: p.Cursor(), inventory: s.inventory(false)}
	}
	place, err = r.list(place, made)
	if err == nil {
		err = r.emit(draft{after: place.SweptOnce().Cursor(), inventory: r.proved.inventory(false)})
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a run that has read what one run may.
var errEnough = errors.New("enough for one run")

// inventory says what the stretch proves: an id of ours in it that the rows do
// not name is no longer in the list. Cursors that are not ids prove nothing.
func (s stretch) inventory(archived bool) *penstock.Inventory {
	inv := &penstock.Inventory{Archived: archived, Stamp: s.stamp}
	if s.stamp == 0 {
		return nil
	}
	if s.from != "" {
		if _, ok := cursor.ID(s.from); !ok {
			return nil
		}
		inv.From = penstock.Key{s.from}
	}
	if s.to != "" {
		if _, ok := cursor.ID(s.to); !ok {
			return nil
		}
		inv.To = penstock.Key{s.to}
	}
	return inv
}

// named reads the keys that something wants read, and says of those that
// HubSpot does not know, live or archived, that they are missing.
func (r *run) named() error {
	ids := make([]string, 0, len(r.grant.Wanted))
	for _, w := range r.grant.Wanted {
		ids = append(ids, w.Key)
	}
	for len(ids) > 0 {
		n := min(len(ids), 500)
		stamp := r.h.nextStamp()
		missing, err := r.readIDs(ids[:n])
		if err != nil {
			return err
		}
		for _, id := range missing {
			r.builder.Missing(penstock.Key{id}, r.h.clock.now(), stamp)
		}
		if err := r.emit(draft{}); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
