package hubspot_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

const newYork = `{"portalId":1,"accountType":"STANDARD","timeZone":"America/New_York","companyCurrency":"USD","utcOffsetMilliseconds":-18000000}`

// list asks for a page and gives the kind of its error.
func list(t *testing.T, client *hubspot.Client) *hubspot.Error {
	t.Helper()
	_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
	var e *hubspot.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return e
}

func TestAUsedUpDayEndsAtTheAccountsMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight UTC, 2000-01-01: seven in the evening in New York
		client, f := setup(t, inTurn(respond(200, newYork),
			respond(429, `{"policyName":"DAILY"}`), respond(200, onePage)))
		if a, err := client.Account(t.Context()); err != nil || a.PortalID != 1 || a.Currency != "USD" {
			t.Fatal(a, err)
		}
		shared := hubspot.NewAccountQuota()
		client.UseAccount(shared)
		if day := shared.Today(); day != "1999-12-31" || shared.Spent(day) != 1 {
			t.Errorf("spent %d on %s: what was learnt before did not go along", shared.Spent(day), day)
		}
		midnight := time.Date(2000, 1, 1, 5, 1, 0, 0, time.UTC)
		for range 3 {
			if e := list(t, client); e == nil || e.Kind != hubspot.Daily || !e.ResetsAt.Equal(midnight) {
				t.Fatalf("got %v", e)
			}
		}
		if n := f.calls.Load(); n != 2 {
			t.Errorf("%d calls: a used-up day was asked again", n)
		}
		<-time.After(time.Until(midnight))
		if e := list(t, client); e != nil {
			t.Error(e)
		}
	})
}

// leftToday is an answer that says what is left of a day's 250,000 calls.
func leftToday(left int) *http.Response {
	return respond(200, onePage, "X-HubSpot-RateLimit-Daily", "250000", "X-HubSpot-RateLimit-Daily-Remaining", fmt.Sprint(left))
}

func TestNothingIsSentWhenTheDayIsUsedUp(t *testing.T) {
	for name, test := range map[string]struct {
		answers answers
		calls   int
	}{
		"by answers that count down":        {inTurn(leftToday(2), leftToday(1), leftToday(0)), 3},
		"by our own count":                  {inTurn(leftToday(2), respond(200, onePage)), 3},
		"by others":                         {inTurn(leftToday(100), leftToday(0)), 2},
		"whatever a late answer says of it": {inTurn(leftToday(1), leftToday(100), leftToday(100)), 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, test.answers)
				for range test.calls {
					if e := list(t, client); e != nil {
						t.Fatal(e)
					}
				}
				if e := list(t, client); e == nil || e.Kind != hubspot.Daily || int(f.calls.Load()) != test.calls {
					t.Errorf("%v after %d calls", e, f.calls.Load())
				}
				if w := client.Quota().Windows[0]; w.Ours != test.calls {
					t.Errorf("the window is %+v", w)
				}
			})
		})
	}
}

func TestANewDayBringsANewBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, inTurn(leftToday(1), respond(200, onePage)))
		if e := list(t, client); e != nil {
			t.Fatal(e)
		}
		<-time.After(24*time.Hour + time.Minute)
		for range 3 {
			if e := list(t, client); e != nil {
				t.Error(e)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // HubSpot's day began while ours had not
		client, _ := setup(t, inTurn(leftToday(1), leftToday(249_999)))
		for range 3 {
			if e := list(t, client); e != nil {
				t.Error(e)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // where midnight is not known, an hourly call finds out
		client, f := setup(t, inTurn(leftToday(0), respond(200, onePage)))
		if e := list(t, client); e != nil {
			t.Fatal(e)
		}
		e := list(t, client)
		if e == nil || e.Kind != hubspot.Daily || time.Until(e.ResetsAt) != time.Hour {
			t.Fatalf("got %v", e)
		}
		<-time.After(time.Hour)
		if e := list(t, client); e != nil || f.calls.Load() != 2 {
			t.Error(e)
		}
	})
}

func TestTheDaysSpendOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daily := []string{"X-HubSpot-RateLimit-Daily", "100", "X-HubSpot-RateLimit-Daily-Remaining", "90"}
		half := func(cfg *hubspot.Config) { cfg.Reserve = 0.5 }
		zone := always(200, newYork, daily...)
		client, _ := setup(t, zone, half)
		first := hubspot.NewAccountQuota()
		client.UseAccount(first)
		for range 30 {
			if _, err := client.Account(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		day := first.Today()
		if day != "1999-12-31" || first.Spent(day) != 30 {
			t.Fatalf("spent %d on %s", first.Spent(day), day)
		}

		client, f := setup(t, zone, half)
		second := hubspot.NewAccountQuota()
		second.Restore(day, first.Spent(day))
		client.UseAccount(second)
		for {
			_, err := client.Account(t.Context())
			if hubspot.KindOf(err) == hubspot.Daily {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := f.calls.Load(); n < 19 || n > 20 {
			t.Errorf("%d calls before half of 100 was spent, 30 of them earlier", n)
		}
		if d := client.Quota().Daily; d.Day != day || d.Limit != 100 || d.Spent < 50 {
			t.Errorf("the budget is %+v", d)
		}
	})
}
