// Package credential keeps an OAuth credential usable: it renews the access
// token before it expires, keeps the refresh token, and stops asking once
// HubSpot has refused it.
//
// It does not know who reads with the access token, nor how the catalog keeps
// what is sealed.
package credential

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/secret"
)

// The clockwork of a consent.
const (
	margin      = 5 * time.Minute // an access token is renewed with so much left, or with a fifth of its life if that is less
	patience    = 2 * time.Second // how long a question for a token waits: a heartbeat is answered within five
	retryFirst  = time.Second
	retryMost   = time.Minute
	askedPause  = 15 * time.Minute // the longest pause that is kept on HubSpot's word
	lookAgain   = 2 * time.Second  // between two looks whether what only a person mends was mended
	refusalRest = 10 * time.Minute // between two renewals for tokens that HubSpot refused before their time
	lastWords   = 5 * time.Second  // for an exchange that is under way when the process ends
)

// Configured is the credential as a person has set it.
type Configured struct {
	ClientID     string
	ClientSecret secret.Text
	RefreshToken secret.Text
}

// A Store keeps what must outlive the process. Marks are hashes.
type Store interface {
	Sealed(ctx context.Context, connection string) (origin, sealed []byte, err error)
	SetSealed(ctx context.Context, connection string, origin, sealed []byte) error
	Refused(ctx context.Context, connection string) (mark []byte, err error)
	SetRefused(ctx context.Context, connection string, mark []byte) error
}

// A Config is what a Consent is made of.
type Config struct {
	Connection string
	Read       func() (Configured, error) // asked again and again, so that it can be replaced
	Place      string                     // where the refresh token is set, for people
	HubSpot    hubspot.OAuth              // where to ask; the credential is filled in
	Store      Store
	Key        *secret.Identity // seals the refresh token
	Log        *slog.Logger
}

// A Consent is an account's consent to be read by an app, which HubSpot renews
// for half an hour at a time until it is withdrawn.
type Consent struct {
	cfg   Config
	asked chan struct{} // a token is due

	// Run's own.
	unstored *answer // its refresh token could not be stored yet
	refused  []byte  // marks what HubSpot refused in this process's time

	mu      sync.Mutex
	token   secret.Text
	due     time.Time     // when it is to be renewed
	expires time.Time     // zero without a token
	handed  bool          // somebody has the token
	spurned time.Time     // when HubSpot last refused a token before its time
	err     error         // why there is none newer
	ended   chan struct{} // closed when the next attempt has ended
}

// New makes a consent, which asks HubSpot nothing before somebody asks for a
// token.
func New(cfg Config) *Consent {
	return &Consent{cfg: cfg, asked: make(chan struct{}, 1), ended: make(chan struct{})}
}

// awaited says that there is no answer yet.
func awaited() error {
	return &penstock.Trouble{
		Kind: "credential", Message: "the access token is being renewed and HubSpot has not answered yet", Heals: true,
		Remedy: "nothing is lost and it goes on by itself; if it stays, check the network",
	}
}

// Token is an access token that has not expired. It waits at most two seconds
// for one. The error is a *penstock.Trouble, or tells what is wrong with the
// settings.
func (c *Consent) Token() (string, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		token, ended, err := c.look()
		if token != "" || lasting(err) {
			return token, err
		}
		select {
		case <-ended:
		case <-late.C:
			if err == nil {
				err = awaited()
			}
			return "", err
		}
	}
}

// look is the token in hand, or why there is none; it has Run renew one that is
// due.
func (c *Consent) look() (token string, ended <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !time.Now().Before(c.due) {
		c.ask()
	}
	if !time.Now().Before(c.expires) {
		return "", c.ended, c.err
	}
	c.handed = true
	return c.token.Reveal(), nil, nil
}

func (c *Consent) ask() {
	select {
	case c.asked <- struct{}{}:
	default: // it is known already
	}
}

// Refused tells that HubSpot does not take the token that was handed out, though
// it has not expired. It returns whether another comes: it is renewed at once,
// but not again and again when new ones are refused as well.
func (c *Consent) Refused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case !now.Before(c.expires):
		return !lasting(c.err) // another is being asked for
	case !c.handed:
		return true // this one is newer than the refused one
	case !c.spurned.IsZero() && now.Before(c.spurned.Add(refusalRest)):
		return false
	}
	c.spurned = now
	c.due, c.expires, c.err = time.Time{}, time.Time{}, nil
	c.ask()
	return true
}

// lasting errors stay until a person does something, and are not waited for.
func lasting(err error) bool {
	if err == nil {
		return false
	}
	var t *penstock.Trouble
	return !errors.As(err, &t) || !t.Heals
}

// Run renews the token whenever it is due and asked for, until ctx ends. There
// is never more than one exchange at a time.
func (c *Consent) Run(ctx context.Context) error {
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-c.asked:
		}
		if !c.isDue() {
			continue // it was asked for while it was renewed
		}
		err := c.renew(ctx)
		c.end(err)
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if !sleep(ctx, pause(failures, err)) {
			return nil
		}
	}
}

func (c *Consent) isDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !time.Now().Before(c.due)
}

// end tells whoever waits that an attempt has ended. A consent that was
// withdrawn ends the token in hand, too: HubSpot is not to be asked with it.
func (c *Consent) end(err error) {
	shown := c.troubleOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && (c.err == nil || c.err.Error() != shown.Error()) {
		c.cfg.Log.Warn("the access token is not renewed", "connection", c.cfg.Connection, "error", err)
	}
	if errors.Is(err, errRefused) {
		c.due, c.expires = time.Time{}, time.Time{}
	}
	c.err = shown
	close(c.ended)
	c.ended = make(chan struct{})
}

// adopt takes a token whose life began at the time its answer was asked for.
func (c *Consent) adopt(token string, began time.Time, life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.handed = secret.NewText(token), false
	c.expires = began.Add(life)
	c.due = c.expires.Add(-min(life/5, margin))
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
