package sqlite

import (
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
	switch kind, n, f := warehouse.Classify(text); kind {
	case warehouse.AsInteger:
		into.BindInt64(param, n)
		return seed.Integer(n)
	case warehouse.AsReal:
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
	switch kind, n, f := warehouse.Classify(text); kind {
	case warehouse.AsInteger:
		return s.ColumnType(column) == sqlite.TypeInteger && s.ColumnInt64(column) == n
	case warehouse.AsReal:
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
	*warehouse.Record
	keys                      []keyCell
	updated, created, deleted dateTimeCell
	cells                     []cell
}

func readRecord(stream penstock.Stream, raw arrow.RecordBatch, before *record) (*record, error) {
	shared, err := warehouse.ReadRecord(stream, raw, before.page())
	if err != nil {
		return nil, err
	}
	r := &record{
		Record: shared, updated: dateTimeCell{shared.Updated}, created: dateTimeCell{shared.Created},
		deleted: dateTimeCell{shared.Deleted},
	}
	for _, values := range shared.Keys {
		integers, _ := values.(*array.Int64)
		texts, _ := values.(*array.String)
		r.keys = append(r.keys, keyCell{integers, texts})
	}
	for i, c := range shared.Columns {
		r.cells = append(r.cells, cellOf(shared.Values[i], c.Type))
	}
	return r, nil
}

// page is the record itself; nil where there is none.
func (r *record) page() *warehouse.Record {
	if r == nil {
		return nil
	}
	return r.Record
}

// A keyCell is one column of the key: one of the two.
type keyCell struct {
	integers *array.Int64
	texts    *array.String
}

func (c keyCell) bind(into *sqlite.Stmt, param, row int) {
	if c.integers != nil {
		into.BindInt64(param, c.integers.Value(row))
		return
	}
	into.BindText(param, c.texts.Value(row))
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
	into.BindText(param, r.Key(row).Text())
}
