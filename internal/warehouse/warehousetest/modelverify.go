package warehousetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// actual is the print that the row ought to have.
func (r *modelRow) actual() warehouse.Print {
	sum := warehouse.Print(0)
	for name, v := range r.columns {
		if name == "_print" || name == "_load" || name == "_synced_at" {
			continue
		}
		seed := warehouse.SeedOf(name)
		switch v := v.(type) {
		case string:
			sum += seed.Text(v)
		case int64:
			sum += seed.Integer(v)
		case float64:
			sum += seed.Real(v)
		case bool:
			sum += seed.Integer(map[bool]int64{true: 1}[v])
		}
	}
	return sum
}

// kept is the print that was kept when the row was written.
func (r *modelRow) kept() (print warehouse.Print, trusted bool) {
	if r == nil {
		return 0, false
	}
	n, trusted := r.columns["_print"].(int64)
	return warehouse.Print(n), trusted
}

// off is how far the print that is kept is from what it ought to be.
func (r *modelRow) off() warehouse.Print {
	kept, _ := r.kept()
	return kept - r.actual()
}

// reprint keeps the print of what stands, as far off as given.
func (r *modelRow) reprint(off warehouse.Print) { r.columns["_print"] = int64(r.actual() + off) }

func (r *modelRow) holds() bool {
	_, trusted := r.kept()
	return trusted && r.off() == 0
}

// live tells whether readers see the row.
func (r *modelRow) live() bool { return r.columns["_deleted"] == false }

func (s *state) table(stream string) (*modelTable, error) {
	t := s.tables[stream]
	if t == nil {
		return nil, fmt.Errorf("%s: %w", stream, warehouse.ErrNoTable)
	}
	return t, nil
}

// Check compares rows with the prints kept when they were loaded.
func (m *Model) Check(_ context.Context, stream string, after penstock.Key, limit int) ([]string, penstock.Key, error) {
	t, err := m.view().table(stream)
	if err != nil {
		return nil, nil, err
	}
	if err := warehouse.CheckKey(t.stream, after); err != nil {
		return nil, nil, err
	}
	var bad []string
	rows, err := t.selected(warehouse.Query{After: after, Limit: max(limit, 1), Deleted: true})
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		if !r.holds() {
			bad = append(bad, r.key.Text())
		}
	}
	if len(rows) < max(limit, 1) {
		return bad, nil, nil
	}
	return bad, rows[len(rows)-1].key, nil
}

// within are the ids of live rows in a span, in order.
func (m *Model) within(stream string, span penstock.Span) ([]int64, error) {
	t, err := m.view().table(stream)
	if err != nil {
		return nil, err
	}
	if keys := t.stream.Key(); len(keys) != 1 || !keys[0].Integer {
		return nil, warehouse.ErrNoIDs
	}
	var ids []int64
	for _, row := range t.rows {
		id, at := integer(row.key[0]), row.version.Updated
		dated := span.Since == 0 && span.Until == 0 ||
			row.columns["_updated_at"] != nil && !row.version.Untrusted && at >= span.Since && (span.Until == 0 || at <= span.Until)
		if row.live() && id >= span.From && (span.To == 0 || id < span.To) && dated {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Count counts the live rows in each span.
func (m *Model) Count(_ context.Context, stream string, spans []penstock.Span) ([]int64, error) {
	if _, err := m.within(stream, penstock.Span{}); err != nil {
		return nil, err
	}
	var counts []int64
	for _, span := range spans {
		ids, err := m.within(stream, span)
		if err != nil {
			return nil, err
		}
		counts = append(counts, int64(len(ids)))
	}
	return counts, nil
}

// IDs lists ids of live rows in order.
func (m *Model) IDs(_ context.Context, stream string, from, to int64, limit int) ([]int64, error) {
	ids, err := m.within(stream, penstock.Span{From: from, To: to})
	return ids[:min(len(ids), max(limit, 0))], err
}

// Want asks for keys to be read, and takes the print of altered rows.
func (m *Model) Want(ctx context.Context, wants []penstock.Want, stream string) error {
	return m.write(ctx, func(s *state) (bool, error) {
		t, err := s.table(stream)
		if err != nil {
			return false, err
		}
		b := &modelBatch{modelLoad: &modelLoad{state: s, at: warehouse.Moment{Now: time.Now()}}, table: t}
		for _, w := range wants {
			if err := warehouse.CheckWanted(t.stream, w.Key); err != nil {
				return false, err
			}
			b.want(stream, w)
			for text, r := range t.rows {
				if (text == w.Key || t.stream.Of != "" && r.key[0] == w.Key) && !r.holds() {
					r.columns["_print"] = nil
				}
			}
		}
		return len(wants) > 0, nil
	})
}

// Erase takes the values of rows that are gone since before the moment.
func (m *Model) Erase(ctx context.Context, stream string, before, now time.Time) (int64, error) {
	erased := int64(0)
	err := m.write(ctx, func(s *state) (bool, error) {
		t, err := s.table(stream)
		if err != nil {
			return false, err
		}
		l := &modelLoad{state: s, at: warehouse.Moment{Now: now}, written: map[string]bool{}}
		for text, r := range t.rows {
			deleted, _ := r.columns["_deleted_at"].(string)
			if r.version.Why != penstock.Gone || deleted == "" || deleted >= moment(before.UnixMilli()) || !r.holds() {
				continue
			}
			erased++
			l.of(t).erase(r)
			forget(s.rejects, func(e entry) bool { return e.stream == stream && e.key == text })
			for _, f := range s.tables {
				if t.stream.Family == penstock.Objects && f.stream.Of == stream {
					l.of(f).eraseOf(r.key[0])
				}
			}
		}
		return erased > 0, nil
	})
	return erased, err
}

func forget(rejects map[entry]penstock.Reject, meant func(entry) bool) {
	maps.DeleteFunc(rejects, func(e entry, _ penstock.Reject) bool { return meant(e) })
}

// of is the load's work on a table, without a batch.
func (l *modelLoad) of(t *modelTable) *modelBatch { return &modelBatch{modelLoad: l, table: t} }

func (m *modelBatch) erase(r *modelRow) {
	for _, c := range m.table.columns {
		r.columns[c.Name] = nil
	}
	r.bury(penstock.Erased, m.at.Now.UnixMilli())
	m.loaded(r)
	r.reprint(0)
}

func (m *modelBatch) eraseOf(id string) {
	for _, r := range m.table.rows {
		switch {
		case r.key[0] != id:
		case !warehouse.Buries(m.table.stream) && r.version.Why != penstock.Erased:
			m.erase(r)
		case warehouse.Buries(m.table.stream) && r.version.Why == penstock.Live:
			m.entomb(r, m.at.Now.UnixMilli(), r.version.Stamp)
		}
	}
	forget(m.rejects, func(e entry) bool {
		return e.stream == m.table.stream.Name && (e.key == id || strings.HasPrefix(e.key, `["`+id+`",`))
	})
}

// A Tampering is what somebody does to a row behind the warehouse's back. It
// tells nobody of it.
type Tampering struct {
	Stream string
	Key    penstock.Key
	Delete bool
	Insert bool           // a row of these columns; else one that is there is altered
	Set    map[string]any // columns, as Rows yields them
}

// Tamper changes a row by hand.
func (m *Model) Tamper(change Tampering) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	s := m.shared.state.clone()
	m.shared.state = s
	t := s.tables[change.Stream]
	r := t.rows[change.Key.Text()]
	switch {
	case change.Delete:
		delete(t.rows, change.Key.Text())
		return
	case change.Insert:
		r = &modelRow{key: change.Key, columns: map[string]any{}}
		for _, name := range append(t.names(), "_stamp", "_print") {
			r.columns[name] = nil
		}
		for i, k := range t.stream.Key() {
			r.columns[k.Name] = change.Key[i]
			if k.Integer {
				r.columns[k.Name] = integer(change.Key[i])
			}
		}
		t.rows[change.Key.Text()] = r
	}
	maps.Copy(r.columns, change.Set)
	text, _ := r.columns["_updated_at"].(string)
	updated, err := time.Parse("2006-01-02T15:04:05.000Z", text)
	r.version.Updated, r.version.Untrusted = 0, text != "" && err != nil
	if err == nil {
		r.version.Updated = updated.UnixMilli()
	}
	why, _ := r.columns["_deleted_why"].(string)
	r.version.Why = penstock.Why(why)
	r.version.Stamp, _ = r.columns["_stamp"].(int64)
	r.version.MergedInto, _ = r.columns["_merged_into"].(int64)
}
