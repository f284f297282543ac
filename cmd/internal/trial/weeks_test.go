//go:build !race

package trial_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/datastreams"
	"penstock/internal/hubspot/hubspotsim"
)

// restless is how long a schedule has edits, kills and losses, in virtual time.
const restless = 2 * time.Hour

// schedules is how many seeded ones a test runs. The race detector would take
// minutes for each: it watches the other tests of both services.
const schedules = 20

// TestTheWarehouseEqualsTheAccountAfterAQuietTime runs both services against
// an account in virtual time: while it changes in every way, with a search index
// up to 90 minutes late, faults, kills and losses. After it has been quiet for
// the lag, the index's delay and a complete sweep, every table equals the truth.
func TestTheWarehouseEqualsTheAccountAfterAQuietTime(t *testing.T) {
	if testing.Short() {
		t.Skip("virtual hours take a minute; run without -short")
	}
	t.Parallel()
	seeded(t, schedules, virtually)
}

// unswept is how many schedules run without sweeps.
const unswept = 3

// TestObjectsAreRightAfterTheLagAndAnIntervalWithoutASweep runs both services
// without any sweep, with a search index that is never later than the lag: when
// the lag and an interval have passed since the last change, every object has
// its values, and those that were archived or merged away are tombstones. What
// sweeps alone can tell is left aside: values that HubSpot computes, links,
// privacy deletions, and objects that are restored with the date they had.
func TestObjectsAreRightAfterTheLagAndAnIntervalWithoutASweep(t *testing.T) {
	if testing.Short() {
		t.Skip("virtual hours take a minute; run without -short")
	}
	t.Parallel()
	seeded(t, unswept, virtuallyUnswept)
}

// seeded runs so many schedules with fresh seeds, or the one that the
// environment names.
func seeded(t *testing.T, n int, schedule func(*testing.T, uint64)) {
	first := uint64(time.Now().UnixNano())
	if text := os.Getenv("PENSTOCK_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		n = 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint("PENSTOCK_SEED=", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { schedule(t, seed) })
		})
	}
}

// virtually runs one schedule.
func virtually(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	late := time.Duration(random.IntN(90)) * time.Minute
	w, end := newWeeks(t, restlessAccount(t, restlessOptions(seed, late)), seed)
	defer end()
	w.serve()
	w.work()
	w.disturb(random, true)
	<-time.After(virtualLag + late + 3*sweepEach + 2*time.Hour)
	w.stopWorker()
	w.stopServer()
	compare(t, filepath.Join(w.dir, "hubspot.db"), w.account)
	t.Logf("index %s late; %d batches lost, %d twice; %v", late, w.lost, w.twice, w.account.Counters().Requests)
}

// reading is how long the last interval's calls may take, faults included.
const reading = time.Minute

// virtuallyUnswept runs one schedule without sweeps.
func virtuallyUnswept(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	late := time.Duration(random.Int64N(int64(virtualLag * 9 / 10)))
	options := restlessOptions(seed, late)
	options.ArchiveTouches = true
	w, end := newWeeks(t, restlessAccount(t, options), seed)
	defer end()
	w.source.Sweep, w.source.History = datastreams.SweepPolicy{}, nil
	w.serve()
	w.work()
	w.disturb(random, false)
	w.calm()
	<-time.After(virtualLag + w.source.Schedule.Every + reading)
	w.stopWorker()
	w.stopServer()
	compareUnswept(t, filepath.Join(w.dir, "hubspot.db"), w.account)
	t.Logf("index %s late; %d batches lost, %d twice; %v", late, w.lost, w.twice, w.account.Counters().Requests)
}

// restlessOptions are of a small account, with trouble and a late search index.
func restlessOptions(seed uint64, late time.Duration) hubspotsim.Options {
	return hubspotsim.Options{
		Seed: seed, Hostile: true, Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond, IndexLag: late,
		Counts:     map[string]int{"contacts": 900, "companies": 250, "deals": 120},
		Properties: map[string]int{"contacts": 12, "companies": 10, "deals": 10},
		Faults:     hubspotsim.Faults{Rate: 0.02, Seed: seed, Stall: time.Second},
	}
}

func restlessAccount(t *testing.T, o hubspotsim.Options) *hubspotsim.Account {
	t.Helper()
	account, err := hubspotsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// disturb edits the account, and kills and loses what it can, for a while.
func (w *weeks) disturb(random *rand.Rand, erasing bool) {
	ctx, cancel := context.WithCancel(w.Context())
	churned := make(chan error, 1)
	go func() { churned <- w.account.Churn(ctx, 4) }()
	for ends := time.Now().Add(restless); time.Now().Before(ends); {
		<-time.After(time.Duration(1+random.IntN(10)) * time.Minute)
		switch random.IntN(6) {
		case 0, 1:
			w.stopWorker()
			<-time.After(time.Duration(random.IntN(60)) * time.Second)
			w.work()
		case 2, 3:
			w.stopServer()
			<-time.After(time.Duration(random.IntN(60)) * time.Second)
			w.serve()
		case 4:
			w.wipe()
		case 5:
			if erasing {
				w.erase(random)
			}
		}
	}
	cancel()
	if err := <-churned; err != nil {
		w.Error(err)
	}
}

// erase takes a contact by a privacy deletion.
func (w *weeks) erase(random *rand.Rand) {
	n := random.IntN(800)
	for o := range w.account.Truth("contacts") {
		if n--; n < 0 {
			if err := w.account.Erase("contacts", o.ID); err != nil {
				w.Error(err)
			}
			return
		}
	}
}
