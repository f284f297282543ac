package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	lockTimeout      = 30 * time.Second
	statementTimeout = 15 * time.Minute
	idleTimeout      = 2 * time.Minute // a transaction whose process stands still is undone
	rollbackTimeout  = 5 * time.Second
)

// conn is one session with the server, and the statements that wait to be
// sent with the next one that is answered.
type conn struct {
	pg   *pgconn.PgConn
	ctx  context.Context // of the call in hand
	step func(name string)

	late  *pgconn.Batch
	count int
	last  string            // of them
	temps map[string]string // the session's temporary table for each of ours, see staging
}

// connect opens a session whose settings do not depend on the role's.
func connect(ctx context.Context, a *address) (*conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, a.config)
	if err != nil {
		return nil, &fault{explain(ctx, err, a)}
	}
	c := &conn{pg: pg, ctx: ctx, temps: map[string]string{}}
	settings := []string{
		"SET search_path TO " + quote(a.schema),
		fmt.Sprintf("SET lock_timeout TO %d", lockTimeout.Milliseconds()),
		fmt.Sprintf("SET statement_timeout TO %d", statementTimeout.Milliseconds()),
		fmt.Sprintf("SET idle_in_transaction_session_timeout TO %d", idleTimeout.Milliseconds()),
		"SET client_encoding TO 'UTF8'",
		"SET standard_conforming_strings TO on",
		"SET jit TO off", // compiling a statement over hundreds of columns takes longer than running it
		// B1: an acknowledged batch is on the server's disk.
		"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
	}
	if _, err := pg.Exec(ctx, strings.Join(settings, ";")).ReadAll(); err != nil {
		return nil, errors.Join(&fault{explain(ctx, err, a)}, c.close())
	}
	return c, nil
}

func (c *conn) close() error {
	ctx, stop := context.WithTimeout(context.Background(), rollbackTimeout)
	defer stop()
	if !c.pg.IsClosed() {
		return c.pg.Close(ctx)
	}
	select {
	case <-c.pg.CleanupDone(): // the library asks the server to cancel what it may still be doing
	case <-ctx.Done():
	}
	return nil
}

// note lets a test die here.
func (c *conn) note(name string) {
	if c.step != nil {
		c.step(name)
	}
}

// exec sends a statement with the next one that is waited for.
func (c *conn) exec(text string, args ...any) {
	values, oids, formats := encodeArgs(args)
	if c.late == nil {
		c.late = &pgconn.Batch{}
	}
	c.late.ExecParams(text, values, oids, formats, []int16{binary})
	c.count++
	c.last = text
}

// query waits for the statement, and for those before it. A row is valid until
// each returns.
func (c *conn) query(text string, each func(row row) error, args ...any) error {
	_, err := c.touch(text, each, args...)
	return err
}

// touch is query with the number of rows that the statement touched.
func (c *conn) touch(text string, each func(row row) error, args ...any) (int64, error) {
	c.exec(text, args...)
	return c.send(each)
}

// flush waits for the statements that have not been sent yet.
func (c *conn) flush() error {
	_, err := c.send(nil)
	return err
}

func (c *conn) send(each func(row row) error) (touched int64, err error) {
	batch, count := c.late, c.count
	c.late, c.count = nil, 0
	if count == 0 {
		return 0, nil
	}
	c.note(c.last)
	results := c.pg.ExecBatch(c.ctx, batch)
	for i := 1; results.NextResult(); i++ {
		result := results.ResultReader()
		for i == count && each != nil && err == nil && result.NextRow() {
			err = each(result.Values())
		}
		tag, closeErr := result.Close()
		if i == count && closeErr == nil {
			touched = tag.RowsAffected()
		}
	}
	if closeErr := results.Close(); closeErr != nil {
		return 0, &fault{closeErr}
	}
	return touched, err
}

// copyIn sends rows in PostgreSQL's binary form.
func (c *conn) copyIn(text string, rows io.Reader) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.note(text)
	if _, err := c.pg.CopyFrom(c.ctx, rows, text); err != nil {
		return &fault{err}
	}
	return nil
}

// commit makes the transaction durable.
func (c *conn) commit() error {
	if err := c.flush(); err != nil {
		return err
	}
	c.note("COMMIT")
	results, err := c.pg.Exec(c.ctx, "COMMIT").ReadAll()
	if err != nil {
		return &fault{err}
	}
	if tag := results[0].CommandTag.String(); tag != "COMMIT" {
		return &fault{fmt.Errorf("the server answered COMMIT with %s", tag)}
	}
	c.note("committed")
	return nil
}

// rollback undoes the transaction in hand; a session that cannot do it is
// closed, which does it too.
func (c *conn) rollback() error {
	c.late, c.count = nil, 0
	clear(c.temps)
	if c.pg.IsClosed() {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), rollbackTimeout)
	defer stop()
	if _, err := c.pg.Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
		return c.close()
	}
	return nil
}

// idle tells whether the session can be used by somebody else.
func (c *conn) idle() bool {
	return !c.pg.IsClosed() && !c.pg.IsBusy() && c.pg.TxStatus() == 'I'
}
