package postgres

import (
	"fmt"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// ownColumns follow the properties that a table was made with; properties that
// come later follow them.
var ownColumns = []struct {
	name string
	kind penstock.Type
}{
	{"_created_at", penstock.DateTime}, {"_updated_at", penstock.DateTime}, {"_deleted", penstock.Bool},
	{"_deleted_at", penstock.DateTime}, {"_deleted_why", penstock.Text}, {"_merged_into", warehouse.WholeNumber},
	{"_synced_at", penstock.DateTime}, {"_load", warehouse.WholeNumber}, {"_stamp", warehouse.WholeNumber},
	{"_print", warehouse.WholeNumber},
}

// The places in ownColumns.
const (
	ownCreated = iota
	ownUpdated
	ownDeleted
	ownDeletedAt
	ownWhy
	ownMergedInto
	ownSyncedAt
	ownLoad
	ownStamp
	ownPrint
)

// A column is a property's column and the part of the table that it is in.
type column struct {
	warehouse.Recorded
	part int
}

// A table is a stream's table as it stands in the transaction in hand.
type table struct {
	stream  penstock.Stream
	made    bool // it exists
	keys    []penstock.KeyColumn
	parts   []string // the names of its parts' tables; the first holds our own columns
	columns []column
	places  map[penstock.Column]int // where in columns
	named   []penstock.Column       // by the latest rows that name all columns; nil while unknown

	load           int64 // the number of the last transaction that wrote rows, maybe this one
	written        bool  // this one has
	rows, deleted  int64
	fresh, settled int64

	keySeeds, ownSeeds []warehouse.Seed // of the key's columns and of ours, for prints

	wanted, rejects, seen bool // whether there may be any: most streams have none most of the time
}

// openTable reads what is recorded of the stream's table, which evolve makes
// when it does not exist.
func (l *load) openTable(stream penstock.Stream) (*table, error) {
	t, err := findTable(l.conn, stream.Name)
	switch {
	case err != nil:
		return nil, err
	case t.made:
		if err := t.holds(stream); err != nil {
			return nil, err
		}
	}
	t.stream = stream
	t.keys = t.stream.Key()
	if err := checkName(t); err != nil {
		return nil, err
	}
	for _, k := range t.keys {
		t.keySeeds = append(t.keySeeds, warehouse.SeedOf(k.Name))
	}
	for _, c := range ownColumns {
		t.ownSeeds = append(t.ownSeeds, warehouse.SeedOf(c.name))
	}
	if err := t.look(l.conn); err != nil || !t.made {
		return t, err
	}
	return t, t.inspect(l.conn)
}

// findTable reads a table's description; one that is not made where there is
// none.
func findTable(conn *conn, stream string) (*table, error) {
	t := &table{places: map[penstock.Column]int{}}
	err := conn.query(`SELECT family, object_type, to_type, belongs, whole, load, "rows", deleted, fresh_at, settled_at
		FROM _penstock_tables WHERE stream = $1`, func(r row) error {
		t.made = true
		t.stream = penstock.Stream{
			Name: stream, Family: penstock.Family(r.text(0)), ObjectType: r.text(1),
			ToType: r.text(2), Of: r.text(3), Whole: r.bool(4),
		}
		t.load, t.rows, t.deleted, t.fresh, t.settled = r.int(5), r.int(6), r.int(7), r.int(8), r.int(9)
		return nil
	}, stream)
	if err != nil {
		return nil, err
	}
	t.keys, t.parts = t.stream.Key(), []string{stream}
	return t, conn.query(`SELECT name, property, type, filled, absent, part, kept_in FROM _penstock_columns
		WHERE stream = $1 ORDER BY position`, func(r row) error {
		t.append(column{readColumn(r), int(r.int(5))}, r.text(6))
		return nil
	}, stream)
}

// existingTable is findTable for one that has to be there.
func existingTable(conn *conn, stream string) (*table, error) {
	t, err := findTable(conn, stream)
	if err == nil && !t.made {
		err = warehouse.ErrNoTable
	}
	return t, err
}

func readColumn(r row) warehouse.Recorded {
	return warehouse.Recorded{
		Column: penstock.Column{Property: r.text(1), Type: penstock.Type(r.text(2))},
		Name:   r.text(0), Filled: r.bool(3), Absent: r.bool(4),
	}
}

func (t *table) append(c column, part string) {
	if c.part == len(t.parts) {
		t.parts = append(t.parts, part)
	}
	t.places[c.Column] = len(t.columns)
	t.columns = append(t.columns, c)
}

// recorded are the columns as package warehouse decides about them.
func (t *table) recorded() []warehouse.Recorded {
	recorded := make([]warehouse.Recorded, len(t.columns))
	for i, c := range t.columns {
		recorded[i] = c.Recorded
	}
	return recorded
}

// holds refuses another kind of thing under the same name.
func (t *table) holds(stream penstock.Stream) error {
	if t.stream.Family == stream.Family && t.stream.ObjectType == stream.ObjectType && t.stream.ToType == stream.ToType {
		return nil
	}
	return fmt.Errorf("the table %s holds %s %s %s, not %s %s %s: give the stream another name", stream.Name,
		t.stream.Family, t.stream.ObjectType, t.stream.ToType, stream.Family, stream.ObjectType, stream.ToType)
}

func checkName(t *table) error {
	name := t.stream.Name
	if name == "" || len(name) > warehouse.MaxName || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "pg_") ||
		strings.ContainsRune(name, 0) {
		return fmt.Errorf("%q cannot be a table's name", name)
	}
	if len(t.keys) == 0 {
		return fmt.Errorf("streams of the family %q have no key", t.stream.Family)
	}
	return nil
}

// look finds out which of the lists kept beside the table have entries.
func (t *table) look(conn *conn) error {
	return conn.query(`SELECT EXISTS (SELECT 1 FROM _penstock_wanted WHERE stream = $1),
		EXISTS (SELECT 1 FROM _penstock_rejects WHERE stream = $1), EXISTS (SELECT 1 FROM _penstock_seen WHERE stream = $1)`,
		func(r row) error {
			t.wanted, t.rejects, t.seen = r.bool(0), r.bool(1), r.bool(2)
			return nil
		}, t.stream.Name)
}

// next is the table's _load for rows written in this transaction.
func (t *table) next() int64 {
	if t.written {
		return t.load
	}
	return t.load + 1
}

// wrote counts a row that was written, and what it was before and is now.
func (t *table) wrote(before *penstock.Why, after penstock.Why) {
	t.load = t.next()
	t.written = true
	if before != nil {
		*t.count(*before)--
	}
	*t.count(after)++
}

func (t *table) count(why penstock.Why) *int64 {
	if why == penstock.Live {
		return &t.rows
	}
	return &t.deleted
}

func (t *table) save(conn *conn) {
	conn.exec(`UPDATE _penstock_tables SET load = $2, "rows" = $3, deleted = $4, fresh_at = $5, settled_at = $6,
		whole = $7, belongs = $8 WHERE stream = $1`,
		t.stream.Name, t.load, t.rows, t.deleted, t.fresh, t.settled, t.stream.Whole, t.stream.Of)
}

// storage is the declared type of a column.
func storage(t penstock.Type) string {
	switch t {
	case penstock.Number:
		return "numeric"
	case penstock.Bool:
		return "boolean"
	case penstock.Date:
		return "date"
	case penstock.DateTime:
		return "timestamptz"
	case warehouse.WholeNumber:
		return "bigint"
	}
	return "text"
}

func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
