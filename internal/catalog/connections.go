package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
)

// Schedule is the connection's schedule; false when none was ever set.
func (c *Catalog) Schedule(ctx context.Context, connection string) (s penstock.Schedule, found bool, err error) {
	err = c.read(ctx, "read the schedule", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT turned_on, every, since FROM connections WHERE name = ? AND scheduled`,
			func(row *sqlite.Stmt) {
				s = penstock.Schedule{
					On: row.ColumnBool(0), Every: time.Duration(row.ColumnInt64(1)), Since: moment(row.ColumnInt64(2)),
				}
				found = true
			}, connection)
	})
	return s, found, err
}

// SetSchedule stores the connection's schedule (D1).
func (c *Catalog) SetSchedule(ctx context.Context, connection string, s penstock.Schedule) error {
	return c.write(ctx, "store the schedule", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO connections (name, scheduled, turned_on, every, since) VALUES (?, 1, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET scheduled = 1, turned_on = excluded.turned_on,
				every = excluded.every, since = excluded.since`,
			connection, s.On, int64(s.Every), stamp(s.Since))
	})
}

// Account is the HubSpot account of the connection; its ID is 0 while unknown.
func (c *Catalog) Account(ctx context.Context, connection string) (a penstock.Account, err error) {
	err = c.read(ctx, "read the account", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT account, time_zone, kind FROM connections WHERE name = ?`,
			func(row *sqlite.Stmt) {
				a = penstock.Account{ID: row.ColumnInt64(0), TimeZone: row.ColumnText(1), Kind: row.ColumnText(2)}
			}, connection)
	})
	return a, err
}

// SetAccount stores the HubSpot account of the connection.
func (c *Catalog) SetAccount(ctx context.Context, connection string, a penstock.Account) error {
	return c.write(ctx, "store the account", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO connections (name, account, time_zone, kind) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET account = excluded.account,
				time_zone = excluded.time_zone, kind = excluded.kind`,
			connection, a.ID, a.TimeZone, a.Kind)
	})
}

// StreamNames are the names chosen for the connection's object types.
func (c *Catalog) StreamNames(ctx context.Context, connection string) (map[string]string, error) {
	names := map[string]string{}
	err := c.read(ctx, "read the streams' names", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT object_type, name FROM stream_names WHERE connection = ?`,
			func(row *sqlite.Stmt) { names[row.ColumnText(0)] = row.ColumnText(1) }, connection)
	})
	return names, err
}

// NameStream chooses the name of an object type's stream. It cannot be
// chosen anew, nor can two types have names that differ by case only
// (ErrNamed); the same choice once more changes nothing.
func (c *Catalog) NameStream(ctx context.Context, connection, objectType, name string) error {
	return c.write(ctx, "name a stream", func(conn *sqlite.Conn) error {
		var clash string
		err := each(conn, `SELECT object_type, name FROM stream_names
				WHERE connection = ?1 AND (object_type = ?2) <> (name = ?3 COLLATE NOCASE)
				AND (object_type = ?2 OR name = ?3 COLLATE NOCASE)`,
			func(row *sqlite.Stmt) { clash = strings.Join([]string{row.ColumnText(0), row.ColumnText(1)}, " is ") },
			connection, objectType, name)
		if err != nil {
			return err
		}
		if clash != "" {
			return fmt.Errorf("%w: %s cannot be %s, %s", ErrNamed, objectType, name, clash)
		}
		return exec(conn, `INSERT INTO stream_names (connection, object_type, name) VALUES (?, ?, ?)
			ON CONFLICT DO NOTHING`, connection, objectType, name)
	})
}
