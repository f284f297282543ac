package worker_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/hubspot/hubspotsim"
)

// ask asks the worker a question about contacts.
func (w *world) ask(q penstock.Question) (penstock.Answer, bool) {
	w.Helper()
	q.Connection, q.Stream = "default", contacts()
	w.desk.mu.Lock()
	answer := w.desk.answer
	w.desk.mu.Unlock()
	return answer(w.Context(), q)
}

// answered asks a question that must be answered without trouble.
func (w *world) answered(q penstock.Question) penstock.Answer {
	w.Helper()
	a, ours := w.ask(q)
	if !ours || a.Trouble != nil {
		w.Fatalf("%+v: ours %v, %+v", q, ours, a.Trouble)
	}
	return a
}

func TestCountsAreOfTheSpansThatWereAskedFor(t *testing.T) {
	inBubble(t, small(40), func(w *world) {
		pass(time.Minute)
		ids := w.live()
		middle := ids[20]
		from := time.Now().UnixMilli()
		for _, id := range ids[:3] {
			if err := w.account.Update("contacts", id, map[string]string{"email": "new@example.com"}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		a := w.answered(penstock.Question{For: penstock.ForVerify, Count: []penstock.Span{
			{}, {To: middle}, {From: middle}, {From: middle, To: middle + 1},
			{Since: from, Until: from}, {Since: from + 1, Until: from + 1000}, {From: ids[1], Since: from, Until: from},
		}})
		if want := []int64{40, 20, 20, 1, 3, 0, 2}; !slices.Equal(a.Counts, want) {
			t.Errorf("counted %v, want %v: both ends of a window are included, the end of a range is not", a.Counts, want)
		}
		if a.Date.IsZero() || a.Stamp == 0 || len(a.Limits.Windows) == 0 {
			t.Errorf("the answer is of %s, stamp %d, with limits %+v", a.Date, a.Stamp, a.Limits)
		}
		for name, spans := range map[string][]penstock.Span{
			"backwards": {{From: 9, To: 3}}, "no end": {{Since: 5}}, "too many": make([]penstock.Span, penstock.MaxSpans+1),
		} {
			if a, ours := w.ask(penstock.Question{Count: spans}); !ours || a.Trouble == nil {
				t.Errorf("%s: answered %+v", name, a)
			}
		}
	})
}

// live are the ids of the contacts.
func (w *world) live() (ids []int64) {
	for o := range w.account.Truth("contacts") {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestAReadTellsWhatBecameOfTheObject(t *testing.T) {
	inBubble(t, small(10), func(w *world) {
		ids := w.live()
		if err := w.account.Archive("contacts", ids[1]); err != nil {
			t.Fatal(err)
		}
		if err := w.account.Update("contacts", ids[0], map[string]string{"email": "a@b.example"}); err != nil {
			t.Fatal(err)
		}
		winner, err := w.account.Merge("contacts", ids[2], ids[3])
		if err != nil {
			t.Fatal(err)
		}
		read := func(id int64) *penstock.Reading {
			return w.answered(penstock.Question{For: penstock.ForExplain, Read: &penstock.Read{ID: id, Properties: []string{"email", "no_such"}}}).Reading
		}
		live := read(ids[0])
		if live.State != penstock.StateLive || live.Values["email"] != "a@b.example" || !slices.Equal(live.Left, []string{"no_such"}) || live.Updated.IsZero() {
			t.Errorf("a live one: %+v", live)
		}
		if got := read(ids[1]); got.State != penstock.StateArchived || got.Said[2].State != penstock.StateNotFound {
			t.Errorf("an archived one: %+v", got)
		}
		if got := read(ids[3]); got.State != penstock.StateMerged || got.Into != winner || got.Values != nil {
			t.Errorf("a merged one: %+v, want it to live on in %d", got, winner)
		}
		if got := read(987654321); got.State != penstock.StateNotFound || len(got.Said) != 3 {
			t.Errorf("none: %+v", got)
		}
	})
}

func TestAReadWhoseValuesAreTooLargeForAMessageNamesThem(t *testing.T) {
	inBubble(t, small(3), func(w *world) {
		id := w.live()[0]
		if err := w.account.Update("contacts", id, map[string]string{"email": "a@b.example", "firstname": strings.Repeat("x", 300<<10)}); err != nil {
			t.Fatal(err)
		}
		got := w.answered(penstock.Question{Read: &penstock.Read{ID: id, Properties: []string{"firstname", "email"}}}).Reading
		if !slices.Equal(got.TooLarge, []string{"firstname"}) || !reflect.DeepEqual(got.Values, map[string]string{"email": "a@b.example"}) {
			t.Errorf("too large %q, %d values", got.TooLarge, len(got.Values))
		}
	})
}

func TestIDsAreListedOnceFromAnIDOn(t *testing.T) {
	inBubble(t, small(720), func(w *world) {
		want := w.live()
		var got []int64
		for after := ""; ; {
			a := w.answered(penstock.Question{IDs: &penstock.IDs{After: after, Limit: 250}})
			for _, o := range a.Listing.IDs {
				got = append(got, o.ID)
			}
			if after = a.Listing.Next; after == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %d ids, want %d", len(got), len(want))
		}
		if a, _ := w.ask(penstock.Question{IDs: &penstock.IDs{Limit: penstock.MaxIDs + 1}}); a.Trouble == nil {
			t.Error("more than a message holds were listed")
		}
	})
}

func TestProbesTellOnWhichAccountAnAssumptionHolds(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*hubspotsim.Options)
		want []string
	}{
		"as documented":     {func(*hubspotsim.Options) {}, []string{penstock.Holds, penstock.Holds}},
		"exclusive cursors": {func(o *hubspotsim.Options) { o.ExclusiveAfter = true }, []string{penstock.DoesNotHold, penstock.Holds}},
		"ids as text":       {func(o *hubspotsim.Options) { o.TextIDs = true }, []string{penstock.Holds, penstock.DoesNotHold}},
		"nothing":           {func(o *hubspotsim.Options) { o.Counts["contacts"] = 0 }, []string{penstock.Unknown, penstock.Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			o := small(300)
			c.set(&o)
			inBubble(t, o, func(w *world) {
				pass(time.Minute)
				var got []string
				for _, f := range w.answered(penstock.Question{For: penstock.ForProbe, Probe: true}).Findings {
					got = append(got, f.Result)
					if f.Assumed == "" || f.Text == "" || f.Stream != "contacts" {
						t.Errorf("found %+v", f)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("cursors and search: %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestAWorkerWithoutTheAccountStaysSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, small(3))
		defer w.close()
		w.desk.reply.Refused = "the account is read by another worker"
		w.start()
		if a, ours := w.ask(penstock.Question{Count: []penstock.Span{{}}}); ours {
			t.Errorf("answered %+v without the lease", a)
		}
		w.desk.mu.Lock()
		w.desk.reply.Refused = ""
		w.desk.mu.Unlock()
		pass(time.Minute)
		w.answered(penstock.Question{Count: []penstock.Span{{}}})
		w.desk.mu.Lock()
		w.desk.reply.Refused = "the account is read by another worker"
		w.desk.mu.Unlock()
		pass(time.Minute)
		if a, ours := w.ask(penstock.Question{Count: []penstock.Span{{}}}); ours {
			t.Errorf("answered %+v after the lease was lost", a)
		}
	})
}

func TestTwoQuestionsAreAnsweredAtOnce(t *testing.T) {
	inBubble(t, small(3), func(w *world) {
		free := make(chan struct{})
		waiting := make(chan struct{}, 100)
		w.wire.bends(func(req *http.Request) *http.Response {
			waiting <- struct{}{}
			select {
			case <-free:
			case <-req.Context().Done():
			}
			return nil
		})
		answered := make(chan bool, 5)
		for range 5 {
			go func() {
				_, ours := w.ask(penstock.Question{IDs: &penstock.IDs{Limit: 1}})
				answered <- ours
			}()
		}
		pass(time.Second)
		if n := len(waiting); n != 2 {
			t.Errorf("%d questions are at HubSpot at once, want 2", n)
		}
		close(free)
		for range 5 {
			if !<-answered {
				t.Error("a question that waited its turn was not answered")
			}
		}
	})
}

func TestTheCallsOfAQuestionCountUnderItsName(t *testing.T) {
	inBubble(t, small(3), func(w *world) {
		w.answered(penstock.Question{For: penstock.ForVerify, Count: []penstock.Span{{}, {}}})
		pass(10 * time.Second)
		w.desk.mu.Lock()
		by := w.desk.beats[len(w.desk.beats)-1].Spent.By
		w.desk.mu.Unlock()
		if want := (penstock.LaneCalls{Stream: "contacts", Lane: penstock.ForVerify, Calls: 2}); !slices.Contains(by, want) {
			t.Errorf("counted %+v, want %+v among them", by, want)
		}
	})
}

func TestAQuestionThatHubSpotRefusesIsAnsweredWithTheTrouble(t *testing.T) {
	inBubble(t, small(3), func(w *world) {
		w.account.Forbid("contacts", "crm.objects.contacts.read")
		a, ours := w.ask(penstock.Question{IDs: &penstock.IDs{Limit: 1}})
		if !ours || a.Trouble == nil || a.Trouble.Kind != "forbidden" || strings.Contains(a.Trouble.Message, "pat-na1-test") {
			t.Errorf("answered %+v, %+v", a, a.Trouble)
		}
		if _, ours := w.desk.answer(w.Context(), penstock.Question{Connection: "other"}); ours {
			t.Error("a question about another connection was answered")
		}
	})
}
