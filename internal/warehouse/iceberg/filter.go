package iceberg

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// A test is one of a query's filters, ready to be asked about values.
type test struct {
	place  int
	op     warehouse.Compare
	kind   penstock.Type
	values []any // numbers as *big.Rat, days and moments as the texts that Rows yields
}

// tests are the query's filters.
func (v *view) tests(filters []warehouse.Filter) ([]test, error) {
	var tests []test
	for _, f := range filters {
		place := v.layout.find(f.Column)
		if place < 0 || place == v.layout.own(ownStamp) || place == v.layout.own(ownPrint) {
			return nil, fmt.Errorf("%w: %q", warehouse.ErrNoColumn, f.Column)
		}
		kind := v.layout.columns[place].kind
		typed, err := warehouse.TypedFilter(f, kind)
		if err != nil {
			return nil, err
		}
		if kind == penstock.Number && f.Op != warehouse.Null {
			for i, text := range typed {
				typed[i], _ = new(big.Rat).SetString(text.(string)) // TypedFilter has looked
			}
		}
		tests = append(tests, test{place, f.Op, kind, typed})
	}
	return tests, nil
}

// passes tells whether the value, as Rows yields it, passes.
func (t test) passes(value any) bool {
	if t.op == warehouse.Null {
		return (value == nil) == t.values[0].(bool)
	}
	if value == nil {
		return false
	}
	if t.op == warehouse.In {
		for _, one := range t.values {
			if t.compare(value, one) == 0 {
				return true
			}
		}
		return false
	}
	order := t.compare(value, t.values[0])
	switch t.op {
	case warehouse.Equal:
		return order == 0
	case warehouse.NotEqual:
		return order != 0
	case warehouse.Less:
		return order < 0
	case warehouse.LessOrEqual:
		return order <= 0
	case warehouse.Greater:
		return order > 0
	}
	return order >= 0
}

func (t test) compare(value, with any) int {
	switch with := with.(type) {
	case *big.Rat:
		return rational(value).Cmp(with)
	case string:
		return strings.Compare(value.(string), with)
	case bool:
		return cmp.Compare(truth(value.(bool)), truth(with))
	case int64:
		return cmp.Compare(t.whole(value), with)
	}
	return 0
}

// whole is the value as TypedFilter has those of its kind.
func (t test) whole(value any) int64 {
	switch t.kind {
	case penstock.Date:
		ms, _ := warehouse.ParseMoment(value.(string) + "T00:00:00.000Z") // as DayText wrote it
		days := ms / 86_400_000
		return days
	case penstock.DateTime:
		ms, _ := warehouse.ParseMoment(value.(string)) // as MomentText wrote it
		return ms
	}
	return value.(int64)
}

func truth(v bool) int {
	if v {
		return 1
	}
	return 0
}

// rational is a number as Rows yields it.
func rational(value any) *big.Rat {
	switch v := value.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		exact, _ := new(big.Rat).SetString(strconv.FormatFloat(v, 'f', -1, 64)) // the decimal that it stands for
		return exact
	case string:
		exact, _ := new(big.Rat).SetString(v) // decimalText wrote it
		return exact
	}
	return new(big.Rat)
}
