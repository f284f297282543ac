package hubspot_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

// askAs lists with a priority and a label.
func askAs(t *testing.T, client *hubspot.Client, priority int, label hubspot.Label) *hubspot.Error {
	t.Helper()
	ctx := hubspot.WithLabel(hubspot.WithPriority(t.Context(), priority), label)
	_, err := client.List(ctx, hubspot.ListRequest{Type: "contacts"})
	var e *hubspot.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return e
}

func TestOnAShortDayWhatCanWaitStopsFirst(t *testing.T) {
	for _, test := range []struct {
		name          string
		limit, left   int
		spent         int // by us, in an earlier process
		reserve       float64
		leastPriority int // that is still served
	}{
		{"plenty", 1000, 251, 0, 0, 9},
		{"a quarter", 1000, 250, 0, 0, 4},
		{"more than a tenth", 1000, 101, 0, 0, 4},
		{"a tenth", 1000, 100, 0, 0, 3},
		{"six percent", 1000, 60, 0, 0, 2},
		{"four percent", 1000, 40, 0, 0, 1},
		{"two percent", 1000, 20, 0, 0, 0},
		{"one call", 1000, 1, 0, 0, 0},
		{"by our own count", 1000, 900, 939, 0, 2}, // and the call that learns the limit
		{"of what is not reserved", 1000, 900, 449, 0.5, 3},
		{"what is not reserved, and less of it is left", 1000, 20, 0, 0.5, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for priority := range 8 {
				synctest.Test(t, func(t *testing.T) {
					client, f := setup(t, inTurn(
						respond(200, newYork, "X-HubSpot-RateLimit-Daily", fmt.Sprint(test.limit), "X-HubSpot-RateLimit-Daily-Remaining", fmt.Sprint(test.left)),
						respond(200, onePage)), func(cfg *hubspot.Config) { cfg.Reserve = test.reserve })
					quota := hubspot.NewAccountQuota()
					quota.Restore("1999-12-31", test.spent)
					client.UseAccount(quota)
					if _, err := client.Account(t.Context()); err != nil {
						t.Fatal(err)
					}
					e := askAs(t, client, priority, hubspot.Label{})
					if served := priority <= test.leastPriority; served != (e == nil) || (f.calls.Load() == 2) != served {
						t.Fatalf("priority %d: %v after %d calls", priority, e, f.calls.Load())
					}
					midnight := time.Date(2000, 1, 1, 5, 1, 0, 0, time.UTC)
					if e != nil && (e.Kind != hubspot.Daily || !e.Heals() || !e.ResetsAt.Equal(midnight)) {
						t.Errorf("priority %d: %v", priority, e)
					}
					// Who was refused has not stopped who matters more, nor taken a slot.
					if e := askAs(t, client, 0, hubspot.Label{}); e != nil && test.left > 1 {
						t.Errorf("after priority %d: %v", priority, e)
					}
					if w := client.Quota().Windows[0]; w.Ours != int(f.calls.Load()) {
						t.Errorf("the window is %+v after %d calls", w, f.calls.Load())
					}
				})
			}
		})
	}
}

func TestWithoutAKnownLimitEveryPriorityIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, always(200, onePage))
		for priority := range 8 {
			if e := askAs(t, client, priority, hubspot.Label{}); e != nil {
				t.Error(e)
			}
		}
	})
}

func TestCallsAreCountedByLabelUntilTheAccountsMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight UTC, 2000-01-01: seven in the evening in New York
		client, _ := setup(t, inTurn(respond(200, newYork), respond(500, ``), respond(200, onePage)))
		fresh, sweep := hubspot.Label{Stream: "contacts", Lane: "fresh"}, hubspot.Label{Stream: "contacts", Lane: "sweep"}
		<-time.After(2 * time.Minute)
		if _, err := client.Account(t.Context()); err != nil { // counted on UTC's day, which is tomorrow in New York
			t.Fatal(err)
		}
		quota := hubspot.NewAccountQuota()
		client.UseAccount(quota)
		for _, label := range []hubspot.Label{fresh, sweep, fresh} { // the first fails once: two calls
			if e := askAs(t, client, 0, label); e != nil {
				t.Fatal(e)
			}
		}
		want := map[hubspot.Label]int{{}: 1, fresh: 3, sweep: 1}
		if got := quota.Calls(); !maps.Equal(got, want) || quota.Spent(quota.Today()) != 5 {
			t.Errorf("calls %v of %d, want %v", got, quota.Spent(quota.Today()), want)
		}

		next := hubspot.NewAccountQuota() // of the next process, which has begun to count
		nextClient, _ := setup(t, inTurn(respond(200, newYork), respond(200, onePage)))
		nextClient.UseAccount(next)
		if _, err := nextClient.Account(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := askAs(t, nextClient, 0, sweep); e != nil {
			t.Fatal(e)
		}
		for range 2 {
			next.RestoreCalls(quota.Today(), quota.Calls())
			next.RestoreCalls("1999-12-30", map[hubspot.Label]int{sweep: 100})
		}
		if got := next.Calls(); !maps.Equal(got, want) || next.Spent(next.Today()) != 2 {
			t.Errorf("restored %v, want %v; spent %d", got, want, next.Spent(next.Today()))
		}

		<-time.After(5*time.Hour + 2*time.Minute)
		if e := askAs(t, nextClient, 0, sweep); e != nil {
			t.Fatal(e)
		}
		if got := next.Calls(); !maps.Equal(got, map[hubspot.Label]int{sweep: 1}) {
			t.Errorf("the new day begins with %v", got)
		}
	})
}

func TestLabelsBeyondABoundAreCountedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(int, *http.Request) (*http.Response, error) {
			return withLeft(respond(200, onePage), 10_000, 9_000), nil
		})
		quota := hubspot.NewAccountQuota()
		client.UseAccount(quota)
		for i := range 1500 {
			if e := askAs(t, client, 0, hubspot.Label{Stream: fmt.Sprint(i)}); e != nil {
				t.Fatal(e)
			}
		}
		calls, sum := quota.Calls(), 0
		for _, n := range calls {
			sum += n
		}
		if len(calls) != 1000 || sum != 1500 || calls[hubspot.Label{}] != 501 {
			t.Errorf("%d labels, %d calls, %d without one of their own", len(calls), sum, calls[hubspot.Label{}])
		}
	})
}

func TestAReservedShareIsLeftOfEveryWindow(t *testing.T) {
	for reserve, want := range map[float64][]int{0: {100, 4, 100}, 0.1: {90, 4, 90}, 0.5: {50, 2, 50}} {
		client, _ := setup(t, always(200, onePage), func(cfg *hubspot.Config) { cfg.Reserve = reserve })
		for i, w := range client.Quota().Windows {
			if w.Share != want[i] {
				t.Errorf("with %v reserved our share of the window %+v is not %d", reserve, w, want[i])
			}
		}
	}
}
