package hubspot

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// How long one call is kept at. Beyond that it is up to the caller, who knows
// whether something else can be done meanwhile.
const (
	maxFailures  = 6                // attempts that fail for HubSpot's or the network's sake
	maxRefusals  = 30               // answers of 429, each of which waits for its window
	firstPause   = time.Second      // the bound of the first pause; each next one is twice as long
	longestPause = 30 * time.Second // the bound of any pause
	longestOrder = time.Minute      // the longest Retry-After that is waited out
	tokenPause   = 2 * time.Second  // before the one retry of a 401, which comes up sporadically
	lockPause    = 2 * time.Second  // a lock lasts two seconds (developers.hubspot.com, error handling)
	longestWait  = time.Hour        // for the whole of one answer, however steadily it drips in
)

var (
	errNoToken  = errors.New("there is no usable access token")
	errStalled  = errors.New("nothing came any more")
	errTooSlow  = fmt.Errorf("the answer did not end within %s", longestWait)
	errNotHTTP  = errors.New("the connection broke")
	errCutShort = errors.New("the body ended early")
)

// ask gets a verified answer to a question, and decodes it: it retries what a
// retry can heal.
func (c *Client) ask(ctx context.Context, q question) (*answer, error) {
	var spent patience
	for {
		a, failure := c.attempt(ctx, q)
		if failure == nil {
			return a, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", q.op, err)
		}
		failure.Op = q.op
		pause, again := spent.after(failure)
		if !again {
			return nil, failure
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", q.op, ctx.Err())
		}
	}
}

// patience counts what one call has suffered so far.
type patience struct{ failures, refusals, rejections int }

// after says whether to try again after a failure, and when.
func (p *patience) after(e *Error) (pause time.Duration, again bool) {
	if e.final {
		return 0, false
	}
	switch e.Kind {
	case Limited:
		// The window itself makes the next attempt wait.
		p.refusals++
		return 0, p.refusals <= maxRefusals
	case Unauthorized:
		p.rejections++
		return tokenPause, p.rejections <= 1
	case Locked:
		p.failures++
		return lockPause + jitter(lockPause), p.failures < maxFailures
	case Migrating:
		p.failures++
		return e.pause, e.pause > 0 && e.pause <= longestOrder && p.failures < maxFailures
	case Unavailable, BadAnswer:
		pause := jitter(min(longestPause, firstPause<<p.failures))
		p.failures++
		if e.pause <= longestOrder {
			pause = max(pause, e.pause)
		}
		return pause, p.failures < maxFailures
	}
	return 0, false
}

// jitter is a random duration up to bound, so that callers which failed
// together do not come back together.
func jitter(bound time.Duration) time.Duration { return rand.N(bound) + 1 }

// attempt sends a question once, when it is its turn.
func (c *Client) attempt(ctx context.Context, q question) (*answer, *Error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Err: err}
	}
	x, failure := c.turn(ctx, q)
	if failure != nil {
		return nil, failure
	}
	ctx, giveUp := context.WithTimeoutCause(ctx, longestWait, errTooSlow)
	defer giveUp()
	phase, ctx := startPhase(ctx, c.cfg.Headers)
	defer phase.end()
	req = req.WithContext(ctx)
	req.Header.Set("Authorization", "Bearer "+x.token)
	x.phase, x.stamp = phase, c.cfg.Stamp()
	x.resp, err = c.transport.RoundTrip(req)
	if err != nil {
		x.window.answered(nil)
		return nil, &Error{Kind: Unavailable, Err: cause(ctx, err)}
	}
	defer x.resp.Body.Close()
	x.learn(q)
	phase.next(c.cfg.Idle)
	return x.judge(ctx, q)
}

// An exchange is one attempt: what it takes from the limits, and what comes
// back.
type exchange struct {
	window  *window
	account *AccountQuota
	token   string
	stamp   int64
	phase   *phase
	resp    *http.Response
}

// turn waits until the question may be sent. The token is read only then: it
// may have been replaced during the wait.
func (c *Client) turn(ctx context.Context, q question) (*exchange, *Error) {
	x := &exchange{window: c.limits.Load().interval, account: c.account.Load()}
	switch q.counted {
	case bySearch:
		x.window = x.account.search
	case byAssociations:
		x.window = c.limits.Load().links
	}
	if err := x.window.take(ctx); err != nil {
		return nil, &Error{Err: err}
	}
	x.token = *c.token.Load()
	if !isToken(x.token) {
		x.window.unused()
		return nil, &Error{Kind: Unauthorized, Err: errNoToken, final: true}
	}
	if failure := x.account.daily.spend(priorityOf(ctx), labelOf(ctx)); failure != nil {
		x.window.unused()
		return nil, failure
	}
	return x, nil
}

// learn takes over what the answer's headers say of the limits. A window that
// HubSpot calls full is held before the slot is seen as free, lest another
// call slips through.
func (x *exchange) learn(q question) {
	if x.resp.StatusCode == http.StatusTooManyRequests {
		x.window.hold(x.window.span)
	}
	var left *remaining
	if q.counted == byInterval {
		left = intervalLeft(x.resp.Header)
	}
	x.window.answered(left)
	x.account.daily.learn(dailyLeft(x.resp.Header))
}

// judge reads the body and tells a good answer from a failure.
func (x *exchange) judge(ctx context.Context, q question) (*answer, *Error) {
	status := x.resp.StatusCode
	if status != http.StatusOK && !(q.partial && status == http.StatusMultiStatus) {
		// Without the body the status still says what to do.
		body, err := readBody(x.resp.Body, -1, maxErrorBody, x.phase.touch)
		if err != nil {
			body = nil
		}
		return nil, x.failure(body)
	}
	body, err := readBody(x.resp.Body, x.resp.ContentLength, maxBody, x.phase.touch)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &Error{Kind: BadAnswer, Status: status, Err: err, final: true}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &Error{Kind: BadAnswer, Status: status, Err: errCutShort}
	case err != nil:
		return nil, &Error{Kind: Unavailable, Status: status, Err: cause(ctx, err)}
	}
	a := &answer{status: status, header: x.resp.Header, body: body, stamp: x.stamp}
	if err := a.trust(q); err != nil {
		return nil, &Error{
			Kind: BadAnswer, Status: status, Err: err,
			Correlation: printable(x.resp.Header.Get(correlationHeader), x.token),
		}
	}
	return a, nil
}

// request builds the request. It is sent by the transport directly: nothing
// follows a redirect, so the bearer goes to the configured host only.
func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if q.body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.body)
	}
	target := c.cfg.BaseURL + q.path
	if q.query != "" {
		target += "?" + q.query
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, errors.New("the request's address is not valid")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "penstock")
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// isToken tells whether a token can stand in a header.
func isToken(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// cause is what to say of a broken exchange. The HTTP library quotes answers
// it cannot read, so only errors of known text are passed on.
func cause(ctx context.Context, err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch why := context.Cause(ctx); {
	case errors.Is(why, errStalled), errors.Is(why, errTooSlow):
		return why
	case errors.As(err, &network):
		return network
	case errors.As(err, &certificate):
		return certificate
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return errNotHTTP
}
