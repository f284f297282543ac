package datastreams_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/warehouse/warehousetest"
)

// synctestWorld is a world whose service the test itself starts.
func synctestWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.end() }()
		test(w)
	})
}

func deals() penstock.Stream {
	return penstock.Stream{Name: "deals", Family: penstock.Objects, ObjectType: "0-3"}
}

func TestW6ALaneIsGrantedAgainAfterALeaseOfSilenceAndNotBefore(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.worker("a")
		r := a.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		a.runs = nil // the worker lives, but this run of it does not
		for range 12 {
			pass(time.Second)
			a.beat()
			if g := a.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
				w.Fatal("the lane was granted while its run may still go on")
			}
		}
		a.live(5 * time.Second)
		again := a.granted(warehousetest.Contacts(), penstock.Backfill)
		if again.rng.Cursor != w.heads("contacts", penstock.Backfill)[0].Cursor {
			w.Errorf("the next run begins at %q", again.rng.Cursor)
		}
		a.runs = append(a.runs, r)
		if st := r.status(a.beat()); st.Ended == "" || !slices.Equal(st.Committed, []penstock.Mark{{Seq: 1}}) {
			w.Errorf("the old run hears %+v: want that it is over, and what of it is committed", st)
		}
	})
}

func TestARestartTakesUpOpenRunsAndTheirWorkersGoOn(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		w.restart()
		r.publish(2)
		reply := k.live(10 * time.Second)
		if st := r.status(reply); st.Ended != "" || !slices.Equal(st.Committed, []penstock.Mark{{Seq: 2}}) {
			w.Errorf("the run stands as %+v, want it to go on at 2", st)
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
			w.Error("the lane was granted twice")
		}
		r.tell(penstock.Done)
		if run := w.runs()[0]; run.Outcome != penstock.Done || run.Ended.IsZero() {
			w.Errorf("the run is recorded as %+v", run)
		}
	})
}

func TestARunThatEndedBeforeARestartIsNotLeftOpen(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.over(penstock.Done) // the word of it is lost
		w.end()
		w.store.fails(func() { w.store.claims = []error{errAway, errAway, errAway} })
		w.start()
		k.beat() // tells it again, before the warehouse has answered
		if st := r.status(k.live(10 * time.Second)); st.Ended == "" {
			w.Errorf("the run stands as %+v for ever", st)
		}
		if run := w.runs()[0]; run.Outcome != penstock.Done {
			w.Errorf("the run is recorded as %+v", run)
		}
	})
}

func TestAHeartbeatTellsTheEndOfARunWhoseWordWasLost(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.over(penstock.Done)
		if st := r.status(k.beat()); st.Ended == "" || !slices.Equal(st.Committed, []penstock.Mark{{Seq: 1}}) {
			w.Errorf("the run stands as %+v", st)
		}
	})
}

func TestARunEndsOnlyWhenAllOfItHasCommitted(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		w.store.fails(func() { w.store.before = []error{errAway, errAway, errAway, errAway} })
		r.publish(1)
		r.tell(penstock.Done)
		if st := r.status(k.beat()); st.Ended != "" {
			w.Errorf("ended before its batch had committed: %+v", st)
		}
		if st := r.status(k.live(10 * time.Second)); st.Ended == "" {
			w.Errorf("the run stands as %+v", st)
		}
		if run := w.runs()[0]; run.Counts.Fetched != 1 || run.Applied.Loaded != 1 || run.Batches != 1 {
			w.Errorf("the run is recorded as %+v (V1)", run)
		}
	})
}

func TestRunsThatYesterdaysCatalogDoesNotKnowAreOver(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		w.end()
		w.copyCatalog(w.path, w.path+".yesterday")
		w.start()
		k.beat()
		w.discover("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		w.end()
		w.copyCatalog(w.path+".yesterday", w.path)
		w.start()
		r.publish(2)
		settle()
		if st := r.status(k.beat()); st.Ended == "" {
			w.Errorf("a run that nobody remembers stands as %+v", st)
		}
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1}) || w.committed(penstock.Backfill) != 1 {
			w.Errorf("acked %v, committed %d: a zombie is refused and acked", acks, w.committed(penstock.Backfill))
		}
		w.discover("a")
		if again := k.granted(warehousetest.Contacts(), penstock.Backfill); again.rng.Cursor != w.heads("contacts", penstock.Backfill)[0].Cursor {
			w.Errorf("the next run begins at %q, not at the head", again.rng.Cursor)
		}
	})
}

func TestThePropertiesToFillAreThoseWhoseNewestColumnLacksValues(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		done := func(columns ...penstock.Column) *granted {
			r := k.granted(warehousetest.Contacts(), penstock.Backfill)
			b := warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1000+k.stamp, k.stamp)
			b.Batch.After, b.Batch.Filled = cursor.Pass{Done: true}.Cursor(), r.grant.Fill
			w.bus.queue.publish(&message{batch: r.next(b)})
			settle()
			r.tell(penstock.Done)
			k.stamp++
			return r
		}
		text := penstock.Column{Property: "p", Type: penstock.Text}
		number := penstock.Column{Property: "p", Type: penstock.Number}
		done()
		sweep := k.granted(warehousetest.Contacts(), penstock.Archive)
		for _, c := range []penstock.Column{text, number} {
			w.bus.queue.publish(&message{batch: sweep.next(warehousetest.NewBatch(warehousetest.Contacts(), c).Page())})
		}
		settle()
		if r := done(number); !slices.Equal(r.grant.Fill, []string{"p"}) {
			w.Errorf("to fill: %q, want the property once", r.grant.Fill)
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" || g.Refused != "complete" {
			w.Errorf("asked again: %+v; a column whose property has another type is never filled", g)
		}
	})
}

func TestTheSettledLaneGoesBackUntilABatchOfItHasCommitted(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		begin := k.granted(warehousetest.Contacts(), penstock.Backfill)
		b := contacts().Put(1, 1, 1, "v")
		b.Batch.Begin = cursor.Window{From: 1000}.Cursor()
		w.bus.queue.publish(&message{batch: begin.next(b)})
		settle()
		fresh := k.granted(warehousetest.Contacts(), penstock.Fresh)
		e := fresh.over(penstock.Done)
		e.Late = 90 * time.Minute
		if err := w.service.End(w.Context(), e); err != nil {
			w.Fatal(err)
		}
		if open := w.troubles(true); len(open) != 1 || open[0].Kind != "index_late" {
			w.Errorf("troubles: %+v", open)
		}
		lost := k.granted(warehousetest.Contacts(), penstock.Settled)
		if lost.grant.Back != 2*time.Hour || lost.grant.Lag != 2*time.Hour {
			w.Errorf("granted with lag %s, back %s; want both twice an hour", lost.grant.Lag, lost.grant.Back)
		}
		lost.tell(penstock.Stopped)
		w.restart() // what is to be read again is not forgotten
		k = w.worker("a")
		again := k.granted(warehousetest.Contacts(), penstock.Settled)
		if again.grant.Back != 2*time.Hour {
			w.Errorf("the first run came to nothing, and the next goes back by %s", again.grant.Back)
		}
		c := contacts()
		c.Batch.After = cursor.Window{From: 900}.Cursor()
		w.bus.queue.publish(&message{batch: again.next(c)})
		settle()
		again.tell(penstock.Stopped)
		w.restart()
		k = w.worker("a")
		if third := k.granted(warehousetest.Contacts(), penstock.Settled); third.grant.Back != 0 || third.grant.Lag != 2*time.Hour {
			w.Errorf("it goes back by %s once more, with a lag of %s", third.grant.Back, third.grant.Lag)
		}
	})
}

func TestAFailedLaneIsTriedAgainLaterAndLater(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		var waits []time.Duration
		for range 4 {
			r := k.granted(warehousetest.Contacts(), penstock.Archive)
			e := r.over(penstock.Failed)
			e.Trouble = &penstock.Trouble{Kind: "unavailable", Message: "502", Heals: true}
			if err := w.service.End(w.Context(), e); err != nil {
				w.Fatal(err)
			}
			again := k.ask(warehousetest.Contacts(), penstock.Archive).Again
			waits = append(waits, again)
			k.live(again)
		}
		if want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second}; !slices.Equal(waits, want) {
			w.Errorf("waited %v, want %v", waits, want)
		}
	})
}

func TestASkippedStreamIsAskedForAgainWhenSomebodyStartsAnew(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		e := r.over(penstock.Skipped)
		e.Trouble = &penstock.Trouble{Kind: "forbidden", Message: "403", Remedy: "grant a scope"}
		if err := w.service.End(w.Context(), e); err != nil {
			w.Fatal(err)
		}
		k.live(10 * time.Minute)
		if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
			w.Error("granted again though the credential may not read it")
		}
		streams, err := w.service.Streams(w.Context(), "default")
		if err != nil || streams[0].Stream != "contacts" || streams[0].State != "skipped" || streams[0].Why != "403" {
			w.Errorf("streams: %+v, %v", streams, err)
		}
		if _, err := w.service.Stop(w.Context(), "default"); err != nil {
			w.Fatal(err)
		}
		pass(time.Second)
		if _, err := w.service.Start(w.Context(), "default", 0); err != nil {
			w.Fatal(err)
		}
		k.granted(warehousetest.Contacts(), penstock.Backfill)
	})
}
