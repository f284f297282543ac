package postgres

import (
	"errors"
	"fmt"

	"penstock/internal/warehouse"
)

// format is the version of the tables in ownTables; a higher one was written
// by a newer program.
const format = 1

// The oldest server that has all that is asked of it.
const (
	oldestServer     = 120000
	oldestServerText = "12"
)

// ownTables are Penstock's own. Texts compare byte by byte, so that their
// order is the same in every database. In _penstock_wanted since, missed and
// asked are the moments of the first want, of the first answer that the key
// was not found, on HubSpot's clock, and of the latest such answer, on ours.
var ownTables = []string{
	`CREATE TABLE _penstock_meta (one boolean PRIMARY KEY DEFAULT true CHECK (one), format bigint NOT NULL,
		installation text NOT NULL DEFAULT '', loader text NOT NULL DEFAULT '', account bigint NOT NULL DEFAULT 0,
		commits bigint NOT NULL DEFAULT 0, stamp bigint NOT NULL DEFAULT 0, claims text NOT NULL DEFAULT '')`,
	`CREATE TABLE _penstock_heads (stream text COLLATE "C", lane text COLLATE "C", "range" bigint, "grant" text, seq bigint,
		cursor text, stamp bigint, PRIMARY KEY (stream, lane, "range"))`,
	`CREATE TABLE _penstock_tables (stream text COLLATE "C" PRIMARY KEY, family text, object_type text, to_type text,
		belongs text COLLATE "C" NOT NULL DEFAULT '', whole boolean NOT NULL DEFAULT false, load bigint NOT NULL DEFAULT 0,
		"rows" bigint NOT NULL DEFAULT 0, deleted bigint NOT NULL DEFAULT 0, fresh_at bigint NOT NULL DEFAULT 0,
		settled_at bigint NOT NULL DEFAULT 0)`,
	`CREATE TABLE _penstock_columns (stream text COLLATE "C", position bigint, name text, property text, type text,
		filled boolean NOT NULL, absent boolean NOT NULL DEFAULT false, part bigint NOT NULL DEFAULT 0, kept_in text NOT NULL,
		described text, PRIMARY KEY (stream, position))`,
	`CREATE TABLE _penstock_seen (stream text COLLATE "C", key text COLLATE "C", stamp bigint NOT NULL, PRIMARY KEY (stream, key))
		WITH (fillfactor = 80)`,
	`CREATE TABLE _penstock_rejects (stream text COLLATE "C", key text COLLATE "C", property text COLLATE "C", original text,
		reason text, at bigint, PRIMARY KEY (stream, key, property))`,
	`CREATE TABLE _penstock_wanted (stream text COLLATE "C", key text COLLATE "C", reason text, stamp bigint, since bigint,
		missed bigint NOT NULL DEFAULT 0, asked bigint NOT NULL DEFAULT 0, PRIMARY KEY (stream, key))`,
	`CREATE INDEX _penstock_wanted_since ON _penstock_wanted (stream, since, key)`,
	`CREATE VIEW _penstock_streams AS SELECT stream, "rows", deleted, load,
		to_timestamp(nullif(fresh_at, 0) / 1000.0) AS fresh_at, to_timestamp(nullif(settled_at, 0) / 1000.0) AS settled_at
		FROM _penstock_tables`,
}

// createOwn makes the schema and Penstock's own tables where there are none,
// or says which grant is missing.
func (s *Store) createOwn(conn *conn) error {
	var exists, claimed, mayCreate, maySchema, mayTemporary bool
	version, encoding := int64(0), ""
	err := conn.query(`SELECT n.oid IS NOT NULL, to_regclass($2) IS NOT NULL,
		has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY'),
		coalesce(has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'), false),
		current_setting('server_version_num')::bigint, current_setting('server_encoding')
		FROM (SELECT 1) AS one LEFT JOIN pg_namespace AS n ON n.nspname = $1`, func(found row) error {
		exists, claimed, mayCreate, mayTemporary = found.bool(0), found.bool(1), found.bool(2), found.bool(3)
		maySchema, version, encoding = found.bool(4), found.int(5), found.text(6)
		return nil
	}, s.address.schema, quote(s.address.schema)+"._penstock_meta")
	if err != nil {
		return err
	}
	schema, role, database := quote(s.address.schema), quote(s.address.config.User), quote(s.address.config.Database)
	switch {
	case version < oldestServer:
		return fmt.Errorf("the server is older than PostgreSQL %s", oldestServerText)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s and has to be UTF8: create another database", encoding)
	case !mayTemporary:
		return lacks("the role may not make temporary tables: run GRANT TEMPORARY ON DATABASE %s TO %s", database, role)
	case !exists && !mayCreate:
		return lacks("there is no schema %s and the role may not create it: run CREATE SCHEMA %s AUTHORIZATION %s", schema, schema, role)
	case exists && !maySchema:
		return lacks("the role may not make tables in the schema: run GRANT USAGE, CREATE ON SCHEMA %s TO %s", schema, role)
	}
	if !exists {
		conn.exec("CREATE SCHEMA " + schema)
	}
	if claimed {
		return nil
	}
	for _, statement := range ownTables {
		conn.exec(statement)
	}
	conn.exec("INSERT INTO _penstock_meta (format) VALUES ($1)", format)
	return nil
}

func lacks(text string, names ...any) error { return &explained{fmt.Errorf(text, names...)} }

// meta is what the schema says about itself.
type meta struct {
	installation, loader, claims string
	format, account              int64
	commits, stamp               int64
}

// readMeta locks what it reads until the transaction ends.
func readMeta(conn *conn) (meta, error) {
	var m meta
	found := false
	err := conn.query(`SELECT format, installation, loader, account, commits, stamp, claims FROM _penstock_meta FOR UPDATE`,
		func(r row) error {
			m = meta{
				format: r.int(0), installation: r.text(1), loader: r.text(2),
				account: r.int(3), commits: r.int(4), stamp: r.int(5), claims: r.text(6),
			}
			found = true
			return nil
		})
	if err == nil && !found {
		err = errors.New("the table _penstock_meta is empty: restore a backup, or choose another schema")
	}
	return m, err
}

// admits refuses a claim on somebody else's tables (V4).
func (m meta) admits(c warehouse.Claim) error {
	switch {
	case m.format > format:
		return fmt.Errorf("%w (format %d, this one knows %d): update this program", warehouse.ErrNewer, m.format, format)
	case m.installation != "" && m.installation != c.Installation:
		return fmt.Errorf("%w: load into another schema, or from that data folder", warehouse.ErrOtherInstallation)
	case m.account != 0 && c.Account != 0 && m.account != c.Account:
		return m.otherAccount(c.Account)
	}
	return nil
}

func (m meta) otherAccount(account int64) error {
	return fmt.Errorf("%w: it holds %d and not %d; give the second account a connection and a schema of its own",
		warehouse.ErrOtherAccount, m.account, account)
}
