package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

const (
	maxPlans   = 32    // prepared sets of statements, one per table and set of columns
	pruneEvery = 64    // commits between two prunings of _penstock_seen
	pruneRows  = 50000 // at most, each time
)

var errUnclaimed = errors.New("the warehouse has not been claimed by this process")

// Load applies the items in one transaction (W1).
func (s *Store) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	var outcomes []warehouse.Outcome
	err := s.write(ctx, func(conn *conn, m meta) (changed bool, err error) {
		if m.account != 0 && m.account != at.Account {
			return false, m.otherAccount(at.Account)
		}
		l := newLoad(conn, m, at)
		if outcomes, err = l.items(items); err != nil || !l.applied {
			return false, err
		}
		return true, l.finish(m)
	})
	if err != nil {
		return nil, fmt.Errorf("load %d batches into %s: %w", len(items), s.path, err)
	}
	return outcomes, nil
}

// write runs f in a transaction of the claimed loader and commits when f has
// changed anything. The commit counter grows with each: it is how a restored
// file is noticed, and how an unknown COMMIT is decided (W2).
func (s *Store) write(ctx context.Context, f func(*conn, meta) (changed bool, err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loader == nil || s.loader.token == "" {
		return errUnclaimed
	}
	if !s.loader.inPlace(s.path) {
		return fmt.Errorf("%w: another file is at its path", warehouse.ErrReplaced)
	}
	conn := s.loader.conn
	defer conn.interruptible(ctx)()
	if err := conn.exec("BEGIN IMMEDIATE"); err != nil {
		return explain(ctx, err)
	}
	m, err := s.loader.check(conn)
	changed := false
	if err == nil {
		changed, err = f(conn, m)
	}
	if err == nil && changed {
		err = setMeta(conn, metaCommits, m.commits+1)
	}
	if err != nil || !changed {
		return explain(ctx, errors.Join(err, conn.rollback()))
	}
	return explain(ctx, s.loader.commit(m.commits+1))
}

// check reads the fence in the transaction that will write (W4).
func (l *loader) check(conn *conn) (meta, error) {
	m, err := readMeta(conn)
	switch {
	case err != nil:
		return m, err
	case m.loader != l.token:
		return m, warehouse.ErrFenced
	case m.commits != l.commits && !(l.unsure && m.commits == l.commits+1):
		return m, fmt.Errorf("%w: it has seen %d commits, not %d", warehouse.ErrReplaced, m.commits, l.commits)
	}
	l.commits, l.unsure = m.commits, false
	return m, nil
}

// commit makes the transaction durable. After an error nobody knows whether
// it is, until the counter is read again.
func (l *loader) commit(commits int64) error {
	if err := l.conn.exec("COMMIT"); err != nil {
		l.unsure = true
		return errors.Join(fmt.Errorf("commit: %w", err), l.conn.rollback())
	}
	l.commits = commits
	l.conn.note("committed")
	return nil
}

// blame says of an error that is the batch's own fault that it is: SQLite's
// word on the file, the disk or a lock is about the warehouse, and so is a table
// that somebody has altered.
func (l *load) blame(b *penstock.Batch, err error) error {
	if t := l.tables[b.Stream.Name]; t != nil && t.made {
		if altered := t.altered(l.conn); altered != nil {
			return altered
		}
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultError, sqlite.ResultConstraint, sqlite.ResultMismatch, sqlite.ResultTooBig, sqlite.ResultRange:
		return fmt.Errorf("%w: %w", warehouse.ErrBatch, err)
	}
	return err
}

// place names a head.
type place struct {
	stream string
	lane   penstock.Lane
	first  int64
}

// A load is one transaction of batches.
type load struct {
	conn    *conn
	at      warehouse.Moment
	synced  string
	stamp   int64 // the highest seen
	applied bool
	heads   map[place]penstock.Head
	tables  map[string]*table
}

func newLoad(conn *conn, m meta, at warehouse.Moment) *load {
	return &load{
		conn: conn, at: at, synced: isoText(at.Now.UnixMilli()), stamp: m.stamp,
		heads: map[place]penstock.Head{}, tables: map[string]*table{},
	}
}

func (l *load) items(items []warehouse.Item) ([]warehouse.Outcome, error) {
	if err := l.conn.bound(); err != nil {
		return nil, err
	}
	outcomes := make([]warehouse.Outcome, len(items))
	for i, item := range items {
		b := item.Batch
		head, err := l.head(place{b.Stream.Name, b.Lane, b.Range})
		if err != nil {
			return nil, err
		}
		outcomes[i].Verdict = warehouse.Admit(item.Current, head, b)
		if outcomes[i].Verdict != warehouse.Apply {
			continue
		}
		if outcomes[i].Applied, err = l.apply(b); err != nil {
			return nil, fmt.Errorf("batch %d of %s %s: %w", b.Seq, b.Stream.Name, b.Lane, l.blame(b, err))
		}
		if err := l.setHead(warehouse.HeadAfter(head, b)); err != nil {
			return nil, err
		}
		l.stamp, l.applied = max(l.stamp, b.Stamp), true
	}
	return outcomes, nil
}

// finish writes what the batches have in common.
func (l *load) finish(m meta) error {
	if err := l.save(); err != nil {
		return err
	}
	if err := setMeta(l.conn, metaStamp, l.stamp); err != nil {
		return err
	}
	if m.account == 0 {
		if err := setMeta(l.conn, metaAccount, l.at.Account); err != nil {
			return err
		}
	}
	if (m.commits+1)%pruneEvery != 0 {
		return nil
	}
	return l.conn.exec(`DELETE FROM _penstock_seen WHERE (stream, key) IN
		(SELECT stream, key FROM _penstock_seen WHERE stamp < ?1 LIMIT ?2)`, l.at.Horizon, pruneRows)
}

// save writes what the tables have come to.
func (l *load) save() error {
	for _, t := range l.tables {
		if err := t.save(l.conn); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) head(p place) (penstock.Head, error) {
	if head, ok := l.heads[p]; ok {
		return head, nil
	}
	var head penstock.Head
	err := l.conn.query(`SELECT `+headColumns+` FROM _penstock_heads WHERE stream = ?1 AND lane = ?2 AND "range" = ?3`,
		func(row *sqlite.Stmt) error {
			head = readHead(row)
			return nil
		}, p.stream, p.lane, p.first)
	l.heads[p] = head
	return head, err
}

func (l *load) setHead(h penstock.Head) error {
	l.heads[place{h.Stream, h.Lane, h.Range}] = h
	return l.conn.exec(`INSERT OR REPLACE INTO _penstock_heads (`+headColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		h.Stream, h.Lane, h.Range, h.Grant, h.Seq, h.Cursor, h.Stamp)
}

// begin sets the settled lane's cursor when the backfill starts, once.
func (l *load) begin(b *penstock.Batch) error {
	head, err := l.head(place{b.Stream.Name, penstock.Settled, 0})
	if err != nil || head.Stream != "" {
		return err
	}
	return l.setHead(penstock.Head{Stream: b.Stream.Name, Lane: penstock.Settled, Cursor: b.Begin})
}

// splits makes the heads of the ranges that the batch cuts off (W3).
func (a *applying) splits() error {
	for _, s := range a.batch.Splits {
		standing, err := a.head(place{a.batch.Stream.Name, a.batch.Lane, s.Range})
		if err != nil {
			return err
		}
		head, err := warehouse.HeadOfSplit(standing, a.batch, s)
		if err != nil {
			return err
		}
		if err := a.setHead(head); err != nil {
			return err
		}
	}
	return nil
}

// apply gives the batch its effect.
func (l *load) apply(b *penstock.Batch) (penstock.Applied, error) {
	t, err := l.table(b.Stream)
	if err != nil {
		return penstock.Applied{}, err
	}
	a := &applying{load: l, table: t, batch: b}
	for _, step := range []func() error{a.rows, a.looseRejects, a.wants, a.inventory, a.splits} {
		if err := step(); err != nil {
			return a.applied, err
		}
	}
	if b.FreshAt != 0 && t.made {
		t.fresh = b.FreshAt
	}
	if b.SettledAt != 0 && t.made {
		t.settled = b.SettledAt
	}
	t.stream.Whole, t.stream.Of = b.Stream.Whole, b.Stream.Of
	if b.Begin != "" {
		if err := l.begin(b); err != nil {
			return a.applied, err
		}
	}
	return a.applied, t.fill(l.conn, b.Filled)
}

// table is the stream's table, made with the stream's first batch.
func (l *load) table(stream penstock.Stream) (*table, error) {
	if t, ok := l.tables[stream.Name]; ok {
		return t, t.holds(stream)
	}
	t, err := openTable(l.conn, stream)
	if err != nil {
		return nil, err
	}
	l.tables[stream.Name] = t
	return t, nil
}

// held is the table of a stream of which only the name is known.
func (l *load) held(stream string) (*table, error) {
	if t, ok := l.tables[stream]; ok {
		return t, nil
	}
	found, err := findTable(l.conn.Conn, stream)
	if err != nil {
		return nil, err
	}
	return l.table(found.stream)
}
