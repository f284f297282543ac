package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// windowsAtOnce is how many windows one pass over a table counts.
const windowsAtOnce = 200

// lookAt runs f with a table in one snapshot.
func (s *Store) lookAt(ctx context.Context, stream string, f func(*conn, *table) error) error {
	found := false
	err := s.scans.read(ctx, func(conn *conn) error {
		found = true
		t, err := existingTable(conn, stream)
		if err != nil {
			return err
		}
		return f(conn, t)
	})
	if err == nil && !found {
		return warehouse.ErrNoTable // there is no warehouse yet
	}
	return err
}

// Check compares rows with the prints kept when they were loaded.
func (s *Store) Check(ctx context.Context, stream string, after penstock.Key, limit int) ([]string, penstock.Key, error) {
	var bad []string
	var last penstock.Key
	limit, seen := max(limit, 1), 0
	err := s.lookAt(ctx, stream, func(conn *conn, t *table) error {
		term, args, err := t.bound(after, ">", 0)
		if err != nil {
			return err
		}
		r := t.reading()
		text := fmt.Sprintf(`SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %s`, r.list, t.from(), term,
			keyList("t", t.keys), param(len(args)))
		return conn.query(text, func(found row) error {
			seen++
			if !r.holds(found) {
				bad = append(bad, r.key(found).Text())
			}
			if seen == limit {
				last = r.key(found)
			}
			return nil
		}, append(args, limit)...)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("check rows of %s in %s: %w", stream, s.address.name, err)
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

// spanning is the term for ids in [from, to), with parameters 1 and 2; a to of
// 0 is no end.
func spanning(id string, from, to int64) (term string, args []any) {
	if to == 0 {
		return id + " >= $1", []any{from}
	}
	return id + " >= $1 AND " + id + " < $2", []any{from, to}
}

// Count counts the live rows in each span: neighbours of the same ids, which
// differ in their dates, in one pass over these rows.
func (s *Store) Count(ctx context.Context, stream string, spans []penstock.Span) ([]int64, error) {
	var counts []int64
	err := s.lookAt(ctx, stream, func(conn *conn, t *table) error {
		id, err := t.ids()
		if err != nil {
			return err
		}
		for len(spans) > 0 {
			n := 1
			for n < len(spans) && n < windowsAtOnce && spans[n].From == spans[0].From && spans[n].To == spans[0].To {
				n++
			}
			text, args := t.counting(id, spans[:n])
			err := conn.query(text, func(r row) error {
				for i := range n {
					counts = append(counts, r.int(i))
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
		return nil, fmt.Errorf("count rows of %s in %s: %w", stream, s.address.name, err)
	}
	return counts, nil
}

// counting counts spans of the same ids. An infinite moment is none.
func (t *table) counting(id string, spans []penstock.Span) (string, []any) {
	term, args := spanning(id, spans[0].From, spans[0].To)
	var columns []string
	for _, span := range spans {
		column := "count(*)"
		if span.Since != 0 || span.Until != 0 {
			until := span.Until
			if until == 0 {
				until = lastMoment
			}
			column += fmt.Sprintf(" FILTER (WHERE _updated_at BETWEEN %s AND %s)", param(len(args)), param(len(args)+1))
			args = append(args, moment(span.Since), moment(until))
		}
		columns = append(columns, column)
	}
	return fmt.Sprintf(`SELECT %s FROM %s WHERE NOT _deleted AND %s`, strings.Join(columns, ", "), quote(t.parts[0]), term), args
}

// IDs lists ids of live rows in order.
func (s *Store) IDs(ctx context.Context, stream string, from, to int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.lookAt(ctx, stream, func(conn *conn, t *table) error {
		id, err := t.ids()
		if err != nil {
			return err
		}
		term, args := spanning(id, from, to)
		text := fmt.Sprintf(`SELECT %s FROM %s WHERE NOT _deleted AND %s ORDER BY %s LIMIT %s`, id, quote(t.parts[0]), term, id, param(len(args)))
		return conn.query(text, func(r row) error {
			ids = append(ids, r.int(0))
			return nil
		}, append(args, max(limit, 0))...)
	})
	if err != nil {
		return nil, fmt.Errorf("list ids of %s in %s: %w", stream, s.address.name, err)
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
		var all []wanting
		for _, w := range wants {
			if err := warehouse.CheckWanted(t.stream, w.Key); err != nil {
				return false, err
			}
			if err := t.distrust(conn, w.Key); err != nil {
				return false, err
			}
			w.Key = visible(w.Key)
			all = append(all, wanting{Want: w, stream: stream})
		}
		return len(wants) > 0, l.flushWants(all)
	})
	if err != nil {
		return fmt.Errorf("want keys of %s in %s: %w", stream, s.address.name, err)
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
	r, altered := t.reading(), newKeySet(t.keys, 0)
	err = conn.query(fmt.Sprintf(`SELECT %s FROM %s WHERE %s`, r.list, t.from(), term), func(found row) error {
		if !r.holds(found) {
			altered.put(r.key(found))
		}
		return nil
	}, args...)
	if err != nil || altered.empty() {
		return err
	}
	casts, args := altered.args(0)
	conn.exec(fmt.Sprintf(`UPDATE %s AS t SET _print = NULL FROM unnest(%s) AS k(%s) WHERE %s`, quote(t.parts[0]), casts,
		keyList("", t.keys), sameKey("k", "t", t.keys)), args...)
	return nil
}
