package datastreams_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// settled loads a stream of one object, to the end of its first load and up to
// now.
func (k *worker) settled(stream penstock.Stream) {
	k.Helper()
	for _, lane := range []penstock.Lane{penstock.Backfill, penstock.Settled} {
		r := k.granted(stream, lane)
		k.stamp++
		b := warehousetest.NewBatch(stream, penstock.Column{Property: "v", Type: penstock.Text}).Put(5, 1000, k.stamp, "v")
		b.Batch.After = cursor.Window{From: 2000}.Cursor()
		if lane == penstock.Backfill {
			b.Batch.After, b.Batch.Begin = cursor.Pass{Done: true}.Cursor(), cursor.Window{From: 1000}.Cursor()
		} else {
			b.Batch.SettledAt = time.Now().UnixMilli()
		}
		k.bus.queue.publish(&message{batch: r.next(b)})
		synctest.Wait()
		r.tell(penstock.Done)
		k.live(time.Second)
	}
	if g := k.ask(stream, penstock.Backfill); g.Refused != "complete" {
		k.Fatalf("the backfill of %s is not complete: %+v", stream.Name, g)
	}
}

// twoStreams is a world in which contacts and deals are loaded, and whose worker
// counts one object in any range; of contacts it says nothing.
func twoStreams(t *testing.T, every time.Duration, test func(w *world, k *worker)) {
	inWorld(t, func(w *world) {
		w.alter = func(c *datastreams.Config) {
			c.VerifyEvery, c.Sources[0].Streams = every, []string{"contacts", "deals"}
		}
	}, func(w *world) {
		w.answers(func(q penstock.Question) (penstock.Answer, error) {
			if q.Stream.Name == "contacts" {
				return penstock.Answer{}, errors.New("HubSpot is away")
			}
			a := penstock.Answer{}
			for range q.Count {
				a.Counts = append(a.Counts, 1)
			}
			return a, nil
		})
		k := w.worker("a")
		k.settled(warehousetest.Contacts())
		k.settled(deals())
		test(w, k)
	})
}

func TestAVerificationGoesOnWithTheNextStreamAfterOneHasFailed(t *testing.T) {
	twoStreams(t, 0, func(w *world, _ *worker) {
		reports, err := w.service.Verify(w.Context(), "default", nil, false)
		if err == nil || !strings.Contains(err.Error(), "verify contacts: ") || strings.Contains(err.Error(), "deals") {
			t.Errorf("the error is %v", err)
		}
		kept, keptErr := w.service.Verifications(w.Context(), "default", 0, 10)
		if len(reports) != 2 || len(kept) != 2 || keptErr != nil {
			t.Fatalf("%d reports, %d kept, %v", len(reports), len(kept), keptErr)
		}
		for _, both := range [][]datastreams.Verification{reports, {kept[1], kept[0]}} {
			failed, equal := both[0], both[1]
			if failed.Stream != "contacts" || failed.Failed == "" || failed.Equal() || failed.Ended.IsZero() {
				t.Errorf("of contacts: %+v", failed)
			}
			if equal.Stream != "deals" || !equal.Equal() || equal.Rows != 1 || len(equal.Checks) != 3 {
				t.Errorf("of deals: %+v", equal)
			}
		}
	})
}

// verified is how often each stream was verified.
func (w *world) verified() map[string]int {
	w.Helper()
	reports, err := w.service.Verifications(w.Context(), "default", 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	times := map[string]int{}
	for _, v := range reports {
		times[v.Stream]++
	}
	return times
}

func TestAStreamWhoseVerificationFailedIsVerifiedAgainWithoutTheOthers(t *testing.T) {
	twoStreams(t, 24*time.Hour, func(w *world, k *worker) {
		k.live(5 * time.Minute)
		if n := w.verified(); n["contacts"] != 1 || n["deals"] != 1 {
			t.Errorf("verified at first: %v", n)
		}
		k.live(65 * time.Minute)
		if n := w.verified(); n["contacts"] != 2 || n["deals"] != 1 {
			t.Errorf("verified an hour after contacts have failed: %v", n)
		}
		w.answers(func(penstock.Question) (penstock.Answer, error) { return penstock.Answer{}, errors.New("never asked") })
		w.restart() // what failed is known from the catalog
		w.worker("a").live(3 * time.Minute)
		if n := w.verified(); n["contacts"] != 3 || n["deals"] != 1 {
			t.Errorf("verified by the next process: %v", n)
		}
	})
}
