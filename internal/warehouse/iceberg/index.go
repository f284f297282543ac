package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
)

const (
	busyTimeout = 10 * time.Second
	writerCache = "-32768" // negative: KiB
	readerCache = "-4096"
	readerCount = 4 // each for lookups and for scans
)

// format is the version of the log and of the tables in it; a higher one was
// written by a newer program.
const format = 1

// The names in _penstock_meta.
const (
	metaInstallation = "installation"
	metaAccount      = "account"
	metaLoader       = "loader"
	metaClaims       = "claims"
	metaStamp        = "stamp"
)

// logged are the tables whose every change is in the log. In _penstock_tables
// version and staged say which metadata the table had after our last commit.
// Every table has a key: changes are recorded by it.
var logged = []struct{ name, columns string }{
	{"_penstock_meta", `(name TEXT PRIMARY KEY, value) WITHOUT ROWID`},
	{"_penstock_heads", `(stream TEXT, lane TEXT, "range" INTEGER, "grant" TEXT, seq INTEGER, cursor TEXT,
		stamp INTEGER, PRIMARY KEY (stream, lane, "range")) WITHOUT ROWID`},
	{"_penstock_tables", `(stream TEXT PRIMARY KEY, family TEXT, object_type TEXT, to_type TEXT, belongs TEXT,
		whole INTEGER, load INTEGER DEFAULT 0, "rows" INTEGER DEFAULT 0, deleted INTEGER DEFAULT 0,
		fresh_at INTEGER DEFAULT 0, settled_at INTEGER DEFAULT 0, version INTEGER DEFAULT 0, staged TEXT DEFAULT ''
		) WITHOUT ROWID`},
	{"_penstock_columns", `(stream TEXT, position INTEGER, name TEXT, property TEXT, type TEXT,
		filled INTEGER, absent INTEGER DEFAULT 0, PRIMARY KEY (stream, position)) WITHOUT ROWID`},
	{"_penstock_seen", `(stream TEXT, key, stamp INTEGER, PRIMARY KEY (stream, key)) WITHOUT ROWID`},
	{"_penstock_rejects", `(stream TEXT, key TEXT, property TEXT, original TEXT, reason TEXT, at INTEGER,
		PRIMARY KEY (stream, key, property)) WITHOUT ROWID`},
	{"_penstock_wanted", `(stream TEXT, key TEXT, reason TEXT, stamp INTEGER, since INTEGER,
		missed INTEGER DEFAULT 0, asked INTEGER DEFAULT 0, PRIMARY KEY (stream, key)) WITHOUT ROWID`},
}

// local are the tables that only this index has: up to where it has followed
// the log, which metadata its rows stand for, and the names of data files.
var local = []string{
	`CREATE INDEX _penstock_wanted_since ON _penstock_wanted (stream, since, key)`,
	`CREATE TABLE _local (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER, id TEXT)`,
	`CREATE TABLE _local_tables (stream TEXT PRIMARY KEY, version INTEGER, location TEXT, snapshot INTEGER) WITHOUT ROWID`,
	`CREATE TABLE _local_files (id INTEGER PRIMARY KEY, stream TEXT, name TEXT)`,
	`INSERT INTO _local VALUES (1, 0, '')`,
}

// conn is a connection to the index.
type conn struct {
	*sqlite.Conn
	step func(name string)
}

// openIndex opens or creates the index for writing. It may lose its last
// transactions when the machine dies: the log has them.
func openIndex(path string) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	raw.SetBusyTimeout(busyTimeout)
	c := &conn{Conn: raw}
	for _, pragma := range []string{
		"journal_mode = WAL", "synchronous = NORMAL", "cache_size = " + writerCache, "journal_size_limit = 67108864",
		"wal_autocheckpoint = 4000",
	} {
		if err := c.exec("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.begin(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	err = c.create()
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		return nil, errors.Join(err, c.rollback(), c.Close())
	}
	return c, nil
}

// create makes the tables in an index that has none.
func (c *conn) create() error {
	present := false
	err := c.query(`SELECT 1 FROM sqlite_schema WHERE name = '_local'`, func(*sqlite.Stmt) error {
		present = true
		return nil
	})
	if err != nil || present {
		return err
	}
	for _, t := range logged {
		if err := c.exec("CREATE TABLE " + t.name + " " + t.columns); err != nil {
			return err
		}
	}
	for _, statement := range local {
		if err := c.exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// wipe makes the index as it was when it was new.
func (c *conn) wipe() error {
	var names []string
	err := c.query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`, func(row *sqlite.Stmt) error {
		names = append(names, row.ColumnText(0))
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.exec("DROP TABLE " + quote(name)); err != nil {
			return err
		}
	}
	return c.create()
}

func (c *conn) begin() error { return c.exec("BEGIN IMMEDIATE") }

// rollback undoes the transaction in hand, if there is one left.
func (c *conn) rollback() error {
	c.SetInterrupt(nil)
	if c.AutocommitEnabled() {
		return nil
	}
	return c.exec("ROLLBACK")
}

// interruptible lets ctx end the statements until the returned function is
// called.
func (c *conn) interruptible(ctx context.Context) (stop func()) {
	c.SetInterrupt(ctx.Done())
	return func() { c.SetInterrupt(nil) }
}

func (c *conn) exec(text string, args ...any) error { return c.query(text, nil, args...) }

func (c *conn) query(text string, each func(row *sqlite.Stmt) error, args ...any) error {
	return sqlitex.Execute(c.Conn, text, &sqlitex.ExecOptions{Args: args, ResultFunc: each})
}

// changes records what is done to the logged tables from now on.
func (c *conn) changes() (*sqlite.Session, error) {
	session, err := c.CreateSession("")
	if err != nil {
		return nil, err
	}
	for _, t := range logged {
		if err := session.Attach(t.name); err != nil {
			session.Delete()
			return nil, err
		}
	}
	return session, nil
}

// apply repeats changes that another index recorded. They must fit exactly:
// else this one does not hold what the log says.
func (c *conn) apply(changes []byte) error {
	if len(changes) == 0 {
		return nil
	}
	return c.ApplyChangeset(bytes.NewReader(changes), nil, func(kind sqlite.ConflictType, _ *sqlite.ChangesetIterator) sqlite.ConflictAction {
		return sqlite.ChangesetAbort
	})
}

// everything is the logged tables' content as changes to empty ones.
func (c *conn) everything() (changes []byte, err error) {
	if err := c.exec("ATTACH ':memory:' AS blank"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.exec("DETACH blank")) }()
	session, err := c.CreateSession("")
	if err != nil {
		return nil, err
	}
	defer session.Delete()
	for _, t := range logged {
		if err := c.exec("CREATE TABLE blank." + t.name + " " + t.columns); err != nil {
			return nil, err
		}
		if err := session.Attach(t.name); err != nil {
			return nil, err
		}
		if err := session.Diff("blank", t.name); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err = session.WriteChangeset(&b)
	return b.Bytes(), err
}

// meta is what the lake says about itself.
type meta struct {
	installation, loader, claims string
	account, stamp               int64
}

func readMeta(conn *conn) (meta, error) {
	var m meta
	err := conn.query(`SELECT name, value FROM _penstock_meta`, func(row *sqlite.Stmt) error {
		switch row.ColumnText(0) {
		case metaInstallation:
			m.installation = row.ColumnText(1)
		case metaLoader:
			m.loader = row.ColumnText(1)
		case metaClaims:
			m.claims = row.ColumnText(1)
		case metaAccount:
			m.account = row.ColumnInt64(1)
		case metaStamp:
			m.stamp = row.ColumnInt64(1)
		}
		return nil
	})
	return m, err
}

func setMeta(conn *conn, name string, value any) error {
	return conn.exec(`INSERT OR REPLACE INTO _penstock_meta VALUES (?1, ?2)`, name, value)
}

func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// keyList are the index's columns of a key.
func keyList(keys []penstock.KeyColumn) string {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = fmt.Sprintf("k%d", i)
	}
	return strings.Join(names, ", ")
}

// param is the i-th parameter of a statement, counted from 0.
func param(i int) string { return fmt.Sprintf("?%d", i+1) }
