package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// errEnough ends a statement whose reader wants no more rows.
var errEnough = errors.New("enough")

// Rows reads rows in the order asked for, all of them from one snapshot.
func (s *Store) Rows(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	var sel *selection
	err := warehouse.ErrNoTable
	readErr := s.lookups.read(ctx, func(conn *conn) error {
		var t *table
		if t, err = existingTable(conn, q.Stream); err != nil {
			return err
		}
		sel, err = t.selection(q)
		return err
	})
	if readErr != nil {
		err = readErr
	}
	if err != nil {
		return nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.address.name, err)
	}
	result := &warehouse.Result{}
	for _, f := range sel.fields {
		result.Columns = append(result.Columns, f.name)
	}
	result.Rows = func(yield func([]any, error) bool) {
		err := s.scans.read(ctx, func(conn *conn) error {
			return conn.stream(sel.text, func(r row) error {
				values := make([]any, len(sel.fields))
				for i, raw := range sel.picked(r) {
					values[i] = shown(raw, sel.fields[i].kind)
				}
				if !yield(values, nil) {
					return errEnough
				}
				return nil
			}, sel.args...)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.address.name, err))
		}
	}
	return result, nil
}

// stream is query for an answer that may be long: when nobody wants the rest,
// the server is told to stop.
func (c *conn) stream(text string, each func(row row) error, args ...any) error {
	c.exec("SET LOCAL statement_timeout TO 0") // its time is its reader's
	if err := c.flush(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	values, oids, formats := encodeArgs(args)
	result := c.pg.ExecParams(ctx, text, values, oids, formats, []int16{binary})
	for result.NextRow() {
		if err := each(result.Values()); err != nil {
			stop()
			_, _ = result.Close() // says only that it was stopped
			return err
		}
	}
	if _, err := result.Close(); err != nil {
		return &fault{err}
	}
	return nil
}

// A selection is the statement for a query.
type selection struct {
	picking
	fields []field
	text   string
	args   []any
}

// fields are the columns asked for; without any, all but the stamp and the
// print.
func (t *table) fields(names []string) ([]field, error) {
	var all []field
	for _, k := range t.keys {
		all = append(all, field{name: k.Name, kind: keyKind(k)})
	}
	for _, c := range t.columns {
		all = append(all, field{c.Name, c.Type, c.part})
	}
	for _, c := range ownColumns {
		all = append(all, field{name: c.name, kind: c.kind})
	}
	if len(names) == 0 {
		return all[:len(all)-2], nil
	}
	known := map[string]field{}
	for _, f := range all {
		known[f.name] = f
	}
	chosen := make([]field, len(names))
	for i, name := range names {
		f, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%w: %q", warehouse.ErrNoColumn, name)
		}
		chosen[i] = f
	}
	return chosen, nil
}

func (t *table) selection(q warehouse.Query) (*selection, error) {
	fields, err := t.fields(q.Fields)
	if err != nil {
		return nil, err
	}
	s := &selection{picking: pick(0, fields), fields: fields}
	terms, err := s.places(t, q)
	if err != nil {
		return nil, err
	}
	for _, f := range q.Filters {
		term, err := s.filter(t, f)
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	if !q.Deleted {
		terms = append(terms, "NOT t._deleted")
	}
	order := keyList("t", t.keys)
	if q.Loaded != nil {
		order = "t._load, " + order
	}
	s.text = fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s", s.list, t.from(), strings.Join(terms, " AND "), order)
	if q.Limit > 0 {
		s.text += " LIMIT " + s.arg(q.Limit)
	}
	return s, nil
}

// places are the terms for where the rows begin and end.
func (s *selection) places(t *table, q warehouse.Query) ([]string, error) {
	if q.Loaded == nil {
		after, args, err := t.bound(q.After, ">", 0)
		s.args = args
		return []string{after}, err
	}
	values, err := t.values(q.After)
	if err != nil {
		return nil, err
	}
	terms := []string{"t._load <= " + s.arg(q.Loaded.To)}
	if len(values) == 0 {
		return append(terms, "t._load > "+s.arg(q.Loaded.From)), nil
	}
	after := []string{s.arg(q.Loaded.From)}
	for _, v := range values {
		after = append(after, s.arg(v))
	}
	return append(terms, fmt.Sprintf("(t._load, %s) > (%s)", keyList("t", t.keys[:len(values)]), strings.Join(after, ", "))), nil
}

// arg adds a value and names its parameter.
func (s *selection) arg(value any) string {
	s.args = append(s.args, value)
	return param(len(s.args) - 1)
}

// filter is the term for a filter. Text compares byte by byte.
func (s *selection) filter(t *table, f warehouse.Filter) (string, error) {
	all, err := t.fields(nil)
	if err != nil {
		return "", err
	}
	var of *field
	for i := range all {
		if all[i].name == f.Column {
			of = &all[i]
		}
	}
	if of == nil {
		return "", fmt.Errorf("%w: %q", warehouse.ErrNoColumn, f.Column)
	}
	values, err := warehouse.TypedFilter(f, of.kind)
	if err != nil {
		return "", err
	}
	name := alias(of.part) + "." + quote(of.name)
	if f.Op == warehouse.Null {
		if values[0] == true {
			return name + " IS NULL", nil
		}
		return name + " IS NOT NULL", nil
	}
	marks := make([]string, len(values))
	for i, v := range values {
		if marks[i], err = s.compared(v, of.kind); err != nil {
			return "", fmt.Errorf("%w: %s", err, f.Column)
		}
	}
	if of.kind == penstock.Text {
		name += ` COLLATE "C"`
	}
	if f.Op == warehouse.In {
		return name + " IN (" + strings.Join(marks, ", ") + ")", nil
	}
	operators := map[warehouse.Compare]string{
		warehouse.Equal: "=", warehouse.NotEqual: "<>", warehouse.Less: "<", warehouse.LessOrEqual: "<=",
		warehouse.Greater: ">", warehouse.GreaterOrEqual: ">=",
	}
	return name + " " + operators[f.Op] + " " + marks[0], nil
}

// compared is a filter's value as a parameter of its column's type.
func (s *selection) compared(value any, kind penstock.Type) (string, error) {
	switch v := value.(type) {
	case string:
		if kind == penstock.Number {
			return s.arg(decimal(v)), nil
		}
		if visible(v) != v {
			return "", fmt.Errorf("%w: no text has a NUL character", warehouse.ErrFilter)
		}
	case int64:
		if kind == penstock.Date {
			return s.arg(day(v)), nil
		}
		if kind == penstock.DateTime {
			return s.arg(moment(v)), nil
		}
	}
	return s.arg(value), nil
}
