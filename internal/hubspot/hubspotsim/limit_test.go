package hubspotsim_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

const (
	someList   = "/crm/objects/2026-09/contacts?limit=1"
	someSearch = "/crm/objects/2026-09/contacts/search"
)

func TestTheTenSecondWindowRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, hubspotsim.Options{Window: 20, Counts: map[string]int{"contacts": 5}})
		for i := range 20 {
			got := r.ask("GET", someList, "")
			if got.status != 200 || i == 0 && got.header.Get("X-HubSpot-RateLimit-Remaining") != "19" {
				t.Fatalf("request %d: %d %v", i, got.status, got.header)
			}
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(7*time.Second + 999*time.Millisecond)
		got := r.ask("GET", someList, "")
		var p page
		must(t, json.Unmarshal(got.body, &p))
		if got.status != 429 || p.PolicyName != "TEN_SECONDLY_ROLLING" || got.header.Get("Retry-After") != "" {
			t.Errorf("within the window: %d %s %v", got.status, got.body, got.header)
		}
		<-time.After(time.Millisecond)
		if got := r.ask("GET", someList, ""); got.status != 200 || got.header.Get("X-HubSpot-RateLimit-Max") != "20" {
			t.Errorf("ten seconds after the first: %d", got.status)
		}
		if c := r.account.Counters(); c.Limited != 1 || c.PeakWindow != 21 || c.Requests["list"] != 22 {
			t.Errorf("counters are %+v", c)
		}
	})
}

func TestSearchHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, hubspotsim.Options{Window: 1, Counts: map[string]int{"contacts": 5}})
		for range 5 {
			got := r.ask("POST", someSearch, `{}`)
			if got.status != 200 || got.header.Get("X-HubSpot-RateLimit-Remaining") != "" {
				t.Fatalf("%d %v", got.status, got.header)
			}
		}
		if p := r.page(429, "POST", someSearch, `{}`); p.PolicyName != "SECONDLY" {
			t.Errorf("policy %s", p.PolicyName)
		}
		<-time.After(time.Second)
		r.page(200, "POST", someSearch, `{}`)
		r.page(200, "GET", someList, "")
		r.page(429, "GET", someList, "")
		r.page(207, "POST", "/crm/associations/2026-09/contacts/companies/batch/read", `{"inputs":[{"id":"1"}]}`)
		if c := r.account.Counters(); c.PeakSearch != 6 || c.Limited != 2 {
			t.Errorf("counters are %+v", c)
		}
	})
}

func TestTheDailyBudgetEndsAtTheAccountsMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC: 9 in the morning in Tokyo
		r := setup(t, hubspotsim.Options{DailyLimit: 3, TimeZone: "Asia/Tokyo", Counts: map[string]int{"contacts": 5}})
		for range 3 {
			r.page(200, "GET", someList, "")
		}
		if p := r.page(429, "GET", someList, ""); p.PolicyName != "DAILY" {
			t.Errorf("policy %s", p.PolicyName)
		}
		<-time.After(15*time.Hour - time.Second)
		r.page(429, "GET", someList, "")
		<-time.After(time.Second)
		got := r.ask("GET", someList, "")
		if got.status != 200 || got.header.Get("X-HubSpot-RateLimit-Daily-Remaining") != "2" {
			t.Errorf("after midnight: %d %v", got.status, got.header)
		}
	})
}

func TestLatencyIsWithinItsJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited(nil)
		o.Latency, o.Jitter = 150*time.Millisecond, 50*time.Millisecond
		r := setup(t, o)
		for range 20 {
			start := time.Now()
			r.page(200, "GET", someList, "")
			if took := time.Since(start); took < 100*time.Millisecond || took > 200*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}
	})
}
