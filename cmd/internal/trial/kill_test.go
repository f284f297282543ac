//go:build !race

package trial_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// kills of each program, and how many of all must strike while pages are in
// flight.
const (
	killsEach  = 20
	inFlight   = 15
	refetchMax = 1.5
)

// TestEveryValueArrivesThoughBothProgramsAreKilled drives the two programs
// over NATS against an account with faults, kills each of them again and
// again, and compares every value at the end (W1 to W5, B1, Q1).
func TestEveryValueArrivesThoughBothProgramsAreKilled(t *testing.T) {
	t.Parallel() // with the other trials, which mostly wait
	if testing.Short() {
		t.Skip("kills take two minutes; run without -short")
	}
	seed := seedOf(t)
	bin := build(t)
	base := fetchedWithoutKills(t, bin, seed)
	w := newWorld(t, bin, account(seed))
	random := rand.New(rand.NewPCG(seed, 1))
	programs := map[string]*program{"worker": w.start("worker"), "data-streams": w.start("data-streams")}
	stop := w.churn()
	flying, kills := 0, map[string]int{}
	for kills["worker"] < killsEach || kills["data-streams"] < killsEach {
		name := []string{"worker", "data-streams"}[random.IntN(2)]
		if kills[name] == killsEach {
			continue
		}
		if w.untilReading(random) {
			flying++
		}
		programs[name].kill()
		kills[name]++
		programs[name] = w.start(name)
	}
	w.untilAllFaults()
	stop()
	w.settle()
	programs["data-streams"].kill()
	programs["worker"].kill()
	compare(t, w.dir+"/hubspot.db", w.account)
	w.checkCounters(flying, base)
}

// seedOf is a fresh seed, or the one that the environment names.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PENSTOCK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: repeat with PENSTOCK_SEED=%d", seed, seed)
	return seed
}

// account is an account of three types with faults that heal. A restored object
// keeps its date: one that is archived only while a list passes over it can be
// found by a sweep of live objects alone.
func account(seed uint64) hubspotsim.Options {
	return hubspotsim.Options{
		Seed: seed, Hostile: true, Latency: 60 * time.Millisecond, Jitter: 40 * time.Millisecond, IndexLag: time.Second, Window: 190,
		Counts:     map[string]int{"contacts": 12000, "companies": 6000, "deals": 5000},
		Properties: map[string]int{"contacts": 25, "companies": 25, "deals": 25},
		Faults:     hubspotsim.Faults{Rate: 0.05, Seed: seed, Stall: time.Second},
	}
}

// untilAllFaults waits until each kind of fault has come up.
func (w *world) untilAllFaults() {
	w.t.Helper()
	for range 900 {
		missing := 0
		for _, kind := range hubspotsim.AllFaults() {
			if w.account.Counters().Faults[kind] == 0 {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		<-time.After(200 * time.Millisecond)
	}
	w.t.Errorf("not all kinds of faults came up: %v", w.account.Counters().Faults)
}

// untilReading waits a random while and, if it can, until pages are in flight.
func (w *world) untilReading(random *rand.Rand) bool {
	<-time.After(time.Duration(200+random.IntN(1500)) * time.Millisecond)
	for range 400 {
		if w.flying.Load() > 0 {
			<-time.After(time.Duration(random.IntN(30)) * time.Millisecond)
			return w.flying.Load() > 0
		}
		<-time.After(10 * time.Millisecond)
	}
	return false
}

// fetchedWithoutKills is how many objects a run of the same account without
// kills is served.
func fetchedWithoutKills(t *testing.T, bin string, seed uint64) int64 {
	options := account(seed) // the same objects, as fast as they can be had
	options.Latency, options.Jitter, options.Unlimited, options.Faults = 0, 0, true, hubspotsim.Faults{}
	w := newWorld(t, bin, options)
	workers, servers := w.start("worker"), w.start("data-streams")
	w.catchUp()
	servers.kill()
	workers.kill()
	compare(t, w.dir+"/hubspot.db", w.account)
	return w.fetched()
}

// fetched is how many objects the account served, without those that sweeps
// and histories are served again and again.
func (w *world) fetched() int64 {
	n := -w.again.Load()
	for _, served := range w.account.Counters().Objects {
		n += served
	}
	return n
}

// checkCounters asks the account what it saw (Q1).
func (w *world) checkCounters(flying int, base int64) {
	w.t.Helper()
	c := w.account.Counters()
	w.t.Logf("%d kills struck while pages were in flight; requests %v; faults %v", flying, c.Requests, c.Faults)
	w.t.Logf("objects served: %d, without kills %d; peak %d in ten seconds, %d searches in one, %d reads of links in ten",
		w.fetched(), base, c.PeakWindow, c.PeakSearch, c.PeakAssociations)
	if flying < inFlight {
		w.t.Errorf("only %d kills struck while pages were in flight", flying)
	}
	if c.Limited > 0 {
		w.t.Errorf("%d answers of 429 because a limit was exceeded", c.Limited)
	}
	if c.PeakWindow > 190 || c.PeakSearch > 4 || c.PeakAssociations > 100 {
		w.t.Errorf("more was asked for than the limits and what is left to others allow: %d, %d and %d", c.PeakWindow, c.PeakSearch, c.PeakAssociations)
	}
	if n := w.fetched(); float64(n) > refetchMax*float64(base) {
		w.t.Errorf("%d objects were fetched, %d without kills", n, base)
	}
}
