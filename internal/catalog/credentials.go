package catalog

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// Sealed is the refresh token that was last stored for the connection, sealed,
// with the mark of the configured one that it descends from; empty before the
// first.
func (c *Catalog) Sealed(ctx context.Context, connection string) (origin, sealed []byte, err error) {
	err = c.read(ctx, "read the sealed credential", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT origin, sealed FROM credentials WHERE connection = ?`, func(row *sqlite.Stmt) {
			origin, sealed = bytesOf(row, 0), bytesOf(row, 1)
		}, connection)
	})
	return origin, sealed, err
}

// SetSealed stores a refresh token, sealed, in the place of the last one.
func (c *Catalog) SetSealed(ctx context.Context, connection string, origin, sealed []byte) error {
	return c.write(ctx, "store the sealed credential", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO credentials (connection, origin, sealed) VALUES (?, ?, ?)
			ON CONFLICT (connection) DO UPDATE SET origin = excluded.origin, sealed = excluded.sealed`,
			connection, origin, sealed)
	})
}

// Refused is the mark of the credential that HubSpot refused last; empty when it
// refused none.
func (c *Catalog) Refused(ctx context.Context, connection string) (mark []byte, err error) {
	err = c.read(ctx, "read which credential was refused", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT refused FROM credentials WHERE connection = ?`,
			func(row *sqlite.Stmt) { mark = bytesOf(row, 0) }, connection)
	})
	return mark, err
}

// SetRefused stores that HubSpot has refused the credential of the mark, so that
// it is not asked again after a restart.
func (c *Catalog) SetRefused(ctx context.Context, connection string, mark []byte) error {
	return c.write(ctx, "store which credential was refused", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO credentials (connection, refused) VALUES (?, ?)
			ON CONFLICT (connection) DO UPDATE SET refused = excluded.refused`, connection, mark)
	})
}

// bytesOf copies a column's bytes: SQLite's own are gone with the row.
func bytesOf(row *sqlite.Stmt, column int) []byte {
	b := make([]byte, row.ColumnLen(column))
	row.ColumnBytes(column, b)
	return b
}
