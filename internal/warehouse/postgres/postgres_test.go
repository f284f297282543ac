package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/postgres/pgtest"
	"penstock/internal/warehouse/warehousetest"
)

func TestPostgreSQLKeepsThePromises(t *testing.T) {
	w := newWorld(t)
	warehousetest.Run(t, func(t *testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		dsn := w.fresh()
		return func() warehouse.Store {
			store, err := Open(dsn)
			if err != nil {
				t.Fatal(err)
			}
			return store
		}, func(change warehousetest.Tampering) { tamper(t, dsn, change) }
	}, "TextWithANULIsComparedByteByByte")
}

// A world is a server whose schemas are the tests' warehouses.
type world struct {
	server *pgtest.Server
	next   atomic.Int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{server: pgtest.New(t, "fsync=off", "full_page_writes=off")}
	w.server.Start(t)
	return w
}

// fresh is the address of a schema that nothing is in.
func (w *world) fresh() string {
	return fmt.Sprintf("%s&schema=w%d", w.server.DSN(), w.next.Add(1))
}

// tamper changes a row as any other program could.
func tamper(t testing.TB, dsn string, change warehousetest.Tampering) {
	t.Helper()
	literal := func(v any) string {
		switch v := v.(type) {
		case nil:
			return "NULL"
		case string:
			return quoteText(v)
		}
		return fmt.Sprint(v)
	}
	var names, values, terms, sets []string
	for i, k := range (streams())[change.Stream].Key() {
		names, values = append(names, quote(k.Name)), append(values, literal(change.Key[i]))
		terms = append(terms, names[i]+" = "+values[i])
	}
	for name, value := range change.Set {
		names, values = append(names, quote(name)), append(values, literal(value))
		sets = append(sets, quote(name)+" = "+literal(value))
	}
	where := " WHERE " + strings.Join(terms, " AND ")
	switch {
	case change.Delete:
		ask(t, dsn, "DELETE FROM "+quote(change.Stream)+where)
	case change.Insert:
		ask(t, dsn, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quote(change.Stream), strings.Join(names, ", "), strings.Join(values, ", ")))
	default:
		ask(t, dsn, "UPDATE "+quote(change.Stream)+" SET "+strings.Join(sets, ", ")+where)
	}
}

func streams() map[string]penstock.Stream {
	all := map[string]penstock.Stream{}
	for _, s := range []penstock.Stream{
		warehousetest.Contacts(), warehousetest.Owners(), warehousetest.Stages(), warehousetest.Links(), warehousetest.History(),
	} {
		all[s.Name] = s
	}
	return all
}

// ask runs statements as any other program could, in the schema of the
// address, and returns the last one's rows as text.
func ask(t testing.TB, dsn, statements string) string {
	t.Helper()
	text, err := tryAsk(t, dsn, statements)
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	return text
}

func tryAsk(t testing.TB, dsn, statements string) (string, error) {
	t.Helper()
	c := session(t, dsn)
	results, err := c.pg.Exec(t.Context(), statements).ReadAll()
	if err = errors.Join(err, c.close()); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range results[len(results)-1].Rows {
		for i, raw := range r {
			if i > 0 {
				b.WriteString(",")
			}
			b.Write(raw)
		}
		b.WriteString(";")
	}
	return b.String(), nil
}

// session is one of another program; who asks for it closes it.
func session(t testing.TB, dsn string) *conn {
	t.Helper()
	a, err := parseAddress(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens a warehouse until the test ends.
func open(t testing.TB, dsn string) *Store {
	t.Helper()
	store, err := Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func claim(t testing.TB, store *Store) {
	t.Helper()
	if err := store.Claim(t.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 1}); err != nil {
		t.Fatalf("claim: %v", err)
	}
}

func mustLoad(t testing.TB, store *Store, items ...warehouse.Item) []warehouse.Outcome {
	t.Helper()
	outcomes, err := tryLoad(t, store, items...)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return outcomes
}

func tryLoad(t testing.TB, store *Store, items ...warehouse.Item) ([]warehouse.Outcome, error) {
	return store.Load(t.Context(), items, warehouse.Moment{
		Now: time.UnixMilli(0), Account: 1, Followers: map[string][]string{"contacts": {warehousetest.Links().Name}},
	})
}

// one is an item with one contact.
func one(run *warehousetest.Range, id, updated int64, value string) warehouse.Item {
	return item(run, warehousetest.NewBatch(warehousetest.Contacts(), text("v")).Put(id, updated, updated, value))
}

func item(run *warehousetest.Range, b *warehousetest.Builder) warehouse.Item {
	return warehouse.Item{Batch: run.Next(b), Current: run.Grant}
}

func text(property string) penstock.Column {
	return penstock.Column{Property: property, Type: penstock.Text}
}

func named() *warehousetest.Range {
	return &warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
}

// lines are a query's rows, each printed.
func lines(t testing.TB, store *Store, q warehouse.Query) []string {
	t.Helper()
	result, err := store.Rows(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for r, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintln(r...)))
	}
	return all
}

func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// as is an address for another role.
func as(t testing.TB, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}
