package iceberg

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go/table"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// maxColumns keeps a table's metadata, which every commit writes, small.
const maxColumns = 5000

// A table is a stream's table as it stands in the commit in hand.
type streamTable struct {
	tx *tx

	stream  penstock.Stream
	made    bool // it exists
	keys    []penstock.KeyColumn
	columns []warehouse.Recorded
	names   map[penstock.Column]string
	places  map[penstock.Column]int // in the layout
	named   []penstock.Column       // by the latest rows that name all columns; nil while unknown
	layout  layout

	load           int64 // the number of the last transaction that wrote rows, maybe this one
	written        bool  // this one has
	rows, deleted  int64
	fresh, settled int64
	grown          bool // the schema has changed

	wanted, rejects, seen bool // whether there may be any: most streams have none most of the time

	lake  lakeTable
	index rowIndex

	touched map[rowKey]*standing // rows read or written in this commit
	near    nearby               // rows of the index that were read ahead

	pending  []*standing         // written in this commit, in order
	records  []arrow.RecordBatch // their values
	builder  *array.RecordBuilder
	building int                 // rows in the builder
	replaced []location          // rows of the lake that are written anew
	fetched  map[location]stored // values of rows of the lake
}

// A lakeTable is what the table's latest metadata says.
type lakeTable struct {
	version  int64 // of the metadata; 0 while there is none
	location string
	metadata table.Metadata
	logged   int64 // the version that our last commit made
}

// open reads what is recorded of the stream's table, which evolve makes when
// it does not exist, and what somebody else has made of it since.
func (tx *tx) open(stream penstock.Stream) (*streamTable, error) {
	t := &streamTable{
		tx: tx, stream: stream, keys: stream.Key(), names: map[penstock.Column]string{}, places: map[penstock.Column]int{},
		touched: map[rowKey]*standing{}, fetched: map[location]stored{},
	}
	if err := checkName(t); err != nil {
		return nil, err
	}
	staged := ""
	err := tx.conn.query(`SELECT family, object_type, load, "rows", deleted, fresh_at, settled_at, to_type, version, staged
		FROM _penstock_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		t.made = true
		t.load, t.rows, t.deleted = row.ColumnInt64(2), row.ColumnInt64(3), row.ColumnInt64(4)
		t.fresh, t.settled = row.ColumnInt64(5), row.ColumnInt64(6)
		t.stream.Family, t.stream.ObjectType = penstock.Family(row.ColumnText(0)), row.ColumnText(1)
		t.stream.ToType = row.ColumnText(7)
		t.lake.logged, staged = row.ColumnInt64(8), row.ColumnText(9)
		return t.holds(stream)
	}, stream.Name)
	if err != nil {
		return nil, err
	}
	if t.columns, err = readColumns(tx.conn.Conn, stream.Name); err != nil {
		return nil, err
	}
	t.layout = newLayout(t.keys, t.columns)
	for i, c := range t.columns {
		t.names[c.Column], t.places[c.Column] = c.Name, t.layout.properties()+i
	}
	t.index = rowIndex{conn: tx.conn, stream: stream.Name, keys: t.keys}
	if t.made {
		if err := t.current(staged); err != nil {
			return nil, err
		}
	}
	return t, t.look()
}

// holds refuses another kind of thing under the same name.
func (t *streamTable) holds(stream penstock.Stream) error {
	if t.stream.Family == stream.Family && t.stream.ObjectType == stream.ObjectType && t.stream.ToType == stream.ToType {
		return nil
	}
	return fmt.Errorf("the table %s holds %s %s %s, not %s %s %s: give the stream another name", stream.Name,
		t.stream.Family, t.stream.ObjectType, t.stream.ToType, stream.Family, stream.ObjectType, stream.ToType)
}

func checkName(t *streamTable) error {
	name := t.stream.Name
	if name == "" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("%q cannot be a table's name", name)
	}
	if len(t.keys) == 0 {
		return fmt.Errorf("streams of the family %q have no key", t.stream.Family)
	}
	return nil
}

// look finds out which of the lists kept beside the table have entries.
func (t *streamTable) look() error {
	return t.tx.conn.query(`SELECT EXISTS (SELECT 1 FROM _penstock_wanted WHERE stream = ?1),
		EXISTS (SELECT 1 FROM _penstock_rejects WHERE stream = ?1), EXISTS (SELECT 1 FROM _penstock_seen WHERE stream = ?1)`,
		func(row *sqlite.Stmt) error {
			t.wanted, t.rejects, t.seen = row.ColumnBool(0), row.ColumnBool(1), row.ColumnBool(2)
			return nil
		}, t.stream.Name)
}

// evolve adds the columns that are missing, and makes the table if need be.
func (t *streamTable) evolve(incoming []penstock.Column) error {
	added := warehouse.Evolve(t.keys, t.columns, incoming)
	if t.made && len(added) == 0 {
		return nil
	}
	if n := len(t.layout.columns) + len(added); n > maxColumns {
		return fmt.Errorf("the table would have %d columns and %d are the most: leave some properties out", n, maxColumns)
	}
	if !t.made {
		if err := t.create(); err != nil {
			return err
		}
	}
	if err := t.cut(); err != nil {
		return err
	}
	t.made, t.grown = true, true
	return t.record(added)
}

// create makes the table's place in the index. Its files come with the commit.
func (t *streamTable) create() error {
	there, err := t.tx.store.lake.exists(t.tx.ctx, versionName(t.stream.Name, 1))
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("there is a table %s already that is not of this warehouse: move it away", t.stream.Name)
	}
	err = t.tx.conn.exec(`INSERT INTO _penstock_tables (stream, family, object_type, to_type) VALUES (?1, ?2, ?3, ?4)`,
		t.stream.Name, t.stream.Family, t.stream.ObjectType, t.stream.ToType)
	return errors.Join(err, t.index.create())
}

// next is the table's _load for rows written in this commit.
func (t *streamTable) next() int64 {
	if t.written {
		return t.load
	}
	return t.load + 1
}

// wrote counts a row that was written, and what it was before and is now.
func (t *streamTable) wrote(before *standing, after penstock.Why) {
	t.load = t.next()
	t.written = true
	if before != nil {
		*t.count(before.Why)--
	}
	*t.count(after)++
}

func (t *streamTable) count(why penstock.Why) *int64 {
	if why == penstock.Live {
		return &t.rows
	}
	return &t.deleted
}

func (t *streamTable) save() error {
	return t.tx.conn.exec(`UPDATE _penstock_tables SET load = ?2, "rows" = ?3, deleted = ?4, fresh_at = ?5, settled_at = ?6,
		whole = ?7, belongs = ?8 WHERE stream = ?1`,
		t.stream.Name, t.load, t.rows, t.deleted, t.fresh, t.settled, t.stream.Whole, t.stream.Of)
}

// release gives the memory of the rows back.
func (t *streamTable) release() {
	for _, r := range t.records {
		r.Release()
	}
	if t.builder != nil {
		t.builder.Release()
	}
	t.records, t.builder = nil, nil
	t.index.release()
}

func (tx *tx) release() {
	for _, t := range tx.tables {
		t.release()
	}
}
