package postgres

import bin "encoding/binary"

// The bounds of numeric: digits before the point and after it
// (postgresql.org/docs/current/datatype-numeric.html).
const (
	maxWhole    = 131072
	maxFraction = 16383
)

// canonical tells whether the text is a decimal as numeric prints it: no plus
// sign, no exponent, no zero before others, and not minus zero.
func canonical(text string) bool {
	digits := text
	negative := digits != "" && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	whole, zero := 0, true
	for whole < len(digits) && isDigit(digits[whole]) {
		zero = zero && digits[whole] == '0'
		whole++
	}
	if whole == 0 || whole > 1 && digits[0] == '0' || whole > maxWhole {
		return false
	}
	if whole == len(digits) {
		return !negative || !zero
	}
	fraction := digits[whole+1:]
	if digits[whole] != '.' || fraction == "" || len(fraction) > maxFraction {
		return false
	}
	for i := range len(fraction) {
		if !isDigit(fraction[i]) {
			return false
		}
		zero = zero && fraction[i] == '0'
	}
	return !negative || !zero
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// appendNumeric appends a canonical decimal in numeric's binary form: groups
// of four decimal digits, the first of the weight given, without groups of
// zero at either end.
func appendNumeric(dst []byte, text string) []byte {
	sign := uint16(0)
	if text[0] == '-' {
		sign, text = 0x4000, text[1:]
	}
	point := len(text)
	for i := range len(text) {
		if text[i] == '.' {
			point = i
			break
		}
	}
	scale := max(len(text)-point-1, 0)
	head := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	weight := (point+3)/4 - 1
	count, zeros, begun := 0, 0, false
	for at := point - (weight+1)*4; at <= point+scale; {
		group := uint16(0)
		for k := range 4 {
			i := at + k
			group *= 10
			if i >= 0 && i < len(text) && i != point {
				group += uint16(text[i] - '0')
			}
		}
		if at += 4; at == point {
			at++ // past the point
		}
		switch {
		case group == 0 && !begun:
			weight--
		case group == 0:
			zeros++
		default:
			for ; zeros > 0; zeros-- {
				dst = append(dst, 0, 0)
				count++
			}
			begun = true
			dst = bin.BigEndian.AppendUint16(dst, group)
			count++
		}
	}
	if count == 0 {
		weight = 0
	}
	bin.BigEndian.PutUint16(dst[head:], uint16(count))
	bin.BigEndian.PutUint16(dst[head+2:], uint16(int16(weight)))
	bin.BigEndian.PutUint16(dst[head+4:], sign)
	bin.BigEndian.PutUint16(dst[head+6:], uint16(scale))
	return dst
}

// numericText is the decimal that numeric's binary form holds, as the server
// prints it.
func numericText(raw []byte) string {
	if len(raw) < 8 {
		return "NaN"
	}
	count, weight := int(bin.BigEndian.Uint16(raw)), int(int16(bin.BigEndian.Uint16(raw[2:])))
	sign, scale := bin.BigEndian.Uint16(raw[4:]), int(bin.BigEndian.Uint16(raw[6:]))
	switch sign {
	case 0xC000:
		return "NaN"
	case 0xD000:
		return "Infinity"
	case 0xF000:
		return "-Infinity"
	}
	group := func(i int) (g uint16) {
		if i >= 0 && i < count && 8+2*i+2 <= len(raw) {
			g = bin.BigEndian.Uint16(raw[8+2*i:])
		}
		return g
	}
	text := make([]byte, 0, 32)
	if sign == 0x4000 {
		text = append(text, '-')
	}
	if weight < 0 {
		text = append(text, '0')
	}
	for i := 0; i <= weight; i++ {
		g := group(i)
		digits := [4]byte{byte(g / 1000), byte(g / 100 % 10), byte(g / 10 % 10), byte(g % 10)}
		skip := 0
		for i == 0 && skip < 3 && digits[skip] == 0 {
			skip++
		}
		for _, d := range digits[skip:] {
			text = append(text, '0'+d)
		}
	}
	if scale == 0 {
		return string(text)
	}
	text = append(text, '.')
	end := len(text) + scale
	for i := weight + 1; len(text) < end; i++ {
		g := group(i)
		text = append(text, '0'+byte(g/1000), '0'+byte(g/100%10), '0'+byte(g/10%10), '0'+byte(g%10))
	}
	return string(text[:end])
}
