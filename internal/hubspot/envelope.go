package hubspot

import (
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"

	"github.com/go-json-experiment/json/jsontext"
)

// An envelope is what surrounds the records of an answer: its outermost
// members, how many records there are and where the next page begins. It is
// read by one pass over the body that takes no record apart, so that the next
// page can be asked for before this one is decoded.
type envelope struct {
	members []member
	results int    // elements of the results array; -1 when there is no such array
	last    []byte // the last of them
	next    string // the next page's cursor; "" when there is none
}

// A member is one name and value of an object, as they stand in the body. A
// name with an escape in it stays as it is, and so matches no known name.
type member struct{ name, value []byte }

var (
	errNotJSON   = errors.New("the body is not one complete JSON object")
	errTwice     = errors.New("a member stands twice in the answer")
	errPaging    = errors.New("the paging of the answer cannot be read")
	errNoResults = errors.New("the answer has no array of results")
)

// HubSpot's own answers stay far below these bounds.
const (
	maxDepth   = 512  // of nesting
	maxMembers = 1000 // of an object that is taken apart; those of records are not
)

// readEnvelope accepts exactly the JSON objects within the bounds, save that
// it does not look at whether strings are valid UTF-8.
func readEnvelope(body []byte) (envelope, error) {
	env := envelope{results: -1}
	members, ok := readObject(body, &env)
	if !ok {
		return envelope{}, errNotJSON
	}
	env.members = members
	for i, m := range members {
		for _, n := range members[:i] {
			if string(n.name) == string(m.name) {
				return envelope{}, errTwice
			}
		}
	}
	var err error
	env.next, err = nextCursor(env.value("paging"))
	return env, err
}

// value is the raw value of an outermost member; nil when there is none.
func (e *envelope) value(name string) []byte { return find(e.members, name) }

func find(members []member, name string) []byte {
	for _, m := range members {
		if string(m.name) == name {
			return m.value
		}
	}
	return nil
}

// nextCursor reads next.after of a paging member. A paging that is there but
// cannot be read is an error: taken for the end, it would cut the stream off.
func nextCursor(paging []byte) (string, error) {
	if absent(paging) {
		return "", nil
	}
	outer, ok := readMembers(paging)
	if !ok {
		return "", errPaging
	}
	next := find(outer, "next")
	if absent(next) {
		return "", nil
	}
	inner, ok := readMembers(next)
	if !ok {
		return "", errPaging
	}
	after, ok := scalar(find(inner, "after"))
	if !ok || after == "" {
		return "", errPaging
	}
	return after, nil
}

func absent(value []byte) bool { return value == nil || string(value) == "null" }

// scalar is the text of a JSON string or number.
func scalar(value []byte) (string, bool) {
	if len(value) == 0 {
		return "", false
	}
	switch c := value[0]; {
	case c == '"':
		text, err := jsontext.AppendUnquote(nil, value)
		return string(text), err == nil
	case c == '-' || isDigit(c):
		return string(value), true
	}
	return "", false
}

// readMembers takes apart the one object that b holds; false when b is
// anything else.
func readMembers(b []byte) ([]member, bool) { return readObject(b, nil) }

// readObject is readMembers, and tells env of the results that it comes by.
func readObject(b []byte, env *envelope) ([]member, bool) {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return nil, false
	}
	members := make([]member, 0, 8)
	i = skipSpace(b, i+1)
	for first := true; i < len(b) && b[i] != '}'; first = false {
		if !first {
			if b[i] != ',' {
				return nil, false
			}
			i = skipSpace(b, i+1)
		}
		name, value := skipName(b, i)
		if value < 0 {
			return nil, false
		}
		var end int
		if env != nil && value < len(b) && b[value] == '[' && string(b[i+1:name]) == "results" {
			end, env.results, env.last = skipArray(b, value+1, 2)
		} else {
			end = skipValue(b, value, 1)
		}
		if end < 0 || len(members) == maxMembers {
			return nil, false
		}
		members = append(members, member{b[i+1 : name], b[value:end]})
		i = skipSpace(b, end)
	}
	return members, i < len(b) && skipSpace(b, i+1) == len(b)
}

// each goes through the elements of an array that has been skipped before;
// anything else has none.
func each(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(list) == 0 || list[0] != '[' {
			return
		}
		for i := skipSpace(list, 1); list[i] != ']'; {
			end := skipValue(list, i, 2)
			if !yield(list[i:end]) {
				return
			}
			if i = skipSpace(list, end); list[i] == ',' {
				i = skipSpace(list, i+1)
			}
		}
	}
}

// valueOf is the raw value of one member of an object that has been skipped
// before, however many it has; nil when there is none, or no object.
func valueOf(object []byte, name string) []byte {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	for i := skipSpace(object, 1); object[i] == '"'; {
		quote, value := skipName(object, i)
		end := skipValue(object, value, 2)
		if string(object[i+1:quote]) == name {
			return object[value:end]
		}
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return nil
}

// The functions below return the index behind what they skip, or -1 when it
// is not there.

func skipValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i+1)
	case c == '{':
		return skipObject(b, i+1, depth+1)
	case c == '[':
		end, _, _ := skipArray(b, i+1, depth+1)
		return end
	case c == '-' || isDigit(c):
		return skipNumber(b, i)
	case c == 'n':
		return skipWord(b, i, "null")
	case c == 't':
		return skipWord(b, i, "true")
	case c == 'f':
		return skipWord(b, i, "false")
	}
	return -1
}

func skipObject(b []byte, i, depth int) int {
	if i = skipSpace(b, i); depth > maxDepth || i >= len(b) {
		return -1
	}
	if b[i] == '}' {
		return i + 1
	}
	for {
		if _, i = skipName(b, i); i < 0 {
			return -1
		}
		if i = skipValue(b, i, depth); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// skipArray also counts the elements, and finds the last.
func skipArray(b []byte, i, depth int) (end, n int, last []byte) {
	if i = skipSpace(b, i); depth > maxDepth || i >= len(b) {
		return -1, 0, nil
	}
	if b[i] == ']' {
		return i + 1, 0, nil
	}
	for {
		from := i
		if i = skipValue(b, i, depth); i < 0 {
			return -1, 0, nil
		}
		n, last = n+1, b[from:i]
		if i = skipSpace(b, i); i >= len(b) {
			return -1, 0, nil
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return i + 1, n, last
		default:
			return -1, 0, nil
		}
	}
}

// skipName skips a member's name and colon: where the name's closing quote
// is, and where the value begins.
func skipName(b []byte, i int) (quote, value int) {
	if i >= len(b) || b[i] != '"' {
		return -1, -1
	}
	end := skipString(b, i+1)
	if end < 0 {
		return -1, -1
	}
	colon := skipSpace(b, end)
	if colon >= len(b) || b[colon] != ':' {
		return -1, -1
	}
	return end - 1, skipSpace(b, colon+1)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString begins behind the opening quote. Eight bytes are looked at
// together, since most of a page is strings.
func skipString(b []byte, i int) int {
	for i < len(b) {
		if i+8 <= len(b) {
			special := specials(binary.LittleEndian.Uint64(b[i:]))
			if special == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(special) / 8
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
		case c < ' ':
			return -1
		default:
			i++
		}
	}
	return -1
}

// specials has the top bit set of the lowest byte of w that is a quote, a
// backslash or a control character; bytes above that one may be marked
// falsely, because the subtractions borrow.
func specials(w uint64) uint64 {
	const each, top = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^(each*'"'), w^(each*'\\')
	return ((quote-each)&^quote | (backslash-each)&^backslash | (w-each*' ')&^w) & top
}

func skipEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(b) {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	whole := i
	if i = skipDigits(b, i); i < 0 || b[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

func skipDigits(b []byte, i int) int {
	from := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
