package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// The child is this test's binary, told by these where to die.
const (
	crashDSN  = "PENSTOCK_TEST_CRASH_DSN"
	crashStep = "PENSTOCK_TEST_CRASH_STEP"
)

// TestW1KilledAtAnyStepALoadStandsWholeOrNotAtAll kills a process before the n-th
// round trip of making a warehouse, loading it twice and erasing from it, for every n. Under the race
// detector, to which a killed process has nothing to say, for every seventh.
func TestW1KilledAtAnyStepALoadStandsWholeOrNotAtAll(t *testing.T) {
	if dsn := os.Getenv(crashDSN); dsn != "" {
		dieAt(t, dsn, os.Getenv(crashStep))
		return
	}
	w := newWorld(t)
	want := stateAfter(t, w.fresh())
	if len(want) != 6 || len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Fatalf("the loads leave %q", want)
	}
	stride := 1
	if testing.Short() || raceDetector {
		stride = 7
	}
	for step := 1; ; step += stride {
		dsn := w.fresh()
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), crashDSN+"="+dsn, crashStep+"="+strconv.Itoa(step))
		output, err := child.CombinedOutput()
		if err == nil {
			t.Logf("a claim, two loads, a want and an erasure are %d steps", step-1)
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v: %s", step, err, output)
		}
		found := describe(t, dsn)
		if !slices.Contains(want, found) {
			t.Fatalf("killed at step %d, the warehouse holds\n%s\nwant one of\n%s", step, found, strings.Join(want, "\n"))
		}
		if again := stateAfter(t, dsn); again[5] != want[5] {
			t.Fatalf("killed at step %d and loaded again, the warehouse holds\n%s\nwant\n%s", step, again[5], want[5])
		}
	}
}

// dieAt is the child.
func dieAt(t *testing.T, dsn, step string) {
	left, err := strconv.Atoi(step)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, dsn)
	store.step = func(string) {
		if left--; left == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			select {} // until the signal arrives
		}
	}
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
	}
	for _, step := range afterwards(store, dsn) {
		step(t)
	}
}

// afterwards are the other steps that write: an altered contact is wanted, and
// one that is gone erased.
func afterwards(store *Store, dsn string) []func(*testing.T) {
	return []func(*testing.T){
		func(t *testing.T) { ask(t, dsn, "UPDATE contacts SET v = 'by hand' WHERE id = 2") },
		func(t *testing.T) {
			wants := []penstock.Want{{Key: "2", Reason: penstock.WantVerify, Stamp: 9}}
			if err := store.Want(t.Context(), wants, "contacts"); err != nil {
				t.Fatal(err)
			}
		},
		func(t *testing.T) {
			if _, err := store.Erase(t.Context(), "contacts", time.UnixMilli(1e6), time.UnixMilli(0)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// stateAfter claims the warehouse and loads what is to be loaded, and
// describes it before, between and after.
func stateAfter(t *testing.T, dsn string) []string {
	t.Helper()
	store := open(t, dsn)
	states := []string{describe(t, dsn)}
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
		states = append(states, describe(t, dsn))
	}
	for _, step := range afterwards(store, dsn) {
		step(t)
		states = append(states, describe(t, dsn))
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return states
}

// twoLoads touch everything that a load can touch.
func twoLoads() [2][]warehouse.Item {
	run := &warehousetest.Range{Lane: penstock.Backfill, Grant: "grant"}
	batch := func(columns ...string) *warehousetest.Builder {
		var cs []penstock.Column
		for _, c := range columns {
			cs = append(cs, penstock.Column{Property: c, Type: penstock.Text})
		}
		return warehousetest.NewBatch(warehousetest.Contacts(), cs...)
	}
	first := batch("v").Put(1, 1000, 1, "A").Put(2, 1000, 1, "A").Put(3, 1000, 1, "A").Want("7", 1).Reject("8", "", "{}")
	first.Batch.Begin = "T0"
	first.Split(1000, "half")
	second := batch("v", "w").Put(1, 2000, 2, "B", "B").Put(4, 2000, 2, "B", nil).Reject("4", "w", "bad").Bury(9, 2000, 2, 1)
	third := batch("v", "w").Put(2, 1000, 3, "A", nil).Missing(1, 5000, 4).Fill(4, 1, 4, "C", "C").Inventory(1, 5, 4)
	third.Batch.Filled = []string{"w"}
	fourth := batch("v").Put(5, 3000, 5, "A").Missing(1, 5000+3_600_000, 6)
	link := func(to string, stamp int64) *warehousetest.Builder {
		row := warehousetest.Row{Key: penstock.Key{"1", to, "1"}, Stamp: stamp}
		return warehousetest.NewBatch(warehousetest.Links()).Add(row).Of(stamp, "1", "5")
	}
	loads := [2][]warehouse.Item{}
	for i, builders := range [2][]*warehousetest.Builder{{first}, {second, third}} {
		for _, b := range builders {
			loads[i] = append(loads[i], warehouse.Item{Batch: run.Next(b), Current: run.Grant})
		}
	}
	read := func(load int, run *warehousetest.Range, b *warehousetest.Builder) {
		loads[load] = append(loads[load], warehouse.Item{Batch: run.Next(b), Current: run.Grant})
	}
	rest := &warehousetest.Range{Lane: penstock.Backfill, Grant: "grant", First: 1000, Cursor: "half"}
	linked := named()
	read(0, linked, link("7", 1))
	read(1, rest, batch("v").Put(1001, 1000, 2, "A"))
	read(1, named(), fourth) // without w, and wanted by the links
	read(1, linked, link("8", 5))
	return loads
}

// describe is everything the schema holds, but for who claimed it. A session
// whose process was killed may not have ended yet: its locks are waited for.
func describe(t *testing.T, dsn string) string {
	t.Helper()
	tables := []string{"contacts", "contacts_companies", "_penstock_heads", "_penstock_tables", "_penstock_columns", "_penstock_seen",
		"_penstock_rejects", "_penstock_wanted"}
	there := ask(t, dsn, "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'")
	lines := []string{}
	for _, table := range tables {
		if !strings.Contains(";"+there, ";"+table+";") {
			continue
		}
		columns := "*"
		if table == "_penstock_wanted" {
			columns = "stream, key, reason, stamp, since > 0, missed, asked" // a want from outside has the machine's time
		}
		if rows := ask(t, dsn, fmt.Sprintf("BEGIN; LOCK %s; COMMIT; SELECT %s FROM %s ORDER BY 1, 2, 3", table, columns, table)); rows != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", table, rows))
		}
	}
	return strings.Join(lines, "\n")
}
