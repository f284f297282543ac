package iceberg

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
	"penstock/internal/warehouse"
)

// A record is one page of a batch, with its values as files keep them.
type record struct {
	*warehouse.Record
	updated, created, deleted *array.Timestamp
	cells                     []arrow.Array // of the properties
	unfit                     []unfit
}

// An unfit value is a number or a moment that no column of ours can hold.
type unfit struct {
	row            int
	property, text string
	kind           string // what the column is
}

// readRecord checks the layout of a page, and translates it.
func readRecord(stream penstock.Stream, raw arrow.RecordBatch) (*record, error) {
	read, err := warehouse.ReadRecord(stream, raw, nil)
	if err != nil {
		return nil, err
	}
	r := &record{Record: read, updated: micros(read.Updated), created: micros(read.Created), deleted: micros(read.Deleted)}
	for i, c := range r.Columns {
		r.cells = append(r.cells, r.keep(r.Values[i], c))
	}
	return r, nil
}

// keep is a property's column as files keep it.
func (r *record) keep(values arrow.Array, c penstock.Column) arrow.Array {
	switch c.Type {
	case penstock.DateTime:
		return r.moments(values.(*array.Timestamp), c.Property)
	case penstock.Number:
		return r.decimals(values.(*array.String), c.Property)
	}
	return values
}

// micros are moments in microseconds instead of milliseconds.
func micros(from *array.Timestamp) *array.Timestamp {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"})
	defer b.Release()
	b.Reserve(from.Len())
	for row := range from.Len() {
		if from.IsNull(row) {
			b.AppendNull()
		} else {
			b.Append(from.Value(row) * 1000)
		}
	}
	return b.NewTimestampArray()
}

// lastMillis is the last moment that microseconds of 64 bits can name.
const lastMillis = math.MaxInt64 / 1000

// moments are micros; NULL where one does not fit.
func (r *record) moments(from *array.Timestamp, property string) arrow.Array {
	fits := func(ms arrow.Timestamp) bool { return ms <= lastMillis && ms >= -lastMillis }
	if !slices.ContainsFunc(from.TimestampValues(), func(ms arrow.Timestamp) bool { return !fits(ms) }) {
		return micros(from)
	}
	b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"})
	defer b.Release()
	for row := range from.Len() {
		switch {
		case from.IsNull(row):
			b.AppendNull()
		case fits(from.Value(row)):
			b.Append(from.Value(row) * 1000)
		default:
			b.AppendNull()
			r.unfit = append(r.unfit, unfit{row, property, strconv.FormatInt(int64(from.Value(row)), 10), "microseconds"})
		}
	}
	return b.NewTimestampArray()
}

// decimals are numbers as decimals; NULL where one does not fit.
func (r *record) decimals(from *array.String, property string) arrow.Array {
	b := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: precision, Scale: scale})
	defer b.Release()
	b.Reserve(from.Len())
	for row := range from.Len() {
		if from.IsNull(row) {
			b.AppendNull()
			continue
		}
		n, fits := decimalOf(from.Value(row))
		if fits {
			b.Append(n)
			continue
		}
		b.AppendNull()
		r.unfit = append(r.unfit, unfit{row, property, strings.Clone(from.Value(row)), "decimal(38,9)"})
	}
	return b.NewDecimal128Array()
}

// rowKey is the row's key as the index has it.
func (r *record) rowKey(row int, keys []penstock.KeyColumn) (rowKey, penstock.Key) {
	if single(keys) {
		return rowKey{id: r.Keys[0].(*array.Int64).Value(row)}, nil
	}
	key := r.Key(row)
	for i := range key {
		key[i] = strings.Clone(key[i]) // the record's memory goes
	}
	return rowKey{text: key.Text()}, key
}

// at is when HubSpot answered with the row, as far as it says.
func (r *record) at(row int, otherwise time.Time) int64 {
	if ms := momentAt(r.updated, row); ms != none {
		return ms
	}
	return otherwise.UnixMilli()
}
