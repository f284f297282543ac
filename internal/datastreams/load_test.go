package datastreams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

var errAway = errors.New("the warehouse is away")

func TestB1NothingIsAckedBeforeItHasCommitted(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		w.store.fails(func() { w.store.before = []error{errAway, errAway, errAway} })
		for id := range int64(3) {
			r.publish(id + 1)
		}
		pass(300 * time.Millisecond)
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{0, 0, 0}) {
			w.Fatalf("acked %v while the warehouse was away", acks)
		}
		if st := w.service.Connections()[0]; st.State != "warehouse down" || !strings.Contains(st.Message, "away") {
			w.Errorf("the connection is %q (%s)", st.State, st.Message)
		}
		r.k.live(10 * time.Second)
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1, 1}) || w.committed(penstock.Backfill) != 3 {
			w.Errorf("acked %v, committed %d of 3", acks, w.committed(penstock.Backfill))
		}
		if open := w.troubles(true); len(open) > 0 {
			w.Errorf("still troubled: %+v", open)
		}
	})
}

// TestAWarehouseThatIsAwayWhileNothingIsLoadedIsShown: without its heads there are
// no runs, so no load will ever fail.
func TestAWarehouseThatIsAwayWhileNothingIsLoadedIsShown(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		k.granted(warehousetest.Contacts(), penstock.Backfill)
		w.store.fails(func() { w.store.dark = errAway })
		k.live(31 * time.Second)
		if st, open := w.service.Connections()[0], w.troubles(true); st.State != "warehouse down" || !strings.Contains(st.Message, "away") || len(open) != 1 || open[0].Remedy == "" {
			w.Errorf("the connection is %q (%s), troubled by %+v", st.State, st.Message, open)
		}
		w.store.fails(func() { w.store.dark = nil })
		k.live(3 * time.Second)
		if st, open := w.service.Connections()[0], w.troubles(true); st.State == "warehouse down" || len(open) > 0 {
			w.Errorf("it is back, and the connection is %q (%s), troubled by %+v", st.State, st.Message, open)
		}
		if g := k.ask(deals(), penstock.Backfill); g.Token == "" {
			w.Errorf("nothing is granted any more: %s", g.Refused)
		}
	})
}

// TestAWarehouseThatCanBeReadOnlyIsShownAsDown: that its tables can be read does
// not heal it.
func TestAWarehouseThatCanBeReadOnlyIsShownAsDown(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		w.store.fails(func() { w.store.before = slices.Repeat([]error{errAway}, 20) })
		r.publish(1)
		r.k.live(time.Minute)
		if st := w.service.Connections()[0]; st.State != "warehouse down" || len(w.troubles(true)) != 1 {
			w.Errorf("the connection is %q (%s), troubled by %+v", st.State, st.Message, w.troubles(true))
		}
	})
}

func TestAWarehouseThatTakesLongIsShownUntilItDoesNot(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		hang := make(chan struct{})
		w.store.fails(func() { w.store.hang = hang })
		r.publish(1)
		r.k.live(29 * time.Second)
		if st := w.service.Connections()[0]; st.Message != "" {
			w.Errorf("too soon: %s", st.Message)
		}
		r.k.live(3 * time.Second)
		if st, open := w.service.Connections()[0], w.troubles(true); !strings.Contains(st.Message, "takes long") || len(open) != 1 || open[0].Remedy == "" {
			w.Errorf("the connection is %q (%s), troubled by %+v", st.State, st.Message, open)
		}
		w.store.fails(func() { w.store.hang = nil })
		close(hang)
		pass(time.Second)
		r.publish(2)
		r.k.live(5 * time.Second)
		if st, open := w.service.Connections()[0], w.troubles(true); st.Message != "" || len(open) > 0 || w.committed(penstock.Backfill) != 2 {
			w.Errorf("it is fast again, and the connection is %q (%s), troubled by %+v", st.State, st.Message, open)
		}
	})
}

func TestW2ACommitOfUnknownOutcomeTakesEffectOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		w.store.fails(func() { w.store.after = []error{errors.New("the connection broke at the commit")} })
		r.publish(1)
		r.publish(2)
		r.k.live(5 * time.Second)
		tables, err := w.store.Tables(w.Context())
		if err != nil || len(tables) != 1 || tables[0].Rows != 2 || tables[0].Load != 1 {
			w.Errorf("loaded %+v, %v; want 2 rows in one transaction", tables, err)
		}
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1}) {
			w.Errorf("acked %v", acks)
		}
	})
}

func TestW4ABatchOfAnOldGrantIsRefusedAndAcked(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		old := k.granted(warehousetest.Contacts(), penstock.Backfill)
		old.publish(1)
		settle()
		old.tell(penstock.Stopped)
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		old.publish(2)
		r.publish(3)
		settle()
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1, 1}) {
			w.Errorf("acked %v", acks)
		}
		head := w.heads("contacts", penstock.Backfill)[0]
		if head.Grant != r.grant.Token || head.Seq != 1 {
			w.Errorf("the head is %+v, want the first batch of the new grant", head)
		}
	})
}

func TestW3AGapBeginsTheQueueAgainOnceAndThenEndsTheRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.batch(2) // vanished on the way
		r.publish(3)
		r.publish(4)
		settle()
		reply := k.live(3 * time.Second)
		if n := w.bus.queue.begun(); n != 1 {
			w.Errorf("the queue was begun again %d times", n)
		}
		if st := r.status(reply); st.Ended == "" || !slices.Equal(st.Committed, []penstock.Mark{{Seq: 1}}) {
			w.Errorf("the run stands as %+v, want ended at 1", st)
		}
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1, 1}) {
			w.Errorf("acked %v: what is left of the run would hold up the queue", acks)
		}
		k.live(5 * time.Second) // a failed run is not repeated at once
		again := k.granted(warehousetest.Contacts(), penstock.Backfill)
		if want := w.heads("contacts", penstock.Backfill)[0].Cursor; again.rng.Cursor != want {
			w.Errorf("the next run begins at %q, want %q", again.rng.Cursor, want)
		}
	})
}

func TestW3BatchesThatWereOvertakenAreLoadedAfterTheQueueBeginsAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		w.bus.queue.publish(&message{batch: r.batch(2), hidden: true})
		r.publish(3)
		k.live(3 * time.Second)
		r.tell(penstock.Done)
		if st := r.status(k.beat()); st.Ended == "" || w.committed(penstock.Backfill) != 3 || w.runs()[0].Outcome != penstock.Done {
			w.Errorf("the run stands as %+v at %d, want it done at 3", st, w.committed(penstock.Backfill))
		}
	})
}

func TestW3AGapWhoseOwnBatchVanishesTooEndsTheRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.batch(2) // vanished on the way
		third := &message{batch: r.batch(3)}
		w.bus.queue.onRewind = func() {
			w.bus.queue.mu.Lock()
			third.lost = true
			w.bus.queue.mu.Unlock()
		}
		w.bus.queue.publish(third)
		settle()
		for id := int64(4); id < 8; id++ { // the worker knows nothing of it
			r.publish(id)
			k.live(5 * time.Second)
		}
		if st := r.status(k.beat()); st.Ended == "" {
			w.Errorf("the run stands as %+v though what it lacks never comes", st)
		}
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 0, 1, 1, 1, 1}) {
			w.Errorf("acked %v", acks)
		}
	})
}

func TestALostTailEndsTheRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.batch(2) // vanished, and nothing comes after it
		r.tell(penstock.Done)
		if st := r.status(k.live(10 * time.Second)); st.Ended != "" {
			w.Errorf("ended after ten seconds: %+v; the bus may only be slow", st)
		}
		if st := r.status(k.live(20 * time.Second)); st.Ended == "" {
			w.Errorf("the run stands as %+v", st)
		}
	})
}

func TestALostTailEndsTheRunThoughOtherBatchesNeverStopComing(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		r.batch(2) // vanished
		r.tell(penstock.Done)
		settle()
		busy := k.granted(warehousetest.Contacts(), penstock.Archive)
		for id := int64(100); id < 140; id++ {
			busy.publish(id)
			pass(time.Second)
			k.beat()
		}
		if st := r.status(k.beat()); st.Ended == "" {
			w.Errorf("the run stands as %+v: what was published after its last batch has long come", st)
		}
		if st := busy.status(k.beat()); st.Ended != "" {
			w.Errorf("the other run ended: %+v", st)
		}
	})
}

func TestABatchThatCannotBeLoadedEndsItsOwnRunOnly(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		bad := k.granted(warehousetest.Contacts(), penstock.Backfill)
		good := k.granted(warehousetest.Contacts(), penstock.Archive)
		w.store.fails(func() {
			w.store.before = []error{errAway}
			w.store.refuse = func(b *penstock.Batch) bool { return b.Lane == penstock.Backfill }
		})
		good.publish(1)
		bad.publish(2)
		good.publish(3)
		reply := k.live(5 * time.Second)
		if st := bad.status(reply); st.Ended == "" {
			w.Errorf("the run of the refused batch stands as %+v", st)
		}
		if st := good.status(reply); st.Ended != "" || w.committed(penstock.Archive) != 2 {
			w.Errorf("the other run stands as %+v, committed %d of 2", st, w.committed(penstock.Archive))
		}
		open := w.troubles(true)
		if len(open) != 1 || open[0].Kind != "refused" || open[0].Lane != penstock.Backfill {
			w.Errorf("troubles: %+v, want the refused batch alone", open)
		}
		if g := k.ask(deals(), penstock.Backfill); g.Token == "" {
			w.Errorf("nothing is granted any more: %s", g.Refused)
		}
	})
}

func TestABatchThatWasDamagedEndsItsRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		m := w.bus.queue.publish(&message{err: errors.New("checksum"), grant: r.grant.Token})
		settle()
		if st := r.status(k.beat()); st.Ended == "" || m.acks != 1 {
			w.Errorf("the run stands as %+v, acked %d times", st, m.acks)
		}
	})
}

func TestWhoeverIsFencedStopsLoadingAndSaysSo(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		other := w.store.Store.(*warehousetest.Model).Reopen()
		if err := other.Claim(w.Context(), warehouse.Claim{Loader: "another", Installation: "here", Account: account}); err != nil {
			w.Fatal(err)
		}
		r.publish(1)
		k.live(10 * time.Second)
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{0}) || w.committed(penstock.Backfill) != 0 {
			w.Errorf("acked %v, committed %d", acks, w.committed(penstock.Backfill))
		}
		open := w.troubles(true)
		if len(open) != 1 || open[0].Kind != "fenced" || open[0].Heals || open[0].Remedy == "" {
			w.Errorf("troubles: %+v", open)
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Archive); g.Token != "" {
			w.Error("a run was granted by a process that cannot load it")
		}
		if ready := w.service.Ready(w.Context()); len(ready) == 0 {
			w.Error("the service calls itself ready")
		}
	})
}

func TestARestoredWarehouseEndsEveryRunAndBeginsAnEpoch(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		before := k.beat().Epoch
		w.store.fails(func() { w.store.Store, w.store.replaced = warehousetest.NewModel(), true })
		r.publish(2)
		reply := k.live(5 * time.Second)
		if reply.Epoch == before {
			w.Error("the epoch is the same: workers would believe committed what is gone")
		}
		if st := r.status(reply); st.Ended == "" || len(st.Committed) > 0 {
			w.Errorf("the run stands as %+v: it ended, and nothing of it is in this warehouse", st)
		}
		if acks := w.bus.queue.acks(); !slices.Equal(acks, []int{1, 1}) || w.committed(penstock.Backfill) != 0 {
			w.Errorf("acked %v, committed %d", acks, w.committed(penstock.Backfill))
		}
		if again := k.granted(warehousetest.Contacts(), penstock.Backfill); again.rng.Cursor != "" {
			w.Errorf("the next run begins at %q, want the beginning", again.rng.Cursor)
		}
	})
}

func TestAWarehouseThatHangsHoldsNobodyElse(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		hang := make(chan struct{})
		w.store.fails(func() { w.store.hang = hang })
		r.publish(1)
		pass(time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		g := k.service.Grant(ctx, penstock.GrantRequest{
			Worker: "a", Connection: "default", Stream: warehousetest.Contacts(), Lane: penstock.Archive,
		})
		if took := time.Since(began); g.Token != "" || took > 10*time.Second {
			w.Errorf("the answer took %s: %+v", took, g)
		}
		if reply := k.beat(); reply.Refused != "" {
			w.Errorf("the heartbeat was refused: %s", reply.Refused)
		}
		w.store.fails(func() { w.store.hang = nil })
		close(hang)
		settle()
		if w.committed(penstock.Backfill) != 1 {
			w.Error("the batch was not loaded once the warehouse answered")
		}
	})
}

func TestTheHorizonIsBelowTheStampsOfEveryOpenRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		w.restart() // the first run's stamps are not known any more
		k.stamp = max(k.stamp, k.beat().StampFrom)
		k.beat()
		w.discover("a")
		for i := range int64(20) {
			other := k.granted(penstock.Stream{Name: fmt.Sprintf("deals%d", i), Family: penstock.Objects, ObjectType: "0-3"}, penstock.Archive)
			other.rng.Seq = 0
		}
		r.publish(2)
		settle()
		last := w.store.moments[len(w.store.moments)-1]
		if last.Horizon != 0 {
			w.Errorf("the horizon is %d though nothing is known of the stamps of a run in hand", last.Horizon)
		}
	})
}

func TestW6TheSameQuestionAskedTwiceIsOneRun(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		first := k.granted(warehousetest.Contacts(), penstock.Backfill)
		hang := make(chan struct{})
		w.store.fails(func() { w.store.hang = hang })
		first.publish(1)
		pass(time.Second)
		answers := make(chan penstock.Grant, 4)
		for range cap(answers) {
			go func() { answers <- k.ask(warehousetest.Contacts(), penstock.Archive) }()
		}
		synctest.Wait()
		w.store.fails(func() { w.store.hang = nil })
		close(hang)
		tokens := 0
		for range cap(answers) {
			if g := <-answers; g.Token != "" {
				tokens++
			}
		}
		if tokens != 1 {
			w.Errorf("the same question was granted %d times (W6)", tokens)
		}
	})
}
