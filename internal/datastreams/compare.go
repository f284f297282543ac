package datastreams

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"penstock"
)

// same tells whether a value of the warehouse is what HubSpot's text says,
// however each writes it; set is false where HubSpot has none. An empty text
// and none are one NULL.
func same(kind penstock.Type, text string, set bool, value any) bool {
	if !set || text == "" {
		return value == nil
	}
	if value == nil {
		return false
	}
	held := spelled(value)
	switch kind {
	case penstock.Number:
		a, okA := new(big.Rat).SetString(strings.TrimSpace(text))
		b, okB := new(big.Rat).SetString(held)
		return okA && okB && a.Cmp(b) == 0
	case penstock.Bool:
		a, errA := strconv.ParseBool(strings.TrimSpace(text))
		b, errB := strconv.ParseBool(held)
		return errA == nil && errB == nil && a == b
	case penstock.Date, penstock.DateTime:
		a, okA := instant(text)
		b, okB := instant(held)
		if kind == penstock.Date {
			a, b = a.Truncate(day), b.Truncate(day)
		}
		return okA && okB && a.Equal(b)
	}
	return strings.ToValidUTF8(text, "\uFFFD") == held
}

// spelled is a value of the warehouse as text.
func spelled(value any) string {
	if f, ok := value.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// instant reads a date or a moment as HubSpot and warehouses write them.
func instant(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
