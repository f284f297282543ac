package bus_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/bus"
)

// answers has a worker answer until the test ends.
func answers(t *testing.T, b *bus.Bus, f func(context.Context, penstock.Question) (penstock.Answer, bool)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Answer(ctx, f) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestOnlyTheWorkerThatHoldsTheAccountAnswers has the other one hear each
// question, too: were its silence an answer, it would be the first.
func TestOnlyTheWorkerThatHoldsTheAccountAnswers(t *testing.T) {
	streams, holder := pair(t)
	other := open(t, bus.Options{URL: "nats://" + streams.Addr()})
	heard := make(chan penstock.Question, 100)
	answers(t, other, func(_ context.Context, q penstock.Question) (penstock.Answer, bool) {
		heard <- q
		return penstock.Answer{Counts: []int64{-1}}, false
	})
	released := make(chan struct{})
	answers(t, holder, func(_ context.Context, q penstock.Question) (penstock.Answer, bool) {
		<-released
		return penstock.Answer{Counts: []int64{q.Count[0].From}, Trouble: &penstock.Trouble{Kind: "k"}}, q.Connection == "default"
	})
	q := penstock.Question{Connection: "default", Count: []penstock.Span{{From: 7}}, For: penstock.ForVerify}
	go func() {
		if got := <-heard; !reflect.DeepEqual(got, q) {
			t.Errorf("heard %+v", got)
		}
		close(released)
	}()
	var got penstock.Answer
	eventually(t, "the holder answers", func() (ok bool) {
		var err error
		got, err = streams.Ask(within(t), q)
		return err == nil
	})
	if want := (penstock.Answer{Counts: []int64{7}, Trouble: &penstock.Trouble{Kind: "k"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("answered %+v", got)
	}
}

func TestAQuestionThatNobodyAnswersEndsAtItsDeadline(t *testing.T) {
	streams, worker := pair(t)
	q := penstock.Question{Connection: "default"}
	if _, err := streams.Ask(within(t), q); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("without a worker: %v", err)
	}
	silent := make(chan struct{}, 100)
	answers(t, worker, func(context.Context, penstock.Question) (penstock.Answer, bool) {
		silent <- struct{}{}
		return penstock.Answer{}, false
	})
	eventually(t, "the worker hears", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := streams.Ask(ctx, q); err == nil {
			t.Error("somebody answered")
		}
		return len(silent) > 0
	})
	if _, err := streams.Ask(within(t), penstock.Question{Connection: "a.b"}); err == nil || strings.Contains(err.Error(), "nobody") {
		t.Errorf("a connection of two words: %v", err)
	}
}
