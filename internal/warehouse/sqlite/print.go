package sqlite

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// stored is the hash of a column of the row that the statement stands on.
func stored(row *sqlite.Stmt, column int, seed warehouse.Seed) warehouse.Print {
	switch row.ColumnType(column) {
	case sqlite.TypeNull:
		return 0
	case sqlite.TypeInteger:
		return seed.Integer(row.ColumnInt64(column))
	case sqlite.TypeFloat:
		return seed.Real(row.ColumnFloat(column))
	case sqlite.TypeText:
		return seed.Text(row.ColumnText(column))
	}
	return seed.Strange()
}

// seedsOf are the seeds of the key's columns and of our own.
func seedsOf(keys []penstock.KeyColumn) (key []warehouse.Seed, own []warehouse.Seed) {
	for _, k := range keys {
		key = append(key, warehouse.SeedOf(k.Name))
	}
	for _, c := range ownColumns {
		own = append(own, warehouse.SeedOf(c.name))
	}
	return key, own
}

// A reading is what a statement selects to compute the prints of rows: the
// columns that enter it, the key's first, and after them the print that is kept.
type reading struct {
	columns string
	seeds   []warehouse.Seed
	keys    int
}

func (t *table) reading() reading {
	r := reading{keys: len(t.keys)}
	var names []string
	for _, k := range t.keys {
		names = append(names, k.Name)
	}
	for i, c := range ownColumns {
		if printed(i) {
			names = append(names, c.name)
		}
	}
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		r.seeds = append(r.seeds, warehouse.SeedOf(name))
		quoted[i] = quote(name)
	}
	r.columns = strings.Join(quoted, ", ") + ", _print"
	return r
}

// printed tells whether one of our own columns enters the print.
func printed(own int) bool { return own != ownSyncedAt && own != ownLoad && own != ownPrint }

// print is what the row's print has to be.
func (r reading) print(row *sqlite.Stmt) warehouse.Print {
	sum := warehouse.Print(0)
	for i, seed := range r.seeds {
		sum += stored(row, i, seed)
	}
	return sum
}

// holds tells whether the row is as it was when it was written.
func (r reading) holds(row *sqlite.Stmt) bool {
	kept := len(r.seeds)
	return row.ColumnType(kept) == sqlite.TypeInteger && warehouse.Print(row.ColumnInt64(kept)) == r.print(row)
}

func (r reading) key(row *sqlite.Stmt) penstock.Key {
	key := make(penstock.Key, r.keys)
	for i := range key {
		key[i] = row.ColumnText(i)
	}
	return key
}

// reprint takes the print from the row as it stands.
func (t *table) reprint(conn *conn, key penstock.Key) error {
	args, err := t.values(key)
	if err != nil {
		return err
	}
	r, sum := t.reading(), warehouse.Print(0)
	err = conn.query(fmt.Sprintf(`SELECT %s FROM %s WHERE %s`, r.columns, quote(t.stream.Name), t.isKey()),
		func(row *sqlite.Stmt) error {
			sum = r.print(row)
			return nil
		}, args...)
	if err != nil {
		return err
	}
	return conn.exec(fmt.Sprintf(`UPDATE %s SET _print = %s WHERE %s`, quote(t.stream.Name), param(len(args)), t.isKey()),
		append(args, int64(sum))...)
}

// amend changes a row by the terms, whose values' parameters follow the key's,
// and takes its print from what then stands: of what it is made from there is
// nothing more to read.
func (t *table) amend(conn *conn, key penstock.Key, terms string, values ...any) error {
	args, err := t.values(key)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`UPDATE %s SET %s WHERE %s`, quote(t.stream.Name), terms, t.isKey())
	if err := conn.exec(text, append(args, values...)...); err != nil {
		return err
	}
	return t.reprint(conn, key)
}

// rest is what the row that find stands on adds to the print of the arrival
// that is written over it: the columns that the arrival does not name. If they
// were altered, that shows in the print as before.
func (a *applying) rest(in *arriving) warehouse.Print {
	r, found, rest := a.record, in.plan.find, warehouse.Print(0)
	if in.Op == penstock.Fill || len(r.cells) < len(a.table.columns) {
		rest = in.old.print
		for i, seed := range in.plan.seeds {
			rest -= stored(found, foundProperties+i, seed)
		}
	}
	if in.Op == penstock.Fill {
		return rest
	}
	own := a.table.ownSeeds
	if len(r.cells) < len(a.table.columns) {
		rest -= r.keyPrint(in.row, a.table.keySeeds)
		for found, at := range foundOwn {
			rest -= stored(in.plan.find, found, own[at])
		}
	}
	if r.created.IsNull(in.row) {
		rest += stored(found, foundCreated, own[ownCreated])
	}
	return rest
}

// keyPrint is what the key adds to the row's print.
func (r *record) keyPrint(row int, seeds []warehouse.Seed) warehouse.Print {
	sum := warehouse.Print(0)
	for i, c := range r.keys {
		if c.integers != nil {
			sum += seeds[i].Integer(c.integers.Value(row))
		} else {
			sum += seeds[i].Text(c.texts.Value(row))
		}
	}
	return sum
}
