package trial_test

import (
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/datastreams"
	"penstock/internal/hubspot/hubspotsim"
)

// calls are those that reading changes makes: property lists and archived
// lists are read hourly and left aside.
func calls(c hubspotsim.Counters) int64 {
	n := int64(0)
	for _, kind := range []string{"search", "batchread", "list", "read", "associations"} {
		n += c.Requests[kind]
	}
	return n
}

// TestAnIntervalCostsWhatHasChanged counts the calls of one interval, with no
// change in it nor in the lag before it, and of one with a thousand changes.
func TestAnIntervalCostsWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, err := hubspotsim.New(hubspotsim.Options{
			Seed: 6, Unlimited: true, Latency: 50 * time.Millisecond,
			Counts: map[string]int{"contacts": 6000, "companies": 300, "deals": 300}, Properties: map[string]int{"contacts": 10},
		})
		if err != nil {
			t.Fatal(err)
		}
		w, end := newWeeks(t, account, 6)
		defer end()
		w.random = nil // loses nothing
		w.source.Streams, w.source.History, w.source.Sweep = types(), nil, datastreams.SweepPolicy{}
		w.serve()
		w.work()
		<-time.After(2*virtualLag + 17*time.Minute)
		for range 3 {
			before := calls(account.Counters())
			<-time.After(w.source.Schedule.Every)
			if n := calls(account.Counters()) - before; n > int64(2*len(types())) {
				t.Errorf("%d calls in an interval without changes, of %d streams", n, len(types()))
			}
		}
		if err := account.BulkTouch("contacts", 1000); err != nil {
			t.Fatal(err)
		}
		before := calls(account.Counters())
		<-time.After(w.source.Schedule.Every)
		n := calls(account.Counters()) - before
		t.Logf("%d calls with 1,000 changed contacts; %v", n, account.Counters().Requests)
		if n > 40+int64(2*len(types())-2) {
			t.Errorf("%d calls in an interval with 1,000 changed contacts", n)
		}
		w.stopWorker()
		w.stopServer()
	})
}
