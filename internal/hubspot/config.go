package hubspot

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Family is a group of endpoints that share a path and a version.
type Family string

// The families that a Client reads.
const (
	ObjectsFamily    Family = "objects"
	PropertiesFamily Family = "properties"
	PipelinesFamily  Family = "pipelines"
	OwnersFamily     Family = "owners"
	SchemasFamily    Family = "schemas"
	AccountFamily    Family = "account-info"

	AssociationsFamily Family = "associations" // from v4 on
)

// DefaultVersion is the version of every family that a Config does not name:
// the newest that HubSpot calls generally available, whose records have the
// shape of v3's (developers.hubspot.com, migration guide).
const DefaultVersion = "2026-09"

// A Config says how to reach a HubSpot account. Zero values mean the defaults.
type Config struct {
	BaseURL string // https, or http on this machine; default https://api.hubapi.com
	Token   string // the bearer: a service key, a private app's token or an OAuth access token

	// Stamp is called right before a request is sent, at each attempt; an
	// answer carries the stamp of the attempt that it answers. It must grow
	// across all clients of an account. Required.
	Stamp func() int64

	Credentials *Credentials // whose limits are shared with other clients; default: with none

	Versions    map[Family]string // such as "2026-09" or "v3"
	Reserve     float64           // share of each limit left to the customer's other tools, from 0 to below 1; of searches at least a fifth
	AllSearches bool              // not even that fifth is left
	URLBytes    int               // List refuses longer paths and queries; default 12,000
	Transport   http.RoundTripper // default: a pool of connections of the client's own

	Connect time.Duration // for a connection with its handshake; default 10 s
	Headers time.Duration // from the request to the answer's headers; default 110 s, since HubSpot itself gives up after 100
	Idle    time.Duration // between two pieces of a body; default 30 s
}

// DefaultBaseURL is HubSpot's own; every data centre answers there.
const DefaultBaseURL = "https://api.hubapi.com"

// defaultURLBytes is below the lengths that connectors are known to use; where
// HubSpot answers 414 is not documented.
const defaultURLBytes = 12000

// complete checks the settings and fills in the defaults.
func (cfg Config) complete() (Config, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if err := checkBaseURL(cfg.BaseURL); err != nil {
		return cfg, err
	}
	if cfg.Stamp == nil {
		return cfg, errors.New("hubspot client: a source of stamps is required")
	}
	if cfg.Credentials == nil {
		cfg.Credentials = NewCredentials()
	}
	if !(cfg.Reserve >= 0 && cfg.Reserve < 1) {
		return cfg, fmt.Errorf("hubspot client: the reserved share is %v: give one from 0 to below 1", cfg.Reserve)
	}
	families := []Family{
		ObjectsFamily, PropertiesFamily, PipelinesFamily, OwnersFamily, SchemasFamily, AccountFamily, AssociationsFamily,
	}
	for family, v := range cfg.Versions {
		if !slices.Contains(families, family) {
			return cfg, fmt.Errorf("hubspot client: there is no family %q of endpoints: name one of %v", family, families)
		}
		if err := checkVersion(v); err != nil {
			return cfg, fmt.Errorf("hubspot client: version of %s: %w", family, err)
		}
	}
	cfg.Versions = maps.Clone(cfg.Versions)
	cfg.URLBytes = orDefault(cfg.URLBytes, defaultURLBytes)
	cfg.Connect = orDefault(cfg.Connect, 10*time.Second)
	cfg.Headers = orDefault(cfg.Headers, 110*time.Second)
	cfg.Idle = orDefault(cfg.Idle, 30*time.Second)
	return cfg, nil
}

func checkVersion(v string) error {
	if !regexp.MustCompile(`^(v[0-9]+|[0-9]{4}-[0-9]{2}(-beta)?)$`).MatchString(v) {
		return fmt.Errorf("%q is no version: give one such as %q or \"v3\"", v, DefaultVersion)
	}
	return nil
}

func orDefault[T int | time.Duration](value, standard T) T {
	if value <= 0 {
		return standard
	}
	return value
}

// checkBaseURL refuses an address to which the bearer would travel in clear.
func checkBaseURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("hubspot client: the base URL must look like " + DefaultBaseURL + ", without user, query or fragment")
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("hubspot client: http to %s would show the token to the network: use https", u.Host)
	}
	return fmt.Errorf("hubspot client: the base URL's scheme is %q: use https", u.Scheme)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// inFlight is for how many requests at once connections are kept.
const inFlight = 64

func newTransport(connect time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: connect}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: connect,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        inFlight,
		MaxIdleConnsPerHost: inFlight,
		IdleConnTimeout:     90 * time.Second,
		// A connection that died without a word is noticed before the next
		// request waits on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}
