package postgres

import (
	"fmt"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// lists are the changes of the lists beside the tables that a stretch brings.
type lists struct {
	observed []observation // stamps of observations that changed nothing
	unseen   []string      // keys whose such stamp belongs to the version before
	answers  []observation // that a key was wanted
	wants    []wanting
	settled  []*arriving // whose rejects are now those that came with them

	missed map[string]int64 // when keys were first named as not found, as far as they were
	asked  []string         // keys named so again, too early to be gone
	doubts []*arriving      // keys named so for the first time
}

type observation struct {
	key   string
	stamp int64
}

// A wanting is a want of a stream, and who counts it if it is new; nobody where
// it follows from another stream's row.
type wanting struct {
	penstock.Want
	stream  string
	applied *penstock.Applied
}

// observe remembers the stamp of an observation that changed nothing, apart
// from the row, which is not rewritten for it.
func (w *writing) observe(in *arriving) {
	if in.Stamp > in.old.Stamp {
		w.observed = append(w.observed, observation{in.key, in.Stamp})
		w.table.seen = true
	}
}

// answered removes the want that the observation answers.
func (w *writing) answered(in *arriving) {
	if w.table.wanted && warehouse.Answers(in.Arrival) {
		w.answers = append(w.answers, observation{in.key, in.Stamp})
	}
}

// follow has the streams that belong to the object that is written read it too.
func (w *writing) follow(in *arriving) {
	if len(w.at.Followers) == 0 || !warehouse.Follows(in.of.batch, in.old != nil) {
		return
	}
	want := penstock.Want{Key: in.key, Reason: penstock.WantChanged, Stamp: in.Stamp}
	for _, follower := range w.at.Followers[w.table.stream.Name] {
		w.wants = append(w.wants, wanting{Want: want, stream: follower})
	}
}

// recall reads when the keys that HubSpot now names as not found were first
// named so.
func (w *writing) recall() error {
	var keys []string
	for i := range w.stretch.rows {
		if w.stretch.rows[i].Op == penstock.Missing {
			keys = append(keys, w.stretch.rows[i].key)
		}
	}
	w.missed = map[string]int64{}
	if !w.table.wanted || len(keys) == 0 {
		return nil
	}
	return w.conn.query("SELECT key, missed FROM _penstock_wanted WHERE stream = $1 AND key = ANY ($2)", func(r row) error {
		w.missed[r.text(0)] = r.int(1)
		return nil
	}, w.table.stream.Name, keys)
}

// doubt notes when HubSpot first named the key as not found, and believes it
// the second time (V3). It is due again GoneAfter from now, on our clock.
func (w *writing) doubt(in *arriving) {
	first := w.missed[in.key]
	switch {
	case warehouse.GoneNow(first, in.Updated):
		w.gone, w.since = append(w.gone, in), append(w.since, first)
		w.table.wrote(&in.old.Why, penstock.Gone)
		in.of.applied.Buried++
		w.follow(in)
		w.answers = append(w.answers, observation{in.key, 1<<63 - 1})
	case first != 0:
		w.asked = append(w.asked, in.key)
	default:
		in.of.applied.Wanted++
		w.table.wanted = true
		w.doubts = append(w.doubts, in)
	}
}

// rowRejects replaces the rejects of a row's columns by those that came with
// it. A value that did load has none, whatever an earlier row of the batch had.
func (w *writing) rowRejects(in *arriving) {
	if w.table.rejects || in.of.rejected[in.key] != nil {
		w.settled = append(w.settled, in)
	}
}

// beside writes the lists.
func (w *writing) beside() error {
	stream := w.table.stream.Name
	if len(w.unseen) > 0 {
		w.conn.exec("DELETE FROM _penstock_seen WHERE stream = $1 AND key = ANY ($2)", stream, w.unseen)
	}
	if keys, stamps := apart(w.observed); len(keys) > 0 {
		w.conn.exec(`INSERT INTO _penstock_seen (stream, key, stamp) SELECT $1, k.key, k.stamp
			FROM unnest($2::text[], $3::bigint[]) AS k(key, stamp)
			ON CONFLICT (stream, key) DO UPDATE SET stamp = excluded.stamp`, stream, keys, stamps)
	}
	if keys, stamps := apart(w.answers); len(keys) > 0 {
		w.unwant(stream, keys, stamps)
	}
	w.flushRejects()
	w.flushDoubts()
	return w.flushWants(w.wants)
}

func apart(all []observation) (keys []string, stamps []int64) {
	for _, o := range all {
		keys, stamps = append(keys, o.key), append(stamps, o.stamp)
	}
	return keys, stamps
}

// unwant removes the wants of keys that were answered at the stamps.
func (l *load) unwant(stream string, keys []string, stamps []int64) {
	l.conn.exec(`DELETE FROM _penstock_wanted AS w USING unnest($2::text[], $3::bigint[]) AS k(key, stamp)
		WHERE w.stream = $1 AND w.key = k.key AND w.stamp <= k.stamp`, stream, keys, stamps)
}

func (w *writing) flushDoubts() {
	stream, now := w.table.stream.Name, w.at.Now.UnixMilli()
	if len(w.asked) > 0 {
		w.conn.exec("UPDATE _penstock_wanted SET asked = $3 WHERE stream = $1 AND key = ANY ($2)", stream, w.asked, now)
	}
	for _, in := range w.doubts {
		w.conn.exec(`INSERT INTO _penstock_wanted AS w (stream, key, reason, stamp, since, missed, asked)
			VALUES ($1, $2, $3, $4, $5, $6, $5) ON CONFLICT (stream, key) DO UPDATE
			SET reason = CASE w.reason WHEN $7 THEN w.reason ELSE excluded.reason END,
				stamp = greatest(w.stamp, excluded.stamp), missed = excluded.missed, asked = excluded.asked`,
			stream, in.key, penstock.WantDoubt, in.Stamp, now, in.Updated, penstock.WantAbsent)
	}
}

// flushWants asks for keys, or raises the stamps of earlier wants. How long they
// have waited and when they were first not found stay.
func (l *load) flushWants(wants []wanting) error {
	type entry struct{ stream, key string }
	for len(wants) > 0 {
		var streams, keys, reasons []string
		var stamps []int64
		counters, later := map[entry]*penstock.Applied{}, []wanting(nil)
		for _, want := range wants {
			e := entry{want.stream, want.Key}
			if _, twice := counters[e]; twice {
				later = append(later, want) // one statement touches a row once
				continue
			}
			counters[e] = want.applied
			streams, keys, reasons = append(streams, e.stream), append(keys, e.key), append(reasons, want.Reason)
			stamps = append(stamps, want.Stamp)
			if t := l.tables[e.stream]; t != nil {
				t.wanted = true
			}
		}
		err := l.conn.query(`INSERT INTO _penstock_wanted AS w (stream, key, reason, stamp, since)
			SELECT k.stream, k.key, k.reason, k.stamp, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
			AS k(stream, key, reason, stamp) ON CONFLICT (stream, key) DO UPDATE
			SET reason = excluded.reason, stamp = excluded.stamp WHERE excluded.stamp > w.stamp RETURNING w.stream, w.key`,
			func(r row) error {
				if applied := counters[entry{r.text(0), r.text(1)}]; applied != nil {
					applied.Wanted++
				}
				return nil
			}, streams, keys, reasons, stamps, l.at.Now.UnixMilli())
		if err != nil {
			return err
		}
		wants = later
	}
	return nil
}

// wants asks for the keys that the batch names.
func (a *applying) wants() error {
	var wants []wanting
	for _, w := range a.batch.Wanted {
		if err := warehouse.CheckWanted(a.batch.Stream, w.Key); err != nil {
			return fmt.Errorf("wanted: %w", err)
		}
		w.Key = visible(w.Key)
		wants = append(wants, wanting{Want: w, stream: a.table.stream.Name, applied: a.applied})
	}
	return a.flushWants(wants)
}

// flushRejects replaces the rejects of the rows that were settled.
func (w *writing) flushRejects() {
	if len(w.settled) == 0 {
		return
	}
	var puts, fills, named []string
	for _, in := range w.settled {
		if in.Op == penstock.Put {
			puts = append(puts, in.key)
		} else {
			fills = append(fills, in.key)
		}
	}
	for property := range w.named {
		named = append(named, property)
	}
	if w.table.rejects {
		w.conn.exec(`DELETE FROM _penstock_rejects WHERE stream = $1 AND (key = ANY ($2) AND (property = ANY ($4) OR property = '')
			OR key = ANY ($3) AND property = ANY ($4))`, w.table.stream.Name, puts, fills, named)
	}
	for _, in := range w.settled {
		for _, r := range in.of.rejected[in.key] {
			if i, named := w.named[r.Property]; r.Property == "" || named && !in.record.cells[i].IsNull(in.row) {
				continue
			}
			in.of.reject(r)
		}
	}
}

// looseRejects keeps the rejects that belong to no row of the batch.
func (a *applying) looseRejects() error {
	for _, r := range a.batch.Rejects {
		if r.Property == "" || !a.carriers[r.Key] {
			a.reject(r)
		}
	}
	return nil
}

// reject keeps a reject. A whole object that is no row is an answer all the
// same: nobody needs to ask for it again.
func (a *applying) reject(r penstock.Reject) {
	a.table.rejects = true
	if r.Property == "" && a.table.wanted {
		a.unwant(a.table.stream.Name, []string{visible(r.Key)}, []int64{a.batch.Stamp})
	}
	a.conn.exec(`INSERT INTO _penstock_rejects (stream, key, property, original, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (stream, key, property) DO UPDATE SET original = excluded.original, reason = excluded.reason, at = excluded.at`,
		a.table.stream.Name, short(visible(r.Key)), short(visible(r.Property)), visible(r.Original), visible(r.Reason), r.At)
}

// short cuts what is too long for an index, which takes 2,704 bytes in all.
func short(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s...%x", strings.ToValidUTF8(text[:most], ""), uint64(warehouse.SeedOf(text)))
}
