package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
)

// settledAt is where the settled lane stands.
func (w *world) settledAt() cursor.Window {
	w.Helper()
	at, err := cursor.ParseWindow(w.cursor(penstock.Settled))
	if err != nil {
		w.Fatal(err)
	}
	return at
}

func TestFreshReadsWhatChangedAndMovesNothing(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		before := w.settledAt()
		w.try(w.account.BulkTouch("contacts", 250))
		pass(time.Minute)
		w.taken()
		w.done(penstock.Fresh)
		w.isWhole()
		if after := w.settledAt(); after != before {
			w.Errorf("the settled lane moved from %+v to %+v", before, after)
		}
		for _, b := range w.taken() {
			if b.After != "" || b.SettledAt != 0 {
				w.Errorf("batch %d says %q, settled at %d", b.Seq, b.After, b.SettledAt)
			}
		}
	})
}

func TestSettledReadsWindowsThatEndALagAgoAndMovesByBatches(t *testing.T) {
	o := small(3000)
	o.IndexLag = lag / 2
	inBubble(t, o, func(w *world) {
		w.done(penstock.Backfill)
		w.taken()
		from := w.settledAt()
		w.try(w.account.BulkTouch("contacts", 2500)) // more than one batch, on one millisecond
		pass(lag / 2)
		w.done(penstock.Settled)
		if until := w.settledAt(); until.From <= from.From || until.From > time.Now().Add(-lag).UnixMilli() {
			w.Errorf("the window ended at %d", until.From)
		}
		from = w.settledAt()
		pass(lag)
		w.taken()
		w.done(penstock.Settled)
		w.isWhole()
		batches := w.taken()
		if len(batches) < 3 {
			w.Fatalf("%d batches", len(batches))
		}
		for i, b := range batches[:len(batches)-1] {
			at, err := cursor.ParseWindow(b.After)
			if err != nil || at.From != from.From || at.ID == "" || b.SettledAt != 0 {
				w.Errorf("batch %d moves to %+v, %v, settled at %d: the window is not read yet", i, at, err, b.SettledAt)
			}
		}
		if last := batches[len(batches)-1]; last.SettledAt != w.settledAt().From || w.settledAt().ID != "" {
			w.Errorf("the last batch is settled at %d, the lane stands at %+v", last.SettledAt, w.settledAt())
		}
	})
}

func TestAWindowUnderWayGoesOnAfterAFailure(t *testing.T) {
	o := small(2500)
	inBubble(t, o, func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 2400))
		pass(2 * lag)
		searches := 0
		w.wire.bends(w.failing("/search", func() bool { searches++; return searches > 6 }))
		if e := w.run(contacts(), penstock.Settled, penstock.Grant{}); e.Outcome != penstock.Failed || !e.Trouble.Heals {
			w.Fatalf("ended as %+v, %+v", e, e.Trouble)
		}
		under := w.settledAt()
		if under.ID == "" || under.To == 0 {
			w.Fatalf("the lane stands at %+v, want a window under way", under)
		}
		w.wire.bends(nil)
		pass(lag)
		w.done(penstock.Settled)
		w.isWhole()
	})
}

func TestWhatIsCommittedIsNotReadAgainUntilTheEpochChanges(t *testing.T) {
	inBubble(t, small(600), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 400))
		pass(time.Minute) // an answer within seconds of a change may miss another of it
		w.done(penstock.Fresh)
		w.heard()
		w.wire.requests()
		w.done(penstock.Fresh)
		if n := counted(w.wire.requests(), "batch/read"); n != 0 {
			w.Errorf("read again by id in %d calls", n)
		}
		pass(2 * lag)
		w.wire.requests()
		w.done(penstock.Settled)
		if n := counted(w.wire.requests(), "batch/read"); n != 0 {
			w.Errorf("the settled lane read again by id in %d calls", n)
		}
		w.set(func(d *desk) { d.reply.Epoch = "restored" })
		w.heard()
		w.try(w.account.BulkTouch("contacts", 1))
		pass(time.Minute)
		w.wire.requests()
		w.run(contacts(), penstock.Settled, penstock.Grant{Back: 4 * lag})
		if n := counted(w.wire.requests(), "batch/read"); n < 4 {
			w.Errorf("after the warehouse was restored only %d calls by id", n)
		}
	})
}

func TestBatchesThatDidNotCommitAreReadAgain(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 200))
		pass(time.Minute)
		w.done(penstock.Fresh)
		w.set(func(d *desk) { // as the heartbeat will tell it
			for grant, st := range d.statuses {
				st.Committed = nil
				d.statuses[grant] = st
			}
		})
		w.heard()
		w.wire.requests()
		w.done(penstock.Fresh)
		if n := counted(w.wire.requests(), "batch/read"); n != 2 {
			w.Errorf("read again by id in %d calls, want 2", n)
		}
	})
}

func TestAnIndexThatIsLateIsNoticedAndNothingElseIs(t *testing.T) {
	inBubble(t, small(400), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 300))
		pass(10 * time.Minute)
		// Read, read again before a heartbeat has told what is committed, and
		// from an earlier moment: all of it search has shown, or was not asked.
		for range 3 {
			if e := w.done(penstock.Fresh); e.Late != 0 {
				w.Errorf("late by %s though the index is at once", e.Late)
			}
		}
	})
	o := small(400)
	o.IndexLag = 40 * time.Minute
	inBubble(t, o, func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 300))
		late := time.Duration(0)
		for range 10 {
			pass(5 * time.Minute)
			late = max(late, w.done(penstock.Fresh).Late)
		}
		if late < 25*time.Minute || late > 40*time.Minute {
			w.Errorf("late by %s, want nearly 40 minutes", late)
		}
		w.isWhole()
	})
}

func TestDoubtedIDsAreWantedAndAnsweredByTheNamedLane(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 50))
		pass(time.Minute)
		ids := w.ids()
		// HubSpot's index still has what HubSpot itself has not any more.
		w.wire.bends(w.naming(ids[0], 999_999_999_999))
		w.done(penstock.Fresh)
		wants, err := w.desk.store.Wanted(w.Context(), "contacts", time.Now(), 10, "")
		if err != nil || len(wants) != 1 || wants[0].Key != "999999999999" || wants[0].Reason != penstock.WantDoubt {
			w.Fatalf("wanted: %+v, %v", wants, err)
		}
		w.wire.bends(nil)
		w.taken()
		w.done(penstock.Named)
		batches := w.taken()
		if len(batches) != 1 || batches[0].Counts.Fetched != 0 {
			w.Errorf("batches: %+v", batches)
		}
		if wants, err := w.desk.store.Wanted(w.Context(), "contacts", time.Now(), 10, ""); err != nil || len(wants) != 0 {
			w.Errorf("wanted still: %+v, %v", wants, err)
		}
	})
}

func TestV3OnlyHubSpotsOwnAnswerBuriesARow(t *testing.T) {
	o := small(300)
	inBubble(t, o, func(w *world) {
		w.done(penstock.Backfill)
		ids := w.ids()
		w.try(w.account.Archive("contacts", ids[0]))
		winner, err := w.account.Merge("contacts", ids[1], ids[2])
		w.try(err)
		w.try(w.account.Erase("contacts", ids[3]))
		w.set(func(d *desk) {
			_, err := d.store.Load(w.Context(), wanting(ids[:4], d.stamp+1), moment())
			w.try(err)
		})
		pass(time.Minute)
		w.done(penstock.Named)
		lines := w.table("contacts", "id", "_deleted_why", "_merged_into")
		for _, want := range []string{
			fmt.Sprint(ids[0], " archived <nil>"), fmt.Sprint(ids[1], " merged ", winner), fmt.Sprint(ids[2], " merged ", winner),
			fmt.Sprint(ids[3], " <nil> <nil>"), fmt.Sprint(winner, " <nil> <nil>"),
		} {
			if !slices.Contains(lines, want) {
				w.Errorf("no row %q", want)
			}
		}
		pass(61 * time.Minute) // not found a second time
		w.done(penstock.Named)
		if lines := w.table("contacts", "id", "_deleted_why"); !slices.Contains(lines, fmt.Sprint(ids[3], " gone")) {
			w.Error("what was not found twice, an hour apart, is not gone")
		}
	})
}

func TestAnObjectThatSearchNamesAndThatIsArchivedIsReadAsArchived(t *testing.T) {
	inBubble(t, small(200), func(w *world) {
		w.done(penstock.Backfill)
		ids := w.ids()
		w.try(w.account.Archive("contacts", ids[5]))
		pass(time.Minute)
		w.try(w.account.BulkTouch("contacts", 5))
		pass(time.Minute)
		w.wire.bends(w.naming(ids[0], ids[5])) // the index has not heard
		w.done(penstock.Fresh)
		if lines := w.table("contacts", "id", "_deleted_why"); !slices.Contains(lines, fmt.Sprint(ids[5], " archived")) {
			w.Error("the archived contact is not archived here")
		}
		w.wire.bends(nil)
		w.done(penstock.Fresh)
		w.isWhole()
	})
}

func TestASearchThatMakesNoProgressEndsTheRunAndMovesNothing(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 250))
		pass(2 * lag)
		before := w.settledAt()
		w.wire.bends(w.repeating())
		e := w.run(contacts(), penstock.Settled, penstock.Grant{})
		if e.Outcome != penstock.Failed || e.Trouble.Kind != "bad answer" || !strings.Contains(e.Trouble.Message, "no progress") {
			w.Errorf("ended as %+v, %+v", e, e.Trouble)
		}
		if at := w.settledAt(); at.From != before.From {
			w.Errorf("the lane moved from %+v to %+v", before, at)
		}
		w.wire.bends(nil)
		w.done(penstock.Settled)
		w.isWhole()
	})
}
