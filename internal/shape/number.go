package shape

import "bytes"

// maxDigits bounds the digits of a number written out in full, so that a
// short "1e999999999" cannot become a long one.
const maxDigits = 1000

// appendNumber appends the canonical decimal text of a number to dst: no plus
// sign, no exponent, no zero that says nothing, "0" for every zero. The value
// is exact. What is not a number, or has more than maxDigits digits, is
// refused and dst returned as it came.
func appendNumber(dst, text []byte) ([]byte, bool) {
	if plainInteger(text) {
		return append(dst, text...), true
	}
	d, ok := splitNumber(text)
	if !ok {
		return dst, false
	}
	var room [64]byte
	digits := append(append(room[:0], d.whole...), d.fraction...)
	point := len(d.whole) + d.exponent
	trimmed := bytes.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	digits = bytes.TrimRight(trimmed, "0")
	if len(digits) == 0 {
		return append(dst, '0'), true
	}
	if max(point, len(digits))-min(point, 0) > maxDigits {
		return dst, false
	}
	if d.negative {
		dst = append(dst, '-')
	}
	switch {
	case point <= 0:
		dst = appendZeros(append(dst, "0."...), -point)
		dst = append(dst, digits...)
	case point >= len(digits):
		dst = appendZeros(append(dst, digits...), point-len(digits))
	default:
		dst = append(append(dst, digits[:point]...), '.')
		dst = append(dst, digits[point:]...)
	}
	return dst, true
}

// plainInteger tells whether text is an integer in canonical form already,
// as most numbers of an account are.
func plainInteger(text []byte) bool {
	if len(text) == 0 || len(text) > maxDigits || text[0] == '0' {
		return string(text) == "0"
	}
	for _, c := range text {
		if !digit(c) {
			return false
		}
	}
	return true
}

// decimal is a number taken apart.
type decimal struct {
	negative        bool
	whole, fraction []byte
	exponent        int
}

func splitNumber(text []byte) (d decimal, ok bool) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		d.negative = text[0] == '-'
		text = text[1:]
	}
	d.whole, text = leadingDigits(text)
	if len(text) > 0 && text[0] == '.' {
		d.fraction, text = leadingDigits(text[1:])
	}
	if len(d.whole)+len(d.fraction) == 0 {
		return d, false
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		if d.exponent, text, ok = exponentOf(text[1:]); !ok {
			return d, false
		}
	}
	return d, len(text) == 0
}

// exponentOf reads an exponent. A huge one is held at a bound that no
// mantissa of a page can make up for.
func exponentOf(text []byte) (exponent int, rest []byte, ok bool) {
	const bound = 1 << 40
	negative := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		text = text[1:]
	}
	digits, rest := leadingDigits(text)
	for _, c := range digits {
		exponent = min(exponent*10+int(c-'0'), bound)
	}
	if negative {
		exponent = -exponent
	}
	return exponent, rest, len(digits) > 0
}

func leadingDigits(text []byte) (digits, rest []byte) {
	n := 0
	for n < len(text) && digit(text[n]) {
		n++
	}
	return text[:n], text[n:]
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}

// parseBool reads true, yes, 1, false, no and 0 in any case: HubSpot sends
// "true" and "false", and labels where a property was imported as a choice.
func parseBool(text []byte) (value, ok bool) {
	if len(text) > len("false") {
		return false, false
	}
	var room [len("false")]byte
	switch string(lower(room[:0], text)) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

func lower(dst, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
