package wire

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"penstock/internal/datastreams"
	"penstock/internal/hubspot/hubspotsim"
)

// parsed are settings as a program reads them.
func parsed(t *testing.T, args ...string) Settings {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PENSTOCK_CONFIG", filepath.Join(dir, "penstock.yaml"))
	t.Setenv("PENSTOCK_DATA_DIR", filepath.Join(dir, "data"))
	var s Settings
	parser, err := kong.New(&s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhereAnOAuthCredentialComesFrom(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), " s1\n")
	write(t, filepath.Join(dir, "refresh"), "r1\n")
	t.Setenv("OF_ID", "app2")
	t.Setenv("OF_SECRET", "s2")
	t.Setenv("OF_REFRESH", "r2")
	t.Setenv("HUBSPOT_CLIENT_ID", "app")
	t.Setenv("HUBSPOT_CLIENT_SECRET", "s0")
	s := parsed(t, "--hubspot-refresh-token", "r0")
	if shown := fmt.Sprintf("%+v", s); strings.Contains(shown, "s0") || strings.Contains(shown, "r0") {
		t.Errorf("the settings show a secret: %s", shown)
	}
	write(t, s.Config, fmt.Sprintf(`connections:
  - {name: default}
  - {name: files, client_id: app1, client_secret_file: %[1]s/secret, refresh_token_file: %[1]s/refresh}
  - {name: env, client_id_env: OF_ID, client_secret_env: OF_SECRET, refresh_token_env: OF_REFRESH}
  - {name: token, token_env: OF_ID}
`, dir))
	connections, err := s.Connections()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"default": "app s0 r0", "files": "app1 s1 r1", "env": "app2 s2 r2"}
	for _, c := range connections {
		if c.UsesOAuth() != (want[c.Name] != "") {
			t.Errorf("%s uses OAuth: %v", c.Name, c.UsesOAuth())
		}
		if !c.UsesOAuth() {
			continue
		}
		set, err := c.Configured()
		if got := set.ClientID + " " + set.ClientSecret.Reveal() + " " + set.RefreshToken.Reveal(); got != want[c.Name] || err != nil {
			t.Errorf("%s: %q, %v", c.Name, got, err)
		}
	}
	if err := s.CheckTokens(""); err != nil {
		t.Error(err)
	}
}

func TestAnOAuthCredentialThatIsNotWholeIsSaidBeforeAnythingIsBegun(t *testing.T) {
	t.Setenv("HUBSPOT_CLIENT_ID", "app")
	if err := parsed(t).CheckTokens(""); err == nil || !strings.Contains(err.Error(), "client secret of connection \"default\" is empty: put it into HUBSPOT_CLIENT_SECRET") {
		t.Errorf("without its secret: %v", err)
	}
	t.Setenv("HUBSPOT_CLIENT_SECRET", "s")
	if err := parsed(t).CheckTokens(""); err == nil || !strings.Contains(err.Error(), "put it into HUBSPOT_REFRESH_TOKEN") {
		t.Errorf("without a refresh token: %v", err)
	}
	t.Setenv("HUBSPOT_ACCESS_TOKEN", "pat")
	if _, err := parsed(t).Connections(); err == nil || !strings.Contains(err.Error(), "both an access token and") {
		t.Errorf("with an access token besides: %v", err)
	}
}

// account is a HubSpot that knows apps: it gives access tokens for refresh
// tokens, and takes none but the last.
type account struct {
	*hubspotsim.Account
	mu      sync.Mutex
	access  string
	refuses string // a refresh token
	given   int
	last    string       // refresh token that was sent
	calls   atomic.Int64 // that are no exchanges
}

func (a *account) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// ServeHTTP answers exchanges itself.
func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if r.URL.Path != "/oauth/v1/token" {
		known := r.Header.Get("Authorization") == "Bearer "+a.access
		a.mu.Unlock()
		if a.calls.Add(1); !known {
			r.Header.Del("Authorization") // refused in HubSpot's words
		}
		a.Account.ServeHTTP(w, r)
		return
	}
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refresh := r.FormValue("refresh_token")
	a.last = refresh
	if refresh == a.refuses {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status":"BAD_REFRESH_TOKEN"}`)
		return
	}
	a.given++
	a.access = fmt.Sprintf("access-%d", a.given)
	fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"%s+","expires_in":1800}`, a.access, refresh)
}

// eventually waits for what comes to pass across the network.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestAnAccountIsReadThroughAnAppUntilItWithdrawsAndAfterItConsentsAgain with
// both services and the real bus.
func TestAnAccountIsReadThroughAnAppUntilItWithdrawsAndAfterItConsentsAgain(t *testing.T) {
	simulated, err := hubspotsim.New(hubspotsim.Options{Seed: 1, Counts: map[string]int{"contacts": 20}})
	if err != nil {
		t.Fatal(err)
	}
	hub := &account{Account: simulated}
	server := httptest.NewServer(hub)
	defer server.Close()
	refresh := filepath.Join(t.TempDir(), "refresh")
	write(t, refresh, "consent-1")
	s := parsed(t, "--hubspot-base-url", server.URL, "--hubspot-client-id", "app", "--hubspot-client-secret", "s",
		"--hubspot-refresh-token-file", refresh, "--hubspot-versions", "oauth=v1", "--every", "10s", "--lease", "3s")

	var log bytes.Buffer
	up(t, s, &log, func(service *datastreams.Service) {
		read := func() bool {
			st := service.Connections()[0]
			return st.Account != 0 && (st.State == "first load" || st.State == "up to date")
		}
		eventually(t, "it is read", read)

		hub.set(func() { hub.access, hub.refuses = "revoked", "consent-1+" })
		eventually(t, "it is seen that the consent is withdrawn", func() bool {
			return strings.Contains(service.Connections()[0].Message, "uninstalled or access revoked")
		})
		<-time.After(time.Second) // a heartbeat: the worker hears it
		before := hub.calls.Load()
		<-time.After(3 * time.Second)
		if now := hub.calls.Load(); now != before {
			t.Errorf("HubSpot was asked %d times after it had refused", now-before)
		}

		write(t, refresh, "consent-2")
		eventually(t, "it is read again", read)
	})
	for _, hidden := range []string{"consent-", "access-"} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("the log tells a secret:\n%s", &log)
		}
	}
	if strings.Count(log.String(), "keep a copy") != 1 {
		t.Errorf("it is not said once that a key was made:\n%s", &log)
	}
	catalog, err := os.ReadFile(filepath.Join(s.DataDir, "catalog.db"))
	if err != nil || bytes.Contains(catalog, []byte("consent-")) {
		t.Errorf("the catalog holds a refresh token in clear (%v)", err)
	}

	up(t, s, &log, func(*datastreams.Service) {
		before := hub.calls.Load()
		eventually(t, "it is read again", func() bool { return hub.calls.Load() > before })
		hub.set(func() {
			if hub.last != "consent-2+" {
				t.Errorf("HubSpot was sent %q after a restart", hub.last)
			}
		})
	})
}

// up runs both services in one process while use goes on.
func up(t *testing.T, s Settings, log *bytes.Buffer, use func(*datastreams.Service)) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	server, err := Open(t.Context(), s, logger)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := NewWorker(server.Bus, s.HubSpotSettings, "", logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return worker.Run(ctx) })
	defer func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	use(server.Service)
}
