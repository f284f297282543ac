package datastreams_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// catchUp asks for a catch-up of contacts; the answer comes on the channel.
func (w *world) catchUp(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- w.service.CatchUp(ctx, "default", []string{"contacts"}) }()
	synctest.Wait()
	return ended
}

// resting is a world in which only what somebody waits for is read.
func resting(t *testing.T, test func(w *world)) {
	synctestWorld(t, func(w *world) {
		w.alter = func(c *datastreams.Config) { c.CatchUpOnly = true }
		w.start()
		test(w)
	})
}

// read does one run of a lane, with a batch that says where it ends.
func (k *worker) read(lane penstock.Lane, after penstock.Cursor) {
	k.Helper()
	r := k.granted(warehousetest.Contacts(), lane)
	k.stamp++
	b := contacts().Put(k.stamp, 1000, k.stamp, "v")
	b.Batch.After = after
	if lane == penstock.Backfill {
		b.Batch.Begin = cursor.Window{From: 1000}.Cursor()
	}
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
	k.live(time.Second)
}

func (k *worker) readAll() {
	k.Helper()
	k.read(penstock.Backfill, cursor.Pass{Done: true}.Cursor())
	if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Refused != "complete" {
		k.Errorf("the backfill is not complete: %+v", g)
	}
	k.read(penstock.Settled, cursor.Window{From: 2000}.Cursor())
	k.read(penstock.Fresh, "")
	k.read(penstock.Archive, "")
}

// ended tells whether the catch-up is over, and how.
func ended(c <-chan error) (bool, error) {
	select {
	case err := <-c:
		return true, err
	default:
		return false, nil
	}
}

func TestACatchUpEndsWhenEverythingIsCommittedAndNotBefore(t *testing.T) {
	resting(t, func(w *world) {
		k := w.worker("a")
		if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
			w.Error("read though nobody waits for it")
		}
		over := w.catchUp(w.Context())
		k.read(penstock.Backfill, cursor.Pass{Done: true}.Cursor())
		k.ask(warehousetest.Contacts(), penstock.Backfill)
		k.read(penstock.Settled, cursor.Window{From: 2000}.Cursor())
		k.read(penstock.Archive, "")
		k.live(30 * time.Second)
		if is, err := ended(over); is {
			w.Fatalf("over without a pass of the fresh lane: %v", err)
		}
		last := k.granted(warehousetest.Contacts(), penstock.Fresh)
		w.store.fails(func() { w.store.before = []error{errAway, errAway, errAway, errAway, errAway} })
		last.publish(77)
		last.tell(penstock.Done)
		if is, err := ended(over); is {
			w.Fatalf("over before the last batch has committed: %v", err)
		}
		k.live(20 * time.Second)
		if is, err := ended(over); !is || err != nil {
			w.Errorf("over: %v, %v", is, err)
		}
		if once := w.service.Look().Connections[0].Once; once != "" {
			w.Errorf("%q is announced still", once)
		}
	})
}

func TestACatchUpReadsWhatItsLastBatchMadeWanted(t *testing.T) {
	resting(t, func(w *world) {
		k := w.worker("a")
		over := w.catchUp(w.Context())
		k.readAll()
		if is, err := ended(over); !is || err != nil {
			w.Fatalf("over: %v, %v", is, err)
		}
		over = w.catchUp(w.Context())
		k.ask(warehousetest.Contacts(), penstock.Backfill)
		k.read(penstock.Settled, cursor.Window{From: 3000}.Cursor()) // the sweep is younger than an hour
		r := k.granted(warehousetest.Contacts(), penstock.Fresh)
		k.bus.queue.publish(&message{batch: r.next(contacts().Put(5, 1000, k.stamp+1, "v").Want("99", k.stamp+1))})
		synctest.Wait()
		r.tell(penstock.Done)
		reply := k.live(time.Second)
		if is, err := ended(over); is {
			w.Fatalf("over though contact 99 is wanted: %v", err)
		}
		if !slices.Contains(reply.Wanted, "contacts") {
			w.Errorf("the worker hears that %q want something", reply.Wanted)
		}
		named := k.granted(warehousetest.Contacts(), penstock.Named)
		if len(named.grant.Wanted) != 1 || named.grant.Wanted[0].Key != "99" {
			w.Errorf("wanted: %+v", named.grant.Wanted)
		}
		k.stamp += 10
		named.publish(99)
		named.tell(penstock.Done)
		k.live(time.Second)
		if is, err := ended(over); !is || err != nil {
			w.Errorf("over: %v, %v", is, err)
		}
	})
}

func TestRunsThatACatchUpWaitsForAreNotStopped(t *testing.T) {
	resting(t, func(w *world) {
		k := w.worker("a")
		over := w.catchUp(w.Context())
		k.readAll()
		if is, _ := ended(over); !is {
			w.Fatal("the first catch-up is not over")
		}
		w.catchUp(w.Context()) // minutes after all of its lanes were read
		r := k.granted(warehousetest.Contacts(), penstock.Fresh)
		if st := r.status(k.live(30 * time.Second)); st.Stop || st.Ended != "" {
			w.Errorf("a run that takes long hears %+v", st)
		}
	})
}

func TestACatchUpNamesWhatFailed(t *testing.T) {
	resting(t, func(w *world) {
		k := w.worker("a")
		over := w.catchUp(w.Context())
		k.read(penstock.Backfill, cursor.Pass{Done: true}.Cursor())
		k.ask(warehousetest.Contacts(), penstock.Backfill)
		k.read(penstock.Settled, cursor.Window{From: 2000}.Cursor())
		k.read(penstock.Fresh, "")
		for range 3 {
			r := k.granted(warehousetest.Contacts(), penstock.Archive)
			e := r.over(penstock.Failed)
			e.Trouble = &penstock.Trouble{Kind: "unavailable", Message: "502 again and again"}
			if err := w.service.End(w.Context(), e); err != nil {
				w.Fatal(err)
			}
			k.live(30 * time.Second)
		}
		is, err := ended(over)
		if !is || err == nil || !strings.Contains(err.Error(), "contacts (archive): 502 again and again") {
			w.Errorf("over: %v, %v", is, err)
		}
		if err := w.service.CatchUp(w.Context(), "nobody", nil); err == nil {
			w.Error("a connection that does not exist was caught up")
		}
	})
}

func TestACatchUpThatCannotSucceedEndsWithTheRemedy(t *testing.T) {
	resting(t, func(w *world) {
		over := w.catchUp(w.Context())
		b := (&worker{world: w, name: "a"}).message()
		b.Trouble = &penstock.Trouble{Kind: "unauthorized", Message: "401", Remedy: "give a valid token"}
		w.service.Beat(w.Context(), b)
		synctest.Wait()
		if is, err := ended(over); !is || err == nil || !strings.Contains(err.Error(), "give a valid token") {
			w.Errorf("over: %v, %v", is, err)
		}
	})
}

func TestACatchUpThatIsBrokenOffSaysWhatIsMissing(t *testing.T) {
	resting(t, func(w *world) {
		w.worker("a")
		ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
		defer cancel()
		over := w.catchUp(ctx)
		pass(2 * time.Minute)
		is, err := ended(over)
		if !is || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "contacts (backfill)") {
			w.Errorf("over: %v, %v", is, err)
		}
		if once := w.service.Look().Connections[0].Once; once != "" {
			w.Errorf("%q is announced still", once)
		}
	})
}
