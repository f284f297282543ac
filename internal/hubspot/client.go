// Package hubspot reads a HubSpot account: it knows HubSpot's paths, versions,
// limits, statuses and errors, and in which ways its answers can be wrong. It
// does not know what is read for what: no streams, tables, cursors kept or
// schedules.
//
// A call waits for its place within HubSpot's limits (Q1), is retried where a
// retry can help, and returns only an answer that was verified as a whole, or
// an Error that says who must act.
package hubspot

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// A Client reads one HubSpot account with one credential. Its methods may be
// called from many goroutines.
type Client struct {
	cfg       Config
	transport http.RoundTripper
	account   atomic.Pointer[AccountQuota]

	changing sync.Mutex // held while the token changes
	token    atomic.Pointer[string]
	limits   atomic.Pointer[limits] // of the token
}

// New makes a client; it calls nothing yet.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, transport: cfg.Transport}
	if c.transport == nil {
		c.transport = newTransport(cfg.Connect)
	}
	c.UseAccount(NewAccountQuota())
	c.SetToken(cfg.Token)
	return c, nil
}

// SetToken replaces the bearer for all requests that are sent from now on.
func (c *Client) SetToken(token string) {
	c.changing.Lock()
	defer c.changing.Unlock()
	token = strings.TrimSpace(token)
	before := ""
	if old := c.token.Load(); old != nil {
		before = *old
	}
	c.limits.Store(c.cfg.Credentials.swap(before, token, c.limits.Load(), c.cfg.Reserve))
	c.token.Store(&token)
}

// UseAccount makes the client share the limits of its account with others.
// What the client has learnt of the account and spent before goes along.
func (c *Client) UseAccount(q *AccountQuota) {
	searches := searchReserve
	if c.cfg.AllSearches {
		searches = 0
	}
	q.leave(c.cfg.Reserve, searches)
	if before := c.account.Swap(q); before != nil && before != q {
		before.daily.moveTo(&q.daily)
	}
}

// Quota says what is known of the limits right now.
func (c *Client) Quota() QuotaState {
	account, limits := c.account.Load(), c.limits.Load()
	return QuotaState{
		Windows: []WindowState{limits.interval.state(), account.search.state(), limits.links.state()},
		Daily:   account.daily.state(),
	}
}

// Close gives up the client's idle connections. It is used no more.
func (c *Client) Close() {
	c.cfg.Credentials.close(*c.token.Load(), c.limits.Load())
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// path is the path of an endpoint: the family's, in its version, and the
// parts behind it.
func (c *Client) path(family Family, parts ...string) string {
	v := c.cfg.Versions[family]
	if v == "" {
		v = DefaultVersion
	}
	numbered := strings.HasPrefix(v, "v")
	var path string
	switch {
	case family == AccountFamily:
		path = "/account-info/" + v + "/details"
	case family == SchemasFamily && !numbered:
		path = "/crm-object-schemas/" + v + "/schemas"
	case numbered:
		path = "/crm/" + v + "/" + string(family)
	default:
		path = "/crm/" + string(family) + "/" + v
	}
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// A question is one call as it is asked, however often it takes.
type question struct {
	op      string // for errors, such as "list contacts"
	path    string
	query   string // encoded
	body    []byte // nil: GET, else POST; every question only reads
	counted counted
	partial bool // whether 207 is a good answer too
	verify  verifier
	decoded any // where the body goes, unless nil
}

// counted names the window that a question is counted in, and in no other.
type counted int

const (
	byInterval     counted = iota // the only one of which answers say what is left
	bySearch                      // of the account
	byAssociations                // of the credential
)
