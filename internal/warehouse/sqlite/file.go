package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	busyTimeout = 5 * time.Second
	// The page caches of the writer and of all readers together stay below
	// 64 MB. Negative: KiB.
	writerCache = "-32768"
	readerCache = "-4096"
	readerCount = 4 // each for lookups and for scans
)

// conn is the writing connection with its prepared plans.
type conn struct {
	*sqlite.Conn
	step  func(name string)
	plans map[string]*plan
}

// openWriter opens or creates the file. The page size must be set before the
// write-ahead log is, and only takes in a new file.
func openWriter(path string) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	raw.SetBusyTimeout(busyTimeout)
	c := &conn{Conn: raw, plans: map[string]*plan{}}
	for _, pragma := range []string{
		"page_size = 8192",
		"synchronous = FULL", // in WAL mode: COMMIT returns after the log is on disk
		"cache_size = " + writerCache,
		"wal_autocheckpoint = 4000",
		"secure_delete = ON",
		"journal_size_limit = 67108864",
	} {
		if err := c.exec("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	mode := ""
	err = c.query("PRAGMA journal_mode = WAL", func(row *sqlite.Stmt) error {
		mode = row.ColumnText(0)
		return nil
	})
	if err == nil && mode != "wal" {
		err = fmt.Errorf("SQLite cannot keep a write-ahead log here (journal mode %q): use a local disk", mode)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) close() error {
	return errors.Join(c.forget(), c.Conn.Close())
}

// note lets a test die here.
func (c *conn) note(name string) {
	if c.step != nil {
		c.step(name)
	}
}

func (c *conn) exec(query string, args ...any) error {
	return c.query(query, nil, args...)
}

func (c *conn) query(query string, each func(row *sqlite.Stmt) error, args ...any) error {
	c.note(query)
	return sqlitex.Execute(c.Conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: each})
}

// interruptible lets ctx end the statements until the returned function is
// called. A rollback must not be interrupted.
func (c *conn) interruptible(ctx context.Context) (stop func()) {
	c.SetInterrupt(ctx.Done())
	return func() { c.SetInterrupt(nil) }
}

// rollback undoes the transaction in hand, if there is one left, and the
// plans made in it, which may speak of columns that are gone now.
func (c *conn) rollback() error {
	c.SetInterrupt(nil)
	err := c.forget()
	if c.AutocommitEnabled() {
		return err
	}
	return errors.Join(err, c.exec("ROLLBACK"))
}

// inspect refuses a file that is not a warehouse, reading only.
func inspect(path string) error {
	empty, err := inspectHeader(path)
	if err != nil || empty {
		return err
	}
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return explain(context.Background(), err)
	}
	raw.SetBusyTimeout(busyTimeout)
	own, others := 0, 0
	err = sqlitex.Execute(raw, `SELECT count(*) FILTER (WHERE name = '_penstock_meta'), count(*) FROM sqlite_schema`,
		&sqlitex.ExecOptions{ResultFunc: func(row *sqlite.Stmt) error {
			own, others = row.ColumnInt(0), row.ColumnInt(1)
			return nil
		}})
	if err = errors.Join(err, raw.Close()); err != nil {
		return explain(context.Background(), err)
	}
	if own == 0 && others > 0 {
		return errors.New("the file is a SQLite database with other tables, not a warehouse: choose another path")
	}
	return nil
}

// inspectHeader tells whether there is no file yet, or nothing in it, and
// refuses one that SQLite did not write.
func inspectHeader(path string) (empty bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	head := make([]byte, 16)
	n, err := io.ReadFull(file, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return true, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, err
	case !bytes.Equal(head[:n], []byte("SQLite format 3\x00")):
		return false, errors.New("the file is not a SQLite database: choose another path, or move it away to begin anew")
	}
	return false, nil
}

// explain adds what can be done to an error of SQLite, and prefers the
// context's to the interrupt that it caused.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	remedy := ""
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		remedy = "another program holds the file locked: end its transaction; trying again is safe"
	case sqlite.ResultFull:
		remedy = "the disk is full: nothing of this was kept; free some space and try again"
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultCantOpen, sqlite.ResultAuth:
		remedy = "the file and its folder must be writable by this user"
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		remedy = "the file is damaged: restore a backup, or move it away to read everything again"
	case sqlite.ResultIOErr:
		remedy = "the disk failed: nothing of this was kept; check it and try again"
	case sqlite.ResultTooBig:
		remedy = "a row is larger than SQLite's limit of 1 GB"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", remedy, err)
}
