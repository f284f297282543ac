package sqlite

import (
	"errors"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// find reads the standing row and compares it.
func (a *applying) find(in *arriving) error {
	a.conn.note("find")
	find := in.plan.find
	a.record.bindKey(find, in.row)
	keys := len(a.table.keys)
	find.BindText(keys+1, a.table.stream.Name)
	a.record.bindSeen(find, keys+2, in.row)
	found, err := find.Step()
	if err == nil && found {
		in.old = readStanding(find)
		in.same = in.carries && !in.old.Untrusted && a.same(in)
		if in.carries && !in.same {
			in.rest = a.rest(in)
		}
	}
	return errors.Join(err, find.Reset())
}

// readStanding does not trust a row without a print, nor one whose date is none.
func readStanding(found *sqlite.Stmt) *standing {
	updated, err := parseISO(found.ColumnText(foundUpdated))
	seen := found.ColumnInt64(foundSeen)
	return &standing{seen: seen, print: warehouse.Print(found.ColumnInt64(foundPrint)), Standing: warehouse.Standing{
		Updated: updated, Stamp: max(found.ColumnInt64(foundStamp), seen),
		Why: penstock.Why(found.ColumnText(foundWhy)), MergedInto: found.ColumnInt64(foundMergedInto),
		Untrusted: err != nil || found.ColumnType(foundPrint) != sqlite.TypeInteger,
	}}
}

// same tells whether writing the arrival would change nothing of the row that
// find stands on.
func (a *applying) same(in *arriving) bool {
	r, found, row := a.record, in.plan.find, in.row
	if in.Op == penstock.Put {
		if !r.updated.same(found, foundUpdated, row) || !r.deleted.same(found, foundDeletedAt, row) ||
			!r.created.IsNull(row) && !r.created.same(found, foundCreated, row) ||
			in.Why != in.old.Why || in.MergedInto != in.old.MergedInto {
			return false
		}
	}
	for i, c := range r.cells {
		if !c.same(found, foundProperties+i, row) {
			return false
		}
	}
	return true
}

// insert writes a row unless its key is there already.
func (a *applying) insert(in *arriving) (inserted bool, err error) {
	if err := a.run(in.plan.insert, "insert", in); err != nil {
		return false, err
	}
	if a.conn.Changes() == 0 {
		return false, nil
	}
	a.table.wrote(nil, in.Why)
	return true, a.written(in)
}

// replace writes the arrival over the standing row, or into its empty place.
func (a *applying) replace(in *arriving) error {
	if in.old == nil {
		_, err := a.insert(in)
		return err
	}
	if in.same {
		a.applied.Unchanged++
		if err := a.observe(in); err != nil {
			return err
		}
		return a.settle(in)
	}
	if err := a.run(in.plan.update, "update", in); err != nil {
		return err
	}
	// Of the columns that a tombstone does not name, or no read of an untrusted
	// row, nothing better can be had than what stands.
	if in.Op == penstock.Bury || in.old.Untrusted {
		if err := a.table.reprint(a.conn, a.record.Key(in.row)); err != nil {
			return err
		}
	}
	a.table.wrote(in.old, in.Why)
	if err := a.forgetSeen(in); err != nil {
		return err
	}
	return a.written(in)
}

// fillIn writes the named columns of a row that stands at the same version.
func (a *applying) fillIn(in *arriving) error {
	if in.same {
		a.applied.Unchanged++
		return a.settle(in)
	}
	if err := a.run(in.plan.fillIn, "fill", in); err != nil {
		return err
	}
	a.table.wrote(in.old, in.old.Why)
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

// run binds the row and executes a statement that writes it.
func (a *applying) run(statement *sqlite.Stmt, name string, in *arriving) error {
	a.conn.note(name)
	if err := statement.ClearBindings(); err != nil {
		return err
	}
	a.record.bindKey(statement, in.row)
	first := len(a.table.keys) + 1
	print := in.rest
	if own := a.bindOwn(statement, first, in.row); in.Op != penstock.Fill {
		print += own + a.record.keyPrint(in.row, a.table.keySeeds)
	}
	if in.carries {
		properties := first + len(ownColumns)
		for i, c := range a.record.cells {
			if !c.IsNull(in.row) {
				print += c.bind(statement, properties+i, in.row, in.plan.seeds[i])
			}
		}
	}
	statement.BindInt64(first+ownPrint, int64(print))
	_, err := statement.Step()
	return errors.Join(err, statement.Reset())
}

// bindOwn binds all of our columns but the print, and returns what they add to
// it.
func (a *applying) bindOwn(into *sqlite.Stmt, first, row int) warehouse.Print {
	r, seeds, print := a.record, a.table.ownSeeds, warehouse.Print(0)
	for i, c := range [...]dateTimeCell{ownCreated: r.created, ownUpdated: r.updated, ownDeletedAt: r.deleted} {
		if c.Timestamp != nil && !c.IsNull(row) {
			print += c.bind(into, first+i, row, seeds[i])
		}
	}
	why := r.Why.Value(row)
	print += bindBool(into, first+ownDeleted, why != "", seeds[ownDeleted])
	if why != "" {
		print += bindText(into, first+ownWhy, why, seeds[ownWhy])
	}
	if !r.MergedInto.IsNull(row) && r.MergedInto.Value(row) != 0 {
		into.BindInt64(first+ownMergedInto, r.MergedInto.Value(row))
		print += seeds[ownMergedInto].Integer(r.MergedInto.Value(row))
	}
	into.BindText(first+ownSyncedAt, a.synced)
	into.BindInt64(first+ownLoad, a.table.next())
	into.BindInt64(first+ownStamp, r.Stamp.Value(row))
	return print + seeds[ownStamp].Integer(r.Stamp.Value(row))
}
