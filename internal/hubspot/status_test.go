package hubspot_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

// The two forms in which HubSpot names missing scopes.
const (
	scopesInErrors = `{"status":"error","message":"This app hasn't been granted all required scopes to make this call.",
		"correlationId":"c-403","errors":[{"message":"One or more of the following scopes are required.",
		"context":{"requiredGranularScopes":["crm.schemas.deals.read","crm.objects.deals.read"]}}],"category":"MISSING_SCOPES"}`
	scopesOnTop = `{"status":"error","category":"MISSING_SCOPES","context":{"requiredGranularScopes":["crm.objects.deals.read"]}}`
)

func TestEveryStatusHasItsRule(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  answers
		kind    hubspot.Kind
		calls   int64
		heals   bool
		scopes  []string
		atLeast time.Duration
		atMost  time.Duration
	}{
		{name: "400", answer: always(400, `{"status":"error","message":"Unable to infer object type from: butterflies"}`),
			kind: hubspot.BadRequest, calls: 1},
		{name: "401", answer: always(401, `{"category":"INVALID_AUTHENTICATION"}`), kind: hubspot.Unauthorized, calls: 2},
		{name: "403", answer: always(403, scopesInErrors), kind: hubspot.Forbidden, calls: 1,
			scopes: []string{"crm.objects.deals.read", "crm.schemas.deals.read"}},
		{name: "403 in its other form", answer: always(403, scopesOnTop), kind: hubspot.Forbidden, calls: 1,
			scopes: []string{"crm.objects.deals.read"}},
		{name: "403 of a product tier", answer: always(403, `<html>`), kind: hubspot.Forbidden, calls: 1},
		{name: "404", answer: always(404, ``), kind: hubspot.NotFound, calls: 1},
		{name: "409", answer: always(409, `{}`), kind: hubspot.BadRequest, calls: 1},
		{name: "414", answer: always(414, ``), kind: hubspot.TooLong, calls: 1},
		{name: "423", answer: always(423, `{}`), kind: hubspot.Locked, calls: 6, heals: true, atLeast: 10 * time.Second},
		{name: "429 for ever", answer: always(429, `{"policyName":"TEN_SECONDLY_ROLLING"}`),
			kind: hubspot.Limited, calls: 31, heals: true, atMost: 6 * time.Minute},
		{name: "429 of the day", answer: always(429, `{"message":"You have reached your daily limit.","policyName":"DAILY"}`),
			kind: hubspot.Daily, calls: 1, heals: true},
		{name: "477 for a day", answer: always(477, `{}`, "Retry-After", "86400"), kind: hubspot.Migrating, calls: 1, heals: true},
		{name: "477 for ten seconds, again and again", answer: always(477, `{}`, "Retry-After", "10"),
			kind: hubspot.Migrating, calls: 6, heals: true},
		{name: "477 without a word", answer: always(477, `{}`), kind: hubspot.Migrating, calls: 1, heals: true},
		{name: "500", answer: always(500, `<html>`), kind: hubspot.Unavailable, calls: 6, heals: true},
		{name: "503 with a wish", answer: always(503, ``, "Retry-After", "20"), kind: hubspot.Unavailable, calls: 6, heals: true,
			atLeast: 100 * time.Second, atMost: 3 * time.Minute},
		{name: "524", answer: always(524, ``), kind: hubspot.Unavailable, calls: 6, heals: true},
		{name: "530", answer: always(530, `error code: 1016`), kind: hubspot.Unauthorized, calls: 2},
		{name: "301", answer: always(301, ``, "Location", "https://elsewhere.example/"), kind: hubspot.BadAnswer, calls: 6, heals: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, test.answer)
				from := time.Now()
				_, err := client.List(t.Context(), hubspot.ListRequest{Type: "deals"})
				var e *hubspot.Error
				if !errors.As(err, &e) || e.Kind != test.kind || e.Op != "list deals" {
					t.Fatalf("got %v", err)
				}
				if e.Heals() != test.heals || e.Remedy() == "" || !slices.Equal(e.Scopes, test.scopes) {
					t.Errorf("heals %v, remedy %q, scopes %v", e.Heals(), e.Remedy(), e.Scopes)
				}
				if n := f.calls.Load(); n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
				if took := time.Since(from); took < test.atLeast || took > max(test.atMost, 2*time.Minute) {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestAFullWindowIsWaitedOutByItsPolicy(t *testing.T) {
	const secondly = `{"policyName":"SECONDLY","message":"You have reached your secondly limit."}`
	const rolling = `{"policyName":"TEN_SECONDLY_ROLLING"}`
	for _, test := range []struct {
		name    string
		search  bool
		refusal *http.Response
		wait    time.Duration
	}{
		{"by its policy", false, respond(429, rolling), 10 * time.Second},
		{"by its message", false, respond(429, `{"message":"You have reached your ten_secondly_rolling limit."}`), 10 * time.Second},
		{"without a policy", false, respond(429, `{"category":"RATE_LIMITS"}`), 10 * time.Second},
		{"without a body", false, respond(429, `<html>`), 10 * time.Second},
		{"with a wish", false, respond(429, rolling, "Retry-After", "25"), 25 * time.Second},
		{"search", true, respond(429, secondly), time.Second},
		{"search without a policy", true, respond(429, `{}`), time.Second},
		{"search by the other policy", true, respond(429, rolling), 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const good = `{"total":0,"results":[]}`
				client, f := setup(t, inTurn(respond(200, good), test.refusal, respond(200, good)))
				ask := func() {
					var err error
					if test.search {
						_, err = client.Search(t.Context(), hubspot.SearchRequest{Type: "deals", Modified: hubspot.Modified})
					} else {
						_, err = client.List(t.Context(), hubspot.ListRequest{Type: "deals"})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				ask()
				from := time.Now()
				ask()
				if took := time.Since(from).Round(100 * time.Millisecond); took != test.wait || f.calls.Load() != 3 {
					t.Errorf("waited %v over %d calls, want %v", took, f.calls.Load(), test.wait)
				}
			})
		})
	}
}

func TestAReplacedTokenIsUsedByTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client *hubspot.Client
		client, _ = setup(t, func(_ int, r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer new" {
				return respond(200, onePage), nil
			}
			client.SetToken(" new\n")
			return respond(401, `{"category":"EXPIRED_AUTHENTICATION"}`), nil
		})
		if _, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"}); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutAUsableTokenNothingIsSent(t *testing.T) {
	for _, token := range []string{"", "two words", "line\nbreak", "smörgås"} {
		client, f := setup(t, always(200, onePage))
		client.SetToken(token)
		_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
		if hubspot.KindOf(err) != hubspot.Unauthorized || f.calls.Load() != 0 {
			t.Errorf("%q: %v after %d calls", token, err, f.calls.Load())
		}
	}
}

func TestABearerNeverTravelsInClear(t *testing.T) {
	for base, good := range map[string]bool{
		"https://api.hubapi.com": true, "https://proxy.example/hubspot/": true, "": true,
		"http://127.0.0.1:8090": true, "http://localhost:8090": true, "http://[::1]:8090": true,
		"http://api.hubapi.com": false, "http://127.0.0.1.example.com": false, "http://localhost.example.com": false,
		"ftp://api.hubapi.com": false, "api.hubapi.com": false, "https://user:pass@api.hubapi.com": false,
		"https://api.hubapi.com?x=1": false, "https://": false, "://": false,
	} {
		_, err := hubspot.New(hubspot.Config{BaseURL: base, Stamp: func() int64 { return 0 }})
		if (err == nil) != good {
			t.Errorf("%q: %v", base, err)
		}
	}
}
