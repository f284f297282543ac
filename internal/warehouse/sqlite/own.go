package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock/internal/warehouse"
)

// format is the version of the tables in ownTables; a higher one was written
// by a newer program.
const format = 1

// The names in _penstock_meta.
const (
	metaFormat       = "format"
	metaInstallation = "installation"
	metaAccount      = "account"
	metaLoader       = "loader"
	metaCommits      = "commits"
	metaStamp        = "stamp"
	metaClaims       = "claims"
)

// ownTables are Penstock's own. _penstock_seen.key has no type, so that an
// integer key stays one. In _penstock_wanted since, missed and asked are the
// moments of the first want, of the first answer that the key was not found,
// on HubSpot's clock, and of the latest such answer, on ours.
var ownTables = []string{
	`CREATE TABLE _penstock_meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID`,
	`CREATE TABLE _penstock_heads (stream TEXT, lane TEXT, "range" INTEGER, "grant" TEXT, seq INTEGER, cursor TEXT,
		stamp INTEGER, PRIMARY KEY (stream, lane, "range")) WITHOUT ROWID`,
	`CREATE TABLE _penstock_tables (stream TEXT PRIMARY KEY, family TEXT, object_type TEXT, to_type TEXT, belongs TEXT,
		whole INTEGER, load INTEGER DEFAULT 0,
		"rows" INTEGER DEFAULT 0, deleted INTEGER DEFAULT 0, fresh_at INTEGER DEFAULT 0, settled_at INTEGER DEFAULT 0
		) WITHOUT ROWID`,
	`CREATE TABLE _penstock_columns (stream TEXT, position INTEGER, name TEXT, property TEXT, type TEXT,
		filled INTEGER, absent INTEGER DEFAULT 0, PRIMARY KEY (stream, position)) WITHOUT ROWID`,
	`CREATE TABLE _penstock_seen (stream TEXT, key, stamp INTEGER, PRIMARY KEY (stream, key)) WITHOUT ROWID`,
	`CREATE TABLE _penstock_rejects (stream TEXT, key TEXT, property TEXT, original TEXT, reason TEXT, at INTEGER,
		PRIMARY KEY (stream, key, property))`,
	`CREATE TABLE _penstock_wanted (stream TEXT, key TEXT, reason TEXT, stamp INTEGER, since INTEGER,
		missed INTEGER DEFAULT 0, asked INTEGER DEFAULT 0, PRIMARY KEY (stream, key)) WITHOUT ROWID`,
	`CREATE INDEX _penstock_wanted_since ON _penstock_wanted (stream, since, key)`,
	`CREATE VIEW _penstock_streams AS SELECT stream, "rows", deleted, load,
		strftime('%Y-%m-%dT%H:%M:%fZ', nullif(fresh_at, 0) / 1000.0, 'unixepoch') AS fresh_at,
		strftime('%Y-%m-%dT%H:%M:%fZ', nullif(settled_at, 0) / 1000.0, 'unixepoch') AS settled_at
		FROM _penstock_tables`,
}

// createOwn makes Penstock's own tables in a file that has none.
func createOwn(conn *conn) error {
	present := false
	err := conn.query(`SELECT 1 FROM sqlite_schema WHERE name = '_penstock_meta'`, func(*sqlite.Stmt) error {
		present = true
		return nil
	})
	if err != nil || present {
		return err
	}
	for _, statement := range ownTables {
		if err := conn.exec(statement); err != nil {
			return err
		}
	}
	return setMeta(conn, metaFormat, format)
}

// meta is what the file says about itself.
type meta struct {
	installation, loader, claims string
	format, account              int64
	commits, stamp               int64
}

func readMeta(conn *conn) (meta, error) {
	var m meta
	err := conn.query(`SELECT name, value FROM _penstock_meta`, func(row *sqlite.Stmt) error {
		switch row.ColumnText(0) {
		case metaFormat:
			m.format = row.ColumnInt64(1)
		case metaInstallation:
			m.installation = row.ColumnText(1)
		case metaLoader:
			m.loader = row.ColumnText(1)
		case metaClaims:
			m.claims = row.ColumnText(1)
		case metaAccount:
			m.account = row.ColumnInt64(1)
		case metaCommits:
			m.commits = row.ColumnInt64(1)
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

// admits refuses a claim on somebody else's tables (V4).
func (m meta) admits(c warehouse.Claim) error {
	switch {
	case m.format > format:
		return fmt.Errorf("%w (format %d, this one knows %d): update this program", warehouse.ErrNewer, m.format, format)
	case m.installation != "" && m.installation != c.Installation:
		return fmt.Errorf("%w: load into another file, or from that data folder", warehouse.ErrOtherInstallation)
	case m.account != 0 && c.Account != 0 && m.account != c.Account:
		return m.otherAccount(c.Account)
	}
	return nil
}

func (m meta) otherAccount(account int64) error {
	return fmt.Errorf("%w: it holds %d and not %d; give the second account a connection and a file of its own",
		warehouse.ErrOtherAccount, m.account, account)
}
