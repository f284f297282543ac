package iceberg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestAnotherEngineSeesEveryRow(t *testing.T) {
	address, workdir := "iceberg:"+t.TempDir(), t.TempDir()
	store := open(t, address, workdir)
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
	}
	all := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "v", Type: penstock.Text},
		penstock.Column{Property: "n", Type: penstock.Number}, penstock.Column{Property: "b", Type: penstock.Bool},
		penstock.Column{Property: "d", Type: penstock.Date}, penstock.Column{Property: "dt", Type: penstock.DateTime})
	all.Put(1, 9000, 9, "A", "12.5", true, int64(20000), int64(1_760_000_000_123)).Put(77, 9000, 9, nil, "-3")
	run := &warehousetest.Range{Lane: penstock.Sweep, Grant: "grant"}
	mustLoad(t, store, warehouse.Item{Batch: run.Next(all), Current: run.Grant})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	outsideAgrees(t, address, workdir)
}

func TestV2ANumberThatDoesNotFitIsARejectAndItsRowLoads(t *testing.T) {
	store := open(t, "iceberg:"+t.TempDir(), t.TempDir())
	claim(t, store)
	run := named()
	load := func(stamp int64, n string) {
		b := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "n", Type: penstock.Number})
		b.Put(1, stamp, stamp, n).Put(2, stamp, stamp, "1")
		mustLoad(t, store, warehouse.Item{Batch: run.Next(b), Current: run.Grant})
	}
	for i, n := range []string{"0.0000000001", strings.Repeat("9", 30), "1e3", "NaN"} {
		load(int64(2*i+1), n)
		rejects, _, err := store.Rejects(t.Context(), "contacts", "", 9)
		if err != nil || len(rejects) != 1 || rejects[0].Original != n || rejects[0].Key != "1" || rejects[0].Property != "n" {
			t.Errorf("%s: rejects %+v, %v", n, rejects, err)
		}
		load(int64(2*i+2), strings.Repeat("9", 29)+".123456789")
		if rejects, _, err = store.Rejects(t.Context(), "contacts", "", 9); err != nil || len(rejects) != 0 {
			t.Errorf("after %s a number fits: rejects %+v, %v", n, rejects, err)
		}
	}
}

func TestV2AMomentThatDoesNotFitIsARejectAndItsRowLoads(t *testing.T) {
	store := open(t, "iceberg:"+t.TempDir(), t.TempDir())
	claim(t, store)
	b := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "dt", Type: penstock.DateTime})
	b.Put(1, 1000, 1, int64(lastMillis+1)).Put(2, 1000, 1, int64(lastMillis))
	mustLoad(t, store, warehouse.Item{Batch: named().Next(b), Current: "grant"})
	rejects, _, err := store.Rejects(t.Context(), "contacts", "", 9)
	if err != nil || len(rejects) != 1 || rejects[0].Key != "1" || rejects[0].Original != "9223372036854776" {
		t.Errorf("rejects %+v, %v", rejects, err)
	}
	if got := ids(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"dt"}}); !strings.HasPrefix(got, "<nil> ") {
		t.Errorf("rows %s", got)
	}
}

func TestALostOrDamagedIndexIsMadeAnewFromTheLake(t *testing.T) {
	address, workdir := "iceberg:"+t.TempDir(), t.TempDir()
	store := open(t, address, workdir)
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
	}
	want := describe(t, store)
	path := store.path
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, harm := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, []byte(strings.Repeat("no index ", 99)), 0o600) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		again := open(t, address, workdir)
		claim(t, again)
		if got := describe(t, again); got != want {
			t.Errorf("the index holds\n%s\nwant\n%s", got, want)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALogOfManyEntriesIsFollowedFromItsLatestBase(t *testing.T) {
	root := t.TempDir()
	store := open(t, "iceberg:"+root, t.TempDir())
	claim(t, store)
	run := named()
	for i := range int64(3 * baseEvery) {
		mustLoad(t, store, some(run, i+1, "A", i%7+1))
	}
	entries, err := filepath.Glob(filepath.Join(root, logFolder, "*"))
	if err != nil || len(entries) > 2*baseEvery+2 {
		t.Errorf("%d entries are kept, %v", len(entries), err)
	}
	if got, want := describe(t, open(t, "iceberg:"+root, t.TempDir())), describe(t, store); got != want {
		t.Errorf("another index holds\n%s\nwant\n%s", got, want)
	}
}

// copyFolder is what a backup does.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestARestoredLakeIsNoticedAndGoesOnWhereItStands(t *testing.T) {
	root, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	store := open(t, "iceberg:"+root, t.TempDir())
	claim(t, store)
	run := named()
	mustLoad(t, store, some(run, 1, "A", 1))
	copyFolder(t, root, backup)
	mustLoad(t, store, some(run, 2, "B", 1))
	copyFolder(t, backup, root)
	if _, err := store.Load(t.Context(), []warehouse.Item{some(run, 3, "C", 1)}, moment()); !errors.Is(err, warehouse.ErrReplaced) {
		t.Errorf("load: %v, want that it was replaced", err)
	}
	claim(t, store)
	heads, err := store.Heads(t.Context(), "contacts", penstock.Named)
	if err != nil || len(heads) != 1 || heads[0].Seq != 1 {
		t.Errorf("heads %+v, %v", heads, err)
	}
	if got := show(t, store, "contacts"); !strings.Contains(got, "[1 A ") {
		t.Errorf("rows %s", got)
	}
}

// TestW2ATableThatIsGoneTakesItsHeadsWithIt: heads that outlived the rows would
// tell that nothing needs to be read.
func TestW2ATableThatIsGoneTakesItsHeadsWithIt(t *testing.T) {
	root := t.TempDir()
	store := open(t, "iceberg:"+root, t.TempDir())
	claim(t, store)
	run := named()
	mustLoad(t, store, some(run, 1, "A", 1))
	if err := os.RemoveAll(filepath.Join(root, "contacts")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context(), []warehouse.Item{some(run, 2, "B", 2)}, moment()); !errors.Is(err, warehouse.ErrReplaced) {
		t.Errorf("load: %v, want that it was replaced", err)
	}
	claim(t, store)
	if heads, err := store.Heads(t.Context(), "contacts", penstock.Named); err != nil || len(heads) != 0 {
		t.Errorf("heads %+v, %v", heads, err)
	}
	run = named()
	mustLoad(t, store, some(run, 1, "A", 1))
	if got := show(t, store, "contacts"); !strings.Contains(got, "[1 A ") {
		t.Errorf("rows %s", got)
	}
}

func TestANewerLogIsRefused(t *testing.T) {
	root := t.TempDir()
	store := open(t, "iceberg:"+root, t.TempDir())
	content, err := entry{Format: format + 1, Number: 1}.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.lake.create(t.Context(), entryName(1), content); err != nil {
		t.Fatal(err)
	}
	err = store.Claim(t.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 1})
	if !errors.Is(err, warehouse.ErrNewer) {
		t.Errorf("claim: %v", err)
	}
}

func TestMaintenanceKeepsEveryRowAndRemovesWhatNothingNames(t *testing.T) {
	root, workdir := t.TempDir(), t.TempDir()
	store := open(t, "iceberg:"+root, workdir)
	claim(t, store)
	run := named()
	for i := range int64(3 * fewFiles) {
		mustLoad(t, store, some(run, i+1, strings.Repeat("A", int(i)), i+1, i+2, 1000))
	}
	orphan := filepath.Join(root, "contacts", "data", "penstock-lost-00000.parquet")
	foreign := filepath.Join(root, "contacts", "data", "somebody-else.parquet")
	young := filepath.Join(root, "contacts", "data", "penstock-young-00000.parquet")
	for _, path := range []string{orphan, foreign, young} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-keptFor - time.Hour)
	for _, path := range []string{orphan, foreign} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	want := describe(t, store)
	if err := store.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := describe(t, store); got != want {
		t.Errorf("the warehouse holds\n%s\nwant\n%s", got, want)
	}
	if got := describe(t, open(t, "iceberg:"+root, t.TempDir())); got != want {
		t.Errorf("another index holds\n%s\nwant\n%s", got, want)
	}
	for path, stays := range map[string]bool{orphan: false, foreign: true, young: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	bad, _, err := store.Check(t.Context(), "contacts", nil, 99)
	if err != nil || len(bad) != 0 {
		t.Errorf("bad rows %v, %v", bad, err)
	}
	mustLoad(t, store, some(run, 99, "Z", 5, 1000))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	outsideAgrees(t, "iceberg:"+root, workdir)
}

func TestErasedValuesLeaveTheFilesOfTheSnapshotWithMaintenance(t *testing.T) {
	root := t.TempDir()
	store := open(t, "iceberg:"+root, t.TempDir())
	claim(t, store)
	for _, items := range twoLoads() {
		mustLoad(t, store, items...)
	}
	if n, err := store.Erase(t.Context(), "contacts", time.UnixMilli(1e6), time.UnixMilli(0)); err != nil || n != 1 {
		t.Fatalf("erased %d, %v", n, err)
	}
	if err := store.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, lines := outsider{t, root}.rows("contacts")
	deletions := 0
	err := store.transact(t.Context(), "", func(tx *tx) (bool, error) {
		table, err := tx.held("contacts")
		if err != nil {
			return false, err
		}
		deleted, err := table.deletions()
		deletions = len(deleted)
		return false, err
	})
	if err != nil || deletions != 0 || len(lines) != 7 {
		t.Errorf("%d files have dead rows, and %d rows stand, %v", deletions, len(lines), err)
	}
}
