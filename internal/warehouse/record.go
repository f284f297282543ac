package warehouse

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"penstock"
)

// A Record is one page of a batch, known to be laid out as Table.Schema says,
// with a typed reader per column: nothing after ReadRecord can be surprised.
type Record struct {
	Length int
	Whole  bool          // its rows name all columns of the stream
	Keys   []arrow.Array // of the key's columns, Int64 or String, none of them NULL

	Op, Via                   *array.Uint8
	Stamp, MergedInto         *array.Int64
	Updated, Created, Deleted *array.Timestamp
	Why                       *array.String

	Columns []penstock.Column
	Values  []arrow.Array // of the columns

	schema *arrow.Schema
}

// ReadRecord checks the layout of a page. before is the batch's page before it,
// whose schema they mostly share; nil for the first.
func ReadRecord(stream penstock.Stream, raw arrow.RecordBatch, before *Record) (*Record, error) {
	keys, columns := stream.Key(), []penstock.Column(nil)
	if before != nil && before.schema == raw.Schema() {
		columns = before.Columns
	} else {
		if err := checkLayout(stream, raw.Schema()); err != nil {
			return nil, err
		}
		columns = penstock.ColumnsOf(raw.Schema(), len(keys))
	}
	for i, k := range keys {
		if raw.Column(i).NullN() > 0 {
			return nil, fmt.Errorf("a row has no %s", k.Name)
		}
	}
	fixed := raw.Columns()[len(keys):]
	r := &Record{
		Length: int(raw.NumRows()), Keys: raw.Columns()[:len(keys)],
		Op: fixed[0].(*array.Uint8), Via: fixed[1].(*array.Uint8), Stamp: fixed[2].(*array.Int64),
		Updated: fixed[3].(*array.Timestamp), Created: fixed[4].(*array.Timestamp), Deleted: fixed[5].(*array.Timestamp),
		Why: fixed[6].(*array.String), MergedInto: fixed[7].(*array.Int64),
		Columns: columns, Values: fixed[len(penstock.Fixed()):], schema: raw.Schema(),
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
func (r *Record) readOps() error {
	var count [penstock.Missing + 1]int
	for i := range r.Length {
		op := penstock.Op(r.Op.Value(i))
		if op < penstock.Put || op > penstock.Missing {
			return fmt.Errorf("row %s asks for the unknown operation %d", r.Key(i).Text(), op)
		}
		count[op]++
	}
	r.Whole = r.Length == 0 || count[penstock.Put] > 0 && count[penstock.Fill] == 0
	return nil
}

// Key is the row's key.
func (r *Record) Key(row int) penstock.Key {
	key := make(penstock.Key, len(r.Keys))
	for i, values := range r.Keys {
		switch values := values.(type) {
		case *array.Int64:
			key[i] = strconv.FormatInt(values.Value(row), 10)
		case *array.String:
			key[i] = values.Value(row)
		}
	}
	return key
}

// Arrival is the row as far as replacing another is concerned.
func (r *Record) Arrival(row int) Arrival {
	a := Arrival{
		Op: penstock.Op(r.Op.Value(row)), Via: penstock.Via(r.Via.Value(row)),
		Stamp: r.Stamp.Value(row), Why: penstock.Why(r.Why.Value(row)),
		Bare: len(r.Columns) == 0,
	}
	if !r.Updated.IsNull(row) {
		a.Updated = int64(r.Updated.Value(row))
	}
	if !r.MergedInto.IsNull(row) {
		a.MergedInto = r.MergedInto.Value(row)
	}
	return a
}
