package credential_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/catalog"
	"penstock/internal/credential"
	"penstock/internal/hubspot"
	"penstock/internal/secret"
)

const (
	clientSecret = "secret-of-the-app"
	life         = 30 * time.Minute
)

// world is a consent with a HubSpot and a store that do as they are told. Its
// time is a bubble's.
type world struct {
	*testing.T
	hub     *hub
	store   *store
	key     *secret.Identity
	log     bytes.Buffer
	set     credential.Configured
	unread  error // of the settings
	consent *credential.Consent
	end     func()
}

func inBubble(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, hub: &hub{}, end: func() {}}
		c, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
		if err != nil {
			t.Fatal(err)
		}
		w.store = &store{Catalog: c}
		if w.key, err = secret.NewIdentity(); err != nil {
			t.Fatal(err)
		}
		w.configure("first")
		w.start()
		test(w)
		w.end()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for _, hidden := range []string{clientSecret, "first", "second", "renewed-", "access-"} {
			if strings.Contains(w.log.String(), hidden) {
				t.Errorf("the log tells a secret:\n%s", &w.log)
			}
		}
	})
}

// configure sets the refresh token as a person does.
func (w *world) configure(refresh string) {
	w.set = credential.Configured{ClientID: "app", ClientSecret: secret.NewText(clientSecret), RefreshToken: secret.NewText(refresh)}
}

// start begins a process.
func (w *world) start() {
	w.consent = credential.New(credential.Config{
		Connection: "default", Place: "HUBSPOT_REFRESH_TOKEN",
		Read:    func() (credential.Configured, error) { return w.set, w.unread },
		HubSpot: hubspot.OAuth{Transport: w.hub}, Store: w.store, Key: w.key,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.consent.Run(ctx) }()
	w.end = func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
		w.end = func() {}
	}
}

func (w *world) restart() {
	w.end()
	w.start()
}

// token asks for a token that must be had.
func (w *world) token() string {
	w.Helper()
	token, err := w.consent.Token()
	if err != nil {
		w.Fatalf("no token: %v", err)
	}
	synctest.Wait()
	return token
}

// beats asks as heartbeats do, and returns what the last one got.
func (w *world) beats(over time.Duration) (token string, err error) {
	for end := time.Now().Add(over); time.Now().Before(end); {
		<-time.After(min(5*time.Second, time.Until(end)))
		token, err = w.consent.Token()
		synctest.Wait()
	}
	return token, err
}

// sent checks which refresh tokens HubSpot was sent, all in all.
func (w *world) sent(want ...string) {
	w.Helper()
	if got := w.hub.tokens(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("HubSpot was sent %v, want %v", got, want)
	}
}

// hub is HubSpot's token endpoint. Unless told otherwise it gives access-1,
// access-2 and so on, and keeps the refresh token as it is.
type hub struct {
	mu      sync.Mutex
	sent    []string
	at      []time.Time
	rotates bool
	down    bool // answers 503
	refuses map[string]bool
	life    time.Duration
	hang    chan struct{} // answers when it is closed
}

func (h *hub) does(set func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	set()
}

func (h *hub) tokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.sent...)
}

// RoundTrip answers one exchange.
func (h *hub) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	refresh := form.Get("refresh_token")
	h.mu.Lock()
	h.sent, h.at = append(h.sent, refresh), append(h.at, time.Now())
	n, hang := len(h.sent), h.hang
	h.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	lasts := life
	if h.life > 0 {
		lasts = h.life
	}
	switch next := refresh; {
	case h.down:
		return answer(503, "{}"), nil
	case h.refuses[refresh]:
		return answer(400, `{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token"}`), nil
	default:
		if h.rotates {
			next = fmt.Sprintf("renewed-%d", n)
		}
		return answer(200, fmt.Sprintf(`{"access_token":"access-%d","refresh_token":%q,"expires_in":%d,"token_type":"bearer"}`,
			n, next, int(lasts.Seconds()))), nil
	}
}

func answer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// store is a catalog whose writes fail as told.
type store struct {
	*catalog.Catalog
	mu   sync.Mutex
	full bool
}

var errFull = errors.New("no space left")

func (s *store) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// SetSealed stores, or fails as told.
func (s *store) SetSealed(ctx context.Context, connection string, origin, sealed []byte) error {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full {
		return errFull
	}
	return s.Catalog.SetSealed(ctx, connection, origin, sealed)
}
