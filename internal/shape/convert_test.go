package shape

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// referenceNumber is what appendNumber should make of text, by way of a
// rational number.
func referenceNumber(text string) (string, bool) {
	decimal := regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	if !decimal.MatchString(text) {
		return "", false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if strings.Trim(mantissa, "+-.0") == "" {
		return "0", true
	}
	// Rat refuses exponents that are far beyond any number taken here.
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 10_000 || e < -10_000) {
		return "", false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", false
	}
	places, _ := r.FloatPrec()
	canonical := r.FloatString(places)
	digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(canonical), "")
	if strings.HasPrefix(strings.TrimPrefix(canonical, "-"), "0.") {
		digits = digits[1:]
	}
	return canonical, len(digits) <= maxDigits
}

func FuzzNumbersKeepTheirValue(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "+0.00", "1", "-1", "+1.50", "0012", "1e3", "1E+3", "1.5e-3", "-12.3400e2", ".5", "5.", ".", "e5", "1e", "1e+", "--1", "1 ", "",
		"134;137", "NaN", "Infinity", "0x10", "1_000", "1,5", "1e999", "1e1000", "1e-999", "1e-1001", "1e99999999999999999999", "0e99999999999999999999",
		strings.Repeat("9", 1000), strings.Repeat("9", 1001), "0." + strings.Repeat("0", 999) + "1", "123456789012345678901234567890.123456789", "00.10e1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := referenceNumber(text)
		got, taken := appendNumber([]byte("before"), []byte(text))
		if !taken {
			if ok || string(got) != "before" {
				t.Fatalf("%q is refused and leaves %q; it is %s", text, got, want)
			}
			return
		}
		if !ok || string(got) != "before"+want {
			t.Fatalf("%q becomes %s, not %s (%t)", text, got, want, ok)
		}
		if again, ok := appendNumber(nil, got[len("before"):]); !ok || string(again) != want {
			t.Fatalf("%q is canonical and becomes %s", want, again)
		}
	})
}

// referenceMoment reads what parseDateTime reads, by package time.
func referenceMoment(text string) (int64, bool) {
	if regexp.MustCompile(`^-?[0-9]{1,16}$`).MatchString(text) {
		ms, err := strconv.ParseInt(text, 10, 64)
		return ms, err == nil && firstMoment <= ms && ms <= lastMoment
	}
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)$`).MatchString(text) {
		return 0, false
	}
	text = strings.ToUpper(text)
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli(), at.UTC().Year() >= 1 && at.UTC().Year() <= 9999
		}
	}
	return 0, false
}

func FuzzMomentsAreThoseOfPackageTime(f *testing.F) {
	for _, s := range []string{
		"2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05Z", "2024-02-29T23:59:59.9999999+02:00", "2023-02-29T00:00:00Z", "0001-01-01T00:00:00Z",
		"0000-12-31T23:00:00-01:00", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-00:01", "1969-12-31T23:59:59.9996Z",
		"2006-01-02t15:04:05z", "2006-01-02T24:00:00Z", "2006-01-02T23:59:60Z", "2006-13-02T15:04:05Z", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z",
		"2006-01-02T15:04:05+0230", "2006-01-02T15:04:05.Z", "2006-01-02T15:04:05+24:00", "1700000000000", "-1", "0", "-62135596800000", "253402300800000",
		"12345678901234567", "-", "", "2006-01-02", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2006-01-02T15:04:05,5Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := referenceMoment(text)
		if got, taken := parseDateTime([]byte(text)); taken != ok || ok && got != want {
			t.Fatalf("%q is %d (%t), not %d (%t)", text, got, taken, want, ok)
		}
		days, taken := parseDate([]byte(text))
		at, err := time.Parse("2006-01-02", text)
		switch {
		case err == nil && at.Year() > 0:
			ok, want = true, at.UnixMilli()
		default:
			ok = ok && want%day == 0
		}
		if taken != ok || ok && int64(days)*day != want {
			t.Fatalf("%q is day %d (%t), not %d ms (%t)", text, days, taken, want, ok)
		}
	})
}

func FuzzBooleansAreFewWords(f *testing.F) {
	words := map[string]bool{"true": true, "yes": true, "1": true, "false": false, "no": false, "0": false}
	for word := range words {
		f.Add(word)
		f.Add(strings.ToUpper(word))
	}
	f.Add("")
	f.Add("falsey")
	f.Fuzz(func(t *testing.T, text string) {
		got, taken := parseBool([]byte(text))
		var want, ok bool
		for word, value := range words {
			if len(word) == len(text) && strings.EqualFold(word, text) {
				want, ok = value, true
			}
		}
		if got != want || taken != ok {
			t.Fatalf("%q is %t (%t), not %t (%t)", text, got, taken, want, ok)
		}
	})
}

func TestEveryDayOfFourCenturiesIsThatOfPackageTime(t *testing.T) {
	for at := time.Date(1799, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2201; at = at.AddDate(0, 0, 1) {
		if days, ok := parseDate(at.AppendFormat(nil, "2006-01-02")); !ok || int64(days) != at.Unix()/86400 && at.Unix()%86400 == 0 {
			t.Fatalf("%s is day %d (%t)", at, days, ok)
		}
	}
}
