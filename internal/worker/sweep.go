package worker

import (
	"penstock"
	"penstock/internal/cursor"
)

// sweep reads the archived list from its beginning to its end; for a type that
// nothing tells the changes of, all live objects before.
func (r *run) sweep() error {
	place, err := cursor.ParsePass(r.cursor)
	if err != nil {
		return err
	}
	if !r.stream.Whole {
		place.Archived = true
	}
	for {
		archived := place.Archived
		made := func(p cursor.Pass, s stretch) draft {
			return draft{after: p.Cursor(), inventory: s.inventory(archived)}
		}
		if place, err = r.list(place, made); err != nil {
			return err
		}
		next := cursor.Pass{} // the next sweep begins anew
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
