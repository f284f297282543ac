// Package postgres keeps the warehouse of one connection in one schema of a
// PostgreSQL database.
//
// It knows SQL, PostgreSQL's wire forms and Arrow, and keeps the promises W1
// to W5; which batch is admitted, which row replaces which and how a column is
// named is decided by package warehouse. It knows no bus and no HubSpot.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"penstock"
	"penstock/internal/warehouse"
)

// A Store is the warehouse in one schema. Nothing is written before Claim.
type Store struct {
	address *address
	step    func(name string) // called before each round trip of the loader; nil but in tests

	mu     sync.Mutex // one writer at a time: Claim, Load, Restart, Close
	loader *loader

	lookups *readers // short questions, such as the loader's own
	scans   *readers // rows, read as slowly as their reader likes
}

var _ warehouse.Store = (*Store)(nil)

// A loader is what a claim was accepted for, and what it has done since. Its
// session may break and be replaced.
type loader struct {
	conn    *conn
	token   string // empty while no claim has been accepted
	commits int64  // the schema's commit counter as we left it
	unsure  bool   // the last COMMIT failed: the counter may be one higher
}

// Open reads an address such as
// postgres://user:password@host:5432/database?sslmode=verify-full&schema=hubspot
// and does not connect: a server that is down is an error of each call, and
// healed by the next.
func Open(text string) (*Store, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("open warehouse in PostgreSQL: %w", err)
	}
	return &Store{address: a, loader: &loader{}, lookups: newReaders(a), scans: newReaders(a)}, nil
}

// Claim makes the caller the only loader, and the schema a warehouse if it is
// not one yet.
func (s *Store) Claim(ctx context.Context, c warehouse.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.loader.connect(ctx, s)
	if err == nil {
		err = s.claim(c)
	}
	if err != nil {
		return fmt.Errorf("claim warehouse %s: %w", s.address.name, explain(ctx, err, s.address))
	}
	return nil
}

func (s *Store) claim(c warehouse.Claim) error {
	l := s.loader
	l.conn.exec("BEGIN")
	commits, err := s.takeOver(l.conn, c)
	if err == nil {
		err = l.conn.commit()
	}
	if err != nil {
		return errors.Join(err, l.conn.rollback())
	}
	l.token, l.commits, l.unsure = c.Loader, commits, false
	return nil
}

// takeOver writes the claim into the schema's own tables, which it makes when
// they are missing, and returns the commit counter.
func (s *Store) takeOver(conn *conn, c warehouse.Claim) (int64, error) {
	// Two that claim an empty schema at once must not both make the tables.
	conn.exec("SELECT pg_advisory_xact_lock(hashtext('penstock'), hashtext($1))", s.address.schema)
	if err := s.createOwn(conn); err != nil {
		return 0, err
	}
	m, err := readMeta(conn)
	if err != nil {
		return 0, err
	}
	if err := m.admits(c); err != nil {
		return 0, err
	}
	conn.exec("UPDATE _penstock_meta SET installation = $1, loader = $2, claims = $3",
		c.Installation, c.Loader, warehouse.Claimed(m.claims, m.commits))
	return m.commits, nil
}

// connect opens the loader's session unless it has one that works.
func (l *loader) connect(ctx context.Context, s *Store) (err error) {
	if l.conn != nil && l.conn.idle() {
		l.conn.ctx = ctx
		return nil
	}
	if l.conn != nil {
		if err := l.conn.close(); err != nil {
			return err
		}
		l.conn = nil
	}
	c, err := connect(ctx, s.address)
	if err != nil {
		return err
	}
	// What a loader joins are a few thousand keys with a table's index, whatever
	// the planner believes of a table that was empty a moment ago.
	const settings = "SET enable_hashjoin TO off; SET enable_mergejoin TO off"
	if _, err := c.pg.Exec(ctx, settings).ReadAll(); err != nil {
		return errors.Join(&fault{err}, c.close())
	}
	c.step = s.step
	l.conn = c
	return nil
}

// Close ends the store after the load in hand.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.lookups.close(), s.scans.close())
	if s.loader.conn != nil {
		err = errors.Join(err, s.loader.conn.close())
		s.loader.conn = nil
	}
	s.loader.token = ""
	if err != nil {
		return fmt.Errorf("close warehouse %s: %w", s.address.name, err)
	}
	return nil
}

// Restart forgets how far the backfill of a stream has come.
func (s *Store) Restart(ctx context.Context, stream string) error {
	err := s.write(ctx, func(conn *conn, _ meta) (bool, error) {
		conn.exec(`DELETE FROM _penstock_heads WHERE stream = $1 AND lane = $2`, stream, string(penstock.Backfill))
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("restart backfill of %s in %s: %w", stream, s.address.name, err)
	}
	return nil
}

var errUnclaimed = errors.New("the warehouse has not been claimed by this process")

// write runs f in a transaction of the claimed loader and commits when f has
// changed anything. The commit counter grows with each: it is how a restored
// schema is noticed, and how an unknown COMMIT is decided (W2).
func (s *Store) write(ctx context.Context, f func(*conn, meta) (changed bool, err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loader
	if l.token == "" {
		return errUnclaimed
	}
	m, err := s.begin(ctx)
	if l.conn == nil {
		return err
	}
	changed := false
	if err == nil {
		changed, err = f(l.conn, m)
	}
	if err == nil && changed {
		l.conn.exec("UPDATE _penstock_meta SET commits = $1", m.commits+1)
		err = l.commit(m.commits + 1)
	}
	if err != nil || !changed {
		return explain(ctx, errors.Join(err, l.conn.rollback()), s.address)
	}
	return nil
}

// begin begins a transaction in the session, or in another one if it turns out
// to be broken, as it is after the server was away.
func (s *Store) begin(ctx context.Context) (m meta, err error) {
	l := s.loader
	for range 2 {
		if err = l.connect(ctx, s); err != nil {
			return m, err
		}
		l.conn.exec("BEGIN")
		if m, err = l.check(); err == nil || !l.conn.pg.IsClosed() || ctx.Err() != nil {
			return m, err
		}
	}
	return m, err
}

// check reads the fence in the transaction that will write, and keeps others
// from passing it meanwhile (W4).
func (l *loader) check() (meta, error) {
	m, err := readMeta(l.conn)
	switch {
	case codeOf(err) == codeUndefinedTable:
		return m, fmt.Errorf("%w: its own tables are gone", warehouse.ErrReplaced)
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

// commit makes the transaction durable. After an error of the COMMIT itself
// nobody knows whether it is, until the counter is read again.
func (l *loader) commit(commits int64) error {
	if err := l.conn.flush(); err != nil {
		return err
	}
	if err := l.conn.commit(); err != nil {
		l.unsure = true
		return fmt.Errorf("commit: %w", err)
	}
	l.commits = commits
	return nil
}
