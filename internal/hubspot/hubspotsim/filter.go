package hubspotsim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A filter is one condition of a search.
type filter struct {
	Property  string `json:"propertyName"`
	Operator  string `json:"operator"`
	Value     text   `json:"value"`
	HighValue text   `json:"highValue"`
	Values    []text `json:"values"`
}

// A dimension is one of the three things that objects are ordered by.
type dimension uint8

const (
	byID dimension = iota
	byModified
	byCreated
	dimensions
)

// dimension tells whether a property is one.
func (t *table) dimension(name string) (dimension, bool) {
	switch name {
	case "hs_object_id":
		return byID, true
	case t.kind.modified:
		return byModified, true
	case t.kind.created:
		return byCreated, true
	}
	return 0, false
}

// in is the view's place in the dimension.
func (v *view) in(d dimension) int64 {
	switch d {
	case byModified:
		return v.updated
	case byCreated:
		return v.created
	}
	return v.id
}

// A group is conditions that must all hold: a range in each dimension, which
// the seed's arithmetic can find, and tests that need each object's values.
type group struct {
	ranges [dimensions]span
	tests  []func(*view) bool
}

func newGroup(t *table, filters []filter) (group, error) {
	g := group{}
	for d := range g.ranges {
		g.ranges[d] = span{-maxDate, maxDate}
	}
	for _, f := range filters {
		if err := g.add(t, f); err != nil {
			return g, err
		}
	}
	return g, nil
}

func (g *group) add(t *table, f filter) error {
	p := t.props.byName[f.Property]
	if p == nil {
		return refusal("There was a problem with the request. Property does not exist: " + f.Property)
	}
	d, ordered := t.dimension(f.Property)
	if !ordered {
		test, err := f.test(p)
		g.tests = append(g.tests, func(v *view) bool {
			value, set := t.appendValue(nil, v, p)
			return test(string(value), set)
		})
		return err
	}
	if d == byID && t.textIDs && f.ranged() {
		g.tests = append(g.tests, func(v *view) bool { return f.between(strconv.FormatInt(v.id, 10)) })
		return nil
	}
	return g.narrow(d, f)
}

// ranged tells whether the condition is one of order.
func (f filter) ranged() bool {
	return slices.Contains([]string{"GT", "GTE", "LT", "LTE", "BETWEEN"}, f.Operator)
}

// between meets a condition of order as text.
func (f filter) between(value string) bool {
	low, high := string(f.Value), string(f.HighValue)
	switch f.Operator {
	case "GT":
		return value > low
	case "GTE":
		return value >= low
	case "LT":
		return value < low
	case "LTE":
		return value <= low
	}
	return low <= value && value <= high
}

// narrow adds a condition on an id or date.
func (g *group) narrow(d dimension, f filter) error {
	if f.Operator == "HAS_PROPERTY" {
		return nil
	}
	bounds, err := f.bounds(d)
	if err != nil {
		return err
	}
	low := bounds[0]
	r := span{-maxDate, maxDate}
	switch f.Operator {
	case "EQ":
		r = span{low, low + 1}
	case "BETWEEN":
		r = span{low, bounds[1] + 1}
	case "GT":
		r.from = low + 1
	case "GTE":
		r.from = low
	case "LT":
		r.to = low
	case "LTE":
		r.to = low + 1
	case "NEQ":
		g.tests = append(g.tests, func(v *view) bool { return v.in(d) != low })
	case "IN":
		r = span{slices.Min(bounds), slices.Max(bounds) + 1}
		g.tests = append(g.tests, func(v *view) bool { return slices.Contains(bounds, v.in(d)) })
	case "NOT_IN":
		g.tests = append(g.tests, func(v *view) bool { return !slices.Contains(bounds, v.in(d)) })
	default:
		return fmt.Errorf("operator %q cannot be used on %s", f.Operator, f.Property)
	}
	g.ranges[d] = span{max(g.ranges[d].from, r.from), min(g.ranges[d].to, r.to)}
	return nil
}

// bounds reads the values of a condition on an id or date.
func (f filter) bounds(d dimension) ([]int64, error) {
	texts := f.Values
	if len(texts) == 0 {
		texts = []text{f.Value}
	}
	if f.Operator == "BETWEEN" {
		texts = []text{f.Value, f.HighValue}
	}
	var bounds []int64
	for _, t := range texts {
		n, err := strconv.ParseInt(string(t), 10, 64)
		if err != nil && d != byID {
			n, err = parseTime(string(t))
		}
		if err != nil {
			return nil, fmt.Errorf("value %q of %s cannot be read", t, f.Property)
		}
		if n == 0 && d != byID {
			return nil, errOdd
		}
		bounds = append(bounds, min(max(n, -maxDate), maxDate-1))
	}
	return bounds, nil
}

// parseTime reads an ISO date; what is finer than a millisecond is dropped.
func parseTime(s string) (int64, error) {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		at, err = time.Parse(time.DateOnly, s)
	}
	return at.UnixMilli(), err
}

// test makes the condition on an ordinary property.
func (f filter) test(p *property) (func(value string, set bool) bool, error) {
	want := strings.ToLower(string(f.Value))
	isIn := func(value string) bool {
		return slices.ContainsFunc(f.Values, func(t text) bool { return strings.EqualFold(string(t), value) })
	}
	switch f.Operator {
	case "HAS_PROPERTY":
		return func(value string, set bool) bool { return set && value != "" }, nil
	case "NOT_HAS_PROPERTY":
		return func(value string, set bool) bool { return !set || value == "" }, nil
	case "EQ":
		return func(value string, set bool) bool { return set && strings.EqualFold(value, want) }, nil
	case "NEQ":
		return func(value string, set bool) bool { return set && !strings.EqualFold(value, want) }, nil
	case "IN":
		return func(value string, set bool) bool { return set && isIn(value) }, nil
	case "NOT_IN":
		return func(value string, set bool) bool { return set && !isIn(value) }, nil
	case "CONTAINS_TOKEN":
		return func(value string, set bool) bool { return set && strings.Contains(strings.ToLower(value), want) }, nil
	case "GT", "GTE", "LT", "LTE", "BETWEEN":
		return f.compare(p)
	}
	return nil, fmt.Errorf("operator %q cannot be used on %s", f.Operator, f.Property)
}

// compare makes a condition of order; values that are no number or date of
// their property's type do not meet it.
func (f filter) compare(p *property) (func(value string, set bool) bool, error) {
	read := func(s string) (float64, error) {
		if n, err := strconv.ParseFloat(s, 64); err == nil || p.Type == "number" {
			return n, err
		}
		ms, err := parseTime(s)
		return float64(ms), err
	}
	low, err := read(string(f.Value))
	if err != nil {
		return nil, fmt.Errorf("value %q of %s cannot be read", f.Value, f.Property)
	}
	high, err := low, error(nil)
	if f.Operator == "BETWEEN" {
		if high, err = read(string(f.HighValue)); err != nil {
			return nil, fmt.Errorf("value %q of %s cannot be read", f.HighValue, f.Property)
		}
	}
	return func(value string, set bool) bool {
		n, err := read(value)
		if !set || err != nil {
			return false
		}
		switch f.Operator {
		case "GT":
			return n > low
		case "GTE":
			return n >= low
		case "LT":
			return n < low
		case "LTE":
			return n <= low
		}
		return low <= n && n <= high
	}, nil
}

// holds tells whether the view meets the group.
func (g *group) holds(v *view) bool {
	for d, r := range g.ranges {
		if !r.contains(v.in(dimension(d))) {
			return false
		}
	}
	for _, test := range g.tests {
		if !test(v) {
			return false
		}
	}
	return true
}
