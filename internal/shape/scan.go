package shape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// maxDepth bounds the nesting of a value; HubSpot's answers nest six deep.
const maxDepth = 500

// A scanner walks a JSON text (RFC 8259) once, checking its grammar on the
// way, and hands out slices of it. It is written by hand because reading
// pages is most of a worker's CPU; the fuzz test holds it to jsontext.
//
// Two things are tolerated: names that come twice, of which the last counts,
// and text that is not valid Unicode, which text repairs and reports.
type scanner struct {
	body    []byte
	at      int
	scratch []byte // unescaped strings; only grows while an object is read, so slices of it stay good
}

// quoted is a string as it stands between its quotes.
type quoted struct {
	raw     []byte
	escaped bool // has a backslash
	wide    bool // has a byte above 0x7f
}

func (s *scanner) fail(want string) error {
	if s.at >= len(s.body) {
		return fmt.Errorf("malformed page: ends at byte %d where %s should be", s.at, want)
	}
	return fmt.Errorf("malformed page: byte %d is %q where %s should be", s.at, s.body[s.at], want)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.body); s.at++ {
		switch c := s.body[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// expect skips white space and takes one byte.
func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.fail(fmt.Sprintf("%q", c))
	}
	s.at++
	return nil
}

// more is called after an element of an object or array: it takes the comma
// and tells that another follows, or takes the closing byte.
func (s *scanner) more(closing byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.at++
		return true, nil
	case closing:
		s.at++
		return false, nil
	}
	return false, s.fail(fmt.Sprintf("',' or %q", closing))
}

// open takes an opening byte and tells whether anything is inside; an empty
// object or array is taken whole.
func (s *scanner) open(opening, closing byte) (bool, error) {
	if err := s.expect(opening); err != nil {
		return false, err
	}
	if s.peek() == closing {
		s.at++
		return false, nil
	}
	return true, nil
}

// name takes an object's next name and its colon.
func (s *scanner) name() ([]byte, error) {
	q, err := s.string()
	if err != nil {
		return nil, err
	}
	name, _ := s.text(q)
	return name, s.expect(':')
}

// each takes an object, and gives the name of each member to take, which takes
// its value.
func (s *scanner) each(take func(name []byte) error) error {
	more, err := s.open('{', '}')
	for more && err == nil {
		var name []byte
		if name, err = s.name(); err != nil {
			return err
		}
		if err = take(name); err != nil {
			return err
		}
		more, err = s.more('}')
	}
	return err
}

// answer takes the body of a page; object takes each of its results.
func (s *scanner) answer(object func() error) error {
	found := false
	err := s.each(func(name []byte) error {
		switch {
		case string(name) != "results":
			_, err := s.value(0)
			return err
		case found:
			return errors.New("malformed page: results come twice")
		}
		found = true
		return s.results(object)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("malformed page: it has no results")
	case s.peek() != 0 || s.at < len(s.body):
		return s.fail("the end")
	}
	return nil
}

func (s *scanner) results(object func() error) error {
	more, err := s.open('[', ']')
	for more && err == nil {
		if err = object(); err != nil {
			return err
		}
		more, err = s.more(']')
	}
	return err
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// string takes a string. Eight bytes are looked at together: the lowest bit
// set in stop belongs to the first quote, backslash or control character.
func (s *scanner) string() (quoted, error) {
	if err := s.expect('"'); err != nil {
		return quoted{}, err
	}
	q, start := quoted{}, s.at
	var seen uint64
	for {
		for s.at+8 <= len(s.body) {
			word := binary.LittleEndian.Uint64(s.body[s.at:])
			quote, slash := word^(ones*'"'), word^(ones*'\\')
			stop := ((quote-ones)&^quote | (slash-ones)&^slash | (word-ones*' ')&^word) & highs
			if stop != 0 {
				seen |= word & (stop&-stop - 1)
				s.at += bits.TrailingZeros64(stop) / 8
				break
			}
			seen |= word
			s.at += 8
		}
		if s.at >= len(s.body) {
			return q, s.fail("the end of a string")
		}
		switch c := s.body[s.at]; {
		case c == '"':
			q.raw, q.wide = s.body[start:s.at], seen&highs != 0
			s.at++
			return q, nil
		case c == '\\':
			q.escaped = true
			if err := s.escape(); err != nil {
				return q, err
			}
		case c < ' ':
			return q, s.fail("no control character")
		default:
			seen |= uint64(c)
			s.at++
		}
	}
}

// escape takes a backslash and what belongs to it.
func (s *scanner) escape() error {
	s.at++
	if s.at >= len(s.body) {
		return s.fail("an escape")
	}
	switch s.body[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		if _, ok := hex4(s.body[s.at+1:]); ok {
			s.at += 5
			return nil
		}
	}
	return s.fail("an escape")
}

// value takes any value and returns its text in the body.
func (s *scanner) value(depth int) ([]byte, error) {
	c := s.peek()
	start := s.at
	var err error
	switch {
	case c == '"':
		_, err = s.string()
	case c == '{':
		err = s.members(depth + 1)
	case c == '[':
		err = s.elements(depth + 1)
	case c == '-' || digit(c):
		err = s.number()
	default:
		err = s.literal()
	}
	return s.body[start:s.at], err
}

func (s *scanner) members(depth int) error {
	if depth > maxDepth {
		return s.fail("less nesting")
	}
	more, err := s.open('{', '}')
	for more && err == nil {
		if s.peek() != '"' {
			return s.fail("a name")
		}
		if _, err = s.name(); err != nil {
			return err
		}
		if _, err = s.value(depth); err != nil {
			return err
		}
		more, err = s.more('}')
	}
	return err
}

func (s *scanner) elements(depth int) error {
	if depth > maxDepth {
		return s.fail("less nesting")
	}
	more, err := s.open('[', ']')
	for more && err == nil {
		if _, err = s.value(depth); err != nil {
			return err
		}
		more, err = s.more(']')
	}
	return err
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"null", "true", "false"} {
		if s.has(word) {
			s.at += len(word)
			return nil
		}
	}
	return s.fail("a value")
}

// has tells whether the body goes on with word.
func (s *scanner) has(word string) bool {
	return len(s.body)-s.at >= len(word) && string(s.body[s.at:s.at+len(word)]) == word
}

func (s *scanner) number() error {
	if s.body[s.at] == '-' {
		s.at++
	}
	switch n := s.digits(); {
	case n == 0:
		return s.fail("a digit")
	case n > 1 && s.body[s.at-n] == '0':
		s.at -= n
		return s.fail("a number without a leading zero")
	}
	if s.at < len(s.body) && s.body[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return s.fail("a digit")
		}
	}
	if s.at < len(s.body) && s.body[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.body) && (s.body[s.at] == '+' || s.body[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return s.fail("a digit")
		}
	}
	return nil
}

// digits takes a run of digits and returns its length.
func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.body) && digit(s.body[s.at]) {
		s.at++
	}
	return s.at - start
}

func digit(c byte) bool { return c-'0' <= 9 }
