package datastreams_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// says has the worker answer each question about an object so.
func (w *world) says(r penstock.Reading) {
	w.answers(func(q penstock.Question) (penstock.Answer, error) {
		return penstock.Answer{Reading: &r}, nil
	})
}

func (w *world) answers(f func(penstock.Question) (penstock.Answer, error)) {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	w.bus.answer = f
}

func (w *world) explained(id int64) *datastreams.Explanation {
	w.Helper()
	e, err := w.service.Explain(w.Context(), "default", "contacts", id)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// moment0 is when the rows of these tests were changed.
func moment0() time.Time { return time.UnixMilli(1_700_000_000_000).UTC() }

// loaded loads contacts with a text and a number through a backfill that has
// come to the id after.
func (w *world) loaded(after string, fill func(*warehousetest.Builder)) {
	w.Helper()
	k := w.worker("a")
	r := k.granted(warehousetest.Contacts(), penstock.Backfill)
	b := warehousetest.NewBatch(warehousetest.Contacts(),
		penstock.Column{Property: "note", Type: penstock.Text}, penstock.Column{Property: "size", Type: penstock.Number})
	fill(b)
	b.Batch.After = cursor.Pass{After: after}.Cursor()
	w.bus.queue.publish(&message{batch: r.next(b)})
	settle()
}

func live(note, size string) penstock.Reading {
	return penstock.Reading{State: penstock.StateLive, Updated: moment0(), Values: map[string]string{"note": note, "size": size}}
}

func TestARowThatEqualsHubSpotsObjectHasNoDifferences(t *testing.T) {
	inBubble(t, func(w *world) {
		w.loaded("9", func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7.50") })
		w.says(live("n", "7.5"))
		e := w.explained(5)
		if len(e.Differences)+len(e.Reasons) > 0 || e.Summary != "The row is equal to HubSpot's object." || e.Row["note"] != "n" {
			w.Errorf("explained as %+v", e)
		}
		if len(e.Lanes) != 1 || e.Lanes[0].Lane != "backfill" {
			w.Errorf("the last runs are %+v", e.Lanes)
		}
		w.bus.mu.Lock()
		defer w.bus.mu.Unlock()
		if q := w.bus.asked[len(w.bus.asked)-1]; q.For != penstock.ForExplain || !slices.Equal(q.Read.Properties, []string{"note", "size"}) || q.Connection != "default" {
			w.Errorf("asked %+v", q)
		}
	})
}

func TestADifferenceHasItsReason(t *testing.T) {
	newer := live("n", "8")
	newer.Updated = moment0().Add(time.Second)
	left := live("n", "")
	left.Values, left.Left = map[string]string{"note": "n"}, []string{"size"}
	for name, c := range map[string]struct {
		reading penstock.Reading
		fill    func(*warehousetest.Builder)
		why     string
	}{
		"rejected":   {live("n", "large"), func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n").Reject("5", "size", "large") }, "could not be loaded"},
		"older":      {newer, func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7") }, "an older version"},
		"calculated": {live("n", "8"), func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7") }, "without a newer date"},
		"left out":   {left, func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7") }, "does not answer with the property"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.loaded("9", c.fill)
				w.says(c.reading)
				e := w.explained(5)
				if len(e.Differences) != 1 || e.Differences[0].Property != "size" || !strings.Contains(e.Differences[0].Why, c.why) {
					w.Errorf("differences %+v, want size because of %q", e.Differences, c.why)
				}
			})
		})
	}
}

func TestAnAbsentRowHasItsReason(t *testing.T) {
	reason := func(w *world, id int64) string { return strings.Join(w.explained(id).Reasons, "; ") }
	inBubble(t, func(w *world) {
		w.loaded("6", func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7").Want("3", 1) })
		w.says(live("n", "7"))
		if got := reason(w, 8); !strings.Contains(got, "read up to id 6") {
			w.Errorf("behind the place of the first load: %q", got)
		}
		if got := reason(w, 3); strings.Contains(got, "first load") || !strings.Contains(got, "to be read again: ") {
			w.Errorf("before it: %q", got)
		}
		if _, err := w.service.Stop(w.Context(), "default"); err != nil {
			w.Fatal(err)
		}
		if got := reason(w, 8); !strings.Contains(got, "reading is paused") {
			w.Errorf("paused: %q", got)
		}
		w.says(penstock.Reading{State: penstock.StateNotFound})
		if got := w.explained(987).Summary; got != "HubSpot has no such object, and the warehouse has no such row." {
			w.Errorf("neither has it: %q", got)
		}
		w.says(penstock.Reading{State: penstock.StateMerged, Into: 9})
		if got := w.explained(5).Summary; got != "The object is merged in HubSpot, and the row is not marked as deleted." {
			w.Errorf("merged: %q", got)
		}
	})
	inWorld(t, func(w *world) {
		w.alter = func(cfg *datastreams.Config) { cfg.Sources[0].Streams = []string{"deals"} }
	}, func(w *world) {
		w.worker("a")
		w.says(live("n", "7"))
		if got := reason(w, 5); !strings.Contains(got, "not among the chosen ones") || !strings.Contains(got, "has not begun") {
			w.Errorf("not chosen: %q", got)
		}
	})
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		e := r.over(penstock.Skipped)
		e.Trouble = &penstock.Trouble{Kind: "forbidden", Message: "a scope is missing"}
		if err := w.service.End(w.Context(), e); err != nil {
			w.Fatal(err)
		}
		if got := reason(w, 5); !strings.Contains(got, "skipped: a scope is missing") {
			w.Errorf("skipped: %q", got)
		}
		if got := w.explained(5); got.HubSpot != nil || !strings.Contains(got.NotAsked, "no worker") {
			w.Errorf("without an answer: %+v", got)
		}
	})
}

func TestWhatCannotBeExplainedIsRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		if _, err := w.service.Explain(w.Context(), "default", "contacts", 1); !errors.Is(err, datastreams.ErrNoWorker) {
			w.Errorf("before anybody has looked at the account: %v", err)
		}
		w.worker("a")
		if _, err := w.service.Explain(w.Context(), "default", "nope", 1); !errors.Is(err, datastreams.ErrNoStream) {
			w.Errorf("no stream: %v", err)
		}
		if _, err := w.service.Explain(w.Context(), "default", "owners", 1); !errors.Is(err, datastreams.ErrNotObjects) {
			w.Errorf("no objects: %v", err)
		}
	})
}

// TestAPlanAsksForTotalsAndLoadsNothing has one stream that may not be read:
// the others are planned.
func TestAPlanAsksForTotalsAndLoadsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.worker("a")
		w.answers(func(q penstock.Question) (penstock.Answer, error) {
			if !q.Calls() {
				return penstock.Answer{}, nil // whether a worker is there
			}
			if q.Stream.Name == "deals" {
				return penstock.Answer{Trouble: &penstock.Trouble{Kind: "forbidden", Message: "a scope is missing"}}, nil
			}
			if q.For != penstock.ForPlan || !slices.Equal(q.Count, []penstock.Span{{}}) {
				t.Errorf("asked %+v", q)
			}
			return penstock.Answer{Counts: []int64{250}, Limits: limits100()}, nil
		})
		p, err := w.service.Plan(w.Context(), "default")
		if err != nil {
			w.Fatal(err)
		}
		var got []string
		for _, s := range p.Streams {
			got = append(got, s.Stream+" "+s.Note)
		}
		if want := []string{"contacts ", "deals a scope is missing", "contacts_contacts "}; !slices.Equal(got, want) || p.Rows != 250 || p.Budget != 100 {
			w.Errorf("planned %q, %d rows with a budget of %d; want %q", got, p.Rows, p.Budget, want)
		}
		if runs := w.runs(); len(runs) != 0 {
			w.Errorf("%d runs", len(runs))
		}
		w.answers(nil)
		if _, err := w.service.Plan(w.Context(), "default"); !errors.Is(err, datastreams.ErrNoWorker) {
			w.Errorf("without a worker: %v", err)
		}
	})
}

func TestTheQuotaTellsWhatIsUsedAndUntilWhenItSleeps(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		k.spent = penstock.Spent{Day: "2000-01-01", Calls: 90, Limit: 100, By: []penstock.LaneCalls{
			{Stream: "contacts", Lane: penstock.Fresh, Calls: 20}, {Stream: "deals", Lane: penstock.Backfill, Calls: 70},
		}}
		k.beat()
		quota := func() datastreams.Quota {
			q, err := w.service.Quota(w.Context(), "default")
			if err != nil {
				w.Fatal(err)
			}
			return q
		}
		q := quota()
		if want := []datastreams.QuotaUse{{Stream: "deals", Lane: "backfill", Calls: 70}, {Stream: "contacts", Lane: "fresh", Calls: 20}}; q.Spent != 90 || q.Left != 10 || !slices.Equal(q.By, want) {
			w.Errorf("without an answer: %+v", q)
		}
		// Two streams each with two searches every five minutes, an archived list an hour.
		if q.Uses[0].Calls != 2*576 || q.Uses[2].Calls != 2*24 || !q.SleepsUntil.IsZero() {
			w.Errorf("a day is expected to take %+v, and it sleeps until %s", q.Uses, q.SleepsUntil)
		}
		until := time.Now().Add(time.Hour).UTC()
		w.answers(func(penstock.Question) (penstock.Answer, error) {
			return penstock.Answer{Limits: penstock.Limits{Daily: penstock.Daily{Limit: 200, Left: 7, Reserved: 20, ResetsAt: until}}}, nil
		})
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		e := r.over(penstock.Failed)
		e.Trouble = &penstock.Trouble{Kind: "daily", Message: "used up", Heals: true, Until: until}
		if err := w.service.End(w.Context(), e); err != nil {
			w.Fatal(err)
		}
		if q := quota(); q.Limit != 200 || q.Left != 7 || q.Reserved != 20 || !q.SleepsUntil.Equal(until) {
			w.Errorf("with the worker's answer: %+v", q)
		}
		pass(2 * time.Hour)
		if q := quota(); !q.SleepsUntil.IsZero() {
			w.Errorf("it sleeps until %s, which has passed", q.SleepsUntil)
		}
	})
}

func TestProbesAreTriedWhereThereIsMostToTry(t *testing.T) {
	inBubble(t, func(w *world) {
		w.loaded("9", func(b *warehousetest.Builder) { b.Put(5, moment0().UnixMilli(), 1, "n", "7") })
		w.answers(func(q penstock.Question) (penstock.Answer, error) {
			return penstock.Answer{Findings: []penstock.Finding{{Assumed: "a", Stream: q.Stream.Name, Result: penstock.Holds}}}, nil
		})
		found, err := w.service.Probe(w.Context(), "default")
		if err != nil || len(found) != 2 || found[0].Stream != "contacts" || found[1].Result != penstock.Unknown {
			w.Errorf("found %+v, %v", found, err)
		}
		if err := w.catalog.Late(w.Context(), "default", "contacts", 3*time.Hour); err != nil {
			w.Fatal(err)
		}
		if found, err := w.service.Probe(w.Context(), "default"); err != nil || found[1].Result != penstock.DoesNotHold || !strings.Contains(found[1].Text, "3h0m0s") {
			w.Errorf("after the index was late: %+v, %v", found, err)
		}
	})
}

func limits100() penstock.Limits {
	return penstock.Limits{
		Windows: []penstock.Window{{Name: "search", Span: time.Second, Limit: 5, Share: 4}}, Daily: penstock.Daily{Limit: 100},
	}
}

func TestAStreamTellsHowLongASilentChangeMayGoUnseen(t *testing.T) {
	within := func(w *world) map[string]time.Duration {
		w.worker("a")
		streams, err := w.service.Streams(w.Context(), "default")
		if err != nil {
			w.Fatal(err)
		}
		found := map[string]time.Duration{}
		for _, st := range streams {
			found[st.Stream] = st.Within
		}
		return found
	}
	inBubble(t, func(w *world) {
		if got := within(w); got["contacts"] != 0 || got["owners"] != 5*time.Minute || got["properties"] != time.Hour {
			w.Errorf("without sweeps: %v", got)
		}
	})
	inWorld(t, func(w *world) {
		w.alter = func(cfg *datastreams.Config) {
			cfg.Sources[0].Sweep = datastreams.SweepPolicy{Share: 0.25, Every: 6 * time.Hour}
		}
	}, func(w *world) {
		if got := within(w); got["contacts"] != 12*time.Hour {
			w.Errorf("with a sweep every six hours: %v", got)
		}
	})
}
