package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestNoPageOfAnotherWebsiteCommands(t *testing.T) {
	for _, x := range []struct {
		headers string
		passes  bool
	}{
		{"", true},
		{"Sec-Fetch-Site: none", true},
		{"Sec-Fetch-Site: same-origin", true},
		{"Sec-Fetch-Site: cross-site", false},
		{"Sec-Fetch-Site: same-site", false}, // another port of this computer
		{"Sec-Fetch-Site: nonsense", false},
		{"Origin: https://example.com", false},
		{"Origin: null", false},
		{"Origin: http://127.0.0.1:1", false},
		{"Origin: http://HOST", true},
		{"Sec-Fetch-Site: cross-site, Origin: http://HOST", false},
	} {
		for _, command := range []string{
			"GET /start", "GET /start/5", "GET /stop", "POST /start", "POST /start/5", "POST /stop",
			"POST " + v1 + `/backfills {"stream":"contacts"}`, "POST " + v1 + "/catchups", "PUT " + v1 + `/schedule {"on":true}`,
		} {
			w := setup(t, "")
			var headers []string
			for pair := range strings.SplitSeq(strings.ReplaceAll(x.headers, "HOST", w.server.Listener.Addr().String()), ", ") {
				if name, value, ok := strings.Cut(pair, ": "); ok {
					headers = append(headers, name, value)
				}
			}
			method, path, _ := strings.Cut(command, " ")
			path, body, _ := strings.Cut(path, " ")
			response, text := w.ask(method, path, body, headers...)
			if passed := response.StatusCode < 300 && len(w.commands) == 1; passed != x.passes {
				t.Errorf("%s with %q: %s, %v was done", command, x.headers, response.Status, w.commands)
			}
			if !x.passes {
				w.problem(response, text, "cross-site")
			}
		}
	}
}

func TestWithoutATokenOnlyLoopbackNamesAreAnswered(t *testing.T) {
	w := setup(t, "")
	for _, host := range []string{"localhost", "LocalHost:8080", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080"} {
		if response, text := w.ask("GET", "/data", "", "Host", host); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", host, response.Status, text)
		}
	}
	for _, host := range []string{
		"example.com", "localhost.example.com:8080", "127.0.0.1.example.com", "10.0.0.1:8080", "0.0.0.0", "[::]:80", "2130706433", "localhost.",
	} {
		for _, path := range []string{"/data", "/start", "/metrics", "/healthz", "/", "/nothing"} {
			response, text := w.ask("GET", path, "", "Host", host)
			w.problem(response, text, "wrong-host")
		}
	}
	if len(w.commands) != 0 {
		t.Errorf("%v was done", w.commands)
	}
}

func TestWithATokenOnlyProbesAreAnsweredWithoutIt(t *testing.T) {
	w := setup(t, "secret")
	paths := []string{
		"/", "/start", "/start/5", "/stop", "/data", "/data/contacts", "/error", "/metrics", "/openapi.json", "/nothing",
		"/v1/connections", v1, v1 + "/schedule", v1 + "/streams", v1 + "/runs", v1 + "/errors", v1 + "/rejects", "/healthz/x",
	}
	for _, given := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer secret2", "Bearer secre", "Basic secret", "secret"} {
		for _, path := range paths {
			response, text := w.ask("GET", path, "", "Authorization", given)
			w.problem(response, text, "unauthorized")
			if response.Header.Get("WWW-Authenticate") == "" || strings.Contains(text, "secret") {
				t.Errorf("GET %s with %q: %v %s", path, given, response.Header, text)
			}
		}
	}
	if len(w.commands) != 0 {
		t.Errorf("%v was done", w.commands)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if response, _ := w.ask("GET", path, ""); response.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, response.Status)
		}
	}
	for _, given := range []string{"Bearer secret", "bearer  secret"} {
		response, text := w.ask("GET", "/data", "", "Authorization", given, "Host", "penstock.example.com")
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", given, response.Status, text)
		}
	}
}
