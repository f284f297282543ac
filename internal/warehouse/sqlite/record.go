package sqlite

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A cell is one column of a record, read without boxing. Only bind asks that
// the row is not NULL.
type cell interface {
	IsNull(row int) bool
	bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print // what it adds to the row's print
	same(standing *sqlite.Stmt, column, row int) bool                            // as the row that the statement stands on
}

type (
	textCell     struct{ *array.String }
	numberCell   struct{ *array.String }
	boolCell     struct{ *array.Boolean }
	dateCell     struct{ *array.Date32 }
	dateTimeCell struct{ *array.Timestamp }
)

func (c textCell) bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print {
	return bindText(into, param, c.Value(row), seed)
}

func (c numberCell) bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print {
	text := c.Value(row)
	switch kind, n, f := classify(text); kind {
	case asInteger:
		into.BindInt64(param, n)
		return seed.Integer(n)
	case asReal:
		into.BindFloat(param, f)
		return seed.Real(f)
	}
	return bindText(into, param, text, seed)
}

func (c boolCell) bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print {
	return bindBool(into, param, c.Value(row), seed)
}

func (c dateCell) bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print {
	return bindText(into, param, dateText(int32(c.Value(row))), seed)
}

func (c dateTimeCell) bind(into *sqlite.Stmt, param, row int, seed warehouse.Seed) warehouse.Print {
	return bindText(into, param, isoText(int64(c.Value(row))), seed)
}

func bindText(into *sqlite.Stmt, param int, text string, seed warehouse.Seed) warehouse.Print {
	into.BindText(param, text)
	return seed.Text(text)
}

func bindBool(into *sqlite.Stmt, param int, truth bool, seed warehouse.Seed) warehouse.Print {
	into.BindBool(param, truth)
	if truth {
		return seed.Integer(1)
	}
	return seed.Integer(0)
}

func (c textCell) same(s *sqlite.Stmt, column, row int) bool {
	if c.IsNull(row) {
		return s.ColumnIsNull(column)
	}
	return holds(s, column, c.Value(row))
}

func (c numberCell) same(s *sqlite.Stmt, column, row int) bool {
	if c.IsNull(row) {
		return s.ColumnIsNull(column)
	}
	text := c.Value(row)
	switch kind, n, f := classify(text); kind {
	case asInteger:
		return s.ColumnType(column) == sqlite.TypeInteger && s.ColumnInt64(column) == n
	case asReal:
		return s.ColumnType(column) == sqlite.TypeFloat && s.ColumnFloat(column) == f
	}
	return holds(s, column, text)
}

func (c boolCell) same(s *sqlite.Stmt, column, row int) bool {
	if c.IsNull(row) {
		return s.ColumnIsNull(column)
	}
	return s.ColumnType(column) == sqlite.TypeInteger && s.ColumnBool(column) == c.Value(row)
}

func (c dateCell) same(s *sqlite.Stmt, column, row int) bool {
	if c.IsNull(row) {
		return s.ColumnIsNull(column)
	}
	return holds(s, column, dateText(int32(c.Value(row))))
}

func (c dateTimeCell) same(s *sqlite.Stmt, column, row int) bool {
	if c.IsNull(row) {
		return s.ColumnIsNull(column)
	}
	return holds(s, column, isoText(int64(c.Value(row))))
}

func holds(s *sqlite.Stmt, column int, text string) bool {
	return s.ColumnType(column) == sqlite.TypeText && s.ColumnText(column) == text
}

// cellOf picks the reader of a property's column.
func cellOf(values arrow.Array, t penstock.Type) cell {
	switch values := values.(type) {
	case *array.String:
		if t == penstock.Number {
			return numberCell{values}
		}
		return textCell{values}
	case *array.Boolean:
		return boolCell{values}
	case *array.Date32:
		return dateCell{values}
	case *array.Timestamp:
		return dateTimeCell{values}
	}
	return nil
}

// A record is one page of a batch with a typed reader per column.
type record struct {
	length int
	whole  bool // its rows name all columns of the stream
	keys   []keyCell

	op, via                   *array.Uint8
	stamp, mergedInto         *array.Int64
	updated, created, deleted dateTimeCell
	why                       *array.String

	columns []penstock.Column
	cells   []cell
}

// readRecord checks that the record is laid out as Table.Schema says, so that
// nothing after it can be surprised.
func readRecord(stream penstock.Stream, raw arrow.RecordBatch) (*record, error) {
	keys := stream.Key()
	if err := checkLayout(stream, raw.Schema()); err != nil {
		return nil, err
	}
	r := &record{length: int(raw.NumRows()), columns: penstock.ColumnsOf(raw.Schema(), len(keys))}
	for i, k := range keys {
		if raw.Column(i).NullN() > 0 {
			return nil, fmt.Errorf("a row has no %s", k.Name)
		}
		if k.Integer {
			r.keys = append(r.keys, keyCell{integers: raw.Column(i).(*array.Int64)})
		} else {
			r.keys = append(r.keys, keyCell{texts: raw.Column(i).(*array.String)})
		}
	}
	fixed := raw.Columns()[len(keys):]
	r.op, r.via, r.stamp = fixed[0].(*array.Uint8), fixed[1].(*array.Uint8), fixed[2].(*array.Int64)
	r.updated = dateTimeCell{fixed[3].(*array.Timestamp)}
	r.created = dateTimeCell{fixed[4].(*array.Timestamp)}
	r.deleted = dateTimeCell{fixed[5].(*array.Timestamp)}
	r.why, r.mergedInto = fixed[6].(*array.String), fixed[7].(*array.Int64)
	for i, c := range r.columns {
		r.cells = append(r.cells, cellOf(fixed[len(penstock.Fixed())+i], c.Type))
	}
	return r, r.readOps()
}

func checkLayout(stream penstock.Stream, schema *arrow.Schema) error {
	keys := len(stream.Key())
	fields := schema.Fields()
	if len(fields) < keys+len(penstock.Fixed()) {
		return fmt.Errorf("a record has %d columns, too few for the key and the fixed ones", len(fields))
	}
	for _, f := range fields[keys+len(penstock.Fixed()):] {
		if len(f.Name) < len(penstock.PropertyPrefix) {
			return fmt.Errorf("a record has a column %q", f.Name)
		}
	}
	for i, want := range (penstock.Table{Stream: stream, Columns: penstock.ColumnsOf(schema, keys)}).Schema().Fields() {
		if want.Type == nil || fields[i].Name != want.Name || !arrow.TypeEqual(fields[i].Type, want.Type) {
			return fmt.Errorf("column %d of a record is %q of type %v, not %q of type %v",
				i, fields[i].Name, fields[i].Type, want.Name, want.Type)
		}
	}
	return nil
}

// readOps checks the rows' operations. Fills name some columns only, and
// tombstones may come along with fills.
func (r *record) readOps() error {
	var count [penstock.Missing + 1]int
	for i := range r.length {
		op := penstock.Op(r.op.Value(i))
		if op < penstock.Put || op > penstock.Missing {
			return fmt.Errorf("row %s asks for the unknown operation %d", r.key(i).Text(), op)
		}
		count[op]++
	}
	r.whole = r.length == 0 || count[penstock.Put] > 0 && count[penstock.Fill] == 0
	return nil
}

// A keyCell is one column of the key: one of the two.
type keyCell struct {
	integers *array.Int64
	texts    *array.String
}

func (c keyCell) text(row int) string {
	if c.integers != nil {
		return strconv.FormatInt(c.integers.Value(row), 10)
	}
	return c.texts.Value(row)
}

func (c keyCell) bind(into *sqlite.Stmt, param, row int) {
	if c.integers != nil {
		into.BindInt64(param, c.integers.Value(row))
		return
	}
	into.BindText(param, c.texts.Value(row))
}

// key is the row's key.
func (r *record) key(row int) penstock.Key {
	key := make(penstock.Key, len(r.keys))
	for i, c := range r.keys {
		key[i] = c.text(row)
	}
	return key
}

// bindKey binds the key's columns to the first parameters.
func (r *record) bindKey(into *sqlite.Stmt, row int) {
	for i, c := range r.keys {
		c.bind(into, i+1, row)
	}
}

// bindSeen binds the key as _penstock_seen has it.
func (r *record) bindSeen(into *sqlite.Stmt, param, row int) {
	if len(r.keys) == 1 {
		r.keys[0].bind(into, param, row)
		return
	}
	into.BindText(param, r.key(row).Text())
}

// arrival is the row as far as replacing another is concerned.
func (r *record) arrival(row int) warehouse.Arrival {
	a := warehouse.Arrival{
		Op: penstock.Op(r.op.Value(row)), Via: penstock.Via(r.via.Value(row)),
		Stamp: r.stamp.Value(row), Why: penstock.Why(r.why.Value(row)),
		Bare: len(r.columns) == 0,
	}
	if !r.updated.IsNull(row) {
		a.Updated = int64(r.updated.Value(row))
	}
	if !r.mergedInto.IsNull(row) {
		a.MergedInto = r.mergedInto.Value(row)
	}
	return a
}
