package shape

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
)

// Built is what a builder held: the parts of a batch.
type Built struct {
	Records []arrow.RecordBatch // one, or none if there are no rows; to be released
	Rejects []penstock.Reject   // without the stream, which the batch names
	Counts  penstock.Counts
	Stamp   int64 // the highest of the answers

	// Unknown are the table's properties that were asked for and that no
	// object of these answers named: renamed, archived or not to be seen with
	// this credential. The records have no column for them.
	Unknown []string
}

// Flush hands over what was built and leaves the builder empty.
func (b *Builder) Flush() Built {
	built := Built{Counts: b.counts, Stamp: b.stamp}
	if len(b.rejects) > 0 {
		built.Rejects = b.rejects
	}
	for _, c := range b.unknown {
		built.Unknown = append(built.Unknown, b.table.Columns[c].Property)
	}
	if b.rows > 0 {
		built.Records = []arrow.RecordBatch{b.record()}
	}
	for i := range b.columns {
		b.columns[i].reset()
	}
	b.rows, b.bytes, b.rejects, b.counts, b.stamp = 0, 0, nil, penstock.Counts{}, 0
	b.settled, b.unknown = false, nil
	return built
}

// record copies the rows into memory of their own, one piece for all columns,
// so that the builder's can be used again.
func (b *Builder) record() arrow.RecordBatch {
	schema, columns := b.known()
	nulls := make([]int, len(columns))
	buffers := make([][][]byte, len(columns))
	size := 0
	for i, c := range columns {
		nulls[i], buffers[i] = c.buffers(b.rows)
		for _, buffer := range buffers[i] {
			size += aligned(len(buffer))
		}
	}
	room := make([]byte, size)
	arrays := make([]arrow.Array, len(columns))
	for i, c := range columns {
		kept := make([]*memory.Buffer, len(buffers[i]))
		for j, buffer := range buffers[i] {
			if buffer == nil && j == 0 {
				continue // no row is null
			}
			n := copy(room, buffer)
			kept[j] = memory.NewBufferBytes(room[:n:n])
			room = room[aligned(n):]
		}
		data := array.NewData(c.kind, b.rows, kept, nil, nulls[i], 0)
		arrays[i] = array.MakeFromData(data)
		data.Release()
		defer arrays[i].Release()
	}
	return array.NewRecordBatch(schema, arrays, int64(b.rows))
}

// known leaves the unknown columns out.
func (b *Builder) known() (*arrow.Schema, []*column) {
	schema, absent := b.schema, make([]bool, len(b.table.Columns))
	if len(b.unknown) > 0 {
		table := penstock.Table{Stream: b.table.Stream}
		for _, c := range b.unknown {
			absent[c] = true
		}
		for i, c := range b.table.Columns {
			if !absent[i] {
				table.Columns = append(table.Columns, c)
			}
		}
		schema = table.Schema()
	}
	first := len(b.columns) - len(absent)
	columns := make([]*column, 0, len(b.columns))
	for i := range b.columns {
		if i < first || !absent[i-first] {
			columns = append(columns, &b.columns[i])
		}
	}
	return schema, columns
}

// aligned rounds up to Arrow's eight bytes.
func aligned(n int) int { return (n + 7) &^ 7 }
