package hubspot_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

const (
	clientSecret = "8f6c2f4e-secret-of-the-app"
	refreshToken = "na1-1234-secret-of-the-grant"
	goodAccess   = `{"access_token":"CO-access","refresh_token":"na1-rotated","expires_in":1800,"token_type":"bearer",
		"token_use":"access_token","hub_id":147893286,"scopes":["oauth"],"user_id":1}`
)

// refresh exchanges the grant with a HubSpot that answers as it is told.
func refresh(t *testing.T, a answers) (hubspot.Access, error, *fake) {
	t.Helper()
	f := &fake{answers: a}
	access, err := hubspot.RefreshAccess(t.Context(), hubspot.OAuth{
		ClientID: "app & id", ClientSecret: clientSecret, RefreshToken: refreshToken, Transport: f,
	})
	return access, err, f
}

func TestAGrantIsExchangedForAnAccess(t *testing.T) {
	access, err, f := refresh(t, always(200, goodAccess))
	if want := (hubspot.Access{Token: "CO-access", RefreshToken: "na1-rotated", Expires: 30 * time.Minute, HubID: 147893286}); err != nil || access != want {
		t.Errorf("%+v, %v", access, err)
	}
	if want := "POST /oauth/2026-09/token"; f.paths[0] != want {
		t.Errorf("sent %s", f.paths[0])
	}
	if want := "client_id=app+%26+id&client_secret=" + clientSecret + "&grant_type=refresh_token&refresh_token=" + refreshToken; f.bodies[0] != want {
		t.Errorf("sent %s", f.bodies[0])
	}

	access, err, _ = refresh(t, always(200, `{"access_token":"CO-access","expires_in":"1800"}`))
	if want := (hubspot.Access{Token: "CO-access", RefreshToken: refreshToken, Expires: 30 * time.Minute}); err != nil || access != want {
		t.Errorf("%+v, %v", access, err)
	}
}

func TestOnlyARefusedGrantDoesNotHeal(t *testing.T) {
	for name, test := range map[string]struct {
		answer answers
		kind   hubspot.Kind
	}{
		"OAuth's word":             {always(400, `{"error":"invalid_grant","error_description":"`+refreshToken+`"}`), hubspot.Unauthorized},
		"HubSpot's word":           {always(400, `{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token"}`), hubspot.Unauthorized},
		"the app's secret":         {always(401, `{"status":"error","category":"BAD_CLIENT_SECRET"}`), hubspot.Unauthorized},
		"the app":                  {always(403, `{"error":"unauthorized_client"}`), hubspot.Unauthorized},
		"400 without a word":       {always(400, `<html>`), hubspot.BadAnswer},
		"401 of something between": {always(401, `{"error":"proxy login"}`), hubspot.BadAnswer},
		"403 without a body":       {always(403, ``), hubspot.BadAnswer},
		"404":                      {always(404, `{"error":"invalid_grant"}`), hubspot.BadAnswer},
		"429":                      {always(429, `{"policyName":"DAILY"}`), hubspot.Limited},
		"477":                      {always(477, ``, "Retry-After", "86400"), hubspot.Unavailable},
		"502":                      {always(502, `{"error":"invalid_grant"}`), hubspot.Unavailable},
		"307":                      {always(307, ``, "Location", "https://elsewhere.example/"), hubspot.BadAnswer},
		"204":                      {always(204, ``), hubspot.BadAnswer},
		"no connection": {func(int, *http.Request) (*http.Response, error) {
			return nil, errors.New("connection refused to " + clientSecret)
		}, hubspot.Unavailable},
		"a body that breaks": {func(int, *http.Request) (*http.Response, error) {
			r := respond(200, "")
			r.Body = &broken{strings.NewReader(goodAccess[:20]), errors.New("connection reset by peer")}
			return r, nil
		}, hubspot.Unavailable},
		"an endless body": {func(int, *http.Request) (*http.Response, error) {
			r := respond(200, "")
			r.Body = io.NopCloser(endless{})
			return r, nil
		}, hubspot.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			access, err, f := refresh(t, test.answer)
			var e *hubspot.Error
			if !errors.As(err, &e) || e.Kind != test.kind || e.Heals() == (test.kind == hubspot.Unauthorized) || e.Remedy() == "" {
				t.Errorf("%v", err)
			}
			if access != (hubspot.Access{}) || f.calls.Load() != 1 {
				t.Errorf("%+v after %d calls", access, f.calls.Load())
			}
			for _, secret := range []string{clientSecret, refreshToken, "CO-acc", "proxy login"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells %q: %v", secret, err)
				}
			}
		})
	}
}

func TestAHostileAnswerIsNeverAnAccess(t *testing.T) {
	for name, answer := range map[string]*http.Response{
		"cut short":              respond(200, goodAccess[:60]),
		"empty":                  respond(200, ``),
		"HTML":                   respond(200, goodAccess, "Content-Type", "text/html"),
		"no token":               respond(200, `{"expires_in":1800}`),
		"a token of two lines":   respond(200, `{"access_token":"CO\nX: y","expires_in":1800}`),
		"two tokens":             respond(200, `{"access_token":"a","access_token":"b","expires_in":1800}`),
		"another kind":           respond(200, `{"access_token":"a","expires_in":1800,"token_type":"mac"}`),
		"no end":                 respond(200, `{"access_token":"a"}`),
		"an end in the past":     respond(200, `{"access_token":"a","expires_in":-1}`),
		"no time at all":         respond(200, `{"access_token":"a","expires_in":0}`),
		"centuries":              respond(200, `{"access_token":"a","expires_in":18446744073709551616}`),
		"a refresh token's list": respond(200, `{"access_token":"a","expires_in":1800,"refresh_token":["b"]}`),
		"an empty refresh token": respond(200, `{"access_token":"a","expires_in":1800,"refresh_token":""}`),
		"no account":             respond(200, `{"access_token":"a","expires_in":1800,"hub_id":-1}`),
		"an error":               respond(200, `{"status":"error","message":"internal"}`),
	} {
		t.Run(name, func(t *testing.T) {
			access, err, _ := refresh(t, inTurn(answer))
			var e *hubspot.Error
			if !errors.As(err, &e) || e.Kind != hubspot.BadAnswer || !e.Heals() || access != (hubspot.Access{}) {
				t.Errorf("%+v, %v", access, err)
			}
		})
	}
}

func TestSecretsGoOnlyWhereTheBearerGoes(t *testing.T) {
	f := &fake{answers: always(200, goodAccess)}
	good := hubspot.OAuth{ClientID: "id", ClientSecret: clientSecret, RefreshToken: refreshToken, Transport: f}
	for name, change := range map[string]func(*hubspot.OAuth){
		"in clear":             func(o *hubspot.OAuth) { o.BaseURL = "http://api.hubapi.com" },
		"with a user":          func(o *hubspot.OAuth) { o.BaseURL = "https://user:pass@api.hubapi.com" },
		"a version that turns": func(o *hubspot.OAuth) { o.Version = "../../v1" },
		"no id":                func(o *hubspot.OAuth) { o.ClientID = "" },
		"no secret":            func(o *hubspot.OAuth) { o.ClientSecret = "" },
		"no refresh token":     func(o *hubspot.OAuth) { o.RefreshToken = "" },
	} {
		o := good
		change(&o)
		if _, err := hubspot.RefreshAccess(t.Context(), o); err == nil || f.calls.Load() != 0 || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v after %d calls", name, err, f.calls.Load())
		}
	}

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("POST /oauth/v1/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("refresh_token") != refreshToken || r.URL.RawQuery != "" {
			t.Errorf("asked for %s with %v", r.URL, r.Form)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	good.BaseURL, good.Version, good.Transport = server.URL+"/", "v1", nil
	if _, err := hubspot.RefreshAccess(t.Context(), good); hubspot.KindOf(err) != hubspot.BadAnswer {
		t.Errorf("%v", err)
	}
}

func TestAnExchangeThatHangsEnds(t *testing.T) {
	hang := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		if _, err, _ := refresh(t, hang); hubspot.KindOf(err) != hubspot.Unavailable || time.Since(from) != 2*time.Minute {
			t.Errorf("%v after %v", err, time.Since(from))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := hubspot.RefreshAccess(ctx, hubspot.OAuth{
			ClientID: "id", ClientSecret: clientSecret, RefreshToken: refreshToken, Transport: &fake{answers: hang},
		})
		if !errors.Is(err, context.DeadlineExceeded) || hubspot.KindOf(err) != "" {
			t.Errorf("%v", err)
		}
	})
}
