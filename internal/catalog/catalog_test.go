package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
	"penstock/internal/catalog"
)

const conn = "default"

func open(t *testing.T, path string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func fresh(t *testing.T) *catalog.Catalog { return open(t, filepath.Join(t.TempDir(), "catalog.db")) }

// must ends the test on the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// got is the value of a call that must succeed.
func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func at(second int64) time.Time { return time.Unix(second, 5).UTC() }

func TestWhatWasStoredIsThereAfterTheNextStart(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "catalog.db")
	c := open(t, path)
	if _, found, err := c.Schedule(ctx, conn); err != nil || found {
		t.Fatalf("a schedule nobody set: %v, %v", found, err)
	}
	schedule := penstock.Schedule{On: true, Every: 90 * time.Second, Since: at(100)}
	account := penstock.Account{ID: 123, TimeZone: "Europe/Zurich", Kind: "STANDARD"}
	spent := penstock.Spent{Day: "2026-11-21", Calls: 7, Limit: 650_000}
	must(t, c.SetAccount(ctx, conn, account))
	if _, found, err := c.Schedule(ctx, conn); err != nil || found {
		t.Fatalf("an account is no schedule: %v, %v", found, err)
	}
	must(t,
		c.SetSchedule(ctx, conn, penstock.Schedule{Every: time.Minute}), c.SetSchedule(ctx, conn, schedule),
		c.NameStream(ctx, conn, "2-7", "cars"),
		c.RaiseCeiling(ctx, 123, 50), c.RaiseCeiling(ctx, 123, 40),
		c.SetSpent(ctx, 123, spent), c.SetLease(ctx, 123, "worker-1"),
		c.Close())

	c = open(t, path)
	gotSchedule, found, err := c.Schedule(ctx, conn)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	equal(t, "schedule", gotSchedule, schedule)
	equal(t, "account", got[penstock.Account](t)(c.Account(ctx, conn)), account)
	equal(t, "names", got[map[string]string](t)(c.StreamNames(ctx, conn)), map[string]string{"2-7": "cars"})
	equal(t, "ceiling", got[int64](t)(c.Ceiling(ctx, 123)), int64(50))
	equal(t, "spent", got[penstock.Spent](t)(c.Spent(ctx, 123)), spent)
	equal(t, "lease", got[string](t)(c.Lease(ctx, 123)), "worker-1")

	equal(t, "another's account", got[penstock.Account](t)(c.Account(ctx, "other")), penstock.Account{})
	equal(t, "another's ceiling", got[int64](t)(c.Ceiling(ctx, 9)), int64(0))
	equal(t, "another's lease", got[string](t)(c.Lease(ctx, 9)), "")
}

func TestAStreamsNameIsChosenOnce(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	must(t,
		c.NameStream(ctx, conn, "2-7", "cars"), c.NameStream(ctx, conn, "2-7", "cars"),
		c.NameStream(ctx, conn, "2-9", "boats"), c.NameStream(ctx, "other", "2-7", "autos"))
	for _, bad := range [][2]string{{"2-7", "autos"}, {"2-8", "cars"}, {"2-8", "CARS"}, {"2-7", "boats"}} {
		if err := c.NameStream(ctx, conn, bad[0], bad[1]); !errors.Is(err, catalog.ErrNamed) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	equal(t, "names", got[map[string]string](t)(c.StreamNames(ctx, conn)), map[string]string{"2-7": "cars", "2-9": "boats"})
}

// begin records a run of a lane and returns it as it must be read back.
func begin(t *testing.T, c *catalog.Catalog, lane penstock.Lane, second int64) catalog.Run {
	t.Helper()
	r := catalog.Run{
		Connection: conn, Stream: "contacts", Lane: lane, Grant: fmt.Sprint("grant-", second), Worker: "w",
		State: catalog.StateOpen, Began: at(second),
	}
	r.ID = got[int64](t)(c.BeginRun(t.Context(), r))
	return r
}

func end(t *testing.T, c *catalog.Catalog, r catalog.Run, outcome penstock.Outcome) catalog.Run {
	t.Helper()
	r.State, r.Ended, r.Outcome, r.Why = catalog.StateEnded, r.Began.Add(time.Second), outcome, "because"
	r.Counts = penstock.Counts{Fetched: 10, Rejected: 1, Buried: 2, Values: 3}
	r.Applied = penstock.Applied{Loaded: 4, Unchanged: 5, Superseded: 6, Buried: 7, Wanted: 8}
	r.Batches = 9
	must(t, c.EndRun(t.Context(), r))
	return r
}

func TestHistoryTellsHowEachRunBeganAndEnded(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	first := end(t, c, begin(t, c, penstock.Fresh, 1), penstock.Done)
	second := end(t, c, begin(t, c, penstock.Fresh, 2), penstock.Failed)
	sweep := end(t, c, begin(t, c, penstock.Sweep, 3), penstock.Done)
	running := begin(t, c, penstock.Fresh, 4)

	equal(t, "open", got[[]catalog.Run](t)(c.OpenRuns(ctx, conn)), []catalog.Run{running})
	equal(t, "last", got[[]catalog.Run](t)(c.LastRuns(ctx, conn)), []catalog.Run{running, sweep, first})
	for _, q := range []struct {
		query catalog.RunQuery
		want  []catalog.Run
	}{
		{catalog.RunQuery{}, []catalog.Run{running, sweep, second, first}},
		{catalog.RunQuery{Connection: "other"}, nil},
		{catalog.RunQuery{Connection: conn, Stream: "contacts", Lane: penstock.Fresh, Limit: 2}, []catalog.Run{running, second}},
		{catalog.RunQuery{Lane: penstock.Fresh, Before: second.ID}, []catalog.Run{first}},
	} {
		equal(t, fmt.Sprintf("%+v", q.query), got[[]catalog.Run](t)(c.Runs(ctx, q.query)), q.want)
	}
	if err := c.EndRun(ctx, first); !errors.Is(err, catalog.ErrNoRun) {
		t.Errorf("a run ended twice: %v", err)
	}
}

func TestHistoryIsBoundedAndKeepsTheLastSuccess(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	done := end(t, c, begin(t, c, penstock.Fresh, 1), penstock.Done)
	other := end(t, c, begin(t, c, penstock.Sweep, 1), penstock.Failed)
	stuck := begin(t, c, penstock.Fresh, 2)
	var newest catalog.Run
	const more = 1005
	for i := range int64(more) {
		newest = end(t, c, begin(t, c, penstock.Fresh, 3+i), penstock.Failed)
	}
	var all []catalog.Run
	for before := int64(0); ; {
		page := got[[]catalog.Run](t)(c.Runs(ctx, catalog.RunQuery{Before: before, Limit: 400}))
		if len(page) == 0 {
			break
		}
		all, before = append(all, page...), page[len(page)-1].ID
	}
	equal(t, "how many are kept", len(all), 1000+3) // and the last success, the one still open, the other lane's
	equal(t, "the oldest", all[len(all)-3:], []catalog.Run{stuck, other, done})
	equal(t, "last", got[[]catalog.Run](t)(c.LastRuns(ctx, conn)), []catalog.Run{newest, other, done})
}

func TestATroubleIsCountedUntilItIsResolved(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	trouble := penstock.Trouble{Kind: "forbidden", Message: "no scope", Remedy: "grant it", Heals: true, Until: at(500)}
	later := trouble
	later.Message = "still no scope"
	reading := catalog.Place{Connection: conn, Stream: "contacts", Lane: penstock.Fresh}
	sweeping := catalog.Place{Connection: conn, Stream: "contacts", Lane: penstock.Sweep}
	must(t,
		c.Report(ctx, reading, trouble, at(1)),
		c.Report(ctx, reading, later, at(2)),
		c.Report(ctx, sweeping, trouble, at(3)),
		c.Resolve(ctx, reading, at(4)),
		c.Resolve(ctx, reading, at(5)),
		c.Report(ctx, reading, trouble, at(6)),
	)
	resolved := catalog.Trouble{
		Trouble: later, Place: reading, ID: 1, First: at(1), Last: at(2), Count: 2, Resolved: at(4),
	}
	sweep := catalog.Trouble{Trouble: trouble, Place: sweeping, First: at(3), Last: at(3), Count: 1}
	again := catalog.Trouble{Trouble: trouble, Place: reading, First: at(6), Last: at(6), Count: 1}
	list := func(q catalog.TroubleQuery) []catalog.Trouble {
		return got[[]catalog.Trouble](t)(c.Troubles(ctx, q))
	}
	all := list(catalog.TroubleQuery{})
	if len(all) != 3 {
		t.Fatalf("there are %d troubles, want 3: %+v", len(all), all)
	}
	again.ID, sweep.ID = all[0].ID, all[1].ID
	equal(t, "all", all, []catalog.Trouble{again, sweep, resolved})
	equal(t, "open", list(catalog.TroubleQuery{Connection: conn, Stream: "contacts", Open: true}), []catalog.Trouble{again, sweep})
	equal(t, "page", list(catalog.TroubleQuery{Before: again.ID, Limit: 1}), []catalog.Trouble{sweep})
	equal(t, "another's", list(catalog.TroubleQuery{Connection: "other"}), []catalog.Trouble(nil))
}

func TestResolvedTroublesAreBounded(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	reading := catalog.Place{Connection: conn, Stream: "contacts", Lane: penstock.Fresh}
	must(t, c.Report(ctx, catalog.Place{Connection: conn}, penstock.Trouble{Kind: "open"}, at(1)))
	for i := range int64(1005) {
		must(t,
			c.Report(ctx, reading, penstock.Trouble{Kind: "passing"}, at(i+2)),
			c.Resolve(ctx, reading, at(i+2)))
	}
	all := got[[]catalog.Trouble](t)(c.Troubles(ctx, catalog.TroubleQuery{Limit: 1000}))
	rest := got[[]catalog.Trouble](t)(c.Troubles(ctx, catalog.TroubleQuery{Limit: 1000, Before: all[len(all)-1].ID}))
	if len(all)+len(rest) != 1001 || len(rest) != 1 || rest[0].Kind != "open" {
		t.Errorf("%d troubles are kept, the oldest %+v", len(all)+len(rest), rest)
	}
}

func TestAFileThatIsNoCatalogIsLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	must(t, os.WriteFile(text, []byte("not a database, and rather longer than a header of a hundred bytes would be, at that"), 0o600))
	database := filepath.Join(dir, "rows.db")
	stranger, err := sqlite.OpenConn(database)
	must(t, err)
	must(t, sqlitex.ExecScript(stranger, "CREATE TABLE rows (id INTEGER); INSERT INTO rows VALUES (1)"), stranger.Close())
	for _, path := range []string{text, database} {
		before := got[[]byte](t)(os.ReadFile(path))
		if _, err := catalog.Open(t.Context(), path); !errors.Is(err, catalog.ErrForeign) {
			t.Errorf("%s: %v", path, err)
		}
		if after := got[[]byte](t)(os.ReadFile(path)); !bytes.Equal(before, after) {
			t.Errorf("%s was changed", path)
		}
	}
	if files := got[[]os.DirEntry](t)(os.ReadDir(dir)); len(files) != 2 {
		t.Errorf("files were left behind: %v", files)
	}
}

func TestANewerCatalogIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	must(t, open(t, path).Close())
	newer, err := sqlite.OpenConn(path)
	must(t, err)
	must(t, sqlitex.ExecScript(newer, "PRAGMA user_version = 99"), newer.Close())
	if _, err := catalog.Open(t.Context(), path); !errors.Is(err, catalog.ErrNewer) {
		t.Error(err)
	}
}

func TestTheCatalogMayBeUsedFromAnywhereAtOnce(t *testing.T) {
	ctx, c := t.Context(), fresh(t)
	const workers, rounds = 8, 20
	var all sync.WaitGroup
	for w := range int64(workers) {
		all.Go(func() {
			for i := range int64(rounds) {
				id, err := c.BeginRun(ctx, catalog.Run{Connection: conn, Stream: "contacts", Lane: penstock.Fresh, Began: at(i)})
				_, runsErr := c.Runs(ctx, catalog.RunQuery{Connection: conn})
				if err := errors.Join(err, runsErr,
					c.EndRun(ctx, catalog.Run{ID: id, Outcome: penstock.Done}),
					c.Report(ctx, catalog.Place{Connection: conn}, penstock.Trouble{Kind: "busy"}, at(i)),
					c.RaiseCeiling(ctx, 1, w*rounds+i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	equal(t, "ceiling", got[int64](t)(c.Ceiling(ctx, 1)), int64(workers*rounds-1))
	equal(t, "runs", len(got[[]catalog.Run](t)(c.Runs(ctx, catalog.RunQuery{Limit: 1000}))), workers*rounds)
	equal(t, "reports", got[[]catalog.Trouble](t)(c.Troubles(ctx, catalog.TroubleQuery{}))[0].Count, workers*rounds)
}

func TestACallEndsWithItsContext(t *testing.T) {
	c := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.SetLease(ctx, 1, "w"); !errors.Is(err, context.Canceled) {
		t.Errorf("stored with %v", err)
	}
	must(t, c.SetLease(t.Context(), 1, "w"), c.Close(), c.Close())
	if err := c.SetLease(t.Context(), 1, "w"); err == nil {
		t.Error("stored in a closed catalog")
	}
}

func TestLatenessIsKeptUntilTheWindowWentBackAndTheLagForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, err := catalog.Open(t.Context(), path)
	must(t, err, c.Late(t.Context(), conn, "contacts", 2*time.Hour), c.Late(t.Context(), conn, "deals", time.Hour), c.Close())
	c = open(t, path)
	lag, back, err := c.Lateness(t.Context(), conn)
	must(t, err)
	equal(t, "the lag", lag, 2*time.Hour)
	equal(t, "what is to go back", back, map[string]time.Duration{"contacts": 2 * time.Hour, "deals": time.Hour})
	must(t, c.WentBack(t.Context(), conn, "contacts"), c.WentBack(t.Context(), conn, "contacts"))
	lag, back, err = c.Lateness(t.Context(), conn)
	must(t, err)
	equal(t, "the lag afterwards", lag, 2*time.Hour)
	equal(t, "what is to go back still", back, map[string]time.Duration{"deals": time.Hour})
	lag, back, err = c.Lateness(t.Context(), "another")
	must(t, err)
	equal(t, "another connection's lag", lag, time.Duration(0))
	equal(t, "another connection's", back, map[string]time.Duration{})
}
