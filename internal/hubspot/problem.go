package hubspot

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Statuses that net/http has no name for (developers.hubspot.com, error
// handling).
const (
	statusMigrating      = 477
	statusMalformedToken = 530
)

const (
	correlationHeader = "X-HubSpot-Correlation-Id"
	maxMessage        = 500 // characters of HubSpot's text in an error
)

// errRedirect: a redirect would carry the bearer to another host.
var errRedirect = errors.New("a redirect, which is not followed")

// failure is the Error of an answer that is not a good one. HubSpot says of
// the body's members that each may be missing (developers.hubspot.com, error
// handling), so the status alone must do.
func (x *exchange) failure(body []byte) *Error {
	members, _ := readMembers(body) // a body that is not JSON has no members
	text := func(name string) string {
		s, _ := scalar(find(members, name)) // what is no text is no message either
		return printable(s, x.token)
	}
	e := &Error{
		Status:      x.resp.StatusCode,
		Category:    text("category"),
		Message:     text("message"),
		Correlation: text("correlationId"),
		Policy:      text("policyName"),
		pause:       retryAfter(x.resp.Header),
	}
	if e.Correlation == "" {
		e.Correlation = printable(x.resp.Header.Get(correlationHeader), x.token)
	}
	switch status := e.Status; {
	case status == http.StatusUnauthorized, status == statusMalformedToken:
		e.Kind = Unauthorized
	case status == http.StatusForbidden:
		e.Kind, e.Scopes = Forbidden, scopes(members)
	case status == http.StatusNotFound:
		e.Kind = NotFound
	case status == http.StatusRequestURITooLong:
		e.Kind = TooLong
	case status == http.StatusLocked:
		e.Kind = Locked
	case status == http.StatusTooManyRequests:
		x.limited(e)
	case status == statusMigrating:
		e.Kind = Migrating
		if e.pause > longestOrder {
			e.ResetsAt = time.Now().Add(e.pause)
		}
	case status == http.StatusRequestTimeout, status >= 500:
		e.Kind = Unavailable
	case status >= 400:
		e.Kind = BadRequest
	case status >= 300:
		e.Kind, e.Err = BadAnswer, errRedirect
	default:
		e.Kind = BadAnswer
	}
	return e
}

// limited gives a 429 its kind. The policy's name decides, else the message,
// else it is taken for the window that the call was counted in.
func (x *exchange) limited(e *Error) {
	policy := strings.ToLower(e.Policy)
	if policy == "" {
		policy = strings.ToLower(e.Message)
	}
	if strings.Contains(policy, "daily") {
		e.Kind, e.ResetsAt = Daily, x.account.daily.exhausted()
		return
	}
	e.Kind = Limited
	if strings.Contains(policy, "ten_secondly") {
		x.window.hold(intervalSpan)
	}
	if e.pause <= longestOrder {
		x.window.hold(e.pause)
	}
}

// scopes finds the scopes that a 403 names, in either of the places where it
// may.
func scopes(members []member) []string {
	found := scopesOf(find(members, "context"))
	for item := range each(find(members, "errors")) {
		if one, ok := readMembers(item); ok {
			found = append(found, scopesOf(find(one, "context"))...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func scopesOf(context []byte) []string {
	members, _ := readMembers(context) // none where there is no context
	return texts(find(members, "requiredGranularScopes"))
}

// texts are the strings and numbers of an array.
func texts(list []byte) []string {
	var all []string
	for item := range each(list) {
		if text, ok := scalar(item); ok {
			all = append(all, printable(text, ""))
		}
	}
	return all
}

// retryAfter is the pause that an answer asks for; 0 when it asks for none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// printable makes HubSpot's text fit for a log: one line, of bounded length,
// without the token should it be quoted.
func printable(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "[token]")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "..."
	}
	return text
}
