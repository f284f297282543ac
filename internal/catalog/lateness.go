package catalog

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
)

// Lateness is what was learnt of how late the connection's search index is:
// the lag, 0 when the configured one has held so far, and by stream how much
// its settled window is still to go back.
func (c *Catalog) Lateness(ctx context.Context, connection string) (lag time.Duration, back map[string]time.Duration, err error) {
	back = map[string]time.Duration{}
	err = c.read(ctx, "read the lag", func(conn *sqlite.Conn) error {
		err := each(conn, `SELECT lag FROM connections WHERE name = ?`,
			func(row *sqlite.Stmt) { lag = time.Duration(row.ColumnInt64(0)) }, connection)
		if err != nil {
			return err
		}
		return each(conn, `SELECT stream, back FROM backs WHERE connection = ?`,
			func(row *sqlite.Stmt) { back[row.ColumnText(0)] = time.Duration(row.ColumnInt64(1)) }, connection)
	})
	return lag, back, err
}

// Late stores that the index was later than was thought: the lag from now on,
// by which the stream's settled window is to go back, too.
func (c *Catalog) Late(ctx context.Context, connection, stream string, lag time.Duration) error {
	return c.write(ctx, "store the lag", func(conn *sqlite.Conn) error {
		err := exec(conn, `INSERT INTO connections (name, lag) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET lag = max(lag, excluded.lag)`, connection, int64(lag))
		if err != nil {
			return err
		}
		return exec(conn, `INSERT INTO backs (connection, stream, back) VALUES (?, ?, ?)
			ON CONFLICT (connection, stream) DO UPDATE SET back = max(back, excluded.back)`, connection, stream, int64(lag))
	})
}

// WentBack stores that the stream's settled window has gone back.
func (c *Catalog) WentBack(ctx context.Context, connection, stream string) error {
	return c.write(ctx, "store that the window went back", func(conn *sqlite.Conn) error {
		return exec(conn, `DELETE FROM backs WHERE connection = ? AND stream = ?`, connection, stream)
	})
}
