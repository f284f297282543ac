package warehousetest

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// kinds are how the columns that can be filtered by compare, by name.
func (t *modelTable) kinds() map[string]penstock.Type {
	kinds := map[string]penstock.Type{
		"_created_at": penstock.DateTime, "_updated_at": penstock.DateTime, "_deleted": penstock.Bool,
		"_deleted_at": penstock.DateTime, "_deleted_why": penstock.Text, "_merged_into": warehouse.WholeNumber,
		"_synced_at": penstock.DateTime, "_load": warehouse.WholeNumber,
	}
	for _, k := range t.stream.Key() {
		kinds[k.Name] = penstock.Text
		if k.Integer {
			kinds[k.Name] = warehouse.WholeNumber
		}
	}
	for _, c := range t.columns {
		kinds[c.Name] = c.Type
	}
	return kinds
}

// passing tells of a row whether it passes all filters.
func (t *modelTable) passing(filters []warehouse.Filter) (func(*modelRow) bool, error) {
	var all []func(*modelRow) bool
	for _, f := range filters {
		kind, ok := t.kinds()[f.Column]
		if !ok {
			return nil, fmt.Errorf("%w: %q", warehouse.ErrNoColumn, f.Column)
		}
		values, err := warehouse.TypedFilter(f, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, func(r *modelRow) bool { return passes(r.columns[f.Column], f.Op, kind, values) })
	}
	return func(r *modelRow) bool {
		return !slices.ContainsFunc(all, func(pass func(*modelRow) bool) bool { return !pass(r) })
	}, nil
}

func passes(held any, op warehouse.Compare, kind penstock.Type, values []any) bool {
	if op == warehouse.Null {
		return (held == nil) == values[0]
	}
	if held == nil {
		return false
	}
	if op == warehouse.In {
		return slices.ContainsFunc(values, func(v any) bool { return compareAs(kind, held, v) == 0 })
	}
	c := compareAs(kind, held, values[0])
	return map[warehouse.Compare]bool{
		warehouse.Equal: c == 0, warehouse.NotEqual: c != 0, warehouse.Less: c < 0, warehouse.LessOrEqual: c <= 0,
		warehouse.Greater: c > 0, warehouse.GreaterOrEqual: c >= 0,
	}[op]
}

// compareAs compares a value as Rows yields it with one of TypedFilter.
func compareAs(kind penstock.Type, held, value any) int {
	switch kind {
	case penstock.Number:
		return rational(held).Cmp(rational(value))
	case penstock.Date:
		return cmp.Compare(instant(held.(string)+"T00:00:00.000Z")/(24*time.Hour).Milliseconds(), value.(int64))
	case penstock.DateTime:
		return cmp.Compare(instant(held.(string)), value.(int64))
	case penstock.Bool:
		truth := map[any]int{false: 0, true: 1}
		return cmp.Compare(truth[held], truth[value])
	case warehouse.WholeNumber:
		return cmp.Compare(held.(int64), value.(int64))
	}
	return strings.Compare(held.(string), value.(string))
}

func rational(v any) *big.Rat {
	text := fmt.Sprint(v)
	if f, ok := v.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64) // the decimal that was loaded, not the float beside it
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(fmt.Sprintf("%q is not a number", text))
	}
	return r
}

// instant reads a moment whose year may have more than four digits, or be
// below 0.
func instant(text string) int64 {
	at := len(text) - len("-01-02T15:04:05.000Z")
	year, err := strconv.Atoi(text[:at])
	if err != nil {
		panic(err)
	}
	rest, err := time.Parse("2006-01-02T15:04:05.000Z", "2000"+text[at:]) // as 2000, every fourth year has 366 days
	if err != nil {
		panic(err)
	}
	return rest.AddDate(year-2000, 0, 0).UnixMilli()
}
