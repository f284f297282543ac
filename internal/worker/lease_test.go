package worker_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"penstock"
	"penstock/internal/hubspot/hubspotsim"
)

func TestReadingStopsBeforeTheLeaseIsOver(t *testing.T) {
	slow := small(3000)
	slow.Latency = time.Second
	inBubble(t, slow, func(w *world) {
		w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(7 * time.Second)
		w.set(func(d *desk) { d.mute = errors.New("nobody answers") })
		pass(15 * time.Second) // another worker may have the account now
		w.wire.requests()
		pass(time.Minute)
		if seen := w.wire.requests(); len(seen) > 0 {
			w.Errorf("HubSpot was read without the lease: %q", seen)
		}
		w.set(func(d *desk) { d.mute = nil })
		pass(time.Minute)
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestAWorkerThatWaitsForTheAccountSpendsNoCalls(t *testing.T) {
	bubble(t, small(10), func(w *world) {
		w.set(func(d *desk) { d.reply.Refused = "account 147000001 is read by another worker" })
	}, func(w *world) {
		w.wire.requests()
		pass(time.Hour)
		if seen := w.wire.requests(); len(seen) > 1 {
			w.Errorf("%d calls in an hour, of the other worker's day", len(seen))
		}
		w.set(func(d *desk) { d.reply.Refused = "" })
		pass(time.Minute)
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestStampsNeverGoBack(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		before := w.desk.stamp
		w.set(func(d *desk) { d.mute = errors.New("nobody answers") })
		pass(time.Minute)
		w.set(func(d *desk) { d.mute = nil }) // the lease is won again, its stamps begin where they did
		pass(time.Minute)
		w.taken()
		w.try(w.account.BulkTouch("contacts", 10))
		pass(time.Minute)
		w.done(penstock.Fresh)
		if b := w.taken()[0]; b.Stamp <= before {
			w.Errorf("observed with stamp %d after %d: it would count as older (W5)", b.Stamp, before)
		}
		w.set(func(d *desk) { d.reply.StampFrom = 5_000_000 })
		w.heard()
		w.done(penstock.Fresh)
		w.try(w.account.BulkTouch("contacts", 10))
		pass(time.Minute)
		w.taken()
		w.done(penstock.Fresh)
		if b := w.taken()[0]; b.Stamp <= 5_000_000 {
			w.Errorf("observed with stamp %d, told to begin above 5000000", b.Stamp)
		}
	})
}

func TestARefusedTokenIsToldWithItsRemedyAndTriedSeldom(t *testing.T) {
	o := small(10)
	o.Token = "pat-na1-right"
	bubble(t, o, func(*world) {}, func(w *world) {
		pass(10 * time.Minute)
		if n := len(w.wire.requests()); n > 60 {
			w.Errorf("%d calls in ten minutes with a token that is refused", n)
		}
		var trouble *penstock.Trouble
		w.set(func(d *desk) { trouble = d.beats[len(d.beats)-1].Trouble })
		if trouble == nil || trouble.Kind != "unauthorized" || trouble.Heals || !strings.Contains(trouble.Remedy, "token") {
			w.Errorf("told %+v", trouble)
		}
		w.set(func(d *desk) { d.reply.Secret = []byte("pat-na1-right") })
		pass(time.Minute)
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestAWorkerWithoutATokenSaysWhatToSet(t *testing.T) {
	bubble(t, small(10), func(w *world) { w.tokens = nil }, func(w *world) {
		pass(time.Minute)
		var trouble *penstock.Trouble
		w.set(func(d *desk) { trouble = d.beats[len(d.beats)-1].Trouble })
		if trouble == nil || trouble.Kind != "credential" || trouble.Heals || !strings.Contains(trouble.Remedy, "HUBSPOT_ACCESS_TOKEN") {
			w.Errorf("told %+v", trouble)
		}
	})
}

func TestAReplacedTokenIsUsedWithoutARestart(t *testing.T) {
	bubble(t, small(10), func(w *world) {
		w.tokens = nil
		w.set(func(d *desk) { d.reply.Secret = []byte("pat-na1-old") })
	}, func(w *world) {
		w.done(penstock.Backfill)
		w.set(func(d *desk) { d.reply.Secret = []byte("pat-na1-new") })
		w.heard()
		w.done(penstock.Fresh)
		if w.wire.token != "Bearer pat-na1-new" {
			w.Errorf("the last call came with %q", w.wire.token)
		}
	})
}

func TestV4ATokenOfAnotherAccountReadsNothing(t *testing.T) {
	bubble(t, small(300), func(w *world) {
		w.tokens = nil
		w.set(func(d *desk) { d.reply.Secret = []byte("pat-na1-ours") })
	}, func(w *world) {
		w.done(penstock.Backfill)
		theirs, err := hubspotsim.New(hubspotsim.Options{Seed: 8, AccountID: 815, Unlimited: true, Counts: map[string]int{"contacts": 50}})
		w.try(err)
		client, end := theirs.InProcess()
		defer end()
		w.wire.bends(w.toOther("pat-na1-theirs", client.Transport))
		w.set(func(d *desk) { d.reply.Secret = []byte("pat-na1-theirs") })
		over := w.begin(contacts(), penstock.Sweep, penstock.Grant{})
		pass(time.Minute)
		<-over
		var last penstock.Beat
		w.set(func(d *desk) { last = d.beats[len(d.beats)-1] })
		if last.Account.ID != 815 {
			w.Errorf("the worker says that it reads account %d", last.Account.ID)
		}
		if n := theirs.Counters().Requests["archivedlist"] + theirs.Counters().Requests["list"]; n != 0 {
			w.Errorf("%d lists of another account were read for this connection", n)
		}
	})
}

func TestARunOfAnOldEpochDoesNothing(t *testing.T) {
	inBubble(t, small(100), func(w *world) {
		w.set(func(d *desk) { d.reply.Epoch = "restored" }) // the worker has not heard
		w.taken()
		if e := w.run(contacts(), penstock.Backfill, penstock.Grant{}); e.Outcome != penstock.Stopped || len(w.taken()) != 0 {
			w.Errorf("ended as %+v", e)
		}
		w.heard()
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestARunThatIsOverThereIsGivenUpHere(t *testing.T) {
	slow := small(3000)
	slow.Latency = time.Second
	inBubble(t, slow, func(w *world) {
		over := w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(2 * time.Second)
		w.set(func(d *desk) { d.statuses["grant-1"] = penstock.RunStatus{Ended: "lost"} })
		w.desk.mu.Lock()
		w.desk.hold = make(chan struct{}) // nor may it publish any more
		w.desk.mu.Unlock()
		pass(10 * time.Second)
		if e := <-over; e.Outcome != penstock.Stopped {
			w.Errorf("ended as %+v", e)
		}
		w.wire.requests()
		pass(10 * time.Second)
		if seen := w.wire.requests(); len(seen) > 0 {
			w.Errorf("it reads on: %q", seen)
		}
	})
}

func TestTheEndOfARunIsToldByHeartbeatsWhenTheWordIsLost(t *testing.T) {
	inBubble(t, small(10), func(w *world) {
		free := make(chan struct{})
		w.wire.bends(w.holding("/objects/", free))
		w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(time.Second)
		w.set(func(d *desk) { d.mute = errors.New("nobody answers") })
		close(free)
		pass(4 * time.Second)
		w.set(func(d *desk) { d.mute = nil })
		w.heard()
		var last penstock.Beat
		w.set(func(d *desk) { last = d.beats[len(d.beats)-1] })
		if len(last.Runs) != 1 || last.Runs[0].End == nil || last.Runs[0].End.Outcome != penstock.Done {
			w.Errorf("the heartbeat says %+v", last.Runs)
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		slow := small(2000)
		slow.Latency = 300 * time.Millisecond
		w := newWorld(t, slow)
		w.start()
		w.begin(contacts(), penstock.Backfill, penstock.Grant{})
		pass(time.Second)
		w.desk.mu.Lock()
		w.desk.hold = make(chan struct{}) // the bus is full
		w.desk.mu.Unlock()
		pass(5 * time.Second)
		began := time.Now()
		w.desk.stop()
		if took := time.Since(began); took > 3*time.Second {
			w.Errorf("ending took %s", took)
		}
		w.close()
	})
}
