package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestSQLiteKeepsThePromises(t *testing.T) {
	warehousetest.Run(t, func(t *testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		path := filepath.Join(t.TempDir(), "warehouse.db")
		return func() warehouse.Store {
			store, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return store
		}, func(change warehousetest.Tampering) { tamper(t, path, change) }
	})
}

// tamper changes a row as any other program could.
func tamper(t *testing.T, path string, change warehousetest.Tampering) {
	t.Helper()
	columns := map[string]any{}
	for i, k := range (streams())[change.Stream].Key() {
		columns[k.Name] = change.Key[i]
	}
	var names, marks, terms []string
	var args []any
	add := func(name string, value any) {
		args = append(args, value)
		names, marks = append(names, quote(name)), append(marks, param(len(args)-1))
		terms = append(terms, quote(name)+" IS "+marks[len(args)-1])
	}
	for name, value := range columns {
		add(name, value)
	}
	keys := len(args)
	for name, value := range change.Set {
		add(name, value)
	}
	text := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quote(change.Stream), strings.Join(names, ", "), strings.Join(marks, ", "))
	where := " WHERE " + strings.Join(terms[:keys], " AND ")
	switch {
	case change.Delete:
		text = "DELETE FROM " + quote(change.Stream) + where
	case !change.Insert:
		text = "UPDATE " + quote(change.Stream) + " SET " + strings.ReplaceAll(strings.Join(terms[keys:], ", "), " IS ", " = ") + where
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err == nil {
		conn.SetBusyTimeout(busyTimeout)
		err = errors.Join(query(conn, text, nil, args...), conn.Close())
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
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

// open opens a warehouse until the test ends.
func open(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(path)
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

func claim(t *testing.T, store *Store) {
	t.Helper()
	if err := store.Claim(t.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 1}); err != nil {
		t.Fatalf("claim: %v", err)
	}
}

func mustLoad(t *testing.T, store *Store, items ...warehouse.Item) []warehouse.Outcome {
	t.Helper()
	outcomes, err := tryLoad(t, store, items...)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return outcomes
}

func tryLoad(t *testing.T, store *Store, items ...warehouse.Item) ([]warehouse.Outcome, error) {
	return store.Load(t.Context(), items, warehouse.Moment{
		Now: time.UnixMilli(0), Account: 1, Followers: map[string][]string{"contacts": {warehousetest.Links().Name}},
	})
}

// one is an item with one contact.
func one(run *warehousetest.Range, id, updated int64, value string) warehouse.Item {
	column := penstock.Column{Property: "v", Type: penstock.Text}
	b := warehousetest.NewBatch(warehousetest.Contacts(), column).Put(id, updated, updated, value)
	return warehouse.Item{Batch: run.Next(b), Current: run.Grant}
}

func named() *warehousetest.Range {
	return &warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
}

// ask reads the file as any other program would. What is not there is empty.
func ask(t *testing.T, path, query string) string {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(row *sqlite.Stmt) error {
		for i := range row.ColumnCount() {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(row.ColumnText(i))
		}
		b.WriteString(";")
		return nil
	}})
	if err != nil && !strings.Contains(err.Error(), "no such table") {
		t.Errorf("%s: %v", query, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	return b.String()
}

func TestAReaderSeesWholeTransactionsWhileALoadRuns(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "warehouse.db"))
	claim(t, store)
	column := penstock.Column{Property: "v", Type: penstock.Number}
	run := named()
	write := func(version int64) error {
		b := warehousetest.NewBatch(warehousetest.Contacts(), column)
		for id := range int64(200) {
			b.Put(id+1, version, version, strings.Repeat("1", int(version)))
		}
		_, err := tryLoad(t, store, warehouse.Item{Batch: run.Next(b), Current: run.Grant})
		return err
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for version := int64(2); version < 15; version++ {
			if err := write(version); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for reading := true; reading; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			reading = false
		default:
		}
		result, err := store.Rows(t.Context(), warehouse.Query{Stream: "contacts", Fields: []string{"v"}})
		if err != nil {
			t.Fatal(err)
		}
		values, rows := map[any]bool{}, 0
		for row, err := range result.Rows {
			if err != nil {
				t.Fatal(err)
			}
			values[row[0]], rows = true, rows+1
		}
		if len(values) != 1 || rows != 200 {
			t.Fatalf("one answer of %d rows holds the versions %v", rows, values)
		}
	}
}

func TestARestoredFileIsNoticed(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "warehouse.db"), filepath.Join(dir, "backup.db")
	store := open(t, path)
	claim(t, store)
	run := named()
	mustLoad(t, store, one(run, 1, 1, "A"))
	ask(t, path, "VACUUM INTO '"+backup+"'")
	second := one(run, 1, 2, "B")
	mustLoad(t, store, second)
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	third := one(run, 1, 3, "C")
	if _, err := tryLoad(t, store, third); !errors.Is(err, warehouse.ErrReplaced) {
		t.Fatalf("loaded into a file that is not there any more: %v", err)
	}
	claim(t, store)
	if got := mustLoad(t, store, third)[0].Verdict; got != warehouse.Gap {
		t.Errorf("the batch after the lost one: %v, want a gap", got)
	}
	if got := mustLoad(t, store, second)[0].Verdict; got != warehouse.Apply {
		t.Errorf("the lost batch: %v", got)
	}
	if got := ask(t, path, "SELECT id, v FROM contacts"); got != "1,B;" {
		t.Errorf("the restored file holds %s", got)
	}
}

func TestAFileRestoredInPlaceIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	run := named()
	mustLoad(t, store, one(run, 1, 1, "A"))
	ask(t, path, "UPDATE _penstock_meta SET value = value - 1 WHERE name = 'commits'")
	if _, err := tryLoad(t, store, one(run, 1, 2, "B")); !errors.Is(err, warehouse.ErrReplaced) {
		t.Errorf("loaded into a file of another past: %v", err)
	}
}

func TestW2AnUnknownCommitIsDecidedByTheNextLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	run := named()
	first, second := one(run, 1, 1, "A"), one(run, 1, 2, "B")

	// It did not happen.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store.loader.conn.step = func(name string) {
		if name == "COMMIT" {
			cancel()
		}
	}
	if _, err := store.Load(ctx, []warehouse.Item{first}, warehouse.Moment{Account: 1}); err == nil {
		t.Fatal("a load was committed though it was called off")
	}
	store.loader.conn.step = nil
	if got := mustLoad(t, store, first)[0].Verdict; got != warehouse.Apply {
		t.Errorf("what was not committed: %v", got)
	}

	// It did, and nobody was told.
	mustLoad(t, store, second)
	store.loader.commits, store.loader.unsure = store.loader.commits-1, true
	if got := mustLoad(t, store, second)[0].Verdict; got != warehouse.Repeat {
		t.Errorf("what was committed: %v", got)
	}
	if got := ask(t, path, "SELECT v, _load FROM contacts"); got != "B,2;" {
		t.Errorf("the row is %s", got)
	}
}

func TestAFileThatIsNoWarehouseIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"not a SQLite database": filepath.Join(dir, "text"), "other tables": filepath.Join(dir, "other.db")}
	if err := os.WriteFile(files["not a SQLite database"], []byte(strings.Repeat("important\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files["other tables"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, files["other tables"], "CREATE TABLE theirs (x)")
	for complaint, path := range files {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", path, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
}

func TestAFileOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	ask(t, path, "UPDATE _penstock_meta SET value = 99 WHERE name = 'format'")
	err := open(t, path).Claim(t.Context(), warehouse.Claim{Loader: "x", Installation: "here", Account: 1})
	if !errors.Is(err, warehouse.ErrNewer) || !strings.Contains(err.Error(), "update this program") {
		t.Errorf("claimed: %v", err)
	}
}

// TestTroubleWithTheFileIsExplainedAndHarmless has the file locked, the disk
// full and the file damaged.
func TestTroubleWithTheFileIsExplainedAndHarmless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	run := named()
	mustLoad(t, store, one(run, 1, 1, "A"))
	next := one(run, 2, 2, strings.Repeat("B", 1<<20))
	fails := func(want string) {
		t.Helper()
		if _, err := tryLoad(t, store, next); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("load: %v, want %q", err, want)
		}
		if got := ask(t, path, "SELECT id, v FROM contacts"); got != "1,A;" {
			t.Errorf("the file holds %.100s", got)
		}
	}

	other, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := query(other, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	store.loader.conn.SetBusyTimeout(0)
	fails("another program holds the file locked")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}

	if err := store.loader.conn.exec("PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	fails("the disk is full")
	if err := store.loader.conn.exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, store, next)

	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(strings.Repeat("x", 64<<10)), 100); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "the file is damaged") {
		t.Errorf("open a damaged file: %v", err)
	}
}

func TestSeenStampsBelowTheHorizonArePruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	run := named()
	for stamp := range int64(pruneEvery) {
		b := warehousetest.NewBatch(warehousetest.Contacts()).Put(stamp%2+1, 1, stamp+1)
		items := []warehouse.Item{{Batch: run.Next(b), Current: run.Grant}}
		if _, err := store.Load(t.Context(), items, warehouse.Moment{Account: 1, Horizon: pruneEvery}); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(t, path, "SELECT stream, key, stamp FROM _penstock_seen"); got != "contacts,2,64;" {
		t.Errorf("seen stamps are %s, want the one that is not below %d", got, pruneEvery)
	}
}

func TestTheStreamsViewShowsMoments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store := open(t, path)
	claim(t, store)
	item := one(named(), 1, 1, "A")
	item.Batch.SettledAt = 1_760_000_000_123
	mustLoad(t, store, item)
	if got := ask(t, path, "SELECT * FROM _penstock_streams"); got != "contacts,1,0,1,,2025-10-09T08:53:20.123Z;" {
		t.Errorf("the view holds %s", got)
	}
}

func TestATableOfTooManyColumnsIsRefusedInAFewWords(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "warehouse.db"))
	claim(t, store)
	var columns []penstock.Column
	for i := range maxColumns - 11 {
		columns = append(columns, penstock.Column{Property: "p" + strconv.Itoa(i), Type: penstock.Text})
	}
	contacts := warehousetest.Contacts()
	run := named()
	fits := warehouse.Item{Batch: run.Next(warehousetest.NewBatch(contacts, columns...).Put(1, 1, 1, "A")), Current: run.Grant}
	mustLoad(t, store, fits)
	columns[0].Type = penstock.Number
	more := warehouse.Item{Batch: run.Next(warehousetest.NewBatch(contacts, columns...).Put(1, 2, 2)), Current: run.Grant}
	_, err := tryLoad(t, store, more)
	if err == nil || !strings.Contains(err.Error(), "2001 columns") || len(err.Error()) > 500 {
		t.Errorf("load: %.600v", err)
	}
}
