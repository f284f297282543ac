package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/postgres/pgtest"
)

// TestW1AServerKilledAtAStepHoldsALoadWholeOrNotAtAll kills the server itself,
// starts it again, and goes on with the same store.
func TestW1AServerKilledAtAStepHoldsALoadWholeOrNotAtAll(t *testing.T) {
	w := &world{server: pgtest.New(t)} // with fsync
	w.server.Start(t)
	want := stateAfter(t, w.fresh())
	stride := 4
	if testing.Short() || raceDetector {
		stride = 17
	}
	for step := 2; ; step += stride {
		dsn := w.fresh()
		store := open(t, dsn)
		left, killed := step, false
		store.step = func(string) {
			if left--; left == 0 {
				w.server.Kill(t)
				killed = true
			}
		}
		err := store.Claim(t.Context(), claimOf("loader"))
		for _, items := range twoLoads() {
			if err == nil {
				_, err = tryLoad(t, store, items...)
			}
		}
		if !killed {
			return
		}
		if err == nil {
			t.Fatalf("step %d: the server is dead and nothing failed", step)
		}
		w.server.Start(t)
		if found := describe(t, dsn); !slices.Contains(want, found) {
			t.Fatalf("killed at step %d, the warehouse holds\n%s\nwant one of\n%s", step, found, strings.Join(want, "\n"))
		}
		store.step = nil
		claim(t, store)
		for _, items := range twoLoads() {
			mustLoad(t, store, items...)
		}
		if found := describe(t, dsn); found != want[2] {
			t.Fatalf("killed at step %d and loaded again, the warehouse holds\n%s\nwant\n%s", step, found, want[2])
		}
	}
}

func TestAServerThatIsDownIsAnErrorOfEachCallAndHealsByItself(t *testing.T) {
	server := pgtest.New(t)
	store := open(t, server.DSN())
	if err := store.Claim(t.Context(), claimOf("loader")); err == nil {
		t.Error("a server that does not run was claimed")
	}
	server.Start(t)
	claim(t, store)
	run := named()
	mustLoad(t, store, one(run, 1, 1000, "A"))
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v"}}), "1 A")
	server.Stop(t)
	next := one(run, 1, 2000, "B")
	if _, err := tryLoad(t, store, next); err == nil {
		t.Error("a load into a stopped server succeeded")
	}
	if _, err := store.Stamp(t.Context()); err == nil {
		t.Error("a stopped server answered")
	}
	server.Start(t)
	if outcomes := mustLoad(t, store, next); outcomes[0].Verdict != warehouse.Apply {
		t.Errorf("after the pause: %v", outcomes[0].Verdict)
	}
	server.Stop(t)
	server.Start(t)
	mustLoad(t, store, one(run, 2, 1000, "C")) // nobody has noticed that it was away
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v"}}), "1 B", "2 C")
}

func TestARestoredSchemaIsNoticed(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	dump := w.server.Dump(t, "w1")
	mustLoad(t, store, one(run, 1, 2000, "B"))
	ask(t, dsn, "DROP SCHEMA w1 CASCADE")
	if _, err := tryLoad(t, store, one(run, 1, 3000, "C")); !errors.Is(err, warehouse.ErrReplaced) {
		t.Errorf("a dropped schema: %v", err)
	}
	w.server.Restore(t, dump)
	if _, err := tryLoad(t, store, one(run, 1, 3000, "C")); !errors.Is(err, warehouse.ErrReplaced) {
		t.Errorf("an earlier state: %v", err)
	}
	claim(t, store)
	run.Seq, run.Cursor = 1, "grant/1"
	mustLoad(t, store, one(run, 1, 3000, "C"))
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v"}}), "1 C")
}

func claimOf(loader string) warehouse.Claim {
	return warehouse.Claim{Loader: loader, Installation: "here", Account: 1}
}
