package sqlite

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// seenKey is the row's key as _penstock_seen has it: an integer where it is one.
func (a *applying) seenKey(row int) any {
	if a.record.integers != nil {
		return a.record.integers.Value(row)
	}
	return a.record.key(row).Text()
}

// observe remembers the stamp of an observation that changed nothing, apart
// from the row, which is not rewritten for it.
func (a *applying) observe(in *arriving) error {
	if in.Stamp <= in.old.Stamp {
		return nil
	}
	return a.conn.exec(`INSERT OR REPLACE INTO _penstock_seen VALUES (?1, ?2, ?3)`,
		a.table.stream.Name, a.seenKey(in.row), in.Stamp)
}

// forgetSeen drops a stamp that belongs to the version before, where it is
// higher than the one of the row just written.
func (a *applying) forgetSeen(in *arriving) error {
	if in.old.seen <= in.Stamp {
		return nil
	}
	return a.conn.exec(`DELETE FROM _penstock_seen WHERE stream = ?1 AND key = ?2`,
		a.table.stream.Name, a.seenKey(in.row))
}

// answered removes the want that the observation answers. One for a new
// property's value stays until something is read with all columns that are
// being filled.
func (a *applying) answered(in *arriving) error {
	if !a.table.wanted {
		return nil
	}
	return a.conn.exec(`DELETE FROM _penstock_wanted WHERE stream = ?1 AND key = ?2 AND stamp <= ?3 AND (?4 OR reason <> ?5)`,
		a.table.stream.Name, a.record.key(in.row).Text(), in.Stamp, in.Op != penstock.Put || a.fills(), penstock.WantFill)
}

// fills tells whether the record names every column that is being filled.
func (a *applying) fills() bool {
	for _, c := range a.table.columns {
		if _, named := a.named[c.Property]; !named && !c.Filled {
			return false
		}
	}
	return true
}

// want asks for a key, or raises the stamp of an earlier want. How long it has
// waited and when it was first not found stay.
func (a *applying) want(w penstock.Want) error {
	err := a.conn.exec(`INSERT INTO _penstock_wanted (stream, key, reason, stamp, since) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET reason = excluded.reason, stamp = excluded.stamp WHERE excluded.stamp > stamp`,
		a.table.stream.Name, w.Key, w.Reason, w.Stamp, a.at.Now.UnixMilli())
	if err == nil && a.conn.Changes() > 0 {
		a.applied.Wanted++
		a.table.wanted = true
	}
	return err
}

func (a *applying) wants() error {
	for _, w := range a.batch.Wanted {
		if err := a.want(w); err != nil {
			return err
		}
	}
	return nil
}

// doubt notes when HubSpot first named the key as not found, and believes it
// the second time (V3).
func (a *applying) doubt(in *arriving) error {
	key, first := a.record.key(in.row).Text(), int64(0)
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
	a.applied.Superseded++
	if first != 0 {
		return nil
	}
	a.applied.Wanted++
	a.table.wanted = true
	return a.conn.exec(`INSERT INTO _penstock_wanted (stream, key, reason, stamp, since, missed)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
		SET reason = excluded.reason, stamp = max(stamp, excluded.stamp), missed = excluded.missed`,
		a.table.stream.Name, key, penstock.WantDoubt, in.Stamp, a.at.Now.UnixMilli(), in.Updated)
}

// gone makes the row a tombstone since the moment it was first not found. Its
// values and its date stay.
func (a *applying) gone(in *arriving, first int64) error {
	a.applied.Loaded++
	key := a.record.key(in.row)
	args, err := a.table.values(key)
	if err != nil {
		return err
	}
	n := len(args)
	set := fmt.Sprintf(`UPDATE %s SET _deleted = 1, _deleted_at = coalesce(_deleted_at, %s), _deleted_why = %s, _merged_into = NULL,
		_synced_at = %s, _load = %s, _stamp = %s WHERE %s`, quote(a.table.stream.Name),
		param(n), param(n+1), param(n+2), param(n+3), param(n+4), a.table.isKey())
	args = append(args, isoText(first), penstock.Gone, a.synced, a.table.next(), in.Stamp)
	if err := a.conn.exec(set, args...); err != nil {
		return err
	}
	a.table.wrote(in.old, penstock.Gone)
	return a.conn.exec(`DELETE FROM _penstock_wanted WHERE stream = ?1 AND key = ?2`, a.table.stream.Name, key.Text())
}

// rowRejects replaces the rejects of a row's columns by those that came with
// it. A value that did load has none, whatever an earlier row of the batch had.
func (a *applying) rowRejects(in *arriving) error {
	if !a.table.rejects && a.rejected == nil {
		return nil
	}
	key := a.record.key(in.row).Text()
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
		if _, named := a.named[property]; !named && (property != "" || in.Op != penstock.Put) {
			continue
		}
		err := a.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = ?1 AND key = ?2 AND property = ?3`,
			a.table.stream.Name, key, property)
		if err != nil {
			return err
		}
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
		err := a.conn.exec(`DELETE FROM _penstock_wanted WHERE stream = ?1 AND key = ?2 AND stamp <= ?3`,
			a.table.stream.Name, r.Key, a.batch.Stamp)
		if err != nil {
			return err
		}
	}
	return a.conn.exec(`INSERT OR REPLACE INTO _penstock_rejects (stream, key, property, original, reason, at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, a.table.stream.Name, r.Key, r.Property, r.Original, r.Reason, r.At)
}

// inventory wants the rows in the stretch that the list did not name.
func (a *applying) inventory() error {
	inv := a.batch.Inventory
	if inv == nil {
		return nil
	}
	want := penstock.Want{Reason: penstock.WantAbsent, Stamp: inv.Stamp}
	if inv.Archived {
		want.Reason = penstock.WantUnlisted
	}
	missing, err := a.missing(inv)
	for _, key := range missing {
		if want.Key = key.Text(); a.keys[want.Key] {
			continue
		}
		if err := a.want(want); err != nil {
			return err
		}
	}
	return err
}

// missing lists the rows of the kind that the inventory speaks of that lie in
// its stretch and have not been observed since it was taken.
func (a *applying) missing(inv *penstock.Inventory) ([]penstock.Key, error) {
	kind := "_deleted = 0"
	if inv.Archived {
		kind = "_deleted_why = 'archived'" // as in the partial index
	}
	var where []string
	args := []any{inv.Stamp}
	for _, end := range []struct {
		key penstock.Key
		op  string
	}{{inv.From, ">="}, {inv.To, "<"}} {
		term, values, err := a.table.bound(end.key, end.op, len(args))
		if err != nil {
			return nil, err
		}
		where, args = append(where, term), append(args, values...)
	}
	var keys []penstock.Key
	err := a.conn.query(fmt.Sprintf(`SELECT %s FROM %s WHERE %s AND _stamp < ?1 AND %s`, keyList(a.table.keys),
		quote(a.table.stream.Name), kind, strings.Join(where, " AND ")), func(row *sqlite.Stmt) error {
		key := make(penstock.Key, len(a.table.keys))
		for i := range key {
			key[i] = row.ColumnText(i)
		}
		keys = append(keys, key)
		return nil
	}, args...)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return a.unseen(keys, inv.Stamp)
}

// unseen keeps the keys that were not observed unchanged at the stamp or
// later.
func (a *applying) unseen(keys []penstock.Key, stamp int64) ([]penstock.Key, error) {
	unseen := keys[:0]
	for _, key := range keys {
		seen := false
		name, err := a.table.seenName(key)
		if err != nil {
			return nil, err
		}
		err = a.conn.query(`SELECT 1 FROM _penstock_seen WHERE stream = ?1 AND key = ?2 AND stamp >= ?3`,
			func(*sqlite.Stmt) error {
				seen = true
				return nil
			}, a.table.stream.Name, name, stamp)
		if err != nil {
			return nil, err
		}
		if !seen {
			unseen = append(unseen, key)
		}
	}
	return unseen, nil
}
