package catalog

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// ConfirmedSweeps are the streams whose sweeps may go on though they found
// much absent (V5).
func (c *Catalog) ConfirmedSweeps(ctx context.Context, connection string) (map[string]bool, error) {
	confirmed := map[string]bool{}
	err := c.read(ctx, "read the confirmed sweeps", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT stream FROM confirmed_sweeps WHERE connection = ?`,
			func(row *sqlite.Stmt) { confirmed[row.ColumnText(0)] = true }, connection)
	})
	return confirmed, err
}

// ConfirmSweep stores whether the stream's sweep may go on.
func (c *Catalog) ConfirmSweep(ctx context.Context, connection, stream string, may bool) error {
	return c.write(ctx, "store a confirmed sweep", func(conn *sqlite.Conn) error {
		if !may {
			return exec(conn, `DELETE FROM confirmed_sweeps WHERE connection = ? AND stream = ?`, connection, stream)
		}
		return exec(conn, `INSERT INTO confirmed_sweeps (connection, stream) VALUES (?, ?) ON CONFLICT DO NOTHING`, connection, stream)
	})
}
