package warehouse

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock"
)

// mostFilterDigits bounds a number in a filter: engines compute with it.
const mostFilterDigits = 200

// WholeNumber is the kind of the columns of ours, and of keys, that are 64-bit
// integers; TypedFilter takes it beside the types of properties.
const WholeNumber penstock.Type = "integer"

// TypedFilter are the filter's values as a column of the kind is compared:
// text as string, numbers as their decimal text, whole numbers as int64, booleans
// as bool, dates (2006-01-02) as days and datetimes (RFC 3339) as milliseconds
// since 1970, both int64. With Null it is one bool whatever the kind. It fails
// with ErrFilter.
func TypedFilter(f Filter, kind penstock.Type) ([]any, error) {
	switch f.Op {
	case Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Null:
		if len(f.Values) != 1 {
			return nil, fmt.Errorf("%w: %s %s takes one value and has %d", ErrFilter, f.Column, f.Op, len(f.Values))
		}
	case In:
		if len(f.Values) == 0 {
			return nil, fmt.Errorf("%w: %s in takes at least one value", ErrFilter, f.Column)
		}
	default:
		return nil, fmt.Errorf("%w: %s %q: the comparisons are eq, ne, lt, le, gt, ge, in and null", ErrFilter, f.Column, f.Op)
	}
	if f.Op == Null {
		kind = penstock.Bool
	}
	typed := make([]any, 0, len(f.Values))
	for _, text := range f.Values {
		value, err := typedValue(text, kind)
		if err != nil {
			return nil, fmt.Errorf("%w: %s %s: %w", ErrFilter, f.Column, f.Op, err)
		}
		typed = append(typed, value)
	}
	return typed, nil
}

func typedValue(text string, kind penstock.Type) (any, error) {
	switch kind {
	case WholeNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number of 64 bits", text)
		}
		return n, nil
	case penstock.Number:
		if !decimal(text) {
			return nil, fmt.Errorf("%q is not a decimal number of at most %d digits", text, mostFilterDigits)
		}
		return strings.TrimPrefix(text, "+"), nil
	case penstock.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return text == "true", nil
	case penstock.Date:
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a date such as 2026-01-31", text)
		}
		return day.Unix() / int64((24 * time.Hour).Seconds()), nil
	case penstock.DateTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a moment such as 2026-01-31T12:00:00Z", text)
		}
		return at.UnixMilli(), nil
	}
	return text, nil
}

// decimal tells whether the text is a plain decimal: a sign, digits, a point and digits.
func decimal(text string) bool {
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	whole, fraction, point := strings.Cut(text, ".")
	if len(text) > mostFilterDigits || whole == "" || point && fraction == "" {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == ""
}
