package hubspot

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Kind says what went wrong in the words of who must act. The empty kind is
// no error of HubSpot's: a context that ended, for one.
type Kind string

// The kinds of error.
const (
	Unauthorized Kind = "unauthorized" // the credential is not accepted
	Forbidden    Kind = "forbidden"    // a scope or a product tier is missing
	NotFound     Kind = "not found"    // HubSpot knows no such thing
	BadRequest   Kind = "bad request"  // HubSpot does not accept the request
	TooLong      Kind = "too long"     // the URL is too long: read by id instead
	Limited      Kind = "limited"      // a window stayed full of others' calls
	Daily        Kind = "daily"        // the daily budget is used up until ResetsAt
	Locked       Kind = "locked"       // the thing asked for stayed locked
	Migrating    Kind = "migrating"    // the account moves between data centres, until ResetsAt
	Unavailable  Kind = "unavailable"  // HubSpot could not be reached or did not answer
	BadAnswer    Kind = "bad answer"   // HubSpot answered something that cannot be right
)

// An Error is why HubSpot was not read. Its text holds HubSpot's message and
// correlation id, never a token and never a body.
type Error struct {
	Kind        Kind
	Op          string // what was being done, such as "list contacts"
	Status      int    // the HTTP status; 0 when there was no answer
	Category    string // HubSpot's words, as all below; each may be missing
	Message     string
	Correlation string    // the id that HubSpot's support asks for
	Policy      string    // the limit that a 429 names
	Scopes      []string  // the scopes of which one is required
	ResetsAt    time.Time // when asking again makes sense, if that is known
	Err         error     // the cause, when it is not an answer

	pause time.Duration // what the answer asked to be waited before a retry
	final bool          // a retry would bring the same
}

// KindOf is the kind of the Error that err wraps; "" when it wraps none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Error says what was done, what came back and, where HubSpot gave one, the
// correlation id.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Op + ": " + string(e.Kind))
	if e.Status != 0 {
		fmt.Fprintf(&text, " (status %d)", e.Status)
	}
	for _, part := range []string{e.Category, e.Message} {
		if part != "" {
			text.WriteString(": " + part)
		}
	}
	if e.Err != nil {
		text.WriteString(": " + e.Err.Error())
	}
	if len(e.Scopes) > 0 {
		text.WriteString(": one of " + strings.Join(e.Scopes, ", "))
	}
	if !e.ResetsAt.IsZero() {
		text.WriteString(": until " + e.ResetsAt.Format(time.RFC3339))
	}
	if e.Correlation != "" {
		text.WriteString(" [correlation " + e.Correlation + "]")
	}
	return text.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Heals tells whether the same call may succeed later though nobody does
// anything.
func (e *Error) Heals() bool {
	switch e.Kind {
	case Limited, Daily, Locked, Migrating, Unavailable:
		return true
	case BadAnswer:
		return !e.final
	}
	return false
}

// Remedy says in one sentence what the user can do.
func (e *Error) Remedy() string {
	switch e.Kind {
	case Unauthorized:
		if e.Status == statusMalformedToken {
			return "The access token is malformed: copy it again from HubSpot, whole and without spaces."
		}
		return "Give a valid access token: in HubSpot, under Development > Keys > Service keys, or reconnect the app."
	case Forbidden:
		if len(e.Scopes) > 0 {
			return "Grant the credential one of these scopes in HubSpot: " + strings.Join(e.Scopes, ", ") + "."
		}
		return "Grant the credential the scope for it in HubSpot, or leave it out if the account's subscription does not include it."
	case NotFound:
		return "Check that it still exists in HubSpot."
	case BadRequest:
		return "Report this request to Penstock with the correlation id: HubSpot does not accept it."
	case TooLong:
		return "Read fewer properties at once, or read by id."
	case Limited:
		return "Nothing is lost and it goes on by itself; other tools use up HubSpot's limit: give them less, or reserve them a share."
	case Daily:
		return "Nothing is lost and it goes on after the reset; HubSpot sells a larger daily budget."
	case Locked, Unavailable:
		return "Nothing is lost and it goes on by itself; if it stays, see status.hubspot.com and check the network."
	case Migrating:
		return "Nothing is lost and it goes on when HubSpot has moved the account, which takes up to a day."
	case BadAnswer:
		if e.final {
			return "Check the base URL, and whether something between here and HubSpot changes its answers."
		}
		return "Nothing is lost and it is tried again; if it stays, check whether something between here and HubSpot changes its answers."
	}
	return ""
}
