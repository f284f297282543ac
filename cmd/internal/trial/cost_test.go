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
		w.checkQuiet(2 * len(types()))
		w.checkThousand(40 + 2*len(types()) - 2)
		w.stopWorker()
		w.stopServer()
	})
}

// checkQuiet counts the calls of three intervals without changes.
func (w *weeks) checkQuiet(most int) {
	w.Helper()
	for range 3 {
		n := w.interval()
		w.Logf("%d calls without changes", n)
		if n > int64(most) {
			w.Errorf("%d calls in an interval without changes, more than %d", n, most)
		}
	}
}

// checkThousand counts the calls of an interval before which a thousand
// contacts were changed.
func (w *weeks) checkThousand(most int) {
	w.Helper()
	if err := w.account.BulkTouch("contacts", 1000); err != nil {
		w.Fatal(err)
	}
	n := w.interval()
	w.Logf("%d calls with 1,000 changed contacts; %v", n, w.account.Counters().Requests)
	if n > int64(most) {
		w.Errorf("%d calls in an interval with 1,000 changed contacts, more than %d", n, most)
	}
}

// interval is how many calls the next one makes.
func (w *weeks) interval() int64 {
	before := calls(w.account.Counters())
	<-time.After(w.source.Schedule.Every)
	return calls(w.account.Counters()) - before
}
