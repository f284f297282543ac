package catalog

import (
	"context"
	"encoding/json"

	"zombiezen.com/go/sqlite"
)

// verificationsKept is how many reports of a connection are kept.
const verificationsKept = 2000

// KeepVerification stores a report as JSON, a new one when id is 0, and returns
// its id. The oldest reports go.
func (c *Catalog) KeepVerification(ctx context.Context, connection string, id int64, report any) (int64, error) {
	text, err := json.Marshal(report)
	if err != nil {
		return id, err
	}
	err = c.write(ctx, "store a verification", func(conn *sqlite.Conn) error {
		if id != 0 {
			return exec(conn, `UPDATE verifications SET report = ? WHERE id = ?`, string(text), id)
		}
		if err := exec(conn, `INSERT INTO verifications (connection, report) VALUES (?, ?)`, connection, string(text)); err != nil {
			return err
		}
		id = conn.LastInsertRowID()
		return exec(conn, `DELETE FROM verifications WHERE connection = ?1 AND id <=
			(SELECT max(id) FROM verifications WHERE connection = ?1) - ?2`, connection, verificationsKept)
	})
	return id, err
}

// Verifications are reports of the connection before the one with the id, or
// the newest when it is 0, the newest first.
func (c *Catalog) Verifications(ctx context.Context, connection string, before int64, limit int) (ids []int64, reports []json.RawMessage, err error) {
	err = c.read(ctx, "read the verifications", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT id, report FROM verifications
			WHERE connection = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3`,
			func(row *sqlite.Stmt) {
				ids = append(ids, row.ColumnInt64(0))
				reports = append(reports, json.RawMessage(row.ColumnText(1)))
			}, connection, before, limited(limit))
	})
	return ids, reports, err
}
