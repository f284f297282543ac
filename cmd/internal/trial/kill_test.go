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
	if testing.Short() {
		t.Skip("kills take two minutes; run without -short")
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PENSTOCK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: repeat with PENSTOCK_SEED=%d", seed, seed)
	base := fetchedWithoutKills(t, seed)
	w := newWorld(t, account(seed))
	random := rand.New(rand.NewPCG(seed, 1))
	workers, servers := w.start("worker"), w.start("data-streams")
	caught := make(chan struct{})
	flying, kills := 0, map[string]int{}
	for kills["worker"] < killsEach || kills["data-streams"] < killsEach {
		p := &workers
		if random.IntN(2) == 0 || kills["worker"] == killsEach {
			p = &servers
		}
		if kills[(*p).name] == killsEach {
			continue
		}
		if w.untilReading(random) {
			flying++
		}
		(*p).kill()
		kills[(*p).name]++
		*p = w.start((*p).name)
	}
	close(caught)
	w.catchUp()
	w.catchUp()
	servers.kill()
	workers.kill()
	compare(t, w.dir+"/hubspot.db", w.account, "contacts", "companies", "deals")
	w.checkCounters(flying, base)
}

// account is an account of three types with faults that heal.
func account(seed uint64) hubspotsim.Options {
	return hubspotsim.Options{
		Seed: seed, Hostile: true, Latency: 60 * time.Millisecond, Jitter: 40 * time.Millisecond, IndexLag: time.Second, Window: 190,
		Counts:     map[string]int{"contacts": 30000, "companies": 15000, "deals": 15000},
		Properties: map[string]int{"contacts": 25, "companies": 25, "deals": 25},
		Faults:     hubspotsim.Faults{Rate: 0.05, Seed: seed, Stall: time.Second},
	}
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
func fetchedWithoutKills(t *testing.T, seed uint64) int64 {
	w := newWorld(t, account(seed))
	workers, servers := w.start("worker"), w.start("data-streams")
	w.catchUp()
	w.catchUp()
	servers.kill()
	workers.kill()
	compare(t, w.dir+"/hubspot.db", w.account, "contacts", "companies", "deals")
	return fetched(w.account)
}

func fetched(account *hubspotsim.Account) int64 {
	n := int64(0)
	for _, served := range account.Counters().Objects {
		n += served
	}
	return n
}

// checkCounters asks the account what it saw (Q1).
func (w *world) checkCounters(flying int, base int64) {
	w.t.Helper()
	c := w.account.Counters()
	w.t.Logf("%d kills struck while pages were in flight; requests %v; faults %v", flying, c.Requests, c.Faults)
	w.t.Logf("objects served: %d, without kills %d; peak %d in ten seconds, %d searches in one", fetched(w.account), base, c.PeakWindow, c.PeakSearch)
	if flying < inFlight {
		w.t.Errorf("only %d kills struck while pages were in flight", flying)
	}
	if c.Limited > 0 {
		w.t.Errorf("%d answers of 429 because a limit was exceeded", c.Limited)
	}
	if n := fetched(w.account); float64(n) > refetchMax*float64(base) {
		w.t.Errorf("%d objects were fetched, %d without kills", n, base)
	}
	for _, kind := range hubspotsim.AllFaults() {
		if c.Faults[kind] == 0 {
			w.t.Logf("no fault of kind %s came up", kind)
		}
	}
}
