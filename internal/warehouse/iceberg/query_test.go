package iceberg

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// ids are the first values of the rows that a query yields.
func ids(t *testing.T, store *Store, q warehouse.Query) string {
	t.Helper()
	result, err := store.Rows(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for row, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, fmt.Sprint(row[0]))
	}
	return strings.Join(words, " ")
}

func TestRowsOfSomeLoadsComeInTheirOrderEachOnce(t *testing.T) {
	store := open(t, "iceberg:"+t.TempDir(), t.TempDir())
	claim(t, store)
	run := named()
	mustLoad(t, store, some(run, 1, "A", 1, 2, 3, 4))
	mustLoad(t, store, some(run, 2, "B", 3, 1))
	mustLoad(t, store, some(run, 3, "C", 4))
	for _, c := range []struct {
		after  penstock.Key
		loaded warehouse.Loaded
		limit  int
		want   string
	}{
		{nil, warehouse.Loaded{From: 0, To: 3}, 0, "2 1 3 4"},
		{nil, warehouse.Loaded{From: 1, To: 3}, 0, "1 3 4"},
		{penstock.Key{"1"}, warehouse.Loaded{From: 2, To: 3}, 0, "3 4"},
		{nil, warehouse.Loaded{From: 0, To: 2}, 2, "2 1"},
		{nil, warehouse.Loaded{From: 3, To: 3}, 0, ""},
	} {
		q := warehouse.Query{Stream: "contacts", After: c.after, Loaded: &c.loaded, Limit: c.limit}
		if got := ids(t, store, q); got != c.want {
			t.Errorf("%+v after %v: %q, want %q", c.loaded, c.after, got, c.want)
		}
	}
}

func TestFiltersCompareByTheColumnsType(t *testing.T) {
	store := open(t, "iceberg:"+t.TempDir(), t.TempDir())
	claim(t, store)
	b := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "v", Type: penstock.Text},
		penstock.Column{Property: "n", Type: penstock.Number}, penstock.Column{Property: "b", Type: penstock.Bool},
		penstock.Column{Property: "d", Type: penstock.Date}, penstock.Column{Property: "dt", Type: penstock.DateTime})
	b.Put(1, 1000, 1, "a", "9", true, int64(0), int64(1000)).Put(2, 2000, 1, "B", "10.5", false, int64(1), int64(2000)).
		Put(3, 3000, 1, nil, "12345678901234567890").Put(4, 4000, 1, "c", "-0.1", nil, int64(-1), int64(-1))
	mustLoad(t, store, warehouse.Item{Batch: named().Next(b), Current: "grant"})
	for _, c := range []struct {
		column string
		op     warehouse.Compare
		values []string
		want   string
	}{
		{"n", warehouse.Greater, []string{"9.0"}, "2 3"}, {"n", warehouse.LessOrEqual, []string{"9"}, "1 4"},
		{"n", warehouse.Equal, []string{"12345678901234567890.0"}, "3"}, {"n", warehouse.In, []string{"-0.10", "9"}, "1 4"},
		{"v", warehouse.Less, []string{"b"}, "1 2"}, {"v", warehouse.NotEqual, []string{"a"}, "2 4"},
		{"v", warehouse.Null, []string{"true"}, "3"}, {"v", warehouse.Null, []string{"false"}, "1 2 4"},
		{"b", warehouse.Equal, []string{"false"}, "2"}, {"d", warehouse.GreaterOrEqual, []string{"1970-01-01"}, "1 2"},
		{"dt", warehouse.Less, []string{"1970-01-01T00:00:01.500Z"}, "1 4"},
		{"_updated_at", warehouse.Greater, []string{"1970-01-01T00:00:02Z"}, "3 4"}, {"id", warehouse.In, []string{"2", "4", "9"}, "2 4"},
	} {
		filter := warehouse.Filter{Column: c.column, Op: c.op, Values: c.values}
		if got := ids(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id"}, Filters: []warehouse.Filter{filter}}); got != c.want {
			t.Errorf("%+v: %q, want %q", filter, got, c.want)
		}
		limited := warehouse.Query{Stream: "contacts", Limit: 1, Filters: []warehouse.Filter{filter}}
		if got := ids(t, store, limited); got != c.want[:1] {
			t.Errorf("the first of %+v: %q", filter, got)
		}
	}
	for want, filter := range map[error]warehouse.Filter{
		warehouse.ErrFilter:   {Column: "n", Op: warehouse.Equal, Values: []string{"nine"}},
		warehouse.ErrNoColumn: {Column: "_print", Op: warehouse.Equal, Values: []string{"9"}},
	} {
		_, err := store.Rows(t.Context(), warehouse.Query{Stream: "contacts", Filters: []warehouse.Filter{filter}})
		if !errors.Is(err, want) {
			t.Errorf("%+v: %v", filter, err)
		}
	}
}

func TestAReaderSeesWholeTransactionsWhileALoadRuns(t *testing.T) {
	store := open(t, "iceberg:"+t.TempDir(), t.TempDir())
	claim(t, store)
	run := named()
	mustLoad(t, store, some(run, 1, "A", 1, 2))
	before, looked := show(t, store, "contacts"), 0
	store.step = func(string) {
		if got := show(t, store, "contacts"); got != before && looked < 4 {
			t.Errorf("in the middle of a load a reader sees %s", got)
		}
		looked++
	}
	mustLoad(t, store, some(run, 2, "B", 1, 2))
	if looked < 4 {
		t.Errorf("a reader has looked %d times", looked)
	}
	if got := show(t, store, "contacts"); got == before {
		t.Errorf("after the load a reader sees %s", got)
	}
}
