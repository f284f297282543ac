package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// TestV2TextsWithNULAndNumbersOfOddFormsAreKeptAsTheyCame checks what not every
// engine can hold.
func TestV2TextsWithNULAndNumbersOfOddFormsAreKeptAsTheyCame(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "warehouse.db"))
	claim(t, store)
	columns := []penstock.Column{{Property: "n", Type: penstock.Number}, {Property: "t", Type: penstock.Text}}
	b, run := warehousetest.NewBatch(warehousetest.Contacts(), columns...), named()
	numbers := []string{"-0", "1e3", "007", "NaN"}
	for i, n := range numbers {
		b.Put(int64(i+1), 1000, 1, n, "a\x00b\x00"+n)
	}
	for pass, unchanged := range []int{0, len(numbers)} {
		outcomes := mustLoad(t, store, warehouse.Item{Batch: run.Next(b), Current: run.Grant})
		if got := outcomes[0].Applied.Unchanged; got != unchanged {
			t.Errorf("in pass %d %d rows are unchanged, want %d", pass, got, unchanged)
		}
	}
	result, err := store.Rows(t.Context(), warehouse.Query{Stream: "contacts", Fields: []string{"n", "t"}})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for row, err := range result.Rows {
		if want := fmt.Sprintf("%q", []any{numbers[i], "a\x00b\x00" + numbers[i]}); err != nil || fmt.Sprintf("%q", row) != want {
			t.Errorf("%q, %v, want %s", row, err, want)
		}
		i++
	}
}
