package iceberg

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// observe remembers the stamp of an observation that changed nothing, apart
// from the row, which is not rewritten for it.
func (a *applying) observe(in *arriving) error {
	if in.Stamp <= in.old.Stamp {
		return nil
	}
	name, err := a.table.seenName(a.record.Key(in.row))
	if err != nil {
		return err
	}
	a.table.seen, in.old.seen, in.old.Stamp = true, in.Stamp, in.Stamp
	return a.conn.exec(`INSERT OR REPLACE INTO _penstock_seen VALUES (?1, ?2, ?3)`,
		a.table.stream.Name, name, in.Stamp)
}

// forgetSeen drops a stamp that belongs to the version before, where it is
// higher than the one of the row just written.
func (a *applying) forgetSeen(in *arriving) error {
	if in.old.seen <= in.Stamp {
		return nil
	}
	name, err := a.table.seenName(a.record.Key(in.row))
	if err != nil {
		return err
	}
	return a.conn.exec(`DELETE FROM _penstock_seen WHERE stream = ?1 AND key = ?2`,
		a.table.stream.Name, name)
}

// answered removes the want that the observation answers.
func (a *applying) answered(in *arriving) error {
	if !a.table.wanted || !warehouse.Answers(in.Arrival) {
		return nil
	}
	return a.unwant(a.record.Key(in.row).Text(), in.Stamp)
}

// unwant removes the want of a key that was answered at the stamp.
func (a *applying) unwant(key string, stamp int64) error {
	return a.conn.exec(`DELETE FROM _penstock_wanted WHERE stream = ?1 AND key = ?2 AND stamp <= ?3`,
		a.table.stream.Name, key, stamp)
}

// want asks for a key of the stream, or raises the stamp of an earlier want.
// How long it has waited and when it was first not found stay.
func (l *load) want(stream string, w penstock.Want) (raised bool, err error) {
	err = l.conn.exec(`INSERT INTO _penstock_wanted (stream, key, reason, stamp, since) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET reason = excluded.reason, stamp = excluded.stamp WHERE excluded.stamp > stamp`,
		stream, w.Key, w.Reason, w.Stamp, l.at.Now.UnixMilli())
	if t := l.tables[stream]; t != nil {
		t.wanted = true
	}
	return err == nil && l.conn.Changes() > 0, err
}

// want asks for a key of the batch's own stream.
func (a *applying) want(w penstock.Want) error {
	raised, err := a.load.want(a.table.stream.Name, w)
	if raised {
		a.applied.Wanted++
	}
	return err
}

func (a *applying) wants() error {
	for _, w := range a.batch.Wanted {
		if err := warehouse.CheckWanted(a.batch.Stream, w.Key); err != nil {
			return fmt.Errorf("wanted: %w", err)
		}
		if err := a.want(w); err != nil {
			return err
		}
	}
	return nil
}

// follow has the streams that belong to the object that was just written read
// it too.
func (a *applying) follow(in *arriving) error {
	if len(a.at.Followers) == 0 || !warehouse.Follows(a.batch, in.old != nil) {
		return nil
	}
	w := penstock.Want{Key: a.record.Key(in.row).Text(), Reason: penstock.WantChanged, Stamp: in.Stamp}
	for _, follower := range a.at.Followers[a.table.stream.Name] {
		if _, err := a.load.want(follower, w); err != nil {
			return err
		}
	}
	return nil
}

// doubt notes when HubSpot first named the key as not found, and believes it
// the second time (V3). It is due again GoneAfter from now, on our clock.
func (a *applying) doubt(in *arriving) error {
	key, first := a.record.Key(in.row).Text(), int64(0)
	err := a.conn.query(`SELECT missed FROM _penstock_wanted WHERE stream = ?1 AND key = ?2`,
		func(found *sqlite.Stmt) error {
			first = found.ColumnInt64(0)
			return nil
		}, a.table.stream.Name, key)
	if err != nil {
		return err
	}
	if warehouse.GoneNow(first, in.Updated) {
		return a.gone(in, first)
	}
	if first != 0 {
		return a.conn.exec(`UPDATE _penstock_wanted SET asked = ?3 WHERE stream = ?1 AND key = ?2`,
			a.table.stream.Name, key, a.at.Now.UnixMilli())
	}
	a.applied.Wanted++
	a.table.wanted = true
	return a.conn.exec(`INSERT INTO _penstock_wanted (stream, key, reason, stamp, since, missed, asked)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5) ON CONFLICT DO UPDATE
		SET reason = CASE reason WHEN ?7 THEN reason ELSE excluded.reason END, stamp = max(stamp, excluded.stamp),
			missed = excluded.missed, asked = excluded.asked`,
		a.table.stream.Name, key, penstock.WantDoubt, in.Stamp, a.at.Now.UnixMilli(), in.Updated, penstock.WantAbsent)
}

// gone makes the row a tombstone since the moment it was first not found.
func (a *applying) gone(in *arriving, first int64) error {
	key := a.record.Key(in.row)
	if err := a.entomb(a.table, in.old, grave{since: first, stamp: in.Stamp}); err != nil {
		return err
	}
	a.applied.Buried++
	if err := a.follow(in); err != nil {
		return err
	}
	return a.conn.exec(`DELETE FROM _penstock_wanted WHERE stream = ?1 AND key = ?2`, a.table.stream.Name, key.Text())
}

// A grave says since when a row is observed not to be there, and at which
// stamp.
type grave struct{ since, stamp int64 }

// entomb makes a row gone. Its values and its date stay, and so does an earlier
// deletion's moment.
func (l *load) entomb(t *streamTable, s *standing, g grave) error {
	t.wrote(s, penstock.Gone)
	return t.amend(s, l.at.Now.UnixMilli(), func(m *making) {
		if m.deletedAt == none {
			m.deletedAt = g.since
		}
		m.deleted, m.Why, m.MergedInto, m.stamp = true, penstock.Gone, 0, g.stamp
	})
}

// rowRejects replaces the rejects of a row's columns by those that came with
// it. A value that did load has none, whatever an earlier row of the batch had.
func (a *applying) rowRejects(in *arriving) error {
	if !a.table.rejects && a.rejected == nil {
		return nil
	}
	key := a.record.Key(in.row).Text()
	err := a.dropRejects(key, func(property string) bool {
		_, named := a.named[property]
		return named || property == "" && in.Op == penstock.Put
	})
	if err != nil {
		return err
	}
	for _, r := range a.rejected[key] {
		if i, named := a.named[r.Property]; r.Property == "" || named && !a.record.cells[i].IsNull(in.row) {
			continue
		}
		if err := a.reject(r); err != nil {
			return err
		}
	}
	return nil
}

// dropRejects drops those rejects of a key whose property is one that is meant.
func (a *applying) dropRejects(key string, meant func(property string) bool) error {
	var held []string
	err := a.conn.query(`SELECT property FROM _penstock_rejects WHERE stream = ?1 AND key = ?2`,
		func(found *sqlite.Stmt) error {
			held = append(held, found.ColumnText(0))
			return nil
		}, a.table.stream.Name, key)
	if err != nil {
		return err
	}
	for _, property := range held {
		if !meant(property) {
			continue
		}
		err := a.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND key = ?2 AND property = ?3`,
			a.table.stream.Name, key, property)
		if err != nil {
			return err
		}
	}
	return nil
}

// looseRejects keeps the rejects that belong to no row of the batch.
func (a *applying) looseRejects() error {
	for _, r := range a.batch.Rejects {
		if r.Property != "" && a.carriers[r.Key] {
			continue
		}
		if err := a.reject(r); err != nil {
			return err
		}
	}
	return nil
}

// reject keeps a reject. A whole object that is no row is an answer all the
// same: nobody needs to ask for it again.
func (a *applying) reject(r penstock.Reject) error {
	a.table.rejects = true
	if r.Property == "" && a.table.wanted {
		if err := a.unwant(r.Key, a.batch.Stamp); err != nil {
			return err
		}
	}
	return a.conn.exec(`INSERT OR REPLACE INTO _penstock_rejects (stream, key, property, original, reason, at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, a.table.stream.Name, r.Key, r.Property, r.Original, r.Reason, r.At)
}
