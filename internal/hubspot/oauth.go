package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An OAuth is an app's grant to read an account.
type OAuth struct {
	BaseURL                string // as in a Config
	ClientID, ClientSecret string
	RefreshToken           string
	Version                string            // default DefaultVersion
	Transport              http.RoundTripper // default: connections for this one call
}

// An Access is what a grant is exchanged for.
type Access struct {
	Token        string
	RefreshToken string        // to be kept and used from now on: HubSpot's new one, the former where it sent none
	Expires      time.Duration // from the answer on
	HubID        int64         // the account; 0 when the answer does not name it
}

const (
	refreshBound = 2 * time.Minute // for the whole exchange: HubSpot itself gives up after 100 s
	refreshOp    = "refresh the access token"
)

// refusals are HubSpot's words, and OAuth's (RFC 6749, 5.2), for a grant or an
// app that no repetition makes good.
func refusals() []string {
	return []string{
		"INVALID_GRANT", "INVALID_CLIENT", "UNAUTHORIZED_CLIENT", "INVALID_AUTHENTICATION",
		"BAD_REFRESH_TOKEN", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_AUTH_CODE", "INVALID_REFRESH_TOKEN",
	}
}

// RefreshAccess asks once for a new access token. The error's kind is
// Unauthorized when the grant is refused, which only a new consent heals; every
// other failure heals. Of HubSpot's answer errors hold nothing but its status
// and a known word, since it is an answer about secrets.
func RefreshAccess(ctx context.Context, o OAuth) (Access, error) {
	target, err := o.target()
	if err != nil {
		return Access{}, fmt.Errorf("%s: %w", refreshOp, err)
	}
	if o.ClientID == "" || o.ClientSecret == "" || o.RefreshToken == "" {
		return Access{}, &Error{Kind: Unauthorized, Op: refreshOp, Err: errors.New("the client's id, its secret or the refresh token is missing")}
	}
	transport := o.Transport
	if transport == nil {
		own := newTransport(10 * time.Second)
		defer own.CloseIdleConnections()
		transport = own
	}
	access, failure := o.exchange(ctx, transport, target)
	if err := ctx.Err(); failure != nil && err != nil {
		return Access{}, fmt.Errorf("%s: %w", refreshOp, err)
	}
	if failure != nil {
		failure.Op = refreshOp
		return Access{}, failure
	}
	return access, nil
}

// target is where secrets may be sent to.
func (o OAuth) target() (string, error) {
	base := strings.TrimSuffix(o.BaseURL, "/")
	if base == "" {
		base = DefaultBaseURL
	}
	if err := checkBaseURL(base); err != nil {
		return "", err
	}
	version := o.Version
	if version == "" {
		version = DefaultVersion
	}
	return base + "/oauth/" + version + "/token", checkVersion(version)
}

func (o OAuth) exchange(ctx context.Context, transport http.RoundTripper, target string) (Access, *Error) {
	ctx, giveUp := context.WithTimeoutCause(ctx, refreshBound, errStalled)
	defer giveUp()
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {o.ClientID},
		"client_secret": {o.ClientSecret}, "refresh_token": {o.RefreshToken},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return Access{}, &Error{Kind: BadRequest, Err: errors.New("the request's address is not valid")}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "penstock")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Access{}, &Error{Kind: Unavailable, Err: cause(ctx, err)}
	}
	defer resp.Body.Close()
	body, err := readBody(resp.Body, -1, maxErrorBody, func() {})
	if resp.StatusCode != http.StatusOK {
		return Access{}, refusal(resp, body)
	}
	if err != nil {
		return Access{}, &Error{Kind: Unavailable, Status: resp.StatusCode, Err: cause(ctx, err)}
	}
	access, err := readAccess(resp.Header, body)
	if err != nil {
		return Access{}, &Error{Kind: BadAnswer, Status: resp.StatusCode, Err: err}
	}
	if access.RefreshToken == "" {
		access.RefreshToken = o.RefreshToken
	}
	return access, nil
}

// refusal is the Error of an answer that brings no token. A grant counts as
// refused only in HubSpot's own words: a status alone may come from anything
// on the way.
func refusal(resp *http.Response, body []byte) *Error {
	e := &Error{Kind: BadAnswer, Status: resp.StatusCode}
	switch status := resp.StatusCode; {
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		if e.Category = refusalWord(body); e.Category != "" {
			e.Kind = Unauthorized
		}
	case status == http.StatusTooManyRequests:
		e.Kind = Limited
	case status == http.StatusRequestTimeout, status == statusMigrating, status >= 500:
		e.Kind = Unavailable
	case status >= 300 && status < 400:
		e.Err = errRedirect
	}
	if pause := retryAfter(resp.Header); pause > 0 {
		e.ResetsAt = time.Now().Add(pause)
	}
	return e
}

// refusalWord is the known word by which an answer refuses a grant; "" when it
// holds none.
func refusalWord(body []byte) string {
	members, _ := readMembers(body) // a body that is not JSON has no members
	for _, name := range []string{"error", "status", "category", "subCategory", "errorType"} {
		text, _ := scalar(find(members, name)) // what is no text is no known word
		if word := strings.ToUpper(text); slices.Contains(refusals(), word) {
			return word
		}
	}
	return ""
}

func readAccess(header http.Header, body []byte) (Access, error) {
	if kind := header.Get("Content-Type"); !strings.Contains(strings.ToLower(kind), "json") {
		return Access{}, errors.New("the answer is not JSON by its content type")
	}
	env, err := readEnvelope(body)
	if err != nil {
		return Access{}, err
	}
	a := Access{}
	a.Token, _ = scalar(env.value("access_token")) // checked next
	if !isToken(a.Token) {
		return Access{}, errors.New("the answer has no access token")
	}
	if kind, ok := scalar(env.value("token_type")); ok && !strings.EqualFold(kind, "bearer") {
		return Access{}, errors.New("the access token is of another kind than bearer")
	}
	if value := env.value("refresh_token"); !absent(value) {
		if a.RefreshToken, _ = scalar(value); !isToken(a.RefreshToken) {
			return Access{}, errors.New("the answer's refresh token cannot be read")
		}
	}
	text, _ := scalar(env.value("expires_in")) // checked next
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil || seconds <= 0 {
		return Access{}, errors.New("the answer does not say when the access token expires")
	}
	a.Expires = time.Duration(seconds) * time.Second
	if value := env.value("hub_id"); !absent(value) {
		var ok bool
		if a.HubID, ok = positive(value); !ok {
			return Access{}, errors.New("the answer's account id cannot be read")
		}
	}
	return a, nil
}
