package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// eraseRows is how many rows one transaction erases at most, so that loads need
// not wait for long.
const eraseRows = 500

// An erasing is an erasure of a stream's rows, a transaction at a time.
type erasing struct {
	*load
	before string // rows gone since before it
	after  penstock.Key
	erased int64
	more   bool
}

// Erase takes the values of rows that are gone since before the moment, also
// out of the write-ahead log.
func (s *Store) Erase(ctx context.Context, stream string, before, now time.Time) (int64, error) {
	e := &erasing{before: isoText(before.UnixMilli()), more: true}
	total := int64(0)
	for e.more {
		err := s.write(ctx, func(conn *conn, m meta) (bool, error) {
			e.load, e.erased = newLoad(conn, m, warehouse.Moment{Now: now}), 0
			err := e.some(stream)
			return e.erased > 0, err
		})
		if err != nil {
			return total, fmt.Errorf("erase rows of %s in %s: %w", stream, s.path, err)
		}
		total += e.erased
	}
	if err := s.wipe(ctx, total > 0); err != nil {
		return total, fmt.Errorf("erase rows of %s in %s: %w", stream, s.path, err)
	}
	return total, nil
}

// errUnwiped says that what was erased can still be found in the log's bytes.
var errUnwiped = errors.New("a reader keeps the write-ahead log, which holds erased values until that ends; tried again with the next erasure")

// wipe empties the write-ahead log if anything was erased since it was last
// empty: it holds pages as they were before, and SQLite would leave them there
// until others take their place.
func (s *Store) wipe(ctx context.Context, erased bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loader == nil {
		return nil
	}
	s.loader.unwiped = s.loader.unwiped || erased
	if !s.loader.unwiped || !s.loader.inPlace(s.path) {
		return nil // what was erased in a file that was moved away is not this one's
	}
	conn, busy := s.loader.conn, false
	defer conn.interruptible(ctx)()
	err := conn.query("PRAGMA wal_checkpoint(TRUNCATE)", func(row *sqlite.Stmt) error {
		busy = row.ColumnBool(0)
		return nil
	})
	if err == nil && busy {
		err = errUnwiped
	}
	s.loader.unwiped = err != nil
	return explain(ctx, err)
}

// some erases the next rows.
func (e *erasing) some(stream string) error {
	t, err := e.held(stream)
	if err != nil {
		return err
	}
	keys, err := e.next(t)
	if err != nil {
		return err
	}
	belonging, err := e.belonging(t)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := e.erase(t, key); err != nil {
			return err
		}
		for _, b := range belonging {
			if err := e.eraseOf(b, key[0]); err != nil {
				return err
			}
		}
		e.erased++
	}
	return e.save()
}

// next are the keys of the next rows to be erased. It passes by a row that does
// not hold its print: that it is gone may be what was altered.
func (e *erasing) next(t *table) ([]penstock.Key, error) {
	term, args, err := t.bound(e.after, ">", 1)
	if err != nil {
		return nil, err
	}
	r, keys, seen := t.reading(), []penstock.Key(nil), 0
	text := fmt.Sprintf(`SELECT %s FROM %s WHERE _deleted_why = 'gone' AND _deleted_at < ?1 AND %s ORDER BY %s LIMIT %d`,
		r.columns, quote(t.stream.Name), term, keyList(t.keys), eraseRows)
	err = e.conn.query(text, func(row *sqlite.Stmt) error {
		e.after = r.key(row)
		if seen++; r.holds(row) {
			keys = append(keys, e.after)
		}
		return nil
	}, append([]any{e.before}, args...)...)
	e.more = seen == eraseRows
	return keys, err
}

// belonging are the tables of the streams that belong to the objects of one.
func (l *load) belonging(t *table) ([]*table, error) {
	if t.stream.Family != penstock.Objects {
		return nil, nil
	}
	var names []string
	err := l.conn.query(`SELECT stream FROM _penstock_tables WHERE belongs = ?1 ORDER BY stream`, func(row *sqlite.Stmt) error {
		names = append(names, row.ColumnText(0))
		return nil
	}, t.stream.Name)
	if err != nil {
		return nil, err
	}
	tables := make([]*table, len(names))
	for i, name := range names {
		if tables[i], err = l.held(name); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// erase leaves a row's key, dates and reason, and none of its rejects.
func (e *erasing) erase(t *table, key penstock.Key) error {
	why, err := t.why(e.conn, key)
	if err != nil {
		return err
	}
	n := len(key)
	terms := fmt.Sprintf(`_deleted = 1, _deleted_at = coalesce(_deleted_at, %s), _deleted_why = %s, _merged_into = NULL,
		_synced_at = %s, _load = %s`, param(n), param(n+1), param(n+2), param(n+3))
	for _, c := range t.columns {
		terms += ", " + quote(c.Name) + " = NULL"
	}
	err = t.amend(e.conn, key, terms, isoText(e.at.Now.UnixMilli()), penstock.Erased, e.synced, t.next())
	if err != nil {
		return err
	}
	t.wrote(&standing{Standing: warehouse.Standing{Why: why}}, penstock.Erased)
	return e.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND key = ?2`, t.stream.Name, key.Text())
}

// eraseOf erases what belongs to an object. Of a link there is nothing to erase
// but that it was there.
func (e *erasing) eraseOf(t *table, id string) error {
	term, args, err := t.bound(penstock.Key{id}, "=", 0)
	if err != nil {
		return err
	}
	where := "_deleted_why IS NOT 'erased'"
	if warehouse.Buries(t.stream) {
		where = "_deleted_why IS NULL"
	}
	keys, stamps, err := t.of(e.conn, where+" AND "+term, args)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if warehouse.Buries(t.stream) {
			err = e.entomb(t, key, grave{since: e.at.Now.UnixMilli(), stamp: stamps[i]})
		} else {
			err = e.erase(t, key)
		}
		if err != nil {
			return err
		}
	}
	// Its own, and those of rows: their keys are arrays that begin with the id.
	return e.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND (key = ?2 OR key > ?3 AND key < ?4)`,
		t.stream.Name, id, `["`+id+`",`, `["`+id+`"-`)
}

// of lists the keys and stamps of rows.
func (t *table) of(conn *conn, where string, args []any) (keys []penstock.Key, stamps []int64, err error) {
	err = conn.query(fmt.Sprintf(`SELECT %s, _stamp FROM %s WHERE %s`, keyList(t.keys), quote(t.stream.Name), where),
		func(row *sqlite.Stmt) error {
			key := make(penstock.Key, len(t.keys))
			for i := range key {
				key[i] = row.ColumnText(i)
			}
			keys, stamps = append(keys, key), append(stamps, row.ColumnInt64(len(key)))
			return nil
		}, args...)
	return keys, stamps, err
}
