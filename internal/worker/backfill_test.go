package worker_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
)

func TestABackfillReadsEverythingAndFixesWhereTheSettledLaneBegins(t *testing.T) {
	inBubble(t, small(1234), func(w *world) {
		began := time.Now().Add(100 * time.Millisecond) // the list is asked for after that
		e := w.done(penstock.Backfill)
		w.isWhole()
		for i, b := range w.taken() {
			if b.Stamp > 0 && b.Stamp <= 100 {
				w.Errorf("batch %d has stamp %d, which another worker may have used", i, b.Stamp)
			}
		}
		begin, err := cursor.ParseWindow(w.cursor(penstock.Settled))
		if err != nil || begin.From > began.Add(-lag).UnixMilli() || begin.From < began.Add(-lag-time.Minute).UnixMilli() {
			w.Errorf("the settled lane begins at %+v, %v; want a lag before %s", begin, err, began)
		}
		heads := w.heads(penstock.Backfill)
		parts, err := cursor.Parts(heads)
		if err != nil || len(cursor.Left(parts)) > 0 || len(e.Last) != len(heads) {
			w.Errorf("it ended at %+v, %v, with the last batches %+v", heads, err, e.Last)
		}
		for _, last := range e.Last {
			if !slices.ContainsFunc(heads, func(h penstock.Head) bool { return h.Range == last.Range && h.Seq == last.Seq }) {
				w.Errorf("it says that it ended at %+v; the heads are %+v", last, heads)
			}
		}
	})
}

func TestABackfillGoesOnAtTheCommittedCursorAfterAnyStop(t *testing.T) {
	slow := small(12_000)
	slow.Latency = 200 * time.Millisecond
	inBubble(t, slow, func(w *world) {
		over := w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(2200 * time.Millisecond)
		w.desk.stop() // the worker ends
		if e := <-over; e.Outcome != penstock.Stopped {
			w.Errorf("the run ended as %+v", e)
		}
		parts, err := cursor.Parts(w.heads(penstock.Backfill))
		left := cursor.Left(parts)
		if err != nil || len(parts) < 2 || len(left) == 0 || parts[0].Place.After == "" && !parts[0].Place.Done {
			w.Fatalf("the backfill stands at %+v, %v: the test wants it half done", parts, err)
		}
		w.start()
		w.wire.requests()
		w.done(penstock.Backfill)
		w.isWhole()
		seen := w.wire.requests()
		for _, p := range left {
			if counted(seen, "after="+p.Place.After+"&") != 1 {
				w.Errorf("it did not go on at %s: %q", p.Place.After, seen)
			}
		}
		if counted(seen, "limit=100&archived=false&properties") != 0 {
			w.Errorf("it began anew: %q", seen)
		}
	})
}

// heads are those of a lane of contacts.
func (w *world) heads(lane penstock.Lane) []penstock.Head {
	heads, err := w.desk.store.Heads(w.Context(), "contacts", lane)
	w.try(err)
	return heads
}

func TestABackfillInRangesIsWholeHoweverOftenItIsStopped(t *testing.T) {
	for name, bend := range map[string]func(*hubspotsim.Options){
		"inclusive cursors": func(*hubspotsim.Options) {},
		"exclusive cursors": func(o *hubspotsim.Options) { o.ExclusiveAfter = true },
		"ids as text":       func(o *hubspotsim.Options) { o.TextIDs = true },
	} {
		t.Run(name, func(t *testing.T) {
			o := small(7000)
			o.Latency, o.Jitter = 150*time.Millisecond, 50*time.Millisecond
			bend(&o)
			inBubble(t, o, func(w *world) {
				random := rand.New(rand.NewPCG(1, 2))
				stops := 0
				for ; len(w.heads(penstock.Backfill)) == 0 || len(w.left()) > 0; stops++ {
					over := w.begin(contacts(), penstock.Backfill, penstock.Grant{})
					pass(time.Duration(300+random.IntN(1500)) * time.Millisecond)
					w.desk.stop()
					<-over
					w.start()
				}
				w.isWhole()
				if stops < 3 || len(w.heads(penstock.Backfill)) < 3 {
					w.Errorf("%d stops, and %d ranges: the test wants more of both", stops, len(w.heads(penstock.Backfill)))
				}
				if n := w.account.Counters().Objects["contacts"]; n > int64(7000+stops*2500) {
					w.Errorf("%d objects were read for 7,000 and %d stops", n, stops)
				}
			})
		})
	}
}

// left are the ranges of the backfill that are still to be read.
func (w *world) left() []cursor.Part {
	parts, err := cursor.Parts(w.heads(penstock.Backfill))
	w.try(err)
	return cursor.Left(parts)
}

func TestValuesAreFilledInRangesHoweverOftenThatIsStopped(t *testing.T) {
	o := small(9000)
	o.Latency = 200 * time.Millisecond
	inBubble(t, o, func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.AddProperty("contacts", property("late_fact")))
		pass(11 * time.Minute)
		w.done(penstock.Settled)
		grant := penstock.Grant{Fill: []string{"late_fact"}}
		filled := func() bool {
			tables, err := w.desk.store.Tables(w.Context())
			w.try(err)
			return len(warehouse.Unfilled(tables[0].Columns)) == 0
		}
		runs := 0
		for ; !filled(); runs++ {
			over := w.begin(contacts(), penstock.Backfill, grant)
			pass(1500 * time.Millisecond)
			w.desk.stop()
			<-over
			w.start()
		}
		if runs < 2 || len(w.left()) > 0 {
			w.Errorf("after %d runs %+v are left", runs, w.left())
		}
		w.isWhole()
		got, want := map[string]int{}, map[string]int{}
		for _, line := range w.table("contacts", "late_fact") {
			got[line]++
		}
		for o := range w.account.Truth("contacts") {
			value, has := o.Properties["late_fact"]
			if !has {
				value = "<nil>"
			}
			want[value]++
		}
		if !maps.Equal(got, want) {
			w.Errorf("filled with %v, want %v", got, want)
		}
	})
}

func TestStopEndsARunAtABatch(t *testing.T) {
	slow := small(1500)
	slow.Latency = 200 * time.Millisecond
	inBubble(t, slow, func(w *world) {
		over := w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(time.Second)
		w.desk.announce(func(c *penstock.Connection) { c.Once, c.Schedule.On = "", false })
		e := <-over
		batches := w.taken()
		said := uint64(0)
		for _, last := range e.Last {
			said += last.Seq
		}
		if e.Outcome != penstock.Stopped || e.Trouble != nil || said != uint64(len(batches)) {
			w.Errorf("the run ended as %+v after %d batches", e, len(batches))
		}
		parts, err := cursor.Parts(w.heads(penstock.Backfill))
		if err != nil || len(cursor.Left(parts)) == 0 {
			w.Errorf("the backfill stands at %+v, %v", parts, err)
		}
	})
}

func TestANewPropertyIsAnnouncedWithoutRowsAndFilledByAGrant(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.AddProperty("contacts", property("late_fact")))
		pass(11 * time.Minute) // property lists are remembered for ten
		w.taken()
		w.done(penstock.Settled)
		tables, err := w.desk.store.Tables(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		last := tables[0].Columns[len(tables[0].Columns)-1]
		if last.Property != "late_fact" || last.Filled {
			w.Fatalf("the newest column is %+v", last)
		}
		e := w.run(contacts(), penstock.Backfill, penstock.Grant{Fill: []string{"late_fact"}})
		if e.Outcome != penstock.Done {
			w.Fatalf("ended as %+v", e)
		}
		want := map[string]bool{}
		for o := range w.account.Truth("contacts") {
			if v, ok := o.Properties["late_fact"]; ok {
				want[v] = true
			}
		}
		got := map[string]bool{}
		for _, line := range w.table("contacts", "late_fact") {
			if line != "<nil>" {
				got[line] = true
			}
		}
		if len(want) < 10 || len(got) != len(want) {
			w.Errorf("%d of %d values were filled", len(got), len(want))
		}
		tables, err = w.desk.store.Tables(w.Context())
		if last := tables[0].Columns[len(tables[0].Columns)-1]; err != nil || !last.Filled {
			w.Errorf("the column stands as %+v, %v", last, err)
		}
		w.isWhole()
	})
}

func TestAPropertyThatLeftAgainIsFilledWithNothing(t *testing.T) {
	inBubble(t, small(20), func(w *world) {
		w.done(penstock.Backfill)
		w.wire.requests()
		e := w.run(contacts(), penstock.Backfill, penstock.Grant{Fill: []string{"nobody_has_it"}})
		if e.Outcome != penstock.Done || counted(w.wire.requests(), "/objects/") != 0 {
			w.Errorf("ended as %+v", e)
		}
	})
}

func TestPropertiesThatDoNotFitInAURLAreReadByID(t *testing.T) {
	t.Run("the client knows", func(t *testing.T) {
		bubbleWith(t, func(w *world) { w.cfg.URLBytes = 300 }, func(w *world) {
			w.done(penstock.Backfill)
			w.isWhole()
			if counted(w.wire.requests(), "batch/read") == 0 {
				w.Error("nothing was read by id")
			}
		})
	})
	t.Run("HubSpot answers 414", func(t *testing.T) {
		o := small(250)
		o.MaxURL = 300
		inBubble(t, o, func(w *world) {
			w.done(penstock.Backfill)
			w.isWhole()
			if n := w.account.Counters().Requests["batchread"]; n == 0 {
				w.Error("nothing was read by id")
			}
		})
	})
}

func TestAccountsThatDifferFromTheDocumentsAreReadWhole(t *testing.T) {
	exclusive, text := small(700), small(700)
	exclusive.ExclusiveAfter, text.TextIDs = true, true
	for name, o := range map[string]struct{ o simOptions }{
		"a list begins behind after":  {exclusive},
		"search compares ids as text": {text},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, o.o, func(w *world) {
				w.done(penstock.Backfill)
				w.isWhole()
				w.try(w.account.BulkTouch("contacts", 500))
				w.done(penstock.Fresh)
				w.isWhole()
				pass(2 * lag)
				w.done(penstock.Settled)
				w.isWhole()
			})
		})
	}
}

func TestEveryFaultHealsWithoutALossOrAnEarlyEnd(t *testing.T) {
	for _, kind := range faults() {
		t.Run(kind, func(t *testing.T) {
			o := small(500)
			o.Faults.Rate, o.Faults.Seed, o.Faults.Kinds = 0.5, 3, []string{kind}
			inBubble(t, o, func(w *world) {
				pass(time.Minute) // even the account's details may fail
				w.until(penstock.Backfill)
				w.isWhole()
				w.try(w.account.BulkTouch("contacts", 300))
				w.until(penstock.Fresh)
				pass(2 * lag)
				w.until(penstock.Settled)
				for _, id := range w.ids()[:3] {
					w.try(w.account.Archive("contacts", id))
				}
				w.until(penstock.Sweep)
				w.until(penstock.Named)
				w.isWhole()
				if w.account.Counters().Faults[kind] == 0 {
					w.Error("the fault never struck")
				}
			})
		})
	}
}

// until lets the lane run until it is done: a run may fail, and the next goes
// on from what is committed.
func (w *world) until(lane penstock.Lane) {
	w.Helper()
	for range 20 {
		e := w.run(contacts(), lane, penstock.Grant{})
		if e.Outcome == penstock.Done {
			return
		}
		if e.Outcome != penstock.Failed || e.Trouble == nil || e.Trouble.Remedy == "" {
			w.Fatalf("ended as %+v, %+v", e, e.Trouble)
		}
	}
	w.Fatalf("the %s lane is not done after 20 runs", lane)
}
