package iceberg

import (
	"context"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// eraseRows is how many rows one commit erases at most, so that loads need not
// wait for long.
const eraseRows = 500

// An erasing is an erasure of a stream's rows, a commit at a time.
type erasing struct {
	*load
	before int64 // rows gone since before it, in ms
	after  penstock.Key
	erased int64
	more   bool
}

// Erase takes the values of rows that are gone since before the moment. The
// files that held them stay until Maintain removes them.
func (s *Store) Erase(ctx context.Context, stream string, before, now time.Time) (int64, error) {
	e := &erasing{before: before.UnixMilli(), more: true}
	total := int64(0)
	for e.more {
		err := s.write(ctx, func(tx *tx, m meta) (bool, error) {
			e.load, e.erased = newLoad(tx, m, warehouse.Moment{Now: now}), 0
			err := e.some(stream)
			return e.erased > 0, err
		})
		if err != nil {
			return total, fmt.Errorf("erase rows of %s in %s: %w", stream, s.address, err)
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
	rows, err := e.next(t)
	if err != nil {
		return err
	}
	belonging, err := e.belonging(t)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if err := e.erase(t, s); err != nil {
			return err
		}
		for _, b := range belonging {
			if err := e.eraseOf(b, s.whole()[0]); err != nil {
				return err
			}
		}
		e.erased++
	}
	return nil
}

// next are the next rows to be erased. It passes by a row that does not hold
// its print: that it is gone may be what was altered.
func (e *erasing) next(t *streamTable) ([]*standing, error) {
	term, args, err := t.bound(e.after, ">", 1)
	if err != nil {
		return nil, err
	}
	all, err := t.where(fmt.Sprintf("why = 'gone' AND deleted_at < ?1 AND %s", term), append([]any{e.before}, args...))
	if err != nil {
		return nil, err
	}
	if e.more = len(all) > eraseRows; e.more {
		all = all[:eraseRows]
	}
	var rows []*standing
	for _, s := range all {
		e.after = s.whole()
		if s.holds() {
			rows = append(rows, s)
		}
	}
	return rows, t.fetchAll(rows)
}

// holds tells whether the row is as it was when it was written.
func (s *standing) holds() bool { return s.printed && s.print == s.actual }

func (t *streamTable) fetchAll(rows []*standing) error {
	at := make([]location, len(rows))
	for i, s := range rows {
		at[i] = s.at
	}
	return t.fetch(at)
}

// belonging are the tables of the streams that belong to the objects of one.
func (tx *tx) belonging(t *streamTable) ([]*streamTable, error) {
	if t.stream.Family != penstock.Objects {
		return nil, nil
	}
	streams, err := tx.streams("belongs = ?1", t.stream.Name)
	if err != nil {
		return nil, err
	}
	tables := make([]*streamTable, len(streams))
	for i, stream := range streams {
		if tables[i], err = tx.held(stream.Name); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// erase leaves a row's key, dates and reason, and none of its rejects.
func (e *erasing) erase(t *streamTable, s *standing) error {
	t.wrote(s, penstock.Erased)
	now := e.at.Now.UnixMilli()
	err := t.amend(s, now, func(m *making) {
		if m.deletedAt == none {
			m.deletedAt = now
		}
		m.deleted, m.Why, m.MergedInto = true, penstock.Erased, 0
		m.base = t.onlyKey(m.base)
	})
	if err != nil {
		return err
	}
	if err := setMeta(e.conn, metaErasing+t.stream.Name, 1); err != nil {
		return err
	}
	return e.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND key = ?2`, t.stream.Name, s.whole().Text())
}

// eraseOf erases what belongs to an object. Of a link there is nothing to erase
// but that it was there.
func (e *erasing) eraseOf(t *streamTable, id string) error {
	term, args, err := t.bound(penstock.Key{id}, "=", 0)
	if err != nil {
		return err
	}
	condition := "why <> 'erased'"
	if warehouse.Buries(t.stream) {
		condition = "why = ''"
	}
	rows, err := t.where(condition+" AND "+term, args)
	if err == nil {
		err = t.fetchAll(rows)
	}
	if err != nil {
		return err
	}
	for _, s := range rows {
		if warehouse.Buries(t.stream) {
			err = e.entomb(t, s, grave{since: e.at.Now.UnixMilli(), stamp: s.stamp})
		} else {
			err = e.erase(t, s)
		}
		if err != nil {
			return err
		}
	}
	// Its own, and those of rows: their keys are arrays that begin with the id.
	return e.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND (key = ?2 OR key > ?3 AND key < ?4)`,
		t.stream.Name, id, `["`+id+`",`, `["`+id+`"-`)
}
