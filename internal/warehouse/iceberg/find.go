package iceberg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// aheadRows is how many rows of the index may lie between the ids of a record,
// for each of its rows, so that all are read at once.
const aheadRows = 4

// nearby are rows that were read from the index for the record in hand. A nil
// one is not there.
type nearby struct {
	rows     map[rowKey]*standing
	from, to int64 // of the ids of which all are among them
}

// readAhead reads what the record's ids will meet in one stretch, where that
// is not much more than the rows that do. A first load finds nothing at the
// price of one question for a page.
func (t *streamTable) readAhead(r *record) error {
	t.near = nearby{rows: map[rowKey]*standing{}, from: 1, to: 0}
	if !single(t.keys) || r.Length < aheadRows {
		return nil
	}
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	ids := r.Keys[0].(*array.Int64)
	for row := range r.Length {
		from, to = min(from, ids.Value(row)), max(to, ids.Value(row))
	}
	most, n := r.Length*aheadRows, 0
	err := t.tx.conn.query(t.index.selection()+" WHERE k0 BETWEEN ?1 AND ?2 LIMIT ?3", func(row *sqlite.Stmt) error {
		s := t.index.read(row)
		t.near.rows[s.key] = s
		n++
		return nil
	}, from, to, most)
	if err != nil {
		return err
	}
	if n < most {
		t.near.from, t.near.to = from, to
	}
	if !t.seen {
		return nil
	}
	for _, s := range t.near.rows {
		if err := t.observed(s); err != nil {
			return err
		}
	}
	return nil
}

// find is the row that stands under the key of a record's row; nil where none
// does.
func (t *streamTable) find(r *record, row int) (*standing, error) {
	key, parts := r.rowKey(row, t.keys)
	return t.lookup(key, parts)
}

func (t *streamTable) lookup(key rowKey, parts penstock.Key) (*standing, error) {
	if s, ok := t.touched[key]; ok {
		return s, nil
	}
	if s, ok := t.near.rows[key]; ok || parts == nil && key.id >= t.near.from && key.id <= t.near.to {
		return s, nil
	}
	if !t.made {
		return nil, nil
	}
	s, err := t.index.lookup(parts, key.id)
	if err == nil && s != nil && t.seen {
		err = t.observed(s)
	}
	if t.near.rows != nil {
		t.near.rows[key] = s
	}
	return s, err
}

// observed adds the stamp of the latest observation that changed nothing.
func (t *streamTable) observed(s *standing) error {
	name, err := t.seenName(s.whole())
	if err != nil {
		return err
	}
	return t.tx.conn.query(`SELECT stamp FROM _penstock_seen WHERE stream = ?1 AND key = ?2`, func(row *sqlite.Stmt) error {
		s.seen = row.ColumnInt64(0)
		s.Stamp = max(s.stamp, s.seen)
		return nil
	}, t.stream.Name, name)
}

// seenName is a key as _penstock_seen has it: an integer where it is one.
func (t *streamTable) seenName(key penstock.Key) (any, error) {
	if !single(t.keys) {
		return key.Text(), nil
	}
	return strconv.ParseInt(key[0], 10, 64)
}

// where are the rows for which the condition on the index holds, those written
// in this commit too, in the order of their keys.
func (t *streamTable) where(condition string, args []any) ([]*standing, error) {
	if err := t.index.storeAll(t.pending); err != nil {
		return nil, err
	}
	var rows []*standing
	err := t.tx.conn.query(t.index.selection()+" WHERE "+condition+" ORDER BY "+keyList(t.keys), func(row *sqlite.Stmt) error {
		rows = append(rows, t.index.read(row))
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	for i, s := range rows {
		if rows[i], err = t.lookup(s.key, s.parts); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// storeAll writes rows of the commit in hand that are not in the index yet.
// Where they lie is not known before the end of it.
func (x *rowIndex) storeAll(pending []*standing) error {
	for ; x.stored < len(pending); x.stored++ {
		if err := x.store(pending[x.stored]); err != nil {
			return err
		}
	}
	return nil
}

// values are a key's columns, or the first of them, as they are bound.
func (x *rowIndex) values(stream penstock.Stream, key penstock.Key) ([]any, error) {
	if err := warehouse.CheckKey(stream, key); err != nil {
		return nil, err
	}
	values := make([]any, len(key))
	for i, text := range key {
		values[i] = text
		if x.keys[i].Integer {
			values[i], _ = strconv.ParseInt(text, 10, 64) // CheckKey has looked
		}
	}
	return values, nil
}

// bound is a term that compares the rows' keys with one, column by column,
// and its values, whose parameters follow the first given ones. An empty key
// bounds nothing.
func (t *streamTable) bound(key penstock.Key, operator string, given int) (string, []any, error) {
	values, err := t.index.values(t.stream, key)
	if err != nil || len(values) == 0 {
		return "TRUE", nil, err
	}
	params := make([]string, len(values))
	for i := range params {
		params[i] = param(given + i)
	}
	return fmt.Sprintf("(%s) %s (%s)", keyList(t.keys[:len(values)]), operator, strings.Join(params, ", ")), values, nil
}
