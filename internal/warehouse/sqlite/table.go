package sqlite

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// maxColumns is SQLite's limit as it is built (sqlite.org/limits.html).
const maxColumns = 2000

// ownColumns follow the properties that a table was made with; properties that
// come later follow them.
var ownColumns = []ownColumn{
	{"_created_at", "TEXT"}, {"_updated_at", "TEXT"}, {"_deleted", "BOOLEAN"}, {"_deleted_at", "TEXT"},
	{"_deleted_why", "TEXT"}, {"_merged_into", "INTEGER"}, {"_synced_at", "TEXT"}, {"_load", "INTEGER"},
	{"_stamp", "INTEGER"}, {"_print", "INTEGER"},
}

type ownColumn struct{ name, declared string }

// kind is how the column's values compare.
func (c ownColumn) kind() penstock.Type {
	switch {
	case c.declared == "BOOLEAN":
		return penstock.Bool
	case c.declared == "INTEGER":
		return warehouse.WholeNumber
	case strings.HasSuffix(c.name, "_at"):
		return penstock.DateTime
	}
	return penstock.Text
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

// A table is a stream's table as it stands in the transaction in hand.
type table struct {
	stream  penstock.Stream
	made    bool // it exists
	keys    []penstock.KeyColumn
	columns []warehouse.Recorded
	names   map[penstock.Column]string // where a property of a type is kept
	named   []penstock.Column          // by the latest rows that name all columns; nil while unknown

	load           int64 // the number of the last transaction that wrote rows, maybe this one
	written        bool  // this one has
	rows, deleted  int64
	fresh, settled int64

	keySeeds, ownSeeds []warehouse.Seed // of the key's columns and of ours, for prints

	wanted, rejects bool // whether there may be any: most streams have none most of the time
}

// openTable reads what is recorded of the stream's table, which evolve makes
// when it does not exist.
func openTable(conn *conn, stream penstock.Stream) (*table, error) {
	t := &table{stream: stream, keys: stream.Key(), names: map[penstock.Column]string{}}
	t.keySeeds, t.ownSeeds = seedsOf(t.keys)
	if err := checkName(t); err != nil {
		return nil, err
	}
	found := false
	err := conn.query(`SELECT family, object_type, load, "rows", deleted, fresh_at, settled_at, to_type
		FROM _penstock_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		found = true
		t.load, t.rows, t.deleted = row.ColumnInt64(2), row.ColumnInt64(3), row.ColumnInt64(4)
		t.fresh, t.settled = row.ColumnInt64(5), row.ColumnInt64(6)
		t.stream.Family, t.stream.ObjectType = penstock.Family(row.ColumnText(0)), row.ColumnText(1)
		t.stream.ToType = row.ColumnText(7)
		return t.holds(stream)
	}, stream.Name)
	if err != nil {
		return nil, err
	}
	t.made = found
	if t.columns, err = readColumns(conn.Conn, stream.Name); err != nil {
		return nil, err
	}
	for _, c := range t.columns {
		t.names[c.Column] = c.Name
	}
	return t, t.look(conn)
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
	name := strings.ToLower(t.stream.Name)
	if name == "" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "sqlite_") {
		return fmt.Errorf("%q cannot be a table's name", t.stream.Name)
	}
	if len(t.keys) == 0 {
		return fmt.Errorf("streams of the family %q have no key", t.stream.Family)
	}
	return nil
}

// look finds out which of the lists kept beside the table have entries.
func (t *table) look(conn *conn) error {
	return conn.query(`SELECT EXISTS (SELECT 1 FROM _penstock_wanted WHERE stream = ?1),
		EXISTS (SELECT 1 FROM _penstock_rejects WHERE stream = ?1)`, func(row *sqlite.Stmt) error {
		t.wanted, t.rejects = row.ColumnBool(0), row.ColumnBool(1)
		return nil
	}, t.stream.Name)
}

// evolve adds the columns that are missing, and makes the table if need be.
func (t *table) evolve(conn *conn, incoming []penstock.Column) error {
	added := warehouse.Evolve(t.keys, t.columns, incoming)
	if t.made && len(added) == 0 {
		return nil
	}
	if t.made {
		others, err := t.foreign(conn)
		if err != nil {
			return err
		}
		added = warehouse.Evolve(append(others, t.keys...), t.columns, incoming)
	}
	if n := len(t.keys) + len(t.columns) + len(added) + len(ownColumns); n > maxColumns {
		return fmt.Errorf("the table would have %d columns and SQLite takes %d: leave some properties out", n, maxColumns)
	}
	change := t.add
	if !t.made {
		change = t.create
	}
	if err := change(conn, added); err != nil {
		return err
	}
	t.made = true
	return t.record(conn, added)
}

// create makes the table: key, properties, our own columns. One integer key is
// the rowid: the rows lie in id order.
func (t *table) create(conn *conn, columns []warehouse.Recorded) error {
	single := len(t.keys) == 1 && t.keys[0].Integer
	var lines []string
	for _, k := range t.keys {
		switch {
		case single:
			lines = append(lines, quote(k.Name)+" INTEGER PRIMARY KEY")
		case k.Integer:
			lines = append(lines, quote(k.Name)+" INTEGER NOT NULL")
		default:
			lines = append(lines, quote(k.Name)+" TEXT NOT NULL")
		}
	}
	for _, c := range columns {
		lines = append(lines, quote(c.Name)+" "+storage(c.Type))
	}
	for _, c := range ownColumns {
		lines = append(lines, c.name+" "+c.declared)
	}
	options := ""
	if !single {
		lines = append(lines, "PRIMARY KEY ("+keyList(t.keys)+")")
		options = "WITHOUT ROWID"
	}
	name := quote(t.stream.Name)
	err := conn.exec(fmt.Sprintf("CREATE TABLE %s (%s) %s", name, strings.Join(lines, ", "), options))
	if err != nil {
		return err
	}
	if err := t.index(conn); err != nil {
		return err
	}
	return conn.exec(`INSERT INTO _penstock_tables (stream, family, object_type, to_type) VALUES (?1, ?2, ?3, ?4)`,
		t.stream.Name, t.stream.Family, t.stream.ObjectType, t.stream.ToType)
}

// index makes the table's indexes that are missing.
func (t *table) index(conn *conn) error {
	for _, index := range [...]struct{ prefix, of string }{
		{"_penstock_archived_", "(" + keyList(t.keys) + ") WHERE _deleted_why = 'archived'"}, // for inventories
		{"_penstock_gone_", "(" + keyList(t.keys) + ") WHERE _deleted_why = 'gone'"},         // for Erase
		{"_penstock_load_", "(_load)"}, // for queries of loads: SQLite lets the key follow, as their order does
	} {
		err := conn.exec(fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s %s", quote(index.prefix+t.stream.Name), quote(t.stream.Name), index.of))
		if err != nil {
			return err
		}
	}
	return nil
}

// add appends columns to a table that is there.
func (t *table) add(conn *conn, columns []warehouse.Recorded) error {
	for _, c := range columns {
		err := conn.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", quote(t.stream.Name), quote(c.Name), storage(c.Type)))
		if err != nil {
			return err
		}
	}
	return nil
}

// next is the table's _load for rows written in this transaction.
func (t *table) next() int64 {
	if t.written {
		return t.load
	}
	return t.load + 1
}

// wrote counts a row that was written, and what it was before and is now.
func (t *table) wrote(before *standing, after penstock.Why) {
	t.load = t.next()
	t.written = true
	if before != nil {
		*t.count(before.Why)--
	}
	*t.count(after)++
}

func (t *table) count(why penstock.Why) *int64 {
	if why == penstock.Live {
		return &t.rows
	}
	return &t.deleted
}

func (t *table) save(conn *conn) error {
	return conn.exec(`UPDATE _penstock_tables SET load = ?2, "rows" = ?3, deleted = ?4, fresh_at = ?5, settled_at = ?6,
		whole = ?7, belongs = ?8 WHERE stream = ?1`,
		t.stream.Name, t.load, t.rows, t.deleted, t.fresh, t.settled, t.stream.Whole, t.stream.Of)
}

// storage is a column's declared type. A number has none: every name that
// SQLite knows for numbers would turn a decimal text of many digits into the
// nearest float.
func storage(t penstock.Type) string {
	switch t {
	case penstock.Number:
		return ""
	case penstock.Bool:
		return "BOOLEAN"
	}
	return "TEXT"
}
