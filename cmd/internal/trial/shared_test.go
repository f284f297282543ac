package trial_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// TestQ1TwoConnectionsToOneAccountShareItsQuota reads one account into two
// warehouses.
func TestQ1TwoConnectionsToOneAccountShareItsQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, err := hubspotsim.New(hubspotsim.Options{
			Seed: 4, Latency: 100 * time.Millisecond, Window: 60,
			Counts: map[string]int{"contacts": 8000}, Properties: map[string]int{"contacts": 10},
		})
		if err != nil {
			t.Fatal(err)
		}
		w, end := newWeeks(t, account, 4)
		defer end()
		w.random = nil // loses nothing
		w.source.Streams = []string{"contacts"}
		second := w.source
		second.Name = "second"
		w.more = append(w.more, second)
		w.serve()
		w.work()
		<-time.After(10 * time.Minute)
		w.stopWorker()
		w.stopServer()
		for _, name := range []string{"default", "second"} {
			compareObjects(t, filepath.Join(w.dir, w.file(name)), account, "contacts")
		}
		c := account.Counters()
		t.Logf("%v, at most %d in ten seconds and %d searches in one", c.Requests, c.PeakWindow, c.PeakSearch)
		if c.Limited > 0 || c.PeakWindow > 60 || c.PeakWindow < 50 || c.PeakSearch > 5 {
			t.Errorf("%d answers of 429, %d calls in ten seconds, %d searches in one", c.Limited, c.PeakWindow, c.PeakSearch)
		}
	})
}
