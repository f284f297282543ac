package hubspotsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// A tokenAnswer is what comes for a refresh token.
type tokenAnswer struct {
	status       int
	Status       string
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	TokenType    string `json:"token_type"`
	HubID        int64  `json:"hub_id"`
}

func (r *reader) token(path, secret, refresh string) (a tokenAnswer) {
	r.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "client_secret": {secret}, "refresh_token": {refresh}}
	got, err := r.client.Post("http://account"+path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	must(r.t, err)
	defer got.Body.Close()
	must(r.t, json.NewDecoder(got.Body).Decode(&a))
	a.status = got.StatusCode
	return a
}

func (r *reader) with(token, path string) (int, page, http.Header) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), "GET", "http://account"+path, nil)
	must(r.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("User-Agent", "penstock/1 (test)")
	got, err := r.client.Do(request)
	must(r.t, err)
	defer got.Body.Close()
	raw, err := io.ReadAll(got.Body)
	must(r.t, err)
	var p page
	must(r.t, json.Unmarshal(raw, &p))
	return got.StatusCode, p, got.Header
}

func app() hubspotsim.OAuth {
	return hubspotsim.OAuth{ClientID: "app", ClientSecret: "hush", RefreshToken: "first"}
}

func TestAnAccessTokenLivesHalfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, hubspotsim.Options{OAuth: app(), DailyLimit: 1, Counts: map[string]int{"contacts": 3}})
		if status, p, _ := r.with("secret", someList); status != 401 || p.Category != "INVALID_AUTHENTICATION" {
			t.Errorf("a token that never was: %d %+v", status, p)
		}
		var got tokenAnswer
		for _, version := range []string{"v1", "v3", "2026-03", "2026-09"} {
			got = r.token("/oauth/"+version+"/token", "hush", "first")
			if got.status != 200 || got.RefreshToken != "first" || got.ExpiresIn != 1800 || got.TokenType != "bearer" || got.HubID != 147000001 {
				t.Fatalf("%s: %+v", version, got)
			}
		}
		<-time.After(30*time.Minute - time.Millisecond)
		for range 2 { // an app has no daily limit
			status, _, header := r.with(got.AccessToken, someList)
			if status != 200 || header.Get("X-HubSpot-RateLimit-Remaining") == "" || header.Get("X-HubSpot-RateLimit-Daily") != "" {
				t.Errorf("%d %v", status, header)
			}
		}
		<-time.After(time.Millisecond)
		if status, p, _ := r.with(got.AccessToken, someList); status != 401 || p.Category != "EXPIRED_AUTHENTICATION" {
			t.Errorf("after its time: %d %+v", status, p)
		}
		c := r.account.Counters()
		if c.Requests["token"] != 4 || c.Requests["401"] != 2 || c.Agents["penstock/1"] != 2 || c.Today != 2 {
			t.Errorf("counters are %+v", c)
		}
	})
}

func TestOneAppHasOneWindowWhateverItsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, hubspotsim.Options{OAuth: app(), Window: 1, Counts: map[string]int{"contacts": 3}})
		one, two := r.token("/oauth/v1/token", "hush", "first"), r.token("/oauth/v1/token", "hush", "first")
		if status, _, _ := r.with(one.AccessToken, someList); status != 200 || one.AccessToken == two.AccessToken {
			t.Error(status)
		}
		if status, _, _ := r.with(two.AccessToken, someList); status != 429 {
			t.Error("a second token brought a second window")
		}
	})
}

func TestARefreshTokenThatRotatesIsGoodOnce(t *testing.T) {
	o := unlimited(nil)
	o.OAuth = app()
	o.OAuth.Rotate = true
	r := setup(t, o)
	path := "/oauth/2026-09/token"
	one := r.token(path, "hush", "first")
	if one.RefreshToken == "first" || one.RefreshToken != r.account.RefreshToken() {
		t.Fatalf("%+v", one)
	}
	if again := r.token(path, "hush", "first"); again.status != 400 || again.Status != "BAD_REFRESH_TOKEN" {
		t.Errorf("the old one: %+v", again)
	}
	if wrong := r.token(path, "loud", one.RefreshToken); wrong.status != 400 || wrong.Status != "BAD_CLIENT_SECRET" {
		t.Errorf("a wrong secret: %+v", wrong)
	}
	two := r.token(path, "hush", one.RefreshToken)
	if status, _, _ := r.with(two.AccessToken, someList); status != 200 {
		t.Error(status)
	}
	r.account.Revoke()
	if status, p, _ := r.with(two.AccessToken, someList); status != 401 || p.Category != "INVALID_AUTHENTICATION" {
		t.Errorf("after the end: %d %+v", status, p)
	}
	if got := r.token(path, "hush", two.RefreshToken); got.status != 400 {
		t.Errorf("after the end: %+v", got)
	}
	r.account.Authorize("anew")
	if got := r.token(path, "hush", "anew"); got.status != 200 || got.AccessToken == "" {
		t.Errorf("installed anew: %+v", got)
	}
}

func TestATokenIsAskedForWithAForm(t *testing.T) {
	o := unlimited(nil)
	o.OAuth = app()
	if got := setup(t, o).ask("POST", "/oauth/v1/token", `{"grant_type":"refresh_token"}`); got.status != 415 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
