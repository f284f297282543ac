package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A field is a column of a result with what is needed to read it.
type field struct {
	name string
	kind penstock.Type
}

// errEnough ends a statement whose reader wants no more rows.
var errEnough = errors.New("enough")

// Rows reads rows in the order asked for, all of them from one snapshot. A slow reader
// keeps the write-ahead log from being reused: it grows meanwhile.
func (s *Store) Rows(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	var fields []field
	var text string
	var args []any
	err := warehouse.ErrNoTable
	readErr := s.lookups.read(ctx, func(conn *sqlite.Conn) error {
		var t *table
		if t, err = findTable(conn, q.Stream); err != nil {
			return nil
		}
		if fields, err = t.fields(q.Fields); err == nil {
			text, args, err = t.selection(fields, q)
		}
		return nil
	})
	if err = errors.Join(readErr, err); err != nil {
		return nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.path, err)
	}
	result := &warehouse.Result{}
	for _, f := range fields {
		result.Columns = append(result.Columns, f.name)
	}
	result.Rows = func(yield func([]any, error) bool) {
		err := s.scans.read(ctx, func(conn *sqlite.Conn) error {
			return query(conn, text, func(row *sqlite.Stmt) error {
				if !yield(values(row, fields), nil) {
					return errEnough
				}
				return nil
			}, args...)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.path, err))
		}
	}
	return result, nil
}

// findTable reads as much of a table's description as a query needs.
func findTable(conn *sqlite.Conn, stream string) (*table, error) {
	t := &table{}
	err := query(conn, `SELECT family, object_type, to_type, belongs, whole FROM _penstock_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		t.stream = penstock.Stream{
			Name: stream, Family: penstock.Family(row.ColumnText(0)), ObjectType: row.ColumnText(1),
			ToType: row.ColumnText(2), Of: row.ColumnText(3), Whole: row.ColumnBool(4),
		}
		return nil
	}, stream)
	if err != nil {
		return nil, err
	}
	if t.stream.Name == "" {
		return nil, warehouse.ErrNoTable
	}
	t.keys = t.stream.Key()
	t.columns, err = readColumns(conn, stream)
	return t, err
}

// all are the table's columns in the order of a result, the stamp and the
// print at last.
func (t *table) all() []field {
	var all []field
	for _, k := range t.keys {
		f := field{k.Name, warehouse.WholeNumber}
		if !k.Integer {
			f.kind = penstock.Text
		}
		all = append(all, f)
	}
	for _, c := range t.columns {
		all = append(all, field{c.Name, c.Type})
	}
	for _, c := range ownColumns {
		all = append(all, field{c.name, c.kind()})
	}
	return all
}

// visible are the columns that are shown unless others are asked for, and that
// can be filtered by: all but the stamp and the print.
func (t *table) visible() []field {
	all := t.all()
	return all[:len(all)-2]
}

// fields are the columns asked for; without any, those that are visible.
func (t *table) fields(names []string) ([]field, error) {
	if len(names) == 0 {
		return t.visible(), nil
	}
	known := map[string]field{}
	for _, f := range t.all() {
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

// selection is the statement for a query.
func (t *table) selection(fields []field, q warehouse.Query) (string, []any, error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = quote(f.name)
	}
	c, err := t.where(q)
	if err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s", strings.Join(names, ", "), quote(t.stream.Name),
		strings.Join(c.terms, " AND "), t.order(q))
	if q.Limit > 0 {
		text += " LIMIT " + c.bind(q.Limit)
	}
	return text, c.args, nil
}

// values reads one row.
func values(row *sqlite.Stmt, fields []field) []any {
	values := make([]any, len(fields))
	for i, f := range fields {
		switch row.ColumnType(i) {
		case sqlite.TypeInteger:
			if f.kind == penstock.Bool {
				values[i] = row.ColumnBool(i)
			} else {
				values[i] = row.ColumnInt64(i)
			}
		case sqlite.TypeFloat:
			values[i] = row.ColumnFloat(i)
		case sqlite.TypeText:
			values[i] = row.ColumnText(i)
		}
	}
	return values
}
