package catalog

import (
	"context"
	"encoding/json"

	"zombiezen.com/go/sqlite"

	"penstock"
)

// Ceiling is the highest stamp that the account's workers were allowed to
// use; 0 before the first.
func (c *Catalog) Ceiling(ctx context.Context, account int64) (ceiling int64, err error) {
	err = c.read(ctx, "read the ceiling of stamps", func(conn *sqlite.Conn) error {
		ceiling, err = number(conn, `SELECT ceiling FROM accounts WHERE id = ?`, account)
		return err
	})
	return ceiling, err
}

// RaiseCeiling stores a higher ceiling; it never lowers one.
func (c *Catalog) RaiseCeiling(ctx context.Context, account, to int64) error {
	return c.write(ctx, "raise the ceiling of stamps", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO accounts (id, ceiling) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET ceiling = max(ceiling, excluded.ceiling)`, account, to)
	})
}

// Spent is what was last stored of the account's daily budget.
func (c *Catalog) Spent(ctx context.Context, account int64) (s penstock.Spent, err error) {
	err = c.read(ctx, "read the spent calls", func(conn *sqlite.Conn) error {
		by := ""
		err := each(conn, `SELECT day, calls, "limit", calls_by FROM accounts WHERE id = ?`,
			func(row *sqlite.Stmt) {
				s = penstock.Spent{Day: row.ColumnText(0), Calls: row.ColumnInt64(1), Limit: row.ColumnInt64(2)}
				by = row.ColumnText(3)
			}, account)
		if err != nil || by == "" {
			return err
		}
		return json.Unmarshal([]byte(by), &s.By)
	})
	return s, err
}

// SetSpent stores what is used of the account's daily budget, so that it
// outlives restarts (Q1).
func (c *Catalog) SetSpent(ctx context.Context, account int64, s penstock.Spent) error {
	by, err := json.Marshal(s.By)
	if err != nil {
		return err
	}
	return c.write(ctx, "store the spent calls", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO accounts (id, day, calls, "limit", calls_by) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET day = excluded.day, calls = excluded.calls, "limit" = excluded."limit",
				calls_by = excluded.calls_by`,
			account, s.Day, s.Calls, s.Limit, string(by))
	})
}

// Lease is the worker that last had the account; empty before the first.
func (c *Catalog) Lease(ctx context.Context, account int64) (worker string, err error) {
	err = c.read(ctx, "read the lease", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT worker FROM accounts WHERE id = ?`,
			func(row *sqlite.Stmt) { worker = row.ColumnText(0) }, account)
	})
	return worker, err
}

// SetLease stores which worker has the account; empty for none.
func (c *Catalog) SetLease(ctx context.Context, account int64, worker string) error {
	return c.write(ctx, "store the lease", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO accounts (id, worker) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET worker = excluded.worker`, account, worker)
	})
}
