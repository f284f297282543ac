package postgres

import (
	"context"
	"fmt"
	"slices"

	"penstock"
	"penstock/internal/warehouse"
)

const (
	pruneEvery = 64    // commits between two prunings of _penstock_seen
	pruneRows  = 50000 // at most, each time
)

// Load applies the items in one transaction (W1). Only after a failure it is
// careful to find the rows that no page can hold.
func (s *Store) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	outcomes, err := s.load(ctx, items, at, false)
	if codeOf(err) == codeTooLarge {
		outcomes, err = s.load(ctx, items, at, true)
	}
	if err != nil {
		return nil, fmt.Errorf("load %d batches into %s: %w", len(items), s.address.name, err)
	}
	return outcomes, nil
}

func (s *Store) load(ctx context.Context, items []warehouse.Item, at warehouse.Moment, careful bool) ([]warehouse.Outcome, error) {
	var outcomes []warehouse.Outcome
	err := s.write(ctx, func(conn *conn, m meta) (changed bool, err error) {
		if m.account != 0 && m.account != at.Account {
			return false, m.otherAccount(at.Account)
		}
		l := newLoad(conn, m, at)
		l.schema, l.careful = s.address.schema, careful
		if outcomes, err = l.items(items); err != nil || !l.applied {
			return false, err
		}
		l.finish(m)
		return true, nil
	})
	return outcomes, err
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
	schema  string
	at      warehouse.Moment
	stamp   int64 // the highest seen
	applied bool
	heads   map[place]penstock.Head
	moved   map[place]bool // heads that are to be written
	tables  map[string]*table
	stretch *stretch // rows that wait to be written
	flushes int64
	careful bool // a row that no page can hold becomes a reject
}

func newLoad(conn *conn, m meta, at warehouse.Moment) *load {
	return &load{
		conn: conn, at: at, stamp: m.stamp, heads: map[place]penstock.Head{}, moved: map[place]bool{},
		tables: map[string]*table{},
	}
}

func (l *load) items(items []warehouse.Item) ([]warehouse.Outcome, error) {
	if err := l.readHeads(items); err != nil {
		return nil, err
	}
	outcomes := make([]warehouse.Outcome, len(items))
	for i, item := range items {
		b := item.Batch
		head := l.heads[place{b.Stream.Name, b.Lane, b.Range}]
		outcomes[i].Verdict = warehouse.Admit(item.Current, head, b)
		if outcomes[i].Verdict != warehouse.Apply {
			continue
		}
		if err := l.apply(b, &outcomes[i].Applied); err != nil {
			return nil, fmt.Errorf("batch %d of %s %s: %w", b.Seq, b.Stream.Name, b.Lane, blame(err))
		}
		l.setHead(warehouse.HeadAfter(head, b))
		l.stamp, l.applied = max(l.stamp, b.Stamp), true
	}
	if err := l.flushRows(); err != nil {
		return nil, blame(err)
	}
	return outcomes, nil
}

// readHeads reads all heads of the items' streams, in the transaction that
// will write them.
func (l *load) readHeads(items []warehouse.Item) error {
	var streams []string
	for _, item := range items {
		if !slices.Contains(streams, item.Batch.Stream.Name) {
			streams = append(streams, item.Batch.Stream.Name)
		}
	}
	return l.conn.query(`SELECT `+headColumns+` FROM _penstock_heads WHERE stream = ANY ($1)`, func(r row) error {
		head := readHead(r)
		l.heads[place{head.Stream, head.Lane, head.Range}] = head
		return nil
	}, streams)
}

func (l *load) setHead(h penstock.Head) {
	p := place{h.Stream, h.Lane, h.Range}
	l.heads[p], l.moved[p] = h, true
}

// finish writes what the batches have in common.
func (l *load) finish(m meta) {
	for p := range l.moved {
		h := l.heads[p]
		l.conn.exec(`INSERT INTO _penstock_heads (`+headColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (stream, lane, "range") DO UPDATE SET "grant" = excluded."grant", seq = excluded.seq,
			cursor = excluded.cursor, stamp = excluded.stamp`,
			h.Stream, string(h.Lane), h.Range, h.Grant, int64(h.Seq), string(h.Cursor), h.Stamp)
	}
	for _, t := range l.tables {
		t.save(l.conn)
	}
	account := m.account
	if account == 0 {
		account = l.at.Account
	}
	l.conn.exec(`UPDATE _penstock_meta SET stamp = $1, account = $2`, l.stamp, account)
	if (m.commits+1)%pruneEvery == 0 {
		l.conn.exec(`DELETE FROM _penstock_seen WHERE ctid = ANY (ARRAY(SELECT ctid FROM _penstock_seen WHERE stamp < $1 LIMIT $2))`,
			l.at.Horizon, pruneRows)
	}
}

// begin sets the settled lane's cursor when the backfill starts, once.
func (l *load) begin(b *penstock.Batch) {
	if l.heads[place{b.Stream.Name, penstock.Settled, 0}].Stream == "" {
		l.setHead(penstock.Head{Stream: b.Stream.Name, Lane: penstock.Settled, Cursor: b.Begin})
	}
}

// splits makes the heads of the ranges that the batch cuts off (W3).
func (l *load) splits(b *penstock.Batch) error {
	for _, s := range b.Splits {
		head, err := warehouse.HeadOfSplit(l.heads[place{b.Stream.Name, b.Lane, s.Range}], b, s)
		if err != nil {
			return err
		}
		l.setHead(head)
	}
	return nil
}

// apply gives the batch its effect; its rows may wait in the stretch.
func (l *load) apply(b *penstock.Batch, applied *penstock.Applied) error {
	t, err := l.tableOf(b.Stream)
	if err != nil {
		return err
	}
	a := &applying{load: l, table: t, batch: b, applied: applied}
	for _, step := range []func() error{a.rows, a.looseRejects, a.wants, a.inventory} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := l.splits(b); err != nil {
		return err
	}
	if b.FreshAt != 0 && t.made {
		t.fresh = b.FreshAt
	}
	if b.SettledAt != 0 && t.made {
		t.settled = b.SettledAt
	}
	t.stream.Whole, t.stream.Of = b.Stream.Whole, b.Stream.Of
	if b.Begin != "" {
		l.begin(b)
	}
	t.fill(l.conn, b.Filled)
	return nil
}

// tableOf is the stream's table, made with the stream's first batch.
func (l *load) tableOf(stream penstock.Stream) (*table, error) {
	if t, ok := l.tables[stream.Name]; ok {
		return t, t.holds(stream)
	}
	t, err := l.openTable(stream)
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
	found, err := existingTable(l.conn, stream)
	if err != nil {
		return nil, err
	}
	t, err := l.openTable(found.stream)
	if err == nil {
		l.tables[stream] = t
	}
	return t, err
}

// headColumns are in the order of readHead.
const headColumns = `stream, lane, "range", "grant", seq, cursor, stamp`

func readHead(r row) penstock.Head {
	return penstock.Head{
		Stream: r.text(0), Lane: penstock.Lane(r.text(1)), Range: r.int(2), Grant: r.text(3),
		Seq: uint64(r.int(4)), Cursor: penstock.Cursor(r.text(5)), Stamp: r.int(6),
	}
}
