package iceberg

import (
	"fmt"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// BenchmarkLoad loads transactions of 10,000 contacts with 100 properties, 70
// of them filled, into an empty table, and the same and others over them.
func BenchmarkLoad(b *testing.B) {
	const transactions = 10
	for b.Loop() {
		store, err := Open("iceberg:"+b.TempDir(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		claim := warehouse.Claim{Loader: "bench", Installation: "bench", Account: 1}
		if err := store.Claim(b.Context(), claim); err != nil {
			b.Fatal(err)
		}
		run := &warehousetest.Range{Lane: penstock.Backfill, Grant: "grant"}
		for i, pass := range []string{"new", "unchanged", "changed"} {
			took := time.Duration(0)
			for tx := range int64(transactions) {
				items := tenThousand(run, tx*10_000, int64(max(i, 1)))
				begin := time.Now()
				at := warehouse.Moment{Now: time.UnixMilli(1), Account: 1}
				if _, err := store.Load(b.Context(), items, at); err != nil {
					b.Fatal(err)
				}
				took += time.Since(begin)
				for _, item := range items {
					item.Batch.Release()
				}
			}
			b.ReportMetric(transactions*10_000/took.Seconds(), pass+"-rows/s")
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// tenThousand are ten batches of contacts after an id.
func tenThousand(run *warehousetest.Range, after, updated int64) []warehouse.Item {
	var columns []penstock.Column
	for i := range 100 {
		kind := []penstock.Type{penstock.Text, penstock.Text, penstock.Text, penstock.Number, penstock.DateTime}[i%5]
		columns = append(columns, penstock.Column{Property: fmt.Sprintf("a_property_%d", i), Type: kind})
	}
	stream := penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}
	var items []warehouse.Item
	for range 10 {
		builder := warehousetest.NewBatch(stream, columns...)
		for row := range 1000 {
			if row%100 == 0 {
				builder.Page()
			}
			after++
			values := make([]any, len(columns))
			for i, c := range columns {
				switch {
				case (int64(i)+after)%10 >= 7:
				case c.Type == penstock.Number:
					values[i] = fmt.Sprint(after * updated)
				case c.Type == penstock.DateTime:
					values[i] = after * 1_000_000
				default:
					values[i] = fmt.Sprintf("value %06d", after%1_000_000)
				}
			}
			builder.Add(warehousetest.Row{ID: after, Updated: updated, Stamp: after + updated, Values: values})
		}
		items = append(items, warehouse.Item{Batch: run.Next(builder), Current: run.Grant})
	}
	return items
}
