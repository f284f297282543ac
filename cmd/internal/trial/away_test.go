//go:build !race

package trial_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
)

// How far a warehouse is from its loader.
const (
	near int32 = iota
	gone       // each call fails
	slow       // each call is answered after slowness
)

const slowness = time.Minute

// A remote is a warehouse behind a network of a test's own.
type remote struct {
	warehouse.Store
	how atomic.Int32
}

var errGone = errors.New("dial tcp 10.0.0.5:5432: connection refused")

// far has a call answered as the network is now. What a call does that is
// given up waiting for is done nevertheless.
func far[T any](ctx context.Context, r *remote, call func() (T, error)) (T, error) {
	var none T
	if r.how.Load() == gone {
		return none, errGone
	}
	answer, err := call()
	if r.how.Load() == slow {
		select {
		case <-time.After(slowness):
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	return answer, err
}

// told is far for a call whose answer is its error.
func told(ctx context.Context, r *remote, call func() error) error {
	_, err := far(ctx, r, func() (bool, error) { return true, call() })
	return err
}

func (r *remote) Claim(ctx context.Context, c warehouse.Claim) error {
	return told(ctx, r, func() error { return r.Store.Claim(ctx, c) })
}

func (r *remote) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	return far(ctx, r, func() ([]warehouse.Outcome, error) { return r.Store.Load(ctx, items, at) })
}

func (r *remote) Heads(ctx context.Context, stream string, lane penstock.Lane) ([]penstock.Head, error) {
	return far(ctx, r, func() ([]penstock.Head, error) { return r.Store.Heads(ctx, stream, lane) })
}

func (r *remote) Restart(ctx context.Context, stream string) error {
	return told(ctx, r, func() error { return r.Store.Restart(ctx, stream) })
}

func (r *remote) Claims(ctx context.Context) (warehouse.Claims, error) {
	return far(ctx, r, func() (warehouse.Claims, error) { return r.Store.Claims(ctx) })
}

func (r *remote) Stamp(ctx context.Context) (int64, error) {
	return far(ctx, r, func() (int64, error) { return r.Store.Stamp(ctx) })
}

func (r *remote) Wanted(ctx context.Context, stream string, now time.Time, limit int, but string) ([]penstock.Want, error) {
	return far(ctx, r, func() ([]penstock.Want, error) { return r.Store.Wanted(ctx, stream, now, limit, but) })
}

func (r *remote) Due(ctx context.Context, now time.Time) (due, all map[string]map[string]int64, err error) {
	err = told(ctx, r, func() (err error) {
		due, all, err = r.Store.Due(ctx, now)
		return err
	})
	return due, all, err
}

func (r *remote) Tables(ctx context.Context) ([]warehouse.TableState, error) {
	return far(ctx, r, func() ([]warehouse.TableState, error) { return r.Store.Tables(ctx) })
}

func (r *remote) Rows(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	return far(ctx, r, func() (*warehouse.Result, error) { return r.Store.Rows(ctx, q) })
}

func (r *remote) Want(ctx context.Context, wants []penstock.Want, stream string) error {
	return told(ctx, r, func() error { return r.Store.Want(ctx, wants, stream) })
}

func (r *remote) Count(ctx context.Context, stream string, spans []penstock.Span) ([]int64, error) {
	return far(ctx, r, func() ([]int64, error) { return r.Store.Count(ctx, stream, spans) })
}

func (r *remote) IDs(ctx context.Context, stream string, from, to int64, limit int) ([]int64, error) {
	return far(ctx, r, func() ([]int64, error) { return r.Store.IDs(ctx, stream, from, to, limit) })
}

func (r *remote) Erase(ctx context.Context, stream string, before, now time.Time) (int64, error) {
	return far(ctx, r, func() (int64, error) { return r.Store.Erase(ctx, stream, before, now) })
}

// busMost is how many batches the bus holds in these trials.
const busMost = 20

// TestAWarehouseThatIsAwayForAnHourPausesReadingAndLosesNothing takes the
// warehouse away in the middle of the first load, and again when it is current,
// while the account changes.
func TestAWarehouseThatIsAwayForAnHourPausesReadingAndLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("virtual hours take half a minute; run without -short")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, stop := newFar(t)
		store.how.Store(gone)
		<-time.After(30 * time.Minute)
		w.checkFull()
		w.checkTold("warehouse down", errGone.Error(), "mend the warehouse")
		before := calls(w.account.Counters())
		<-time.After(30 * time.Minute)
		if n := calls(w.account.Counters()) - before; n > 0 {
			t.Errorf("%d calls in half an hour, though the bus is full", n)
		}
		store.how.Store(near)
		w.checkHealed(10 * time.Minute)
		store.how.Store(gone)
		<-time.After(time.Hour)
		w.checkTold("warehouse down", errGone.Error(), "mend the warehouse")
		store.how.Store(near)
		w.checkHealed(10 * time.Minute)
		stop()
		w.checkEqual()
	})
}

// TestAWarehouseThatTakesAMinuteForEachAnswerLosesNothing slows the warehouse in
// the middle of the first load, for an hour in which the account changes.
func TestAWarehouseThatTakesAMinuteForEachAnswerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("virtual hours take half a minute; run without -short")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, stop := newFar(t)
		store.how.Store(slow)
		<-time.After(30 * time.Minute)
		w.checkFull()
		w.checkTold("first load", "the warehouse takes long", "look at what its server is busy with")
		<-time.After(30 * time.Minute)
		store.how.Store(near)
		w.checkHealed(10 * time.Minute)
		stop()
		w.checkEqual()
	})
}

// newFar is an account that changes until stop is called, in the middle of its
// first load into a warehouse that can be taken away.
func newFar(t *testing.T) (w *weeks, store *remote, stop func()) {
	account, err := hubspotsim.New(hubspotsim.Options{
		Seed: 11, Latency: 100 * time.Millisecond, Window: 60,
		Counts:     map[string]int{"contacts": 6000, "companies": 300, "deals": 200},
		Properties: map[string]int{"contacts": 10, "companies": 8, "deals": 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, end := newWeeks(t, account, 11)
	t.Cleanup(end)
	w.random = nil // the bus loses nothing
	w.most = busMost
	store = &remote{}
	w.through = func(s warehouse.Store) warehouse.Store {
		store.Store = s
		return store
	}
	w.serve()
	w.work()
	ctx, cancel := context.WithCancel(t.Context())
	churned := make(chan error, 1)
	go func() { churned <- account.Churn(ctx, 4) }()
	for w.rows("contacts") < 1000 {
		<-time.After(100 * time.Millisecond)
	}
	if n := w.rows("contacts"); n > 3000 {
		t.Fatalf("%d contacts are loaded: there is no first load to disturb", n)
	}
	return w, store, func() {
		cancel()
		if err := <-churned; err != nil {
			t.Error(err)
		}
	}
}

// rows is how many live ones a table has.
func (w *weeks) rows(stream string) int64 {
	w.Helper()
	tables, err := w.service.Tables(w.Context(), "default")
	if err != nil {
		w.Fatal(err)
	}
	for _, table := range tables {
		if table.Stream.Name == stream {
			return table.Rows
		}
	}
	return 0
}

// checkFull looks whether batches wait on the bus up to what it holds.
func (w *weeks) checkFull() {
	w.Helper()
	w.mu.Lock()
	n := w.queue("default").waiting()
	w.mu.Unlock()
	if n != busMost {
		w.Errorf("%d batches wait on the bus, which holds %d", n, busMost)
	}
}

// checkTold looks whether people are told what is wrong and what to do.
func (w *weeks) checkTold(state, why, remedy string) {
	w.Helper()
	st := w.service.Connections()[0]
	if st.State != state || !strings.Contains(st.Message, why) {
		w.Errorf("the connection is shown as %q, %q", st.State, st.Message)
	}
	for _, trouble := range w.troubles(true) {
		if trouble.Stream == "" && strings.Contains(trouble.Message, why) && strings.Contains(trouble.Remedy, remedy) {
			return
		}
	}
	w.Errorf("no trouble tells what to do: %+v", w.troubles(true))
}

func (w *weeks) troubles(open bool) []catalog.Trouble {
	w.Helper()
	troubles, err := w.service.Troubles(w.Context(), catalog.TroubleQuery{Connection: "default", Open: open})
	if err != nil {
		w.Fatal(err)
	}
	return troubles
}

// checkHealed waits, and looks whether all is well with the warehouse.
func (w *weeks) checkHealed(within time.Duration) {
	w.Helper()
	<-time.After(within)
	if st := w.service.Connections()[0]; st.State != "up to date" {
		w.Errorf("%s later: %q, %q", within, st.State, st.Message)
	}
	for _, trouble := range w.troubles(true) {
		if trouble.Stream == "" {
			w.Errorf("%s later there still is %+v", within, trouble)
		}
	}
}

// checkEqual waits until everything was swept, and compares every value. No run may have ended because a batch was lost: none was.
func (w *weeks) checkEqual() {
	w.Helper()
	<-time.After(virtualLag + 3*sweepEach + 2*time.Hour)
	runs, err := w.service.Runs(w.Context(), catalog.RunQuery{Connection: "default", Limit: 1000})
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range runs {
		if r.Outcome == penstock.Failed {
			w.Errorf("a run of %s, %s, has failed: %s", r.Stream, r.Lane, r.Why)
		}
	}
	w.stopWorker()
	w.stopServer()
	compare(w.T, filepath.Join(w.dir, "hubspot.db"), w.account)
	if c := w.account.Counters(); c.Limited > 0 {
		w.Errorf("%d answers of 429 because a limit was exceeded", c.Limited)
	}
}
