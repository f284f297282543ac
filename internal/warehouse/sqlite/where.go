package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// A condition is what a statement asks of rows, with the values it binds.
type condition struct {
	terms []string
	args  []any
}

// bind is the parameter of a value.
func (c *condition) bind(value any) string {
	c.args = append(c.args, value)
	return param(len(c.args) - 1)
}

func (c *condition) add(format string, args ...any) {
	c.terms = append(c.terms, fmt.Sprintf(format, args...))
}

// where is the condition of a query.
func (t *table) where(q warehouse.Query) (*condition, error) {
	c := &condition{terms: []string{"TRUE"}}
	after, err := t.values(q.After)
	if err != nil {
		return nil, err
	}
	columns := keyList(t.keys[:len(after)])
	if q.Loaded != nil {
		c.add("_load <= %s", c.bind(q.Loaded.To))
		after, columns = append([]any{q.Loaded.From}, after...), strings.TrimSuffix("_load, "+columns, ", ")
	}
	if len(after) > 0 {
		c.add("(%s) > (%s)", columns, c.list(after))
	}
	if !q.Deleted {
		c.add("_deleted = 0")
	}
	for _, f := range q.Filters {
		if err := t.filter(c, f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// list are the parameters of values.
func (c *condition) list(values []any) string {
	params := make([]string, len(values))
	for i, value := range values {
		params[i] = c.bind(value)
	}
	return strings.Join(params, ", ")
}

// order is how a query's rows come.
func (t *table) order(q warehouse.Query) string {
	if q.Loaded != nil {
		return "_load, " + keyList(t.keys)
	}
	return keyList(t.keys)
}

// filter adds a filter's condition.
func (t *table) filter(c *condition, f warehouse.Filter) error {
	all := t.visible()
	at := slices.IndexFunc(all, func(column field) bool { return column.name == f.Column })
	if at < 0 {
		return fmt.Errorf("%w: %q", warehouse.ErrNoColumn, f.Column)
	}
	values, err := warehouse.TypedFilter(f, all[at].kind)
	if err != nil {
		return err
	}
	if name := quote(all[at].name); f.Op == warehouse.Null {
		c.add("(%s IS NULL) = %s", name, c.bind(values[0]))
		return nil
	}
	term, values := comparable(all[at], values)
	if f.Op == warehouse.In {
		c.add("%s IN (%s)", term, c.list(values))
		return nil
	}
	c.add("%s %s %s", term, operators[f.Op], c.bind(values[0]))
	return nil
}

var operators = map[warehouse.Compare]string{
	warehouse.Equal: "=", warehouse.NotEqual: "<>", warehouse.Less: "<", warehouse.LessOrEqual: "<=",
	warehouse.Greater: ">", warehouse.GreaterOrEqual: ">=",
}

// comparable is a column, and values that it is compared with, in a form that
// SQLite orders as they are.
func comparable(f field, values []any) (string, []any) {
	name := quote(f.name)
	switch f.kind {
	case penstock.Number:
		ranked := make([]any, len(values))
		for i, value := range values {
			text, _ := value.(string)
			ranked[i], _ = rank(text) // TypedFilter lets decimals pass only
		}
		return rankFunction + "(" + name + ")", ranked
	case penstock.Date, penstock.DateTime:
		return timeFunction + "(" + name + ")", values
	}
	return name, values
}
