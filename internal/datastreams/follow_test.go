package datastreams_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// followed is a world whose connection has a follower, and rows of several
// kinds in its first warehouse.
type followed struct {
	*world
	first    *warehousetest.Model
	follower *store
	runs     map[string]*warehousetest.Range
	stamp    int64
}

func following(t *testing.T, test func(w *followed)) {
	f := &followed{follower: &store{Store: warehousetest.NewModel()}, runs: map[string]*warehousetest.Range{}}
	inWorld(t, func(w *world) {
		f.world, f.first = w, w.store.Store.(*warehousetest.Model)
		w.alter = func(c *datastreams.Config) {
			c.Sources[0].Followers = []datastreams.Follower{{Name: "the other", Store: f.follower}}
		}
	}, func(w *world) {
		w.worker("a").beat() // makes the account known
		test(f)
	})
}

// loads writes rows into the first warehouse, past data-streams.
func (w *followed) loads(b *warehousetest.Builder) {
	w.Helper()
	built := b.Build()
	stream := built.Stream.Name
	r := w.runs[stream]
	if r == nil {
		r = &warehousetest.Range{Lane: penstock.Named, Grant: "writer"}
		w.runs[stream] = r
	}
	outcomes, err := w.store.Load(w.Context(), []warehouse.Item{{Batch: r.Next(b), Current: "writer"}}, warehouse.Moment{Now: time.Now(), Account: account})
	if err != nil || outcomes[0].Verdict != warehouse.Apply {
		w.Fatalf("%v, %v", outcomes, err)
	}
}

func column(name string, kind penstock.Type) penstock.Column {
	return penstock.Column{Property: name, Type: kind}
}

// people are contacts with ids in [from, to) and a value of each type.
func (w *followed) people(from, to int64, text string) *warehousetest.Builder {
	b := warehousetest.NewBatch(warehousetest.Contacts(), column("t", penstock.Text), column("n", penstock.Number),
		column("b", penstock.Bool), column("d", penstock.Date), column("m", penstock.DateTime), column("h", penstock.Hashed))
	w.stamp++
	for id := from; id < to; id++ {
		values := []any{text, "-12345678901234567890.5", true, int64(19000), int64(1700000000123), "h1:x"}
		switch id % 4 {
		case 1:
			values = []any{nil, "0.1", false, nil, nil, nil}
		case 2:
			values = []any{"A\x00B", "42", nil, int64(-1), int64(0), nil}
		}
		b.Add(warehousetest.Row{ID: id, Via: penstock.ByID, Updated: 1000 * w.stamp, Stamp: w.stamp, Created: 500, Values: values})
	}
	return b
}

// equal checks that the follower holds what the first warehouse does.
func (w *followed) equal(of string) {
	w.Helper()
	tables, err := w.first.Tables(w.Context())
	if err != nil || len(tables) == 0 {
		w.Fatalf("%v, %v", tables, err)
	}
	for _, t := range tables {
		want, got := w.content(w.first, t.Stream.Name), w.content(w.follower.Store, t.Stream.Name)
		if len(want) == 0 || !slices.Equal(want, got) {
			w.Fatalf("%s: %s has %d rows and the follower %d; it lacks %.300v and has besides %.300v", of, t.Stream.Name, len(want), len(got), missing(want, got), missing(got, want))
		}
	}
	if st := w.service.Connections()[0].Followers[0]; st.State != "up to date" || st.Behind != 0 || st.Message != "" {
		w.Errorf("%s: the follower is shown as %+v", of, st)
	}
}

func missing(from, in []string) []string {
	has := map[string]bool{}
	for _, line := range in {
		has[line] = true
	}
	return slices.DeleteFunc(slices.Clone(from), func(line string) bool { return has[line] })
}

// content are a table's rows, a line each, without what differs by nature.
func (w *followed) content(s warehouse.Store, stream string) []string {
	w.Helper()
	result, err := s.Rows(w.Context(), warehouse.Query{Stream: stream, Deleted: true})
	if err != nil {
		w.Fatal(err)
	}
	var lines []string
	for row, err := range result.Rows {
		if err != nil {
			w.Fatal(err)
		}
		values := map[string]string{}
		for i, name := range result.Columns {
			if name != "_synced_at" && name != "_load" {
				values[name] = fmt.Sprintf("%T %v", row[i], row[i])
			}
		}
		line := ""
		for _, name := range slices.Sorted(maps.Keys(values)) {
			line += name + "=" + values[name] + " "
		}
		lines = append(lines, line)
	}
	return lines
}

// everything loads rows of every kind.
func (w *followed) everything() {
	w.loads(w.people(1, 1001, "first"))
	w.loads(w.people(1001, 2001, "first"))
	w.loads(w.people(2001, 2501, "first"))
	w.loads(warehousetest.NewBatch(warehousetest.Contacts()).Bury(7, 9_000_000, 9, 8))
	w.loads(warehousetest.NewBatch(warehousetest.Contacts()).Add(
		warehousetest.Row{ID: 9, Updated: 9_000_000, Stamp: 9, Why: penstock.Archived, Deleted: 8_000_000},
		warehousetest.Row{ID: 10, Via: penstock.ByID, Updated: 9_000_000, Stamp: 9, Why: penstock.Erased},
	))
	w.loads(warehousetest.NewBatch(warehousetest.Links(), column("label", penstock.Text)).Add(
		warehousetest.Row{Key: penstock.Key{"1", "2", "3"}, Stamp: 5, Values: []any{"boss"}},
		warehousetest.Row{Key: penstock.Key{"1", "2", "4"}, Stamp: 5, Values: []any{nil}},
	))
	w.loads(warehousetest.NewBatch(warehousetest.Stages(), column("label", penstock.Text)).Add(
		warehousetest.Row{Key: penstock.Key{"0-3", "a", `b"\`}, Stamp: 5, Values: []any{"x"}},
	))
}

func TestAFollowerIsFilledFromTheFirstAndKeepsUp(t *testing.T) {
	following(t, func(w *followed) {
		w.everything()
		pass(10 * time.Second)
		w.equal("the first fill")
		w.loads(w.people(900, 1100, "second"))
		// Values that come without a new version: a column that was filled.
		w.loads(warehousetest.NewBatch(warehousetest.Contacts(), column("new", penstock.Text)).Fill(950, 1000*w.stamp, 50, "filled"))
		pass(10 * time.Second)
		w.equal("changes")
		if got := strings.Join(w.content(w.follower.Store, "contacts"), "\n"); !strings.Contains(got, "filled") {
			t.Error("the value of a new column is not there")
		}
		w.restart()
		w.worker("a").beat()
		w.loads(w.people(1, 3, "third"))
		pass(10 * time.Second)
		w.equal("after a restart")
		tables, err := w.follower.Tables(w.Context())
		if err != nil || tables[0].Load > 12 {
			t.Errorf("after a restart all was copied again: load %d, %v", tables[0].Load, err)
		}
	})
}

func TestAFollowerThatFailsHoldsNobodyUpAndCatchesUp(t *testing.T) {
	following(t, func(w *followed) {
		w.everything()
		w.follower.fails(func() {
			w.follower.before = []error{errAway, errAway}
			w.follower.after = []error{errAway, errAway} // committed, though it seems not
		})
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(9001)
		r.k.live(2 * time.Second)
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1}) {
			t.Errorf("acked %v while the follower was away", acks)
		}
		if st := w.service.Connections()[0]; st.State == "warehouse down" || st.Followers[0].State != "down" || !strings.Contains(st.Followers[0].Message, "away") {
			t.Errorf("the connection is shown as %+v", st)
		}
		pass(time.Minute)
		w.equal("after it was away")
	})
}

// TestAFirstThatWasRestoredIsCopiedAgain: the restored warehouse goes on and
// passes the load that the follower had taken last.
func TestAFirstThatWasRestoredIsCopiedAgain(t *testing.T) {
	following(t, func(w *followed) {
		w.everything()
		backup, runs := w.first.Backup(), maps.Clone(w.runs)
		for name, r := range runs {
			copied := *r
			runs[name] = &copied
		}
		for range 3 {
			w.loads(w.people(5, 20, "lost"))
		}
		pass(10 * time.Second)
		w.equal("before")
		w.end()
		w.store.Store, w.first, w.runs = backup, backup, runs
		w.start()
		w.worker("a").beat()
		for i := range int64(5) {
			w.loads(w.people(100*i+30, 100*i+40, "after"))
		}
		pass(10 * time.Second)
		// What the backup does not hold is read from HubSpot again.
		w.loads(w.people(5, 20, "read again"))
		pass(10 * time.Second)
		w.equal("a restored first")
	})
}

// TestAFollowerThatWasRestoredGoesOnFromItsOwnPlace: it is behind, and says so
// itself.
func TestAFollowerThatWasRestoredGoesOnFromItsOwnPlace(t *testing.T) {
	following(t, func(w *followed) {
		w.everything()
		pass(10 * time.Second)
		backup := w.follower.Store.(*warehousetest.Model).Backup()
		w.loads(w.people(5, 20, "lost"))
		pass(10 * time.Second)
		w.equal("before")
		w.follower.fails(func() { w.follower.Store, w.follower.replaced = backup, true })
		w.loads(w.people(7, 9, "after"))
		pass(time.Minute)
		w.equal("a restored follower")
	})
}
