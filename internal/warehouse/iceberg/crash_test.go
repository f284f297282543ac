package iceberg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// The child is this test's binary, told by these where to die.
const (
	crashPath = "PENSTOCK_TEST_CRASH_PATH"
	crashStep = "PENSTOCK_TEST_CRASH_STEP"
)

// TestW1KilledAtAnyStepALoadStandsWholeOrNotAtAll kills a process at the n-th
// step of making a warehouse, loading it twice, erasing from it and maintaining it,
// for every second n: each takes most of a second. Under the race detector, to which a killed process has nothing
// to say, for every eleventh.
func TestW1KilledAtAnyStepALoadStandsWholeOrNotAtAll(t *testing.T) {
	if path := os.Getenv(crashPath); path != "" {
		dieAt(t, path, os.Getenv(crashStep))
		return
	}
	want := stateAfter(t, "iceberg:"+t.TempDir(), t.TempDir())
	if len(want) != 7 || len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Fatalf("the loads leave %q", want)
	}
	stride := 2
	if testing.Short() || raceDetector {
		stride = 11
	}
	for step := 1; ; step += stride {
		path := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), crashPath+"="+path, crashStep+"="+strconv.Itoa(step))
		output, err := child.CombinedOutput()
		if err == nil {
			t.Logf("a claim, two loads, a want, an erasure and maintenance are fewer than %d steps", step)
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v: %s", step, err, output)
		}
		address := "iceberg:" + filepath.Join(path, "lake")
		for _, workdir := range []string{filepath.Join(path, "work"), t.TempDir()} { // the index that is left, and none
			if found := describe(t, open(t, address, workdir)); !slices.Contains(want, found) {
				t.Fatalf("killed at step %d, the warehouse holds\n%s\nwant one of\n%s", step, found, strings.Join(want, "\n"))
			}
		}
		if again := stateAfter(t, address, filepath.Join(path, "work")); again[len(again)-1] != want[len(want)-1] {
			t.Fatalf("killed at step %d and loaded again, the warehouse holds\n%s\nwant\n%s", step, again[len(again)-1], want[len(want)-1])
		}
		outsideAgrees(t, address, filepath.Join(path, "work"))
	}
}

// dieAt is the child.
func dieAt(t *testing.T, path, step string) {
	left, err := strconv.Atoi(step)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, "iceberg:"+filepath.Join(path, "lake"), filepath.Join(path, "work"))
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
	for _, step := range afterwards(store) {
		step(t)
	}
}

// afterwards are the other steps that write: an altered contact is wanted, and
// one that is gone erased.
func afterwards(store *Store) []func(*testing.T) {
	return []func(*testing.T){
		func(t *testing.T) {
			if altered := show(t, store, "contacts"); strings.Contains(altered, "by hand") {
				return // before the process was killed
			}
			tamper(t, store.address, warehousetest.Tampering{Stream: "contacts", Key: penstock.Key{"2"}, Set: map[string]any{"v": "by hand"}})
		},
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
		func(t *testing.T) {
			if err := store.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// stateAfter claims the warehouse and loads what is to be loaded, and
// describes it before, between and after.
func stateAfter(t *testing.T, address, workdir string) []string {
	t.Helper()
	store := open(t, address, workdir)
	states := []string{describe(t, store)}
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
		states = append(states, describe(t, store))
	}
	for _, step := range afterwards(store) {
		step(t)
		states = append(states, describe(t, store))
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

// describe is everything the warehouse holds, but for who claimed it and when
// its files were made.
func describe(t *testing.T, store *Store) string {
	t.Helper()
	tables, err := store.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	for _, table := range tables {
		lines = append(lines, show(t, store, table.Stream.Name))
	}
	queries := map[string]string{
		"_penstock_meta":   "name, value FROM _penstock_meta WHERE name NOT IN ('loader', 'installation', 'claims')",
		"_penstock_wanted": "stream, key, reason, stamp, since > 0, missed, asked FROM _penstock_wanted", // a want from outside has the machine's time
		"_penstock_tables": `stream, family, object_type, to_type, belongs, whole, load, "rows", deleted, fresh_at, settled_at FROM _penstock_tables`,
	}
	err = store.read(t.Context(), func(conn *sqlite.Conn) error {
		for _, table := range logged {
			chosen := queries[table.name]
			if chosen == "" {
				chosen = "* FROM " + table.name
			}
			line := ""
			err := query(conn, "SELECT "+chosen+" ORDER BY 1, 2", func(row *sqlite.Stmt) error {
				for i := range row.ColumnCount() {
					line += row.ColumnText(i) + ","
				}
				line += ";"
				return nil
			})
			if err != nil {
				return err
			}
			lines = append(lines, table.name+": "+line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// show is all rows of a table.
func show(t *testing.T, store *Store, stream string) string {
	t.Helper()
	result, err := store.Rows(t.Context(), warehouse.Query{Stream: stream, Deleted: true})
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprint(stream, result.Columns)
	for row, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		line += fmt.Sprint(row)
	}
	return line
}
