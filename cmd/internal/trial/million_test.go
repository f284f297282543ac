//go:build soak

package trial_test

import (
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/datastreams"
	"penstock/internal/hubspot/hubspotsim"
)

// million is how many contacts the largest trial has.
const million = 1_000_000

// TestSoakAMillionContactsCostWhatHasChanged counts the calls of intervals and
// of verifications of a large account: those of a small one, because they
// follow what changes and differs, not how much there is.
func TestSoakAMillionContactsCostWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, err := hubspotsim.New(hubspotsim.Options{
			Seed: 9, Unlimited: true, Latency: 50 * time.Millisecond,
			Counts: map[string]int{"contacts": million}, Properties: map[string]int{"contacts": 1}, // and those that HubSpot brings
		})
		if err != nil {
			t.Fatal(err)
		}
		w, end := newWeeks(t, account, 9)
		defer end()
		w.random = nil // loses nothing
		w.source.Streams, w.source.History, w.source.Sweep = []string{"contacts"}, nil, datastreams.SweepPolicy{}
		w.serve()
		w.work()
		<-time.After(2*virtualLag + 17*time.Minute)
		w.checkQuiet(2)
		w.checkThousand(40)
		<-time.After(2 * virtualLag)
		w.checkRepair(false, million)
		w.stopWorker()
		w.stopServer()
	})
}
