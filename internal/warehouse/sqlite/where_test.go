package sqlite

import (
	"cmp"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestRanksSortAsTheNumbersTheyStandFor(t *testing.T) {
	number := rapid.StringMatching(`-?[019]{1,4}(\.[0159]{1,5})?|-?[0-9]{15,40}(\.[0-9]{1,40})?|-?0\.0{0,30}[0-9]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		left, leftOK := rank(a)
		right, rightOK := rank(b)
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if !leftOK || !rightOK || cmp.Compare(left, right) != x.Cmp(y) {
			t.Fatalf("%s ranks as %q, %s as %q", a, left, b, right)
		}
	})
	for _, text := range []string{"", "-", "NaN", "Inf", "1e3", "1.2.3", "0x1", " 1", "--1", "١"} {
		if ranked, ok := rank(text); ok {
			t.Errorf("%q ranks as %q", text, ranked)
		}
	}
}

// planOf is how SQLite answers a query.
func planOf(t *testing.T, store *Store, q warehouse.Query) string {
	t.Helper()
	var steps []string
	err := store.lookups.read(t.Context(), func(conn *sqlite.Conn) error {
		found, err := findTable(conn, q.Stream)
		if err != nil {
			return err
		}
		fields, err := found.fields(nil)
		if err != nil {
			return err
		}
		text, args, err := found.selection(fields, q)
		if err != nil {
			return err
		}
		return query(conn, "EXPLAIN QUERY PLAN "+text, func(row *sqlite.Stmt) error {
			steps = append(steps, row.ColumnText(3))
			return nil
		}, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}

func TestAPageOfLoadsIsReadFromTheIndexInOrder(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "warehouse.db"))
	claim(t, store)
	for _, stream := range []penstock.Stream{warehousetest.Contacts(), warehousetest.Stages(), warehousetest.Links()} {
		run := &warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
		key := penstock.Key{"1", "2", "3"}[:len(stream.Key())]
		batch := warehousetest.NewBatch(stream).Add(warehousetest.Row{Key: key, Stamp: 1})
		mustLoad(t, store, warehouse.Item{Batch: run.Next(batch), Current: "grant"})
		plan := planOf(t, store, warehouse.Query{Stream: stream.Name, After: key, Loaded: &warehouse.Loaded{From: 1, To: 2}, Limit: 9, Deleted: true})
		if !strings.Contains(plan, "USING INDEX _penstock_load_"+stream.Name+" (") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: %s", stream.Name, plan)
		}
	}
}

// loadedSince reads what a query of loads yields.
func loadedSince(t *testing.T, store *Store, from, to int64) (ids []string) {
	t.Helper()
	result, err := store.Rows(t.Context(), warehouse.Query{
		Stream: "contacts", Fields: []string{"id"}, Deleted: true, Loaded: &warehouse.Loaded{From: from, To: to},
	})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, fmt.Sprint(row[0]))
	}
	return ids
}

func TestAnOlderFileAnswersAndGetsItsIndexWithTheNextClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	run := &warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
	put := func(updated int64, ids ...int64) {
		builder := warehousetest.NewBatch(warehousetest.Contacts())
		for _, id := range ids {
			builder.Put(id, updated, updated)
		}
		mustLoad(t, store, warehouse.Item{Batch: run.Next(builder), Current: "grant"})
	}
	put(1, 1, 2, 3)
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := query(conn, "DROP INDEX _penstock_load_contacts", nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	put(2, 2)
	q := warehouse.Query{Stream: "contacts", Loaded: &warehouse.Loaded{To: 2}, Limit: 1}
	if got := loadedSince(t, store, 0, 2); fmt.Sprint(got) != "[1 3 2]" || strings.Contains(planOf(t, store, q), "_penstock_load") {
		t.Errorf("without the index: %v by %s", got, planOf(t, store, q))
	}
	again := open(t, path)
	claim(t, again)
	if plan := planOf(t, again, q); !strings.Contains(plan, "_penstock_load_contacts") {
		t.Errorf("after the next claim: %s", plan)
	}
	if got := loadedSince(t, again, 1, 2); fmt.Sprint(got) != "[2]" {
		t.Errorf("with the index: %v", got)
	}
}

// BenchmarkRead measures what a page of changes and a search through the whole
// table take, of 100,000 rows.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "warehouse.db")
	store, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := store.Claim(b.Context(), warehouse.Claim{Loader: "bench", Installation: "bench", Account: 1}); err != nil {
		b.Fatal(err)
	}
	run := &warehousetest.Range{Lane: penstock.Backfill, Grant: "grant"}
	for tx := range int64(10) {
		if _, err := store.Load(b.Context(), tenThousand(run, tx*10_000, 1), warehouse.Moment{Now: time.UnixMilli(1), Account: 1}); err != nil {
			b.Fatal(err)
		}
	}
	none := func(column, value string) warehouse.Query {
		return warehouse.Query{Stream: "contacts", Fields: []string{"id"}, Filters: []warehouse.Filter{{Column: column, Op: warehouse.Less, Values: []string{value}}}}
	}
	for name, q := range map[string]warehouse.Query{
		"page-by-key":   {Stream: "contacts", After: penstock.Key{"55500"}, Limit: 1000},
		"page-by-load":  {Stream: "contacts", After: penstock.Key{"55500"}, Loaded: &warehouse.Loaded{From: 6, To: 10}, Limit: 1000},
		"filter-text":   none("a_property_0", ""),
		"filter-number": none("a_property_3", "-1"),
		"filter-moment": none("_updated_at", "1969-12-31T00:00:00Z"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				result, err := store.Rows(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range result.Rows {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
