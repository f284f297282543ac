package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// secret is what a value of a contact that will be erased holds, again and
// again where it is long.
const secret = "sesame-open-"

// secrets are how often it stands in the bytes of the file and of its log.
func secrets(t *testing.T, path string) (file, log int) {
	t.Helper()
	var counts [2]int
	for i, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		counts[i] = bytes.Count(content, []byte(secret))
	}
	return counts[0], counts[1]
}

// mixed are contacts in one transaction: every other is one that will be
// erased, with values that lie in a page and values that fill several, and with
// a reject and a former version of each.
func mixed(n int64) []warehouse.Item {
	text := func(name string) penstock.Column { return penstock.Column{Property: name, Type: penstock.Text} }
	b := warehousetest.NewBatch(warehousetest.Contacts(), text("short"), text("long"))
	history := warehousetest.NewBatch(warehousetest.History(), text("v"))
	for id := int64(1); id <= n; id++ {
		short, long := secret, strings.Repeat(secret, 2000)
		if id%2 == 0 {
			short, long = "kept", strings.Repeat("kept ", 100)
		}
		b.Put(id, 1000, 1, short, long)
		b.Reject(strconv.FormatInt(id, 10), "number", short)
		history.Add(warehousetest.Row{Key: penstock.Key{strconv.FormatInt(id, 10), "short", "2020", "1"}, Stamp: 1, Values: []any{short}})
	}
	run := warehousetest.Range{Lane: penstock.Named, Grant: "history"}
	return []warehouse.Item{{Batch: named().Next(b), Current: "grant"}, {Batch: run.Next(history), Current: "history"}}
}

// forgotten is a warehouse in which every other contact is gone, with the values
// in the file and in its log.
func forgotten(t *testing.T, path string, n int64) *Store {
	t.Helper()
	store := open(t, path)
	claim(t, store)
	mustLoad(t, store, mixed(n)...)
	ask(t, path, `PRAGMA wal_checkpoint(PASSIVE)`) // into the file as well
	missing := warehousetest.NewBatch(warehousetest.Contacts())
	for id := int64(1); id <= n; id += 2 {
		missing.Missing(id, 2000, 2).Missing(id, 2000+warehouse.GoneAfter.Milliseconds(), 2)
	}
	again := warehousetest.Range{Lane: penstock.Sweep, Grant: "sweep"}
	mustLoad(t, store, warehouse.Item{Batch: again.Next(missing), Current: "sweep"})
	if file, log := secrets(t, path); file < int(n/2*2000) || log < int(n/2*2000) {
		t.Fatalf("%d of the values are in the file and %d in its log before they are erased", file, log)
	}
	return store
}

// later is when everything that is gone is to be erased.
func later() time.Time { return time.UnixMilli(0).Add(48 * time.Hour) }

// TestErasedValuesAreNowhereOnDisk takes the values of contacts that are gone,
// and looks for them in the bytes of the file and of its write-ahead log.
func TestErasedValuesAreNowhereOnDisk(t *testing.T) {
	const n = 60
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := forgotten(t, path, n)
	if erased, err := store.Erase(t.Context(), "contacts", later(), later()); erased != n/2 || err != nil {
		t.Fatalf("%d erased, %v", erased, err)
	}
	if got := ask(t, path, `SELECT count(*), count(short), count(DISTINCT long) FROM contacts`); got != fmt.Sprintf("%d,%d,1;", n, n/2) {
		t.Errorf("of the others there are %s", got)
	}
	if file, log := secrets(t, path); file+log > 0 {
		t.Errorf("%d in the file and %d in its log of what was erased", file, log)
	}
}

// TestErasedValuesLeaveTheLogOnceItsReadersHaveEnded erases while somebody
// reads an older snapshot, which lies in the log.
func TestErasedValuesLeaveTheLogOnceItsReadersHaveEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := forgotten(t, path, 2)
	store.loader.conn.SetBusyTimeout(0)
	reader, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"BEGIN", "SELECT count(*) FROM contacts"} {
		if err := query(reader, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	if erased, err := store.Erase(t.Context(), "contacts", later(), later()); erased != 1 || !errors.Is(err, errUnwiped) {
		t.Errorf("%d erased, %v; want to hear that the log cannot be emptied", erased, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if erased, err := store.Erase(t.Context(), "contacts", later(), later()); erased != 0 || err != nil {
		t.Errorf("%d erased, %v", erased, err)
	}
	if file, log := secrets(t, path); file+log > 0 {
		t.Errorf("%d in the file and %d in its log of what was erased", file, log)
	}
}
