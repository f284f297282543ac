package shape

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text unescapes a string. A byte that is not UTF-8 and a surrogate without
// its other half become U+FFFD, which sound reports as false. The result is a
// slice of the body, or of scratch where something had to be changed.
func (s *scanner) text(q quoted) (text []byte, sound bool) {
	sound = !q.wide || utf8.Valid(q.raw)
	if sound && !q.escaped {
		return q.raw, true
	}
	start := len(s.scratch)
	for rest := q.raw; len(rest) > 0; {
		switch {
		case rest[0] == '\\' && q.escaped:
			var r rune
			r, rest = unescape(rest)
			if r == alone {
				r, sound = utf8.RuneError, false
			}
			s.scratch = utf8.AppendRune(s.scratch, r)
		case rest[0] < utf8.RuneSelf:
			s.scratch = append(s.scratch, rest[0])
			rest = rest[1:]
		default:
			r, size := utf8.DecodeRune(rest)
			s.scratch = utf8.AppendRune(s.scratch, r)
			rest = rest[size:]
		}
	}
	return s.scratch[start:len(s.scratch):len(s.scratch)], sound
}

// alone stands for a surrogate without its other half.
const alone rune = -1

// unescape decodes the escape that rest begins with, which the scanner has
// found well formed, and returns what follows it.
func unescape(rest []byte) (rune, []byte) {
	switch c := rest[1]; c {
	case 'b':
		return '\b', rest[2:]
	case 'f':
		return '\f', rest[2:]
	case 'n':
		return '\n', rest[2:]
	case 'r':
		return '\r', rest[2:]
	case 't':
		return '\t', rest[2:]
	case 'u':
		r, _ := hex4(rest[2:])
		rest = rest[6:]
		if !utf16.IsSurrogate(r) {
			return r, rest
		}
		if len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			low, _ := hex4(rest[2:])
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, rest[6:]
			}
		}
		return alone, rest
	default:
		return rune(c), rest[2:]
	}
}

// hex4 reads the four digits of a \u escape.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case digit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// spelled writes text that is not valid Unicode so that nothing is lost in a
// reject: escapes as they came, a byte that is not UTF-8 as \xNN, which is no
// escape of JSON.
func spelled(raw []byte) string {
	var b strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, raw[0])
		} else {
			b.Write(raw[:size])
		}
		raw = raw[size:]
	}
	return b.String()
}
