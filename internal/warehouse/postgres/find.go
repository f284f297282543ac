package postgres

import (
	"fmt"

	"penstock"
	"penstock/internal/warehouse"
)

// The columns of find before the properties.
const (
	foundAt = iota
	foundUpdated
	foundStamp
	foundWhy
	foundMergedInto
	foundCreated
	foundDeletedAt
	foundDeleted
	foundPrint
	foundSeen
	foundProperties
)

// foundOwn are the columns of find that are our own and enter the print.
func foundOwn() map[int]int {
	return map[int]int{
		foundUpdated: ownUpdated, foundStamp: ownStamp, foundWhy: ownWhy, foundMergedInto: ownMergedInto,
		foundCreated: ownCreated, foundDeletedAt: ownDeletedAt, foundDeleted: ownDeleted,
	}
}

// A finding reads the standing rows of a stretch.
type finding struct {
	*writing
	picking
	own   map[int]int
	kinds []penstock.Type
	seeds []warehouse.Seed
}

// find looks all rows of the stretch up in one statement, and compares those
// that stand.
func (w *writing) find() error {
	t := w.table
	f := &finding{writing: w, own: foundOwn()}
	var picked []field
	for _, c := range w.columns {
		known := t.columns[t.places[c]]
		picked = append(picked, field{known.Name, c.Type, known.part})
		f.kinds, f.seeds = append(f.kinds, c.Type), append(f.seeds, warehouse.SeedOf(known.Name))
	}
	f.picking = pick(foundProperties, picked)
	keys, names := newKeySet(t.keys, len(w.stretch.rows)), []string(nil)
	for i := range w.stretch.rows {
		keys.add(w.stretch.rows[i].record.Record, w.stretch.rows[i].row)
	}
	casts, args := keys.args(0)
	all, seen, beside := keyList("", t.keys), "NULL::bigint", ""
	if t.seen {
		for i := range w.stretch.rows {
			names = append(names, w.stretch.rows[i].key)
		}
		casts, all, seen = casts+", "+param(len(args))+"::text[]", all+", _name", "s.stamp"
		beside = fmt.Sprintf(" LEFT JOIN _penstock_seen AS s ON s.stream = %s AND s.key = k._name", param(len(args)+1))
		args = append(args, names, t.stream.Name)
	}
	list := "k._at, t._updated_at, t._stamp, t._deleted_why, t._merged_into, t._created_at, t._deleted_at, t._deleted, t._print, " + seen
	if f.list != "" {
		list += ", " + f.list
	}
	return w.conn.query(fmt.Sprintf("SELECT %s FROM unnest(%s) WITH ORDINALITY AS k(%s, _at) JOIN %s ON %s%s",
		list, casts, all, t.joined(), sameKey("k", "t", t.keys), beside), f.meet, args...)
}

// meet notes the standing row that an arrival meets, and compares them.
func (f *finding) meet(found row) error {
	in := &f.stretch.rows[found.int(foundAt)-1]
	in.old = readStanding(found)
	if !in.carries {
		return nil
	}
	values := f.picked(found)
	if in.same = !in.old.Untrusted && f.same(in, found, values); !in.same {
		in.rest = f.rest(in, found, values)
	}
	return nil
}

// readStanding does not trust a row without a print, nor one whose date is none.
func readStanding(found row) *standing {
	updated, whole := found.moment(foundUpdated)
	seen := found.int(foundSeen)
	return &standing{seen: seen, print: warehouse.Print(found.int(foundPrint)), Standing: warehouse.Standing{
		Updated: updated, Stamp: max(found.int(foundStamp), seen),
		Why: penstock.Why(found.text(foundWhy)), MergedInto: found.int(foundMergedInto),
		Untrusted: !whole || found[foundPrint] == nil,
	}}
}

// same tells whether writing the arrival would change nothing of the row.
func (f *finding) same(in *arriving, found row, values [][]byte) bool {
	r, n := in.record, in.row
	if in.Op == penstock.Put {
		if !equal(r.updated, found[foundUpdated], n) || !equal(r.deleted, found[foundDeletedAt], n) ||
			!r.created.IsNull(n) && !equal(r.created, found[foundCreated], n) ||
			in.Why != in.old.Why || in.MergedInto != in.old.MergedInto {
			return false
		}
	}
	for i, c := range r.cells {
		if !equal(c, values[i], n) {
			return false
		}
	}
	return true
}

// rest is what the standing row adds to the print of the arrival that is
// written over it: the columns that the arrival does not name. If they were
// altered, that shows in the print as before.
func (f *finding) rest(in *arriving, found row, values [][]byte) warehouse.Print {
	r, rest, some := in.record, warehouse.Print(0), len(f.columns) < len(f.table.columns)
	if in.Op == penstock.Fill || some {
		rest = in.old.print
		for i, seed := range f.seeds {
			rest -= stored(values[i], f.kinds[i], seed)
		}
	}
	if in.Op == penstock.Fill {
		return rest
	}
	own := f.table.ownSeeds
	if some {
		rest -= r.keyPrint(in.row, f.table.keySeeds)
		for at, column := range f.own {
			rest -= stored(found[at], ownColumns[column].kind, own[column])
		}
	}
	if r.created.IsNull(in.row) {
		rest += stored(found[foundCreated], penstock.DateTime, own[ownCreated])
	}
	return rest
}
