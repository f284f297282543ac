package hubspot

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxBody      = 64 << 20 // a larger answer is refused: a hundred records never reach it
	maxErrorBody = 1 << 20
	firstRead    = 64 << 10 // the room made for a body of unknown length
)

// An answer is a response that was read to its end and verified.
type answer struct {
	status int
	header http.Header
	body   []byte
	date   time.Time // HubSpot's clock
	stamp  int64
	env    envelope
}

// A verifier says why an answer cannot be right, nil when it can.
type verifier func(*answer) error

// trust checks what holds of every good answer, and then what the question
// expects.
func (a *answer) trust(q question) error {
	if kind := a.header.Get("Content-Type"); !strings.Contains(strings.ToLower(kind), "json") {
		return errors.New("the answer is not JSON by its content type")
	}
	env, err := readEnvelope(a.body)
	if err != nil {
		return err
	}
	a.env = env
	if string(env.value("status")) == `"error"` {
		return errors.New("the answer is an error in spite of its status")
	}
	if a.date, err = http.ParseTime(a.header.Get("Date")); err != nil {
		return errors.New("the answer has no date")
	}
	if err := q.verify(a); err != nil {
		return err
	}
	if q.decoded == nil {
		return nil
	}
	// Nothing of an earlier, refused answer may stay in it.
	reflect.ValueOf(q.decoded).Elem().SetZero()
	if err := decode(a.body, q.decoded); err != nil {
		return errors.New("the answer does not have the documented shape")
	}
	return nil
}

// wholeList expects a list that is never paged.
func wholeList(a *answer) error {
	if a.env.results < 0 {
		return errNoResults
	}
	if a.env.next != "" {
		return errors.New("a list that is not paged has a next page")
	}
	return nil
}

// pageAfter expects a page of a list that was asked for with the cursor after,
// and another cursor in it: a repeated one never ends.
func pageAfter(after string) verifier {
	return func(a *answer) error {
		switch {
		case a.env.results < 0:
			return errNoResults
		case a.env.next != "" && a.env.next == after:
			return errors.New("the next cursor is the one that was asked for")
		}
		return nil
	}
}

// recordsAfter expects a page of a list of records, whose cursors are record
// ids: the next one is above the one asked for and no lower than the last id
// of the page (developers.hubspot.com, "using object APIs").
func recordsAfter(after string) verifier {
	return func(a *answer) error {
		if err := pageAfter(after)(a); err != nil {
			return err
		}
		next := a.env.next
		if !isNumber(next) {
			return nil
		}
		if isNumber(after) && !below(after, next) {
			return errors.New("the next cursor goes backwards")
		}
		if last := lastID(a.env.last); isNumber(last) && below(next, last) {
			return errors.New("the next cursor is below the last record")
		}
		return nil
	}
}

// isNumber tells whether s is a whole number in canonical form.
func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != "" && (s[0] != '0' || s == "0")
}

// below compares two numbers by their digits, however many these are.
func below(a, b string) bool {
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// lastID is the id of a record; "" when it cannot be read, which its reader
// will notice.
func lastID(record []byte) string {
	members, ok := readMembers(record)
	if !ok {
		return ""
	}
	id, ok := scalar(find(members, "id"))
	if !ok {
		return ""
	}
	return id
}

// oneThing expects a single thing, known by a member that it must have.
func oneThing(name string) verifier {
	return func(a *answer) error {
		if text, ok := scalar(a.env.value(name)); !ok || text == "" {
			return fmt.Errorf("the answer has no %s", name)
		}
		return nil
	}
}

// errTooLarge is a body above its bound.
var errTooLarge = errors.New("the answer is larger than is accepted")

// readBody reads all of a body, at most limit bytes. touch is called at each
// piece.
func readBody(r io.Reader, length int64, limit int, touch func()) ([]byte, error) {
	room := firstRead
	if length >= 0 {
		room = int(min(length, int64(limit))) + 1
	}
	body := make([]byte, 0, room)
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Read(body[len(body):min(cap(body), limit+1)])
		if n > 0 {
			body = body[:len(body)+n]
			touch()
		}
		switch {
		case len(body) > limit:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// decode is tolerant, because a definition must not be lost for a value that
// came as another type: a string takes any scalar, as it is written.
func decode(body []byte, into any) error {
	return json.Unmarshal(body, into,
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
		json.WithUnmarshalers(json.UnmarshalFromFunc(decodeText)))
}

func decodeText(d *jsontext.Decoder, s *string) error {
	if d.PeekKind() == 'n' {
		*s = ""
		return d.SkipValue()
	}
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if value.Kind() != '"' {
		*s = string(value)
		return nil
	}
	// The decoder has checked the string; all that can be wrong is its UTF-8,
	// and that has been replaced.
	text, _ := jsontext.AppendUnquote(nil, value)
	*s = string(text)
	return nil
}
