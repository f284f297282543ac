package iceberg

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

const (
	pruneEvery = 64    // commits between two prunings of _penstock_seen
	pruneRows  = 50000 // at most, each time
)

// Load applies the items in one commit (W1).
func (s *Store) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	var outcomes []warehouse.Outcome
	err := s.write(ctx, func(tx *tx, m meta) (changed bool, err error) {
		if m.account != 0 && m.account != at.Account {
			return false, m.otherAccount(at.Account)
		}
		l := newLoad(tx, m, at)
		if outcomes, err = l.items(items); err != nil || !l.applied {
			return false, err
		}
		return true, l.finish(m)
	})
	if err != nil {
		return nil, fmt.Errorf("load %d batches into %s: %w", len(items), s.address, err)
	}
	return outcomes, nil
}

// headPlace names a head.
type headPlace struct {
	stream string
	lane   penstock.Lane
	first  int64
}

// A load is one commit of batches.
type load struct {
	*tx
	at      warehouse.Moment
	stamp   int64 // the highest seen
	applied bool
	heads   map[headPlace]penstock.Head
}

func newLoad(tx *tx, m meta, at warehouse.Moment) *load {
	return &load{tx: tx, at: at, stamp: m.stamp, heads: map[headPlace]penstock.Head{}}
}

func (l *load) items(items []warehouse.Item) ([]warehouse.Outcome, error) {
	outcomes := make([]warehouse.Outcome, len(items))
	for i, item := range items {
		b := item.Batch
		head, err := l.head(headPlace{b.Stream.Name, b.Lane, b.Range})
		if err != nil {
			return nil, err
		}
		outcomes[i].Verdict = warehouse.Admit(item.Current, head, b)
		if outcomes[i].Verdict != warehouse.Apply {
			continue
		}
		if outcomes[i].Applied, err = l.apply(b); err != nil {
			return nil, fmt.Errorf("batch %d of %s %s: %w", b.Seq, b.Stream.Name, b.Lane, blame(err))
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
	if err := setMeta(l.conn, metaStamp, l.stamp); err != nil {
		return err
	}
	if m.account == 0 {
		if err := setMeta(l.conn, metaAccount, l.at.Account); err != nil {
			return err
		}
	}
	if (l.begin.number+1)%pruneEvery != 0 {
		return nil
	}
	return l.conn.exec(`DELETE FROM _penstock_seen WHERE (stream, key) IN
		(SELECT stream, key FROM _penstock_seen WHERE stamp < ?1 LIMIT ?2)`, l.at.Horizon, pruneRows)
}

func (l *load) head(p headPlace) (penstock.Head, error) {
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
	l.heads[headPlace{h.Stream, h.Lane, h.Range}] = h
	return l.conn.exec(`INSERT OR REPLACE INTO _penstock_heads (`+headColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		h.Stream, h.Lane, h.Range, h.Grant, h.Seq, h.Cursor, h.Stamp)
}

// start sets the settled lane's cursor when the backfill starts, once.
func (l *load) start(b *penstock.Batch) error {
	head, err := l.head(headPlace{b.Stream.Name, penstock.Settled, 0})
	if err != nil || head.Stream != "" {
		return err
	}
	return l.setHead(penstock.Head{Stream: b.Stream.Name, Lane: penstock.Settled, Cursor: b.Begin})
}

// splits makes the heads of the ranges that the batch cuts off (W3).
func (a *applying) splits() error {
	for _, s := range a.batch.Splits {
		standing, err := a.head(headPlace{a.batch.Stream.Name, a.batch.Lane, s.Range})
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
	defer clear(t.fetched)
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
		if err := l.start(b); err != nil {
			return a.applied, err
		}
	}
	return a.applied, t.fill(b.Filled)
}

// table is the stream's table, made with the stream's first batch.
func (tx *tx) table(stream penstock.Stream) (*streamTable, error) {
	if t, ok := tx.tables[stream.Name]; ok {
		return t, t.holds(stream)
	}
	t, err := tx.open(stream)
	if err != nil {
		return nil, err
	}
	tx.tables[stream.Name] = t
	return t, nil
}

// held is the table of a stream of which only the name is known.
func (tx *tx) held(stream string) (*streamTable, error) {
	if t, ok := tx.tables[stream]; ok {
		return t, nil
	}
	found, err := tx.streams("stream = ?1", stream)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, warehouse.ErrNoTable
	}
	t, err := tx.table(found[0])
	if err == nil {
		t.stream = found[0]
	}
	return t, err
}
