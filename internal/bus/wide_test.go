package bus

import (
	"fmt"
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
)

// wideBatch has texts like a CRM's: some empty, some of a few choices, some
// that do not repeat.
func wideBatch(rows, columns int) *penstock.Batch {
	table := penstock.Table{Stream: penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}}
	for i := range columns {
		table.Columns = append(table.Columns, penstock.Column{Property: fmt.Sprintf("property_%d", i), Type: penstock.Text})
	}
	b := &penstock.Batch{Connection: "default", Stream: table.Stream, Lane: penstock.Fresh, Grant: "grant-1", Seq: 1}
	if rows > 0 {
		b.Rows = []arrow.RecordBatch{wideRecord(table, rows)}
	}
	return b
}

func wideRecord(table penstock.Table, rows int) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, table.Schema())
	defer builder.Release()
	dice := rand.New(rand.NewPCG(1, 1))
	for row := range rows {
		for i, f := range builder.Fields() {
			switch f := f.(type) {
			case *array.Int64Builder:
				f.Append(int64(row))
			case *array.Uint8Builder:
				f.Append(1)
			case *array.StringBuilder:
				appendText(f, dice, i%4)
			default:
				f.AppendNull()
			}
		}
	}
	return builder.NewRecordBatch()
}

func appendText(f *array.StringBuilder, dice *rand.Rand, kind int) {
	switch kind {
	case 0:
		f.Append("")
	case 1:
		f.Append([]string{"customer", "lead", "subscriber"}[dice.IntN(3)])
	case 2:
		f.Append(fmt.Sprint(dice.Int64()))
	default:
		f.Append(fmt.Sprintf("contact-%06d@example.com", dice.IntN(1_000_000)))
	}
}

func equalRecords(a, b arrow.RecordBatch) bool { return array.RecordEqual(a, b) }
