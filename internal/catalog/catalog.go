// Package catalog keeps what data-streams intends and what has happened:
// schedules, accounts and their leases, the names of streams, runs and
// troubles, in one SQLite file.
//
// It does not know how far a stream has been read or loaded: that is the
// warehouse's to say, together with the rows. A catalog that is lost or
// restored from a backup costs history and schedules, never data.
package catalog

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitemigration"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed schema.sql
var schema string

const (
	applicationID = 0x50454e43 // "PENC": marks the file as a catalog
	version       = 1          // of the schema, counted in migrations
	busyTimeout   = 5 * time.Second
)

// The errors a caller can act on.
var (
	// ErrForeign: the file is not a catalog; choose another path.
	ErrForeign = errors.New("not a Penstock catalog")
	// ErrNewer: a newer Penstock has written the catalog; use that one.
	ErrNewer = errors.New("written by a newer version of Penstock: use that version, or a copy of the catalog from before")
	// ErrNamed: the object type has another name, or the name another type.
	ErrNamed = errors.New("a stream's name is chosen once")
	// ErrNoRun: no open run has that number.
	ErrNoRun = errors.New("no such open run")
)

// A Catalog is an open catalog. Its methods may be called from any
// goroutine; each is one transaction, on disk when it returns.
type Catalog struct {
	turn  chan struct{} // held by who uses conn
	conn  *sqlite.Conn  // nil once closed
	close sync.Once
}

// Open opens the catalog at path and makes it if there is none. A file that
// is something else (ErrForeign), or of a newer version (ErrNewer), is left
// as it is.
func Open(ctx context.Context, path string) (*Catalog, error) {
	if err := inspect(path); err != nil {
		return nil, fmt.Errorf("open the catalog %s: %w", path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open the catalog %s: %w", path, err)
	}
	conn.SetBusyTimeout(busyTimeout)
	if err := prepare(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open the catalog %s: %w", path, err), conn.Close())
	}
	return &Catalog{turn: make(chan struct{}, 1), conn: conn}, nil
}

// inspect refuses a file that SQLite did not write, without opening it with
// SQLite, which would leave files of its own beside it.
func inspect(path string) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	magic := []byte("SQLite format 3\x00")
	header := make([]byte, len(magic))
	n, err := io.ReadFull(f, header)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !bytes.Equal(header[:n], magic) {
		return ErrForeign
	}
	return nil
}

// ours refuses another program's database. What marks a catalog may lie in the
// write-ahead log still when its program was killed, so SQLite is asked; a
// catalog killed while it was made has neither the mark nor a table.
func ours(conn *sqlite.Conn) error {
	mark, err := number(conn, "PRAGMA application_id")
	if err != nil || mark == applicationID {
		return err
	}
	tables, err := number(conn, "SELECT count(*) FROM sqlite_schema")
	if err == nil && (mark != 0 || tables > 0) {
		err = ErrForeign
	}
	return err
}

func prepare(ctx context.Context, conn *sqlite.Conn) error {
	if err := ours(conn); err != nil {
		return err
	}
	stands, err := number(conn, "PRAGMA user_version")
	if err != nil {
		return err
	}
	if stands > version {
		return fmt.Errorf("its version is %d, this program knows %d: %w", stands, version, ErrNewer)
	}
	for _, pragma := range []string{"PRAGMA journal_mode = wal", "PRAGMA synchronous = full"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return fmt.Errorf("%s: %w", pragma, err)
		}
	}
	return sqlitemigration.Migrate(ctx, conn, sqlitemigration.Schema{
		AppID: applicationID, Migrations: []string{schema},
	})
}

// Close ends the use of the catalog, after what is being written.
func (c *Catalog) Close() error {
	var err error
	c.close.Do(func() {
		c.turn <- struct{}{}
		err = c.conn.Close()
		c.conn = nil
		<-c.turn
	})
	if err != nil {
		return fmt.Errorf("close the catalog: %w", err)
	}
	return nil
}

// read lets f use the database alone.
func (c *Catalog) read(ctx context.Context, what string, f func(*sqlite.Conn) error) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if c.conn == nil {
		return fmt.Errorf("%s: the catalog is closed", what)
	}
	defer c.conn.SetInterrupt(c.conn.SetInterrupt(ctx.Done()))
	if err := f(c.conn); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // SQLite only says that it was interrupted
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// write lets f change the database in one transaction.
func (c *Catalog) write(ctx context.Context, what string, f func(*sqlite.Conn) error) error {
	return c.read(ctx, what, func(conn *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer end(&err)
		return f(conn)
	})
}

// exec runs a statement without a result.
func exec(conn *sqlite.Conn, query string, args ...any) error {
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args})
}

// each calls f with each row.
func each(conn *sqlite.Conn, query string, f func(*sqlite.Stmt), args ...any) error {
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(row *sqlite.Stmt) error {
		f(row)
		return nil
	}})
}

// number is the first column of the first row; 0 without one.
func number(conn *sqlite.Conn, query string, args ...any) (n int64, err error) {
	err = each(conn, query, func(row *sqlite.Stmt) { n = row.ColumnInt64(0) }, args...)
	return n, err
}

// stamp is a time as it is stored; 0 for none.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// The bounds of a page of history.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

func limited(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}
