package postgres

import (
	"bytes"
	bin "encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"penstock"
	"penstock/internal/warehouse"
)

// A cell is one column of a record, read without boxing. Only where the row is
// not NULL may it be appended.
type cell interface {
	IsNull(row int) bool
	append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) // in binary form, and what it adds to the print
	same(raw []byte, row int) bool                                             // as the value that stands, which is not NULL
	unfit(row int) string                                                      // why PostgreSQL cannot hold the value; empty if it can
	original(row int) string
}

type (
	textCell     struct{ *array.String }
	numberCell   struct{ *array.String }
	boolCell     struct{ *array.Boolean }
	dateCell     struct{ *array.Date32 }
	dateTimeCell struct{ *array.Timestamp }
)

func (c textCell) append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	text := c.Value(row)
	return append(dst, text...), seed.Text(text)
}

func (c numberCell) append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	text := c.Value(row)
	return appendNumeric(dst, text), numberPrint(text, seed)
}

func (c boolCell) append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	return appendBool(dst, c.Value(row)), boolPrint(c.Value(row), seed)
}

func (c dateCell) append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	days := int32(c.Value(row))
	return bin.BigEndian.AppendUint32(dst, uint32(days-epochDays)), seed.Text(warehouse.DayText(days))
}

func (c dateTimeCell) append(dst []byte, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	ms := int64(c.Value(row))
	return bin.BigEndian.AppendUint64(dst, uint64(moment(ms).micros())), seed.Text(warehouse.MomentText(clamp(ms)))
}

// numberPrint counts a number by its value as the narrowest kind.
func numberPrint(text string, seed warehouse.Seed) warehouse.Print {
	switch kind, n, f := warehouse.Classify(text); kind {
	case warehouse.AsInteger:
		return seed.Integer(n)
	case warehouse.AsReal:
		return seed.Real(f)
	}
	return seed.Text(text)
}

func boolPrint(truth bool, seed warehouse.Seed) warehouse.Print {
	if truth {
		return seed.Integer(1)
	}
	return seed.Integer(0)
}

func (c textCell) same(raw []byte, row int) bool { return string(raw) == c.Value(row) }

func (c numberCell) same(raw []byte, row int) bool {
	var room [64]byte
	return bytes.Equal(raw, appendNumeric(room[:0], c.Value(row)))
}

func (c boolCell) same(raw []byte, row int) bool {
	return len(raw) == 1 && (raw[0] == 1) == c.Value(row)
}

func (c dateCell) same(raw []byte, row int) bool {
	return len(raw) == 4 && int32(bin.BigEndian.Uint32(raw)) == int32(c.Value(row))-epochDays
}

func (c dateTimeCell) same(raw []byte, row int) bool {
	return len(raw) == 8 && int64(bin.BigEndian.Uint64(raw)) == moment(c.Value(row)).micros()
}

// equal tells whether the standing value, which may be NULL, is the cell's.
func equal(c cell, raw []byte, row int) bool {
	if c.IsNull(row) {
		return raw == nil
	}
	return raw != nil && c.same(raw, row)
}

func (c textCell) unfit(row int) string {
	if !fitText(c.Value(row)) {
		return unfitText
	}
	return ""
}

const unfitText = "PostgreSQL holds no text with a NUL character or bytes that are not UTF-8"

func fitText(text string) bool { return strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) }

func (c numberCell) unfit(row int) string {
	if !canonical(c.Value(row)) {
		return "not a decimal number that PostgreSQL can hold"
	}
	return ""
}

func (c boolCell) unfit(int) string { return "" }

func (c dateCell) unfit(row int) string {
	if days := int32(c.Value(row)); days < firstDay || days > lastDay {
		return "out of the range of PostgreSQL's dates"
	}
	return ""
}

func (c dateTimeCell) unfit(row int) string {
	if ms := int64(c.Value(row)); ms != clamp(ms) {
		return "out of the range of PostgreSQL's moments"
	}
	return ""
}

func (c textCell) original(row int) string     { return visible(c.Value(row)) }
func (c numberCell) original(row int) string   { return visible(c.Value(row)) }
func (c boolCell) original(row int) string     { return c.ValueStr(row) }
func (c dateCell) original(row int) string     { return warehouse.DayText(int32(c.Value(row))) }
func (c dateTimeCell) original(row int) string { return warehouse.MomentText(int64(c.Value(row))) }

// A holed cell is one of which some rows cannot be stored and are NULL.
type holed struct {
	cell
	holes map[int]bool
}

func (c holed) IsNull(row int) bool { return c.holes[row] || c.cell.IsNull(row) }

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

// holesOf are the rows whose value PostgreSQL cannot hold.
func holesOf(c cell, length int) (rows []int) {
	if text, ok := c.(textCell); ok && text.sound() {
		return nil
	}
	if _, ok := c.(boolCell); ok {
		return nil
	}
	for row := range length {
		if !c.IsNull(row) && c.unfit(row) != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// sound tells whether every text fits, at the speed of one look at all of them:
// together they have to be UTF-8, and none may begin within a character.
func (c textCell) sound() bool {
	all := c.ValueBytes()
	if bytes.IndexByte(all, 0) >= 0 || !utf8.Valid(all) {
		return false
	}
	for row := range c.Len() {
		if text := c.Value(row); text != "" && !utf8.RuneStart(text[0]) {
			return false
		}
	}
	return true
}

// A record is one page of a batch with a reader per column.
type record struct {
	*warehouse.Record
	updated, created, deleted dateTimeCell
	cells                     []cell
	lacking                   []penstock.Reject // of values that cannot be held
}

// readRecord finds the values that PostgreSQL cannot hold (V2).
func readRecord(stream penstock.Stream, raw arrow.RecordBatch, before *record) (*record, error) {
	shared, err := warehouse.ReadRecord(stream, raw, before.page())
	if err != nil {
		return nil, err
	}
	r := &record{
		Record: shared, updated: dateTimeCell{shared.Updated}, created: dateTimeCell{shared.Created},
		deleted: dateTimeCell{shared.Deleted},
	}
	for i, c := range shared.Columns {
		one := cellOf(shared.Values[i], c.Type)
		if rows := holesOf(one, shared.Length); len(rows) > 0 {
			holes := map[int]bool{}
			for _, row := range rows {
				holes[row] = true
				r.lacking = append(r.lacking, penstock.Reject{
					Key: visible(shared.Key(row).Text()), Property: c.Property, Original: one.original(row), Reason: one.unfit(row),
				})
			}
			one = holed{one, holes}
		}
		r.cells = append(r.cells, one)
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

// arrival is the row with its date as PostgreSQL can hold it.
func (r *record) arrival(row int) warehouse.Arrival {
	a := r.Arrival(row)
	if !r.updated.IsNull(row) {
		a.Updated = clamp(a.Updated)
	}
	return a
}

// keyPrint is what the key adds to the row's print.
func (r *record) keyPrint(row int, seeds []warehouse.Seed) warehouse.Print {
	sum := warehouse.Print(0)
	for i, values := range r.Keys {
		switch values := values.(type) {
		case *array.Int64:
			sum += seeds[i].Integer(values.Value(row))
		case *array.String:
			sum += seeds[i].Text(values.Value(row))
		}
	}
	return sum
}
