package warehousetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// A Model is a warehouse in memory: the promises in as few lines as will hold
// them, against which the engines are checked, and a quick warehouse for the
// tests of others. Every load copies everything, so keep it to thousands of
// rows.
type Model struct {
	shared  *shared
	token   string
	commits int64
}

var _ warehouse.Store = (*Model)(nil)

// shared is what all who have opened the same model have in common.
type shared struct {
	mu    sync.Mutex
	state *state
}

// NewModel makes an empty warehouse.
func NewModel() *Model {
	return &Model{shared: &shared{state: &state{
		heads: map[place]penstock.Head{}, tables: map[string]*modelTable{},
		wanted: map[entry]want{}, rejects: map[entry]penstock.Reject{},
	}}}
}

// Reopen opens the same warehouse as another process would: it must be
// claimed before it is loaded.
func (m *Model) Reopen() *Model { return &Model{shared: m.shared} }

// Backup is the warehouse as it is now, apart from what becomes of it.
func (m *Model) Backup() *Model {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	return &Model{shared: &shared{state: m.shared.state.clone()}}
}

// state is everything that a transaction may change.
type state struct {
	installation, loader    string
	claims                  string
	account, commits, stamp int64

	heads   map[place]penstock.Head
	tables  map[string]*modelTable
	wanted  map[entry]want
	rejects map[entry]penstock.Reject
}

type place struct {
	stream string
	lane   penstock.Lane
	first  int64
}

// entry names a wanted key (without a property) or a reject.
type entry struct{ stream, key, property string }

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.stream, f.stream), cmp.Compare(e.key, f.key), cmp.Compare(e.property, f.property))
}

type want struct {
	penstock.Want
	since         int64
	missed, asked int64 // not found: first, on HubSpot's clock, and at last, on ours
}

type modelTable struct {
	stream         penstock.Stream
	columns        []warehouse.Recorded
	rows           map[string]*modelRow // by Key.Text
	load           int64
	fresh, settled int64
}

// A modelRow holds every column by name as Rows yields it, but for the stamp.
type modelRow struct {
	key     penstock.Key
	columns map[string]any
	version warehouse.Standing // with the stamp of the row itself
	seen    int64              // of a later observation that changed nothing
}

func (s *state) clone() *state {
	c := *s
	c.heads, c.wanted, c.rejects = maps.Clone(s.heads), maps.Clone(s.wanted), maps.Clone(s.rejects)
	c.tables = make(map[string]*modelTable, len(s.tables))
	for name, t := range s.tables {
		copied := *t
		copied.columns = slices.Clone(t.columns)
		copied.rows = make(map[string]*modelRow, len(t.rows))
		for key, r := range t.rows {
			row := *r
			row.columns = maps.Clone(r.columns)
			copied.rows[key] = &row
		}
		c.tables[name] = &copied
	}
	return &c
}

// Claim makes the caller the only loader.
func (m *Model) Claim(_ context.Context, c warehouse.Claim) error {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	s := m.shared.state
	if s.installation != "" && s.installation != c.Installation {
		return warehouse.ErrOtherInstallation
	}
	if s.account != 0 && c.Account != 0 && s.account != c.Account {
		return warehouse.ErrOtherAccount
	}
	s.installation, s.loader, s.claims = c.Installation, c.Loader, warehouse.Claimed(s.claims, s.commits)
	m.token, m.commits = c.Loader, s.commits
	return nil
}

// Claims are those that the model has seen.
func (m *Model) Claims(context.Context) (warehouse.Claims, error) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	s := m.shared.state
	return warehouse.Claims{Begun: warehouse.ReadClaims(s.claims), Commits: s.commits}, nil
}

// Load applies the items in one transaction.
func (m *Model) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	var outcomes []warehouse.Outcome
	err := m.write(ctx, func(s *state) (bool, error) {
		if s.account != 0 && s.account != at.Account {
			return false, warehouse.ErrOtherAccount
		}
		s.account = at.Account
		l := &modelLoad{state: s, at: at, written: map[string]bool{}}
		for _, item := range items {
			outcome, err := l.item(item)
			if err != nil {
				return false, fmt.Errorf("batch %d of %s: %w: %w", item.Batch.Seq, item.Batch.Stream.Name, warehouse.ErrBatch, err)
			}
			outcomes = append(outcomes, outcome)
		}
		return l.applied, nil
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// Restart forgets how far the backfill of a stream has come.
func (m *Model) Restart(ctx context.Context, stream string) error {
	return m.write(ctx, func(s *state) (bool, error) {
		maps.DeleteFunc(s.heads, func(p place, _ penstock.Head) bool {
			return p.stream == stream && p.lane == penstock.Backfill
		})
		return true, nil
	})
}

// write lets f change a copy, which takes the state's place when f says so.
func (m *Model) write(ctx context.Context, f func(*state) (changed bool, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	s := m.shared.state.clone()
	switch {
	case m.token == "":
		return errors.New("the warehouse has not been claimed by this process")
	case s.loader != m.token:
		return warehouse.ErrFenced
	case s.commits != m.commits:
		return warehouse.ErrReplaced
	}
	changed, err := f(s)
	if err != nil || !changed {
		return err
	}
	s.commits++
	m.commits = s.commits
	m.shared.state = s
	return nil
}

// view is the state as last committed; nothing changes it afterwards.
func (m *Model) view() *state {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	return m.shared.state
}

// Heads are the ranges of a lane as committed, by their first id.
func (m *Model) Heads(_ context.Context, stream string, lane penstock.Lane) ([]penstock.Head, error) {
	var heads []penstock.Head
	for p, h := range m.view().heads {
		if p.stream == stream && p.lane == lane {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(a, b penstock.Head) int { return cmp.Compare(a.Range, b.Range) })
	return heads, nil
}

// Stamp is the highest stamp the warehouse has seen.
func (m *Model) Stamp(context.Context) (int64, error) { return m.view().stamp, nil }

// Wanted lists keys that are due to be read.
func (m *Model) Wanted(_ context.Context, stream string, now time.Time, limit int, but string) ([]penstock.Want, error) {
	var due []want
	for e, w := range m.view().wanted {
		if e.stream == stream && w.due(now) && (but == "" || w.Reason != but) {
			due = append(due, w)
		}
	}
	slices.SortFunc(due, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.Key, b.Key))
	})
	var wants []penstock.Want
	for _, w := range due[:min(len(due), max(limit, 0))] {
		wants = append(wants, w.Want)
	}
	return wants, nil
}

// Due counts the wanted keys by stream and reason: those that are due, and all.
func (m *Model) Due(_ context.Context, now time.Time) (due, all map[string]map[string]int64, err error) {
	due, all = map[string]map[string]int64{}, map[string]map[string]int64{}
	for e, w := range m.view().wanted {
		if all[e.stream] == nil {
			due[e.stream], all[e.stream] = map[string]int64{}, map[string]int64{}
		}
		all[e.stream][w.Reason]++
		due[e.stream][w.Reason] += 0
		if w.due(now) {
			due[e.stream][w.Reason]++
		}
	}
	return due, all, nil
}

// due tells whether the key is to be read now.
func (w want) due(now time.Time) bool {
	return w.asked == 0 || !warehouse.DueAgain(time.UnixMilli(w.asked)).After(now)
}

// Rejects lists rejects in the order of stream, key and property.
func (m *Model) Rejects(_ context.Context, stream, after string, limit int) ([]penstock.Reject, string, error) {
	var from [3]string
	if after != "" {
		if err := json.Unmarshal([]byte(after), &from); err != nil {
			return nil, "", fmt.Errorf("rejects after %q: %w", after, err)
		}
	}
	s, limit := m.view(), max(limit, 1)
	rejects := []penstock.Reject{}
	for _, e := range slices.SortedFunc(maps.Keys(s.rejects), entry.compare) {
		if stream != "" && e.stream != stream || after != "" && e.compare(entry{from[0], from[1], from[2]}) <= 0 {
			continue
		}
		if len(rejects) == limit {
			last := rejects[limit-1]
			place, err := json.Marshal([3]string{last.Stream, last.Key, last.Property})
			return rejects, string(place), err
		}
		rejects = append(rejects, s.rejects[e])
	}
	return rejects, "", nil
}

// Tables describes every table, by stream name.
func (m *Model) Tables(context.Context) ([]warehouse.TableState, error) {
	s := m.view()
	var tables []warehouse.TableState
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		t := s.tables[name]
		d := warehouse.TableState{
			Stream: t.stream, Columns: slices.Clone(t.columns), Load: t.load, FreshAt: t.fresh, SettledAt: t.settled,
		}
		for _, r := range t.rows {
			if r.version.Why == penstock.Live {
				d.Rows++
			} else {
				d.Deleted++
			}
		}
		for e := range s.rejects {
			if e.stream == name {
				d.Rejects++
			}
		}
		for e := range s.wanted {
			if e.stream == name {
				d.Wanted++
			}
		}
		tables = append(tables, d)
	}
	return tables, nil
}

// Repair has nothing to do: nobody reaches the tables of a model.
func (m *Model) Repair(context.Context) ([]string, error) { return nil, nil }

// Close does nothing: the rows stay for whoever reopens the model.
func (m *Model) Close() error { return nil }
