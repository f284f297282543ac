//go:build !race

package trial_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// quiet is an account without faults whose index is late.
func quiet(contacts int) hubspotsim.Options {
	return hubspotsim.Options{
		Seed: 7, Latency: 20 * time.Millisecond, IndexLag: time.Second, Window: 190,
		Counts:     map[string]int{"contacts": contacts, "companies": 2000, "deals": 1000},
		Properties: map[string]int{"contacts": 25, "companies": 25, "deals": 25},
	}
}

// TestDisastersLoseNothing wipes the bus, and restores yesterday's catalog and
// yesterday's warehouse, each under a running sync.
func TestDisastersLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; run without -short")
	}
	t.Parallel()
	w := newWorld(t, build(t), quiet(6000))
	w.start("worker")
	servers := w.start("data-streams")
	restart := func(meanwhile func()) {
		servers.kill()
		meanwhile()
		servers = w.start("data-streams")
	}
	stop := w.churn()
	defer func() { stop() }()
	check := func(what string) {
		t.Helper()
		<-time.After(4 * time.Second) // of changes
		stop()
		w.settle()
		restart(func() {
			t.Log(what)
			compare(t, w.dir+"/hubspot.db", w.account)
		})
		stop = w.churn()
	}

	w.untilLoaded(500)
	w.stopNATS()
	if err := os.RemoveAll(w.natsDir); err != nil {
		t.Fatal(err)
	}
	w.startNATS()
	check("after the bus was wiped under the first load")

	var catalog, warehouse func()
	restart(func() { catalog, warehouse = w.backup("catalog.db"), w.backup("hubspot.db") })
	check("after a day")
	restart(catalog)
	check("after yesterday's catalog was restored")
	restart(warehouse)
	check("after yesterday's warehouse was restored")
}

// untilLoaded waits until so many contacts are in the warehouse, and returns how
// many there are by then.
func (w *world) untilLoaded(rows int) int {
	w.t.Helper()
	for range 200 {
		answer := w.ask("GET", "/metrics", nil, 20*time.Second)
		if n := metric(string(answer), `penstock_rows{connection="default",stream="contacts"}`); n >= rows {
			return n
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Fatal("the first load does not come on")
	return 0
}

// backup copies a database of the data folder; the function that it returns
// puts the copy back.
func (w *world) backup(name string) func() {
	w.t.Helper()
	from := filepath.Join(w.dir, name)
	to := filepath.Join(w.t.TempDir(), name)
	w.copyDatabase(from, to)
	return func() { w.copyDatabase(to, from) }
}

func (w *world) copyDatabase(from, to string) {
	w.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(to + suffix); err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		in, err := os.Open(from + suffix)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		out, err := os.Create(to + suffix)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			w.t.Fatal(err)
		}
		if err := errors.Join(in.Close(), out.Close()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestChangesWhileReadAreRightOnceTheLagHasPassed edits 12,000 objects on one
// millisecond and one object faster than the search index follows, while
// others are created, archived, restored and merged, all while they are read.
func TestChangesWhileReadAreRightOnceTheLagHasPassed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; run without -short")
	}
	t.Parallel()
	options := quiet(13000)
	options.IndexLag, options.Window = 2*time.Second, 600
	w := newWorld(t, build(t), options)
	w.start("worker")
	servers := w.start("data-streams")
	stop := w.churn()
	fast := w.restless()
	w.untilLoaded(1000)
	if err := w.account.BulkTouch("contacts", 12000); err != nil {
		t.Fatal(err)
	}
	<-time.After(10 * time.Second)
	if err := w.account.BulkTouch("contacts", 12000); err != nil {
		t.Fatal(err)
	}
	<-time.After(10 * time.Second)
	stop()
	fast()
	w.settle()
	servers.kill()
	compare(t, w.dir+"/hubspot.db", w.account)
	if c := w.account.Counters(); c.Limited > 0 {
		t.Errorf("%d answers of 429 because a limit was exceeded", c.Limited)
	}
}

// restless changes one company again and again, faster than the search index
// follows, until stop is called.
func (w *world) restless() (stop func()) {
	id := int64(0)
	for o := range w.account.Truth("companies") {
		id = o.ID
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := w.account.Update("companies", id, map[string]string{"name": "restless " + strconv.Itoa(n)}); err != nil {
				return // merged or archived by the churn
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
