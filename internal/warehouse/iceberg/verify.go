package iceberg

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// windowsAtOnce is how many windows one pass over a table counts.
const windowsAtOnce = 200

// Check compares rows with the prints kept when they were loaded. It reads
// them from the lake, as any reader would.
func (s *Store) Check(ctx context.Context, stream string, after penstock.Key, limit int) ([]string, penstock.Key, error) {
	var bad []string
	var last penstock.Key
	limit = max(limit, 1)
	err := s.lookAt(ctx, stream, func(v *view) error {
		rows, err := v.rows(after, limit)
		if err != nil {
			return err
		}
		sums := make([]warehouse.Print, len(rows))
		err = v.each(ctx, rows, nil, func(i int, row stored) error {
			sums[i] = v.printOf(row)
			return nil
		})
		for i, row := range rows {
			if !row.printed || row.print != sums[i] {
				bad = append(bad, row.whole().Text())
			}
		}
		if len(rows) == limit {
			last = rows[limit-1].whole()
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("check rows of %s in %s: %w", stream, s.address, err)
	}
	return bad, last, nil
}

// stretch is the term for ids in [from, to), with parameters 1 and 2; a to of 0
// is no end.
func stretch(from, to int64) (term string, args []any) {
	if to == 0 {
		return "k0 >= ?1", []any{from}
	}
	return "k0 >= ?1 AND k0 < ?2", []any{from, to}
}

// Count counts the live rows in each span: neighbours of the same ids, which
// differ in their dates, in one pass over these rows of the index.
func (s *Store) Count(ctx context.Context, stream string, spans []penstock.Span) ([]int64, error) {
	var counts []int64
	err := s.lookAt(ctx, stream, func(v *view) error {
		if !single(v.keys) {
			return warehouse.ErrNoIDs
		}
		for len(spans) > 0 {
			n := 1
			for n < len(spans) && n < windowsAtOnce && spans[n].From == spans[0].From && spans[n].To == spans[0].To {
				n++
			}
			text, args := countQuery(stream, spans[:n])
			err := query(v.conn, text, func(row *sqlite.Stmt) error {
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
		return nil, fmt.Errorf("count rows of %s in %s: %w", stream, s.address, err)
	}
	return counts, nil
}

func countQuery(stream string, spans []penstock.Span) (string, []any) {
	term, args := stretch(spans[0].From, spans[0].To)
	var columns []string
	for _, span := range spans {
		column := "count(*)"
		if span.Since != 0 || span.Until != 0 {
			until := span.Until
			if until == 0 {
				until = math.MaxInt64
			}
			column += fmt.Sprintf(" FILTER (WHERE updated BETWEEN %s AND %s)", param(len(args)), param(len(args)+1))
			args = append(args, span.Since, until)
		}
		columns = append(columns, column)
	}
	return fmt.Sprintf(`SELECT %s FROM %s WHERE deleted = 0 AND %s`, strings.Join(columns, ", "), indexName(stream), term), args
}

// IDs lists ids of live rows in order.
func (s *Store) IDs(ctx context.Context, stream string, from, to int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.lookAt(ctx, stream, func(v *view) error {
		if !single(v.keys) {
			return warehouse.ErrNoIDs
		}
		term, args := stretch(from, to)
		text := fmt.Sprintf(`SELECT k0 FROM %s WHERE deleted = 0 AND %s ORDER BY k0 LIMIT %s`, indexName(stream), term, param(len(args)))
		return query(v.conn, text, func(row *sqlite.Stmt) error {
			ids = append(ids, row.ColumnInt64(0))
			return nil
		}, append(args, max(limit, 0))...)
	})
	if err != nil {
		return nil, fmt.Errorf("list ids of %s in %s: %w", stream, s.address, err)
	}
	return ids, nil
}

// Want asks for keys to be read, and takes the print of altered rows.
func (s *Store) Want(ctx context.Context, wants []penstock.Want, stream string) error {
	err := s.write(ctx, func(tx *tx, m meta) (bool, error) {
		l := newLoad(tx, m, warehouse.Moment{Now: time.Now()})
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
			if err := t.distrust(w.Key); err != nil {
				return false, err
			}
		}
		return len(wants) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("want keys of %s in %s: %w", stream, s.address, err)
	}
	return nil
}

// distrust writes the rows that the wanted text names and that do not hold
// their print anew, without one. They keep their load: their values are the
// same.
func (t *streamTable) distrust(text string) error {
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
	rows, err := t.where(term, args)
	if err != nil {
		return err
	}
	for _, s := range rows {
		sum, err := t.sum(s)
		if err == nil && (!s.printed || s.print != sum) {
			err = t.unprint(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sum is what the row's print ought to be, of the values in the lake.
func (t *streamTable) sum(s *standing) (warehouse.Print, error) {
	row, err := t.values(s)
	return t.printOf(row), err
}

func (t *streamTable) unprint(s *standing) error {
	if !s.printed {
		return nil
	}
	row, err := t.values(s)
	if err != nil {
		return err
	}
	return t.amend(s, synced(t, row), func(m *making) { m.printed, m.keepLoad = false, true })
}

// synced is the row's moment of loading.
func synced(t *streamTable, row stored) int64 {
	return momentOf(row.column(t.layout.own(ownSyncedAt)), row.row)
}
