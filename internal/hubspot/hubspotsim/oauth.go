package hubspotsim

import (
	"encoding/hex"
	"mime"
	"net/url"
	"strings"
	"sync"
	"time"
)

// OAuth is an app that was installed in the account, and what it needs to
// get access tokens. The zero value is no app.
type OAuth struct {
	ClientID     string
	ClientSecret string
	RefreshToken string        // the first one that is good
	AccessLife   time.Duration // of an access token, default 30 min
	Rotate       bool          // each answer brings a new refresh token, and ends the one that was used
}

// used tells whether there is an app.
func (o OAuth) used() bool { return o.ClientID != "" || o.RefreshToken != "" }

// grants are what the app holds.
type grants struct {
	app  OAuth
	seed uint64

	mu      sync.Mutex
	refresh string               // the good one; empty: revoked
	access  map[string]time.Time // when each token ends
	issued  uint64
}

func newGrants(o Options) *grants {
	return &grants{app: o.OAuth, seed: o.Seed, refresh: o.OAuth.RefreshToken, access: map[string]time.Time{}}
}

// Revoke takes the app out of the account: its refresh token and all its
// access tokens are refused from now on.
func (a *Account) Revoke() {
	a.Authorize("")
	a.grants.mu.Lock()
	defer a.grants.mu.Unlock()
	clear(a.grants.access)
}

// Authorize makes the refresh token the good one, as installing the app anew
// does. Access tokens live on.
func (a *Account) Authorize(refreshToken string) {
	a.grants.mu.Lock()
	defer a.grants.mu.Unlock()
	a.grants.refresh = refreshToken
}

// RefreshToken is the one that is good now; empty after Revoke.
func (a *Account) RefreshToken() string {
	a.grants.mu.Lock()
	defer a.grants.mu.Unlock()
	return a.grants.refresh
}

// A credential is what a request came with.
type credential struct {
	window string // whose window it counts against
	app    bool   // it is an access token of the app, whose answers tell nothing of the day
}

// remembered is how long an access token that has ended is told from one that
// never was.
const remembered = 24 * time.Hour

// credential checks the token; what refuses it is nil if it is good.
func (a *Account) credential(token string) (who credential, refuse func(out []byte) (int, []byte)) {
	switch static := a.options.Token; {
	case token == "" || a.isRefused():
		return who, unauthorized
	case token == static || static == "" && !a.options.OAuth.used():
		return credential{window: token}, nil
	}
	g := a.grants
	g.mu.Lock()
	defer g.mu.Unlock()
	ends, known := g.access[token]
	switch {
	case !known:
		return who, unauthorized
	case !time.Now().Before(ends):
		return who, expired
	}
	return credential{"app", true}, nil
}

func expired(out []byte) (int, []byte) {
	return problem(out, 401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call has expired. Get a new one with the refresh token.")
}

// answerToken exchanges a refresh token for an access token.
func (a *Account) answerToken(c *call, out []byte) (int, []byte) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return 415, trouble{Message: "HTTP 415 Unsupported Media Type", CorrelationID: correlationID()}.append(out)
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return badGrant(out, "BAD_REQUEST", "the form cannot be read")
	}
	g := a.grants
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.app.used() || form.Get("client_id") != g.app.ClientID:
		return badGrant(out, "BAD_CLIENT_ID", "missing or unknown client id")
	case form.Get("client_secret") != g.app.ClientSecret:
		return badGrant(out, "BAD_CLIENT_SECRET", "missing or invalid client secret")
	case form.Get("grant_type") != "refresh_token":
		return badGrant(out, "BAD_GRANT_TYPE", "this account knows the grant type refresh_token only")
	case g.refresh == "" || form.Get("refresh_token") != g.refresh:
		return badGrant(out, "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
	}
	return 200, appendJSON(out, map[string]any{
		"access_token": g.issue(time.Now()), "refresh_token": g.refresh, "expires_in": int(g.app.AccessLife / time.Second),
		"token_type": "bearer", "token_use": "access_token", "hub_id": a.options.AccountID, "user_id": 5_100_000,
		"scopes": []string{"crm.objects.contacts.read", "oauth"},
	})
}

// badGrant refuses a token; such bodies have a status of their own instead of
// a category.
func badGrant(out []byte, status, message string) (int, []byte) {
	return 400, trouble{Status: status, Message: message, CorrelationID: correlationID()}.append(out)
}

// issue makes an access token, and a refresh token if those rotate.
func (g *grants) issue(now time.Time) string {
	for token, ends := range g.access {
		if now.Sub(ends) > remembered {
			delete(g.access, token)
		}
	}
	g.issued++
	if g.app.Rotate {
		g.refresh = "refresh-" + g.secret(1, 32)
	}
	token := "CA" + g.secret(2, 320) // tokens are that long
	g.access[token] = now.Add(g.app.AccessLife)
	return token
}

// secret makes a text that no other one of the account is.
func (g *grants) secret(kind uint64, length int) string {
	var b strings.Builder
	for i := uint64(0); b.Len() < length; i++ {
		h := mix(g.seed, kind, g.issued, i)
		b.WriteString(hex.EncodeToString([]byte{byte(h), byte(h >> 8), byte(h >> 16), byte(h >> 24)}))
	}
	return b.String()
}
