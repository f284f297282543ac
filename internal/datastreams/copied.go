package datastreams

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
	"penstock/internal/warehouse"
)

// copying is a table on its way from the first warehouse to a follower.
type copying struct {
	f     *follower
	table warehouse.TableState
	place copied
	grant string
	seq   uint64
}

// copyBytes ends a batch of copies early, so that a thousand of the largest rows
// need not be held.
const copyBytes = 8 << 20

// next is the batch of the rows behind the place; over says that it is the
// last.
func (c *copying) next(ctx context.Context) (*penstock.Batch, bool, error) {
	result, err := c.f.c.Store.Rows(ctx, warehouse.Query{
		Stream: c.table.Stream.Name, Loaded: &warehouse.Loaded{From: c.place.Load, To: c.table.Load},
		After: c.place.Key, Limit: penstock.MaxBatchRows, Deleted: true,
	})
	if err != nil {
		return nil, false, c.f.ofFirst(err)
	}
	rows := newCopies(c.table, result.Columns)
	defer rows.builder.Release()
	whole := true
	for values, err := range result.Rows {
		if err == nil && rows.bytes > copyBytes {
			whole = false
			break
		}
		if err == nil {
			err = rows.add(values, c.place)
		}
		if err != nil {
			return nil, false, c.f.ofFirst(err)
		}
	}
	over := whole && rows.count < penstock.MaxBatchRows
	if over {
		c.place.Load, c.place.Key = c.table.Load, nil
		c.place.Columns, c.place.Fresh, c.place.Settled = len(c.table.Columns), c.table.FreshAt, c.table.SettledAt
	} else {
		c.place.Load, c.place.Key = rows.load, rows.key
	}
	after, err := json.Marshal(c.place)
	if err != nil {
		return nil, false, err
	}
	c.seq++
	b := &penstock.Batch{
		Connection: c.f.c.Name, Stream: c.table.Stream, Lane: penstock.Follow, Grant: c.grant, Seq: c.seq,
		Before: c.place.cursor, After: penstock.Cursor(after), Counts: penstock.Counts{Fetched: rows.count},
		Stamp: c.place.order(c.place.Load), Rows: []arrow.RecordBatch{rows.builder.NewRecordBatch()},
	}
	if over {
		b.FreshAt, b.SettledAt = c.table.FreshAt, c.table.SettledAt
	}
	c.place.cursor = b.After
	return b, over, nil
}

// copies are rows of a warehouse that become rows of a batch.
type copies struct {
	builder *array.RecordBuilder
	keys    int
	from    []int // the result's column of each of the builder's; -1 for those that are made here
	names   []string
	kinds   []penstock.Type

	count, bytes int
	load         int64 // of the last row
	key          penstock.Key
	loadAt       int
}

// ownOfFixed names the columns of a warehouse that tell a batch's fixed ones.
func ownOfFixed() map[string]string {
	return map[string]string{
		penstock.ColUpdated: "_updated_at", penstock.ColCreated: "_created_at", penstock.ColDeleted: "_deleted_at",
		penstock.ColWhy: "_deleted_why", penstock.ColMergedInto: "_merged_into",
	}
}

// newCopies reads rows of the table whose values come in the order of columns.
func newCopies(t warehouse.TableState, columns []string) *copies {
	table := penstock.Table{Stream: t.Stream}
	for _, column := range t.Columns {
		table.Columns = append(table.Columns, column.Column)
	}
	c := &copies{
		builder: array.NewRecordBuilder(memory.DefaultAllocator, table.Schema()), keys: len(t.Stream.Key()),
		loadAt: slices.Index(columns, "_load"),
	}
	put := func(name string, kind penstock.Type) {
		c.from, c.names, c.kinds = append(c.from, slices.Index(columns, name)), append(c.names, name), append(c.kinds, kind)
	}
	for _, k := range t.Stream.Key() {
		kind := penstock.Text
		if k.Integer {
			kind = warehouse.WholeNumber
		}
		put(k.Name, kind)
	}
	own := ownOfFixed()
	for _, f := range penstock.Fixed() {
		kind := penstock.Text
		switch f.Type.ID() {
		case arrow.TIMESTAMP:
			kind = penstock.DateTime
		case arrow.INT64:
			kind = warehouse.WholeNumber
		}
		put(own[f.Name], kind)
	}
	for _, column := range t.Columns {
		put(column.Name, column.Type)
	}
	return c
}

// add appends a row of the first warehouse.
func (c *copies) add(values []any, place copied) error {
	load, ok := values[c.loadAt].(int64)
	if !ok {
		return fmt.Errorf("a row has the load %v", values[c.loadAt])
	}
	fixed := penstock.Fixed()
	for i, from := range c.from {
		var value any
		if from >= 0 {
			value = values[from]
		}
		if at := i - c.keys; at >= 0 && at < len(fixed) {
			switch fixed[at].Name {
			case penstock.ColOp:
				value = penstock.Put
			case penstock.ColVia:
				value = penstock.ByCopy
			case penstock.ColStamp:
				value = place.order(load)
			case penstock.ColWhy:
				if value == nil {
					value = ""
				}
			}
		}
		if err := c.append(c.builder.Field(i), value, c.kinds[i]); err != nil {
			return fmt.Errorf("column %s: %w", c.names[i], err)
		}
	}
	c.key = c.key[:0:0]
	for i := range c.keys {
		c.key = append(c.key, fmt.Sprint(values[c.from[i]]))
	}
	c.load = load
	c.count++
	return nil
}

// append writes a value as it comes from a warehouse's Rows.
func (c *copies) append(into array.Builder, value any, kind penstock.Type) error {
	if value == nil {
		into.AppendNull()
		return nil
	}
	switch into := into.(type) {
	case *array.Uint8Builder:
		switch value := value.(type) {
		case penstock.Op:
			into.Append(uint8(value))
			return nil
		case penstock.Via:
			into.Append(uint8(value))
			return nil
		}
	case *array.Int64Builder:
		if n, ok := value.(int64); ok {
			into.Append(n)
			return nil
		}
	case *array.BooleanBuilder:
		if b, ok := value.(bool); ok {
			into.Append(b)
			return nil
		}
	case *array.StringBuilder:
		text := asText(value)
		c.bytes += len(text)
		into.Append(text)
		return nil
	case *array.Date32Builder:
		day, err := time.Parse(time.DateOnly, asText(value))
		into.Append(arrow.Date32FromTime(day))
		return err
	case *array.TimestampBuilder:
		at, err := time.Parse(time.RFC3339Nano, asText(value))
		into.Append(arrow.Timestamp(at.UnixMilli()))
		return err
	}
	return fmt.Errorf("%T is no value of the type %s", value, kind)
}

// asText is a value in the canonical text in which it travels.
func asText(value any) string {
	switch value := value.(type) {
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case string:
		return value
	}
	return fmt.Sprint(value)
}
