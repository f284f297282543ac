// Package warehousetest holds what tests of and with a warehouse need: a
// builder of batches, a warehouse in memory that serves as the model of all
// engines, and the suite that every engine passes.
//
// It knows the promises and the shape of a batch. It knows no engine, no bus
// and no HubSpot.
package warehousetest

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
)

// Contacts is a stream of CRM records: an integer key, and dated.
func Contacts() penstock.Stream {
	return penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}
}

// Owners is a stream with one text key, ordered by stamp alone.
func Owners() penstock.Stream {
	return penstock.Stream{Name: "owners", Family: penstock.Owners}
}

// Stages is a stream with a key of three columns, ordered by stamp alone.
func Stages() penstock.Stream {
	return penstock.Stream{Name: "pipeline_stages", Family: penstock.PipelineStages}
}

// Links is a stream that belongs to Contacts, with a key of three integers.
func Links() penstock.Stream {
	return penstock.Stream{
		Name: "contacts_companies", Family: penstock.Associations, ObjectType: "0-1", ToType: "0-2", Of: "contacts",
	}
}

// History is a stream that belongs to Contacts, with integers and texts in its
// key.
func History() penstock.Stream {
	return penstock.Stream{Name: "contacts_history", Family: penstock.PropertyHistory, ObjectType: "0-1", Of: "contacts"}
}

// A Row is a row of a batch to build. Times are ms since 1970, and 0 is none.
type Row struct {
	ID  int64        // the key of a stream with one key column
	Key penstock.Key // the key of any other
	Op  penstock.Op  // Put when 0
	Via penstock.Via // ByList when 0

	Updated, Stamp, Created, Deleted int64

	Why        penstock.Why
	MergedInto int64
	Values     []any // one per column of the batch: string, bool, int64 (days or ms) or nil
}

// A Builder puts a batch together.
type Builder struct {
	Batch penstock.Batch // what Build returns, but for Stream, Counts and Rows; Stamp is raised to the rows'

	table penstock.Table
	pages [][]Row
}

// NewBatch begins a batch of the stream whose rows come with the columns.
func NewBatch(stream penstock.Stream, columns ...penstock.Column) *Builder {
	return &Builder{table: penstock.Table{Stream: stream, Columns: columns}}
}

// Put adds a live row as a list holds it.
func (b *Builder) Put(id, updated, stamp int64, values ...any) *Builder {
	return b.Add(Row{ID: id, Updated: updated, Stamp: stamp, Values: values})
}

// Fill adds values for a row that stands already.
func (b *Builder) Fill(id, updated, stamp int64, values ...any) *Builder {
	return b.Add(Row{Op: penstock.Fill, Via: penstock.ByID, ID: id, Updated: updated, Stamp: stamp, Values: values})
}

// Missing adds an id that HubSpot named as not found at a moment of its clock.
func (b *Builder) Missing(id, at, stamp int64) *Builder {
	return b.Add(Row{Op: penstock.Missing, Via: penstock.ByID, ID: id, Updated: at, Stamp: stamp})
}

// Bury adds the tombstone of a record that was merged into another.
func (b *Builder) Bury(id, updated, stamp, into int64) *Builder {
	return b.Add(Row{
		Op: penstock.Bury, Via: penstock.ByID, ID: id, Updated: updated, Stamp: stamp,
		Why: penstock.Merged, MergedInto: into,
	})
}

// Add adds rows of any kind.
func (b *Builder) Add(rows ...Row) *Builder {
	if len(b.pages) == 0 {
		b.Page()
	}
	last := len(b.pages) - 1
	b.pages[last] = append(b.pages[last], rows...)
	return b
}

// Page begins another record; alone it makes one without rows.
func (b *Builder) Page() *Builder {
	b.pages = append(b.pages, nil)
	return b
}

// Reject adds a reject.
func (b *Builder) Reject(key, property, original string) *Builder {
	b.Batch.Rejects = append(b.Batch.Rejects, penstock.Reject{
		Key: key, Property: property, Original: original, Reason: "not of its type", At: 1,
	})
	return b
}

// Want adds a wanted key.
func (b *Builder) Want(key string, stamp int64) *Builder {
	b.Batch.Wanted = append(b.Batch.Wanted, penstock.Want{Key: key, Reason: penstock.WantDoubt, Stamp: stamp})
	return b
}

// Inventory says that the batch names every live key in [from, to) as of the
// stamp; 0 leaves an end open.
func (b *Builder) Inventory(from, to, stamp int64) *Builder {
	b.Batch.Inventory = &penstock.Inventory{From: idKey(from), To: idKey(to), Stamp: stamp}
	return b
}

// Of says that the batch names everything of the objects as of the stamp.
func (b *Builder) Of(stamp int64, ids ...string) *Builder {
	b.Batch.Inventory = &penstock.Inventory{Of: ids, Stamp: stamp}
	b.Batch.Stamp = max(b.Batch.Stamp, stamp)
	return b
}

// Split cuts off a range.
func (b *Builder) Split(first int64, cursor penstock.Cursor) *Builder {
	b.Batch.Splits = append(b.Batch.Splits, penstock.Split{Range: first, Cursor: cursor})
	return b
}

func idKey(id int64) penstock.Key {
	if id == 0 {
		return nil
	}
	return penstock.Key{strconv.FormatInt(id, 10)}
}

// Build makes the batch; the caller sets its place in a range, or has a Range
// do it. It panics on values that do not fit their columns.
func (b *Builder) Build() *penstock.Batch {
	batch := b.Batch
	batch.Stream = b.table.Stream
	batch.Counts = penstock.Counts{}
	for _, page := range b.pages {
		batch.Rows = append(batch.Rows, b.record(page))
		for _, r := range page {
			batch.Stamp = max(batch.Stamp, r.Stamp)
			switch r.Op {
			case penstock.Bury:
				batch.Counts.Buried++
			case penstock.Missing: // nothing was fetched
			default:
				batch.Counts.Fetched++
			}
		}
	}
	for _, r := range batch.Rejects {
		if r.Property == "" {
			batch.Counts.Rejected++
			batch.Counts.Fetched++
		} else {
			batch.Counts.Values++
		}
	}
	return &batch
}

func (b *Builder) record(rows []Row) arrow.RecordBatch {
	into := array.NewRecordBuilder(memory.DefaultAllocator, b.table.Schema())
	defer into.Release()
	keys := b.table.Stream.Key()
	for _, r := range rows {
		key := r.Key
		if key == nil {
			key = idKey(r.ID)
		}
		for i := range keys {
			if len(key) <= i {
				into.Field(i).AppendNull()
			} else if err := into.Field(i).AppendValueFromString(key[i]); err != nil {
				panic(fmt.Sprintf("key %q: %v", key[i], err))
			}
		}
		r.appendFixed(into, len(keys))
		for i := range b.table.Columns {
			var v any
			if i < len(r.Values) {
				v = r.Values[i]
			}
			appendValue(into.Field(len(keys)+len(penstock.Fixed())+i), v)
		}
	}
	return into.NewRecordBatch()
}

func (r Row) appendFixed(into *array.RecordBuilder, first int) {
	op, via := max(r.Op, penstock.Put), max(r.Via, penstock.ByList)
	into.Field(first).(*array.Uint8Builder).Append(uint8(op))
	into.Field(first + 1).(*array.Uint8Builder).Append(uint8(via))
	into.Field(first + 2).(*array.Int64Builder).Append(r.Stamp)
	for i, ms := range []int64{r.Updated, r.Created, r.Deleted} {
		if ms == 0 {
			into.Field(first + 3 + i).AppendNull()
		} else {
			appendValue(into.Field(first+3+i), ms)
		}
	}
	into.Field(first + 6).(*array.StringBuilder).Append(string(r.Why))
	if r.MergedInto == 0 {
		into.Field(first + 7).AppendNull()
	} else {
		appendValue(into.Field(first+7), r.MergedInto)
	}
}

func appendValue(into array.Builder, v any) {
	switch into := into.(type) {
	case *array.StringBuilder:
		if s, ok := v.(string); ok {
			into.Append(s)
			return
		}
	case *array.BooleanBuilder:
		if b, ok := v.(bool); ok {
			into.Append(b)
			return
		}
	case *array.Date32Builder:
		if n, ok := v.(int64); ok {
			into.Append(arrow.Date32(n))
			return
		}
	case *array.TimestampBuilder:
		if n, ok := v.(int64); ok {
			into.Append(arrow.Timestamp(n))
			return
		}
	case *array.Int64Builder:
		if n, ok := v.(int64); ok {
			into.Append(n)
			return
		}
	}
	if v != nil {
		panic(fmt.Sprintf("%v (%T) does not fit a column of %T", v, v, into))
	}
	into.AppendNull()
}

// A Range numbers the batches of one range of a lane, as a worker does.
type Range struct {
	Lane   penstock.Lane
	Grant  string
	First  int64
	Seq    uint64
	Cursor penstock.Cursor
}

// Next builds the range's next batch. The cursor after it is the given one, or
// names the batch.
func (r *Range) Next(b *Builder) *penstock.Batch {
	batch := b.Build()
	r.Seq++
	batch.Lane, batch.Grant, batch.Range, batch.Seq = r.Lane, r.Grant, r.First, r.Seq
	batch.Before = r.Cursor
	if batch.After == "" {
		batch.After = penstock.Cursor(fmt.Sprintf("%s/%d", r.Grant, r.Seq))
	}
	r.Cursor = batch.After
	return batch
}
