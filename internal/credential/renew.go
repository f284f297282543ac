package credential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/secret"
)

// The reasons not to ask HubSpot that last until a person does something.
var (
	errRefused  = errors.New("HubSpot refuses the refresh token: the app was uninstalled or access revoked")
	errSealed   = errors.New("the refresh token that HubSpot gave last cannot be opened: the key file is not the one that it was sealed with")
	errSettings = errors.New("the OAuth settings cannot be used")
)

// answer is what HubSpot gave for a refresh token.
type answer struct {
	hubspot.Access
	origin []byte // of the refresh token that was sent
	sent   string
	asked  time.Time
}

// mark stands for secrets where they are only compared.
func mark(parts ...string) []byte {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil)
}

// renew gets a new access token, once. A new refresh token is stored before the
// access token is used: whoever dies between the two has lost an access token,
// and never the only refresh token that works.
func (c *Consent) renew(ctx context.Context) error {
	ctx, end := unhurried(ctx)
	defer end()
	set, err := c.cfg.Read()
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	if err := c.spare(ctx, set); err != nil {
		return err
	}
	if a := c.unstored; a == nil || !bytes.Equal(a.origin, originOf(set)) {
		if c.unstored, err = c.exchange(ctx, set); err != nil {
			return err
		}
	}
	if err := c.store(ctx, c.unstored); err != nil {
		return err
	}
	c.adopt(c.unstored.Token, c.unstored.asked, c.unstored.Expires)
	c.unstored = nil
	return nil
}

// unhurried lets an exchange that has begun end well though the process is
// ending: the refresh token that HubSpot answers may be the only good one.
func unhurried(ctx context.Context) (context.Context, func()) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(own, lastWords)
		cancel()
	})
	return own, func() {
		stop()
		cancel()
	}
}

func originOf(set Configured) []byte { return mark(set.RefreshToken.Reveal()) }

// whole marks all that a person can change to heal a refusal.
func whole(set Configured) []byte {
	return mark(set.ClientID, set.ClientSecret.Reveal(), set.RefreshToken.Reveal())
}

// spare keeps what HubSpot has refused from being asked again.
func (c *Consent) spare(ctx context.Context, set Configured) error {
	refused := c.refused
	if refused == nil {
		var err error
		if refused, err = c.cfg.Store.Refused(ctx, c.cfg.Connection); err != nil {
			return err
		}
	}
	if bytes.Equal(refused, whole(set)) {
		return errRefused
	}
	return nil
}

// exchange asks HubSpot once.
func (c *Consent) exchange(ctx context.Context, set Configured) (*answer, error) {
	token, err := c.refreshToken(ctx, set)
	if err != nil {
		return nil, err
	}
	ask := c.cfg.HubSpot
	ask.ClientID, ask.ClientSecret, ask.RefreshToken = set.ClientID, set.ClientSecret.Reveal(), token
	a := &answer{origin: originOf(set), sent: token, asked: time.Now()}
	a.Access, err = hubspot.RefreshAccess(ctx, ask)
	if hubspot.KindOf(err) == hubspot.Unauthorized {
		c.refused = whole(set)
		return nil, errors.Join(fmt.Errorf("%w: %w", errRefused, err), c.cfg.Store.SetRefused(ctx, c.cfg.Connection, c.refused))
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// refreshToken is the one that HubSpot gave last, if it descends from the
// configured one; what a person has configured since wins.
func (c *Consent) refreshToken(ctx context.Context, set Configured) (string, error) {
	origin, sealed, err := c.cfg.Store.Sealed(ctx, c.cfg.Connection)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(origin, originOf(set)) {
		return set.RefreshToken.Reveal(), nil
	}
	token, err := c.cfg.Key.Open(sealed)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSealed, err)
	}
	return token, nil
}

// store keeps the refresh token that an answer brings, if it is a new one.
func (c *Consent) store(ctx context.Context, a *answer) error {
	if a.RefreshToken == a.sent {
		return nil
	}
	sealed, err := secret.Seal(c.cfg.Key.PublicKey(), a.RefreshToken)
	if err != nil {
		return err
	}
	return c.cfg.Store.SetSealed(ctx, c.cfg.Connection, a.origin, sealed)
}

// troubleOf is the error as a person sees it.
func (c *Consent) troubleOf(err error) error {
	t := &penstock.Trouble{Kind: "credential"}
	var known *hubspot.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSettings):
		return err
	case errors.Is(err, errRefused):
		t.Message = errRefused.Error()
		t.Remedy = "authorise again and set " + c.cfg.Place + "; if the app's id or secret has changed, set those"
	case errors.Is(err, errSealed):
		t.Message = errSealed.Error()
		t.Remedy = "authorise again and set " + c.cfg.Place + ", or put the former key file back and restart; nothing else is lost"
	default:
		t.Message, t.Heals = "the access token could not be renewed: "+err.Error(), true
		t.Remedy = "nothing is lost and it is tried again and again; if it stays, check the network and status.hubspot.com"
		if errors.As(err, &known) {
			t.Until = known.ResetsAt
		}
	}
	return t
}

// pause grows with the failures, differs between processes, and is as long as
// HubSpot asks, within reason.
func pause(failures int, err error) time.Duration {
	if errors.Is(err, errRefused) || errors.Is(err, errSealed) || errors.Is(err, errSettings) {
		return lookAgain
	}
	most := min(retryMost, retryFirst<<min(failures-1, 10))
	wait := most/2 + rand.N(most/2)
	var known *hubspot.Error
	if errors.As(err, &known) && !known.ResetsAt.IsZero() {
		wait = max(wait, min(askedPause, time.Until(known.ResetsAt)))
	}
	return wait
}
