package iceberg

import (
	"github.com/apache/arrow-go/v18/arrow"

	"penstock"
	"penstock/internal/warehouse"
)

// make is the row that the arrival would write, over what stands.
func (a *applying) make(in *arriving) (*making, error) {
	r, row := a.record, in.row
	m := &making{synced: a.at.Now.UnixMilli(), named: stored{a.values, row}}
	if !in.carries {
		m.named.columns = a.bare
	}
	m.key, m.parts = r.rowKey(row, a.table.keys)
	m.printed = true
	if in.Op == penstock.Fill {
		m.own(in.old)
		m.printed = in.old.printed
	} else {
		m.created, m.updated, m.deletedAt = momentAt(r.created, row), momentAt(r.updated, row), momentAt(r.deleted, row)
		m.deleted, m.Why, m.MergedInto, m.stamp = in.Why != "", in.Why, in.MergedInto, in.Stamp
		m.Updated = in.Updated
	}
	if in.old == nil {
		return m, nil
	}
	if m.created == none {
		m.created = in.old.created // an answer that does not tell it
	}
	if in.Op == penstock.Put && a.whole {
		return m, nil
	}
	base, err := a.table.values(in.old)
	if err != nil {
		return nil, err
	}
	m.base = base
	// Of the columns that a tombstone does not name, or no read of an untrusted
	// row, nothing better can be had than what stands.
	if in.Op == penstock.Fill || in.Op == penstock.Put && !in.old.Untrusted {
		m.off = in.old.print - in.old.actual
	}
	return m, nil
}

// own takes our own columns from a row.
func (m *making) own(s *standing) {
	m.created, m.updated, m.deletedAt, m.deleted = s.created, s.updated, s.deletedAt, s.deleted
	m.Why, m.MergedInto, m.stamp, m.Updated, m.printed, m.load = s.Why, s.MergedInto, s.stamp, s.Updated, s.printed, s.load
}

// same tells whether writing the arrival would change nothing of the row that
// stands. Of a row that is read whole, what it adds up to is compared.
func (a *applying) same(in *arriving, m *making) bool {
	old := in.old
	if !in.carries || old.Untrusted {
		return false
	}
	if in.Op == penstock.Put {
		if m.updated != old.updated || m.deletedAt != old.deletedAt || m.created != old.created ||
			in.Why != old.Why || in.MergedInto != old.MergedInto {
			return false
		}
	}
	if in.Op == penstock.Put && a.whole {
		return a.sumOf(in.row) == old.actual-a.ownSum(old)
	}
	for i, c := range a.record.Columns {
		place := a.table.places[c]
		seed := a.table.layout.columns[place].seed
		if hash(seed, a.record.cells[i], in.row) != hash(seed, m.base.column(place), m.base.row) {
			return false
		}
	}
	return true
}

// sumOf is what the key and the properties of an arrival add to its print.
func (a *applying) sumOf(row int) warehouse.Print {
	sum := warehouse.Print(0)
	for place, values := range a.values {
		sum += hash(a.table.layout.columns[place].seed, values, row)
	}
	return sum
}

// ownSum is what our own columns add to a standing row's print.
func (a *applying) ownSum(s *standing) warehouse.Print {
	lay := a.table.layout
	seed := func(place int) warehouse.Seed { return lay.columns[lay.own(place)].seed }
	sum := hashBool(seed(ownDeleted), s.deleted) + seed(ownStamp).Integer(s.stamp)
	for place, ms := range map[int]int64{ownCreated: s.created, ownUpdated: s.updated, ownDeletedAt: s.deletedAt} {
		if ms != none {
			sum += seed(place).Text(warehouse.MomentText(ms))
		}
	}
	if s.Why != "" {
		sum += seed(ownWhy).Text(string(s.Why))
	}
	if s.MergedInto != 0 {
		sum += seed(ownMergedInto).Integer(s.MergedInto)
	}
	return sum
}

// replace writes the arrival over the standing row, or into its empty place.
func (a *applying) replace(in *arriving) error {
	m, err := a.make(in)
	if err != nil {
		return err
	}
	if in.old != nil && a.same(in, m) {
		a.applied.Unchanged++
		if err := a.observe(in); err != nil {
			return err
		}
		return a.settle(in)
	}
	a.table.wrote(in.old, in.Why)
	if in.old != nil {
		if err := a.forgetSeen(in); err != nil {
			return err
		}
	}
	a.table.write(m, in.old)
	return a.written(in)
}

// fillIn writes the named columns of a row that stands at the same version.
func (a *applying) fillIn(in *arriving) error {
	m, err := a.make(in)
	if err != nil {
		return err
	}
	if a.same(in, m) {
		a.applied.Unchanged++
		return a.settle(in)
	}
	a.table.wrote(in.old, in.old.Why)
	now := a.table.write(m, in.old)
	now.seen, now.Stamp = in.old.seen, in.old.Stamp
	return a.written(in)
}

// written counts a row that has been written.
func (a *applying) written(in *arriving) error {
	if in.Op != penstock.Fill {
		if err := a.follow(in); err != nil {
			return err
		}
	}
	if in.Op == penstock.Bury {
		a.applied.Buried++
		return a.answered(in)
	}
	a.applied.Loaded++
	return a.settle(in)
}

// settle brings the lists beside the table in line with a row that now holds
// the arrival's values.
func (a *applying) settle(in *arriving) error {
	if err := a.rowRejects(in); err != nil || in.Op == penstock.Fill {
		return err
	}
	return a.answered(in)
}

// amend writes a standing row anew with what change makes of it. Its print is
// taken from what then stands: of what it is made from there is nothing more
// to read.
func (t *streamTable) amend(s *standing, synced int64, change func(*making)) error {
	base, err := t.values(s)
	if err != nil {
		return err
	}
	m := &making{synced: synced, base: base}
	m.key, m.parts = s.key, s.parts
	m.own(s)
	m.printed = true
	change(m)
	now := t.write(m, s)
	now.seen, now.Stamp = s.seen, max(now.stamp, s.seen)
	return nil
}

// onlyKey is a row's values without the properties'.
func (t *streamTable) onlyKey(row stored) stored {
	columns := make([]arrow.Array, t.layout.keys)
	copy(columns, row.columns)
	return stored{columns, row.row}
}
