package hubspotsim

import (
	"strconv"
	"unicode/utf8"
)

// words are what ordinary text is made of.
var words = []string{"amber", "basin", "canal", "delta", "estuary", "ford", "gorge", "harbor", "inlet", "jetty",
	"lagoon", "marsh", "outfall", "pool", "quay", "rapids", "sluice", "tarn", "weir", "spillway"}

// appendValue appends what the view holds for the property, unescaped, and
// tells whether it holds anything; what it appended is void if not.
func (t *table) appendValue(b []byte, v *view, p *property) ([]byte, bool) {
	switch p.gen {
	case genID:
		return strconv.AppendInt(b, v.id, 10), true
	case genCreated:
		return appendTime(b, v.created), true
	case genModified:
		return appendTime(b, v.updated), true
	}
	if v.values != nil {
		if value, ok := v.values[p.Name]; ok {
			return append(b, value...), true
		}
	}
	if p.gen == genCalculated {
		return t.appendCalculated(b, v, p)
	}
	if v.index < 0 {
		return b, false
	}
	return t.appendDerived(b, uint64(v.index), p)
}

// appendDerived appends the value that a base object got from the seed.
func (t *table) appendDerived(b []byte, i uint64, p *property) ([]byte, bool) {
	h := mix(t.seed, p.salt, i)
	if h%100 >= p.fill || p.gen == genNothing {
		return b, false
	}
	h /= 100
	if t.hostile && p.gen != genSerial && h%3 == 0 && mix2(t.seed, i)%hostileShare == 0 {
		return append(b, hostileValue(p.Type, h/3)...), true
	}
	switch p.gen {
	case genSerial:
		b = append(b, p.prefix...)
		b = appendPadded(b, i, 6)
		return append(b, p.suffix...), true
	case genWords:
		b = append(b, words[h%20]...)
		if h%5 < 3 {
			b = append(append(b, ' '), words[h/32%20]...)
		}
		return b, true
	case genInteger:
		return strconv.AppendUint(b, h%100_000, 10), true
	case genDecimal:
		b = strconv.AppendUint(b, h%1_000_000, 10)
		return appendPadded(append(b, '.'), h/1_000_000%100, 2), true
	case genDateTime:
		return appendTime(b, t.layout.created.start+int64(h%(1<<37))), true
	case genDate:
		return appendDay(b, t.layout.created.start/dayMillis+int64(h%2000)), true
	case genEnum:
		if len(p.Options) == 0 {
			return b, false
		}
		return append(b, p.Options[h%uint64(len(p.Options))]...), true
	case genBool:
		return strconv.AppendBool(b, h%2 == 0), true
	case genPhone:
		return appendPadded(append(b, "+1-202-555-01"...), h%100, 2), true
	case genOwner:
		return strconv.AppendInt(b, ownerID(int(h%ownerCount)), 10), true
	}
	return b, false
}

// appendPadded appends n with at least width digits.
func appendPadded(b []byte, n uint64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}

const dayMillis = 24 * 60 * 60 * 1000

// appendTime appends an instant as HubSpot writes it: UTC with milliseconds.
// The standard library's formatter would take half the time of a page.
func appendTime(b []byte, ms int64) []byte {
	day, rest := ms/dayMillis, ms%dayMillis
	if rest < 0 {
		day, rest = day-1, rest+dayMillis
	}
	b = appendDay(b, day)
	two := func(mark byte, n int64) {
		b = append(b, mark, byte('0'+n/10), byte('0'+n%10))
	}
	two('T', rest/3_600_000)
	two(':', rest/60_000%60)
	two(':', rest/1000%60)
	milli := rest % 1000
	return append(b, '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10), 'Z')
}

// appendDay appends a day counted from 1970-01-01, in the Gregorian calendar
// counted in eras of 400 years that begin on the first of March.
func appendDay(b []byte, day int64) []byte {
	day += 719_468
	era := day / 146_097
	within := day - era*146_097
	year := (within - within/1460 + within/36_524 - within/146_096) / 365
	dayOfYear := within - (365*year + year/4 - year/100)
	shifted := (5*dayOfYear + 2) / 153
	date := dayOfYear - (153*shifted+2)/5 + 1
	month := shifted + 3
	year += era * 400
	if month > 12 {
		month -= 12
		year++
	}
	b = appendPadded(b, uint64(year), 4)
	return append(b, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+date/10), byte('0'+date%10))
}

// appendString appends a JSON string.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	b = appendEscaped(b, string(s))
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// mustEscape tells whether the bytes cannot stand in a JSON string as they are.
func mustEscape(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}
