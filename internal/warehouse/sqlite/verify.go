package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// windowsAtOnce is how many windows one pass over a table counts.
const windowsAtOnce = 200

// lookAt runs f with a table in one snapshot.
func (s *Store) lookAt(ctx context.Context, stream string, f func(*sqlite.Conn, *table) error) error {
	err := warehouse.ErrNoTable // also where there is no warehouse yet
	readErr := s.scans.read(ctx, func(conn *sqlite.Conn) error {
		var t *table
		if t, err = findTable(conn, stream); err == nil {
			err = f(conn, t)
		}
		return err
	})
	if readErr != nil {
		return readErr
	}
	return err
}

// Check compares rows with the prints kept when they were loaded.
func (s *Store) Check(ctx context.Context, stream string, after penstock.Key, limit int) ([]string, penstock.Key, error) {
	var bad []string
	var last penstock.Key
	limit, seen := max(limit, 1), 0
	err := s.lookAt(ctx, stream, func(conn *sqlite.Conn, t *table) error {
		term, args, err := t.bound(after, ">", 0)
		if err != nil {
			return err
		}
		r := t.reading()
		text := fmt.Sprintf(`SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %s`, r.columns, quote(stream), term,
			keyList(t.keys), param(len(args)))
		return query(conn, text, func(row *sqlite.Stmt) error {
			seen++
			if !r.holds(row) {
				bad = append(bad, r.key(row).Text())
			}
			if seen == limit {
				last = r.key(row)
			}
			return nil
		}, append(args, limit)...)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("check rows of %s in %s: %w", stream, s.path, err)
	}
	return bad, last, nil
}

// ids refuses a table whose key is not one integer, and quotes its name.
func (t *table) ids() (string, error) {
	if len(t.keys) != 1 || !t.keys[0].Integer {
		return "", warehouse.ErrNoIDs
	}
	return quote(t.keys[0].Name), nil
}

// stretch is the term for ids in [from, to), with parameters 1 and 2; a to of 0
// is no end.
func stretch(id string, from, to int64) (term string, args []any) {
	if to == 0 {
		return id + " >= ?1", []any{from}
	}
	return id + " >= ?1 AND " + id + " < ?2", []any{from, to}
}

// Count counts the live rows in each span: neighbours of the same ids, which
// differ in their dates, in one pass over these rows.
func (s *Store) Count(ctx context.Context, stream string, spans []penstock.Span) ([]int64, error) {
	var counts []int64
	err := s.lookAt(ctx, stream, func(conn *sqlite.Conn, t *table) error {
		id, err := t.ids()
		if err != nil {
			return err
		}
		for len(spans) > 0 {
			n := 1
			for n < len(spans) && n < windowsAtOnce && spans[n].From == spans[0].From && spans[n].To == spans[0].To {
				n++
			}
			term, args := stretch(id, spans[0].From, spans[0].To)
			var columns []string
			for _, span := range spans[:n] {
				column := "count(*)"
				if span.Since != 0 || span.Until != 0 {
					column += fmt.Sprintf(" FILTER (WHERE _updated_at BETWEEN %s AND %s)", param(len(args)), param(len(args)+1))
					args = append(args, bounded(span.Since, 0), bounded(span.Until, lastMoment))
				}
				columns = append(columns, column)
			}
			text := fmt.Sprintf(`SELECT %s FROM %s WHERE _deleted = 0 AND %s`, strings.Join(columns, ", "), quote(stream), term)
			err := query(conn, text, func(row *sqlite.Stmt) error {
				for i := range n {
					counts = append(counts, row.ColumnInt64(i))
				}
				return nil
			}, args...)
			if err != nil {
				return err
			}
			spans = spans[n:]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows of %s in %s: %w", stream, s.path, err)
	}
	return counts, nil
}

// lastMoment is the last, in ms since 1970, whose text compares as it does.
const lastMoment = 253_402_300_799_999

// bounded is the moment as text; without one, the other.
func bounded(ms, without int64) string {
	if ms == 0 {
		ms = without
	}
	return isoText(min(max(ms, 0), lastMoment))
}

// IDs lists ids of live rows in order.
func (s *Store) IDs(ctx context.Context, stream string, from, to int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.lookAt(ctx, stream, func(conn *sqlite.Conn, t *table) error {
		id, err := t.ids()
		if err != nil {
			return err
		}
		term, args := stretch(id, from, to)
		text := fmt.Sprintf(`SELECT %s FROM %s WHERE _deleted = 0 AND %s ORDER BY %s LIMIT %s`, id, quote(stream), term, id, param(len(args)))
		return query(conn, text, func(row *sqlite.Stmt) error {
			ids = append(ids, row.ColumnInt64(0))
			return nil
		}, append(args, max(limit, 0))...)
	})
	if err != nil {
		return nil, fmt.Errorf("list ids of %s in %s: %w", stream, s.path, err)
	}
	return ids, nil
}

// Want asks for keys to be read, and takes the print of altered rows.
func (s *Store) Want(ctx context.Context, wants []penstock.Want, stream string) error {
	err := s.write(ctx, func(conn *conn, m meta) (bool, error) {
		l := newLoad(conn, m, warehouse.Moment{Now: time.Now()})
		t, err := l.held(stream)
		if err != nil {
			return false, err
		}
		for _, w := range wants {
			if err := warehouse.CheckWanted(t.stream, w.Key); err != nil {
				return false, err
			}
			if _, err := l.want(stream, w); err != nil {
				return false, err
			}
			if err := t.distrust(conn, w.Key); err != nil {
				return false, err
			}
		}
		return len(wants) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("want keys of %s in %s: %w", stream, s.path, err)
	}
	return nil
}

// distrust takes the print of the rows that the wanted text names and that do
// not hold it.
func (t *table) distrust(conn *conn, text string) error {
	key := penstock.Key{text}
	if t.stream.Of == "" {
		var err error
		if key, err = penstock.ParseKey(text, len(t.keys)); err != nil {
			return err
		}
	}
	term, args, err := t.bound(key, "=", 0)
	if err != nil {
		return err
	}
	r, altered := t.reading(), []penstock.Key(nil)
	err = conn.query(fmt.Sprintf(`SELECT %s FROM %s WHERE %s`, r.columns, quote(t.stream.Name), term), func(row *sqlite.Stmt) error {
		if !r.holds(row) {
			altered = append(altered, r.key(row))
		}
		return nil
	}, args...)
	if err != nil {
		return err
	}
	for _, key := range altered {
		args, err := t.values(key)
		if err != nil {
			return err
		}
		err = conn.exec(fmt.Sprintf(`UPDATE %s SET _print = NULL WHERE %s`, quote(t.stream.Name), t.isKey()), args...)
		if err != nil {
			return err
		}
	}
	return nil
}
