package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"penstock/internal/warehouse"
)

var (
	errUnclaimed = errors.New("the warehouse has not been claimed by this process")
	errTaken     = errors.New("another commit came first")
)

// A tx is one commit in the making: a transaction of the index, whose changes
// of the logged tables become an entry of the log, and the tables' files.
type tx struct {
	ctx   context.Context
	store *Store
	conn  *conn
	id    string // of the entry
	begin mark   // what it comes after

	tables map[string]*streamTable // those in use
}

// write runs f in a commit of the claimed loader, and commits when f has
// changed anything.
func (s *Store) write(ctx context.Context, f func(*tx, meta) (changed bool, err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loader == "" {
		return errUnclaimed
	}
	if err := s.settle(ctx); err != nil {
		return explain(ctx, err)
	}
	err := s.transact(ctx, s.loader, func(tx *tx) (bool, error) {
		m, err := readMeta(tx.conn)
		if err == nil && m.loader != s.loader {
			err = warehouse.ErrFenced
		}
		if err != nil {
			return false, err
		}
		return f(tx, m)
	})
	if errors.Is(err, errTaken) {
		err = fmt.Errorf("%w: %w", warehouse.ErrFenced, err)
	}
	if err != nil {
		return explain(ctx, err)
	}
	return explain(ctx, s.publish(ctx))
}

// settle finds out where the log ends before the loader writes to it (W4). An
// entry that is not ours fences it. One of ours whose outcome was unknown
// decides that (W2).
func (s *Store) settle(ctx context.Context) error {
	if err := s.indexed(); err != nil {
		return err
	}
	m, err := readMark(s.index)
	if err != nil {
		return err
	}
	if stands, err := m.stands(ctx, s.lake); err != nil || !stands {
		return errors.Join(err, fmt.Errorf("%w: its log does not have entry %d as it was written", warehouse.ErrReplaced, m.number))
	}
	next, err := readEntry(ctx, s.lake, entryName(m.number+1))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case next.ID != s.unsure:
		return warehouse.ErrFenced
	default:
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		s.pending.all = true
	}
	s.unsure = ""
	if s.pending.all || len(s.pending.streams) > 0 {
		return s.publish(ctx)
	}
	return nil
}

// indexed fails when the index was deleted behind the loader's back.
func (s *Store) indexed() error {
	if s.index == nil {
		return errUnclaimed
	}
	if _, err := os.Stat(s.path); err != nil {
		return fmt.Errorf("%w: its index %s is gone: %w", warehouse.ErrReplaced, s.path, err)
	}
	return nil
}

// catchUp brings the index to the end of the log and to what the tables hold.
func (s *Store) catchUp(ctx context.Context) error {
	return s.transact(ctx, "", func(tx *tx) (bool, error) { return false, tx.refresh() })
}

// transact runs f on an index that has followed the log, and writes an entry if
// f has changed anything. It fails with errTaken when another was quicker.
func (s *Store) transact(ctx context.Context, loader string, f func(*tx) (changed bool, err error)) (err error) {
	conn := s.index
	if err := conn.begin(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.rollback()) }()
	defer conn.interruptible(ctx)()
	m, err := conn.follow(ctx, s.lake)
	if err != nil {
		return err
	}
	session, err := conn.changes()
	if err != nil {
		return err
	}
	defer session.Delete()
	tx := &tx{ctx: ctx, store: s, conn: conn, id: randomID(), begin: m, tables: map[string]*streamTable{}}
	defer tx.release()
	changed, err := f(tx)
	if err == nil && changed {
		err = tx.stage()
	}
	if err != nil {
		return err
	}
	if changed {
		var b bytes.Buffer
		if err := session.WriteChangeset(&b); err != nil {
			return err
		}
		if err := tx.enter(loader, b.Bytes()); err != nil {
			return err
		}
	}
	conn.SetInterrupt(nil)
	s.note("commit the index")
	return conn.exec("COMMIT")
}

// enter writes the log's next entry: that is the commit (W1). When its
// outcome is not known, the next commit finds out.
func (tx *tx) enter(loader string, changes []byte) error {
	s, number := tx.store, tx.begin.number+1
	content, err := entry{Format: format, Number: number, ID: tx.id, Loader: loader, changes: changes}.marshal()
	if err != nil {
		return err
	}
	s.note("enter")
	s.unsure = tx.id
	err = s.lake.create(tx.ctx, entryName(number), content)
	if errors.Is(err, fs.ErrExist) {
		there, readErr := readEntry(tx.ctx, s.lake, entryName(number))
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if there.ID != tx.id { // else a retry met what the first try had made
			s.unsure = ""
			return errTaken
		}
	} else if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.note("entered")
	if err := tx.conn.setMark(mark{number, tx.id}); err != nil {
		return err // the log is ahead of the index: the next commit follows it
	}
	return nil
}
