// Package sqlite keeps the warehouse of one connection in one SQLite file that
// any program can read while it is loaded.
//
// It knows SQL and Arrow and keeps the promises W1 to W5; which batch is
// admitted, which row replaces which and how a column is named is decided by
// package warehouse. It knows no bus and no HubSpot.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A Store is the warehouse in one file. Nothing is written before Claim.
type Store struct {
	path string
	step func(name string) // called before each statement of a load; nil but in tests

	mu     sync.Mutex // one writer at a time: Claim, Load, Restart, Close
	loader *loader    // nil until claimed

	lookups *readers // short questions, such as the loader's own
	scans   *readers // rows, read as slowly as their reader likes
}

var _ warehouse.Store = (*Store)(nil)

// A loader is what a claim opened, and what it has done since.
type loader struct {
	conn    *conn
	file    os.FileInfo // of the opened file, to notice another one in its place
	log     os.FileInfo // of its write-ahead log
	token   string      // empty while the claim has not been accepted
	commits int64       // the file's commit counter as we left it
	unsure  bool        // the last COMMIT failed: the counter may be one higher
	unwiped bool        // the log holds values that were erased
}

// Open looks at the file, which need not exist yet. A file that is not a
// warehouse is refused and left as it is.
func Open(path string) (*Store, error) {
	if err := inspect(path); err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", path, err)
	}
	return &Store{path: path, lookups: &readers{path: path}, scans: &readers{path: path}}, nil
}

// Claim makes the caller the only loader, and the file a warehouse if it is
// not one yet. After ErrReplaced it opens the file that is there now.
func (s *Store) Claim(ctx context.Context, c warehouse.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.claim(ctx, c); err != nil {
		return fmt.Errorf("claim warehouse %s: %w", s.path, explain(ctx, err))
	}
	return nil
}

func (s *Store) claim(ctx context.Context, c warehouse.Claim) error {
	if err := s.connect(); err != nil {
		return err
	}
	conn := s.loader.conn
	defer conn.interruptible(ctx)()
	if err := conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	commits, err := takeOver(conn, c)
	if err == nil {
		err = conn.exec("COMMIT")
	}
	if err == nil {
		s.loader.log, err = os.Stat(s.path + "-wal") // it is there from the first transaction on
	}
	if err != nil {
		return errors.Join(err, conn.rollback())
	}
	s.loader.token, s.loader.commits, s.loader.unsure = c.Loader, commits, false
	return nil
}

// takeOver writes the claim into the file's own tables, which it makes when
// they are missing, and returns the commit counter.
func takeOver(conn *conn, c warehouse.Claim) (int64, error) {
	if err := createOwn(conn); err != nil {
		return 0, err
	}
	m, err := readMeta(conn)
	if err != nil {
		return 0, err
	}
	if err := m.admits(c); err != nil {
		return 0, err
	}
	if err := indexTables(conn); err != nil {
		return 0, err
	}
	for name, value := range map[string]any{
		metaInstallation: c.Installation, metaClaims: warehouse.Claimed(m.claims, m.commits),
	} {
		if err := setMeta(conn, name, value); err != nil {
			return 0, err
		}
	}
	return m.commits, setMeta(conn, metaLoader, c.Loader)
}

// indexTables gives the tables of an older file the indexes that it lacks. One
// that somebody has dropped, or whose _load, is for Repair.
func indexTables(conn *conn) error {
	var streams []string
	err := conn.query(`SELECT stream FROM _penstock_tables WHERE EXISTS
		(SELECT 1 FROM pragma_table_xinfo(stream) WHERE name = '_load') ORDER BY stream`, func(row *sqlite.Stmt) error {
		streams = append(streams, row.ColumnText(0))
		return nil
	})
	for _, stream := range streams {
		if err != nil {
			return err
		}
		var t *table
		if t, err = findTable(conn.Conn, stream); err == nil {
			err = t.index(conn)
		}
	}
	return err
}

// connect opens the file for writing unless it is open; one that was replaced
// on disk is closed first, with every reader of it.
func (s *Store) connect() error {
	if s.loader != nil {
		if s.loader.inPlace(s.path) {
			return nil
		}
		log := s.loader.log
		if err := s.disconnect(); err != nil {
			return err
		}
		if err := removeLog(s.path, log); err != nil {
			return err
		}
	}
	if err := inspect(s.path); err != nil {
		return err
	}
	conn, err := openWriter(s.path)
	if err != nil {
		return err
	}
	conn.step = s.step
	file, err := os.Stat(s.path)
	if err != nil {
		return errors.Join(err, conn.close())
	}
	s.loader = &loader{conn: conn, file: file}
	return nil
}

// removeLog removes the write-ahead log that a replaced file left at its path.
// SQLite would take it for the new file's and write its pages into it. A log
// that came with the new file stays.
func removeLog(path string, stale os.FileInfo) error {
	log, err := os.Stat(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !os.SameFile(log, stale) {
		return err
	}
	if err := os.Remove(path + "-wal"); err != nil {
		return err
	}
	if err := os.Remove(path + "-shm"); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) disconnect() error {
	err := errors.Join(s.lookups.reset(), s.scans.reset())
	if s.loader != nil {
		err = errors.Join(err, s.loader.conn.close())
		s.loader = nil
	}
	return err
}

// inPlace tells whether the path still names the file that was opened. A load
// into a file that was moved away would commit where nobody looks.
func (l *loader) inPlace(path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(l.file, now)
}

// Close ends the store after the load in hand.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.lookups.close(), s.scans.close(), s.disconnect()); err != nil {
		return fmt.Errorf("close warehouse %s: %w", s.path, err)
	}
	return nil
}

// Restart forgets how far the backfill of a stream has come.
func (s *Store) Restart(ctx context.Context, stream string) error {
	err := s.write(ctx, func(conn *conn, _ meta) (bool, error) {
		return true, conn.exec(`DELETE FROM _penstock_heads WHERE stream = ?1 AND lane = ?2`, stream, penstock.Backfill)
	})
	if err != nil {
		return fmt.Errorf("restart backfill of %s in %s: %w", stream, s.path, err)
	}
	return nil
}
