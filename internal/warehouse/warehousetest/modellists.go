package warehousetest

import (
	"fmt"
	"slices"

	"penstock"
	"penstock/internal/warehouse"
)

// inventory finds the rows that the batch does not name though it names all.
func (m *modelBatch) inventory() error {
	inv := m.batch.Inventory
	if inv == nil {
		return nil
	}
	stream := m.table.stream
	of := map[string]bool{}
	for _, id := range inv.Of {
		if err := warehouse.CheckKey(stream, penstock.Key{id}); err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
		of[id] = true
		if e := (entry{stream: stream.Name, key: id}); m.wanted[e].Stamp <= inv.Stamp {
			delete(m.wanted, e)
		}
		m.acceptOf(id)
	}
	for _, end := range []penstock.Key{inv.From, inv.To} {
		if err := warehouse.CheckKey(stream, end); err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
	}
	why, reason := penstock.Live, penstock.WantAbsent
	if inv.Archived {
		why, reason = penstock.Archived, penstock.WantUnlisted
	}
	for text, r := range m.table.rows {
		_, trusted := r.kept()
		if m.keys[text] || r.seen >= inv.Stamp || trusted && r.version.Stamp >= inv.Stamp {
			continue
		}
		switch {
		case len(of) == 0 && r.version.Why == why && m.table.within(r.key, inv) && !m.unlisted(r):
			m.want(stream.Name, penstock.Want{Key: text, Reason: reason, Stamp: inv.Stamp})
		case of[r.key[0]] && (!trusted || r.version.Why == penstock.Live && warehouse.Buries(stream)):
			m.entomb(r, m.at.Now.UnixMilli(), inv.Stamp)
		}
	}
	return nil
}

// acceptOf drops the rejects of an object that do not come again.
func (m *modelBatch) acceptOf(id string) {
	forget(m.rejects, func(e entry) bool {
		return e.stream == m.table.stream.Name && e.key == id &&
			!slices.ContainsFunc(m.batch.Rejects, func(r penstock.Reject) bool { return r.Key == id && r.Property == e.property })
	})
}

// unlisted tells whether HubSpot's archived list names the row no more, because
// it was archived too long ago.
func (m *modelBatch) unlisted(r *modelRow) bool {
	deleted, known := r.columns["_deleted_at"].(string)
	return known && m.batch.Inventory.Archived && deleted < moment(warehouse.Listed(m.at.Now).UnixMilli())
}

// within tells whether the key lies in the inventory's stretch.
func (t *modelTable) within(key penstock.Key, inv *penstock.Inventory) bool {
	return (len(inv.From) == 0 || t.compare(key, inv.From) >= 0) && (len(inv.To) == 0 || t.compare(key, inv.To) < 0)
}

// entomb makes a row gone since a moment in ms.
func (m *modelBatch) entomb(r *modelRow, since, stamp int64) {
	m.count.Buried++
	r.bury(penstock.Gone, since)
	r.version.Stamp, r.columns["_stamp"] = stamp, stamp
	m.loaded(r)
	r.reprint(0)
}

// bury makes the row a tombstone, since a moment in ms unless it is one.
func (r *modelRow) bury(why penstock.Why, since int64) {
	r.version.Why, r.version.MergedInto = why, 0
	r.columns["_deleted"], r.columns["_deleted_why"], r.columns["_merged_into"] = true, string(why), any(nil)
	if r.columns["_deleted_at"] == nil {
		r.columns["_deleted_at"] = moment(since)
	}
}

func (m *modelBatch) wants() error {
	for _, w := range m.batch.Wanted {
		if err := warehouse.CheckWanted(m.batch.Stream, w.Key); err != nil {
			return fmt.Errorf("wanted: %w", err)
		}
		m.want(m.table.stream.Name, w)
	}
	return nil
}

// want asks for a key of the stream, which may be a follower.
func (m *modelBatch) want(stream string, w penstock.Want) {
	e := entry{stream: stream, key: w.Key}
	old, wanted := m.wanted[e]
	if wanted && w.Stamp <= old.Stamp {
		return
	}
	if !wanted {
		old.since = m.at.Now.UnixMilli()
	}
	old.Want = w
	m.wanted[e] = old
	if stream == m.table.stream.Name {
		m.count.Wanted++
	}
}

// follow has the object's followers read it too.
func (m *modelBatch) follow(key string, stamp int64, stood bool) {
	if !warehouse.Follows(m.batch, stood) {
		return
	}
	for _, follower := range m.at.Followers[m.table.stream.Name] {
		m.want(follower, penstock.Want{Key: key, Reason: penstock.WantChanged, Stamp: stamp})
	}
}

func (m *modelBatch) doubt(old *modelRow, new warehouse.Arrival) {
	e := entry{stream: m.table.stream.Name, key: old.key.Text()}
	w, wanted := m.wanted[e]
	if warehouse.GoneNow(w.missed, new.Updated) {
		delete(m.wanted, e)
		m.entomb(old, w.missed, new.Stamp)
		m.follow(e.key, new.Stamp, true)
		return
	}
	if !wanted {
		w.since = m.at.Now.UnixMilli()
	}
	if w.missed == 0 {
		reason := penstock.WantDoubt
		if w.Reason == penstock.WantAbsent {
			reason = w.Reason // so many of these stop a sweep, asked for or not (V5)
		}
		w.Want = penstock.Want{Key: e.key, Reason: reason, Stamp: max(w.Stamp, new.Stamp)}
		w.missed = new.Updated
		m.count.Wanted++
	}
	w.asked = m.at.Now.UnixMilli()
	m.wanted[e] = w
}

func (m *modelBatch) reject(r penstock.Reject) {
	r.Stream = m.table.stream.Name
	m.rejects[entry{r.Stream, r.Key, r.Property}] = r
	if e := (entry{stream: r.Stream, key: r.Key}); r.Property == "" && m.wanted[e].Stamp <= m.batch.Stamp {
		delete(m.wanted, e) // an answer all the same
	}
}
