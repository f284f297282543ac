package postgres

import (
	"context"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// eraseRows is how many rows one transaction erases at most, so that loads need
// not wait for long.
const eraseRows = 500

// An erasing is an erasure of a stream's rows, a transaction at a time.
type erasing struct {
	*load
	before moment // rows gone since before it
	after  penstock.Key
	erased int64
	more   bool
}

// Erase takes the values of rows that are gone since before the moment.
func (s *Store) Erase(ctx context.Context, stream string, before, now time.Time) (int64, error) {
	e := &erasing{before: moment(before.UnixMilli()), more: true}
	total := int64(0)
	for e.more {
		err := s.write(ctx, func(conn *conn, m meta) (bool, error) {
			e.load, e.erased = newLoad(conn, m, warehouse.Moment{Now: now}), 0
			err := e.some(stream)
			return e.erased > 0, err
		})
		if err != nil {
			return total, fmt.Errorf("erase rows of %s in %s: %w", stream, s.address.name, err)
		}
		total += e.erased
	}
	return total, nil
}

// some erases the next rows.
func (e *erasing) some(stream string) error {
	t, err := e.held(stream)
	if err != nil {
		return err
	}
	keys, whys, err := e.next(t)
	if err != nil || len(keys) == 0 {
		return err
	}
	if err := e.erase(t, keys, whys); err != nil {
		return err
	}
	e.erased = int64(len(keys))
	if t.stream.Family == penstock.Objects {
		if err := e.belonging(stream, keys); err != nil {
			return err
		}
	}
	for _, t := range e.tables {
		t.save(e.conn)
	}
	return nil
}

// next are the keys of the next rows to be erased. It passes by a row that does
// not hold its print: that it is gone may be what was altered.
func (e *erasing) next(t *table) (keys []penstock.Key, whys []penstock.Why, err error) {
	term, args, err := t.bound(e.after, ">", 1)
	if err != nil {
		return nil, nil, err
	}
	r, seen := t.reading(), 0
	text := fmt.Sprintf(`SELECT %s FROM %s WHERE t._deleted_why = 'gone' AND t._deleted_at < $1 AND %s ORDER BY %s LIMIT %d`,
		r.list, t.from(), term, keyList("t", t.keys), eraseRows)
	err = e.conn.query(text, func(found row) error {
		e.after = r.key(found)
		if seen++; r.holds(found) {
			keys, whys = append(keys, e.after), append(whys, penstock.Gone)
		}
		return nil
	}, append([]any{e.before}, args...)...)
	e.more = seen == eraseRows
	return keys, whys, err
}

// belonging erases what belongs to objects in the tables of the streams that
// belong to theirs.
func (e *erasing) belonging(stream string, keys []penstock.Key) error {
	var names, ids []string
	err := e.conn.query(`SELECT stream FROM _penstock_tables WHERE belongs = $1 ORDER BY stream`, func(r row) error {
		names = append(names, r.text(0))
		return nil
	}, stream)
	if err != nil {
		return err
	}
	for _, key := range keys {
		ids = append(ids, key[0])
	}
	for _, name := range names {
		t, err := e.held(name)
		if err == nil {
			err = e.eraseOf(t, ids)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// erase leaves of rows their keys, dates and reason, and none of their rejects.
func (e *erasing) erase(t *table, keys []penstock.Key, whys []penstock.Why) error {
	set, texts := keySetOf(t.keys, keys), make([]string, len(keys))
	casts, args := set.args(0)
	n := len(args)
	terms := [][]string{{fmt.Sprintf(`_deleted = true, _deleted_at = coalesce(t._deleted_at, %s), _deleted_why = %s,
		_merged_into = NULL, _synced_at = %s, _load = %s`, param(n), quoteText(string(penstock.Erased)), param(n), param(n+1))}}
	for len(terms) < len(t.parts) {
		terms = append(terms, nil)
	}
	for _, c := range t.columns {
		terms[c.part] = append(terms[c.part], quote(c.Name)+" = NULL")
	}
	for part, set := range terms {
		given := args
		if part == 0 {
			given = append(given, moment(e.at.Now.UnixMilli()), t.next())
		}
		e.conn.exec(fmt.Sprintf("UPDATE %s AS t SET %s FROM unnest(%s) AS k(%s) WHERE %s", quote(t.parts[part]),
			joined(set), casts, keyList("", t.keys), sameKey("k", "t", t.keys)), given...)
	}
	for i, key := range keys {
		texts[i] = key.Text()
		t.wrote(&whys[i], penstock.Erased)
	}
	e.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = $1 AND key = ANY ($2)`, t.stream.Name, texts)
	return t.reprint(e.conn, set)
}

// eraseOf erases what belongs to objects. Of a link there is nothing to erase
// but that it was there.
func (e *erasing) eraseOf(t *table, ids []string) error {
	term, values, err := t.among(ids, 0)
	if err != nil {
		return err
	}
	where := "t._deleted_why IS DISTINCT FROM 'erased' AND "
	if warehouse.Buries(t.stream) {
		where = "t._deleted_why IS NULL AND "
	}
	var keys []penstock.Key
	var whys []penstock.Why
	var stamps, since []int64
	n := len(t.keys)
	err = e.conn.query(fmt.Sprintf(`SELECT %s, t._deleted_why, t._stamp FROM %s AS t WHERE %s`, keyList("t", t.keys),
		quote(t.parts[0]), where+term), func(r row) error {
		keys, whys = append(keys, readKey(t.keys, r, 0)), append(whys, penstock.Why(r.text(n)))
		stamps, since = append(stamps, r.int(n+1)), append(since, e.at.Now.UnixMilli())
		return nil
	}, values)
	switch {
	case err != nil:
		return err
	case len(keys) > 0 && warehouse.Buries(t.stream):
		for i := range whys {
			t.wrote(&whys[i], penstock.Gone)
		}
		err = e.entomb(t, keySetOf(t.keys, keys), since, stamps)
	case len(keys) > 0:
		err = e.erase(t, keys, whys)
	}
	if err != nil {
		return err
	}
	// Their own, and those of rows: their keys are arrays that begin with the id.
	e.conn.exec(`DELETE FROM _penstock_rejects AS r USING unnest($2::text[]) AS k(id) WHERE r.stream = $1
		AND (r.key = k.id OR r.key > '["' || k.id || '",' AND r.key < '["' || k.id || '"-')`, t.stream.Name, ids)
	return nil
}
