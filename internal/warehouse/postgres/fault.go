package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"penstock/internal/warehouse"
)

// A fault is what the server or the way to it says, and not the batch.
type fault struct{ error }

func (f *fault) Unwrap() error { return f.error }

// explained is an error that says what to do already.
type explained struct{ error }

func (e *explained) Unwrap() error { return e.error }

// blame says of an error that is the batch's own fault that it is: what the
// server says is about the warehouse, but for a value that it cannot take.
func blame(err error) error {
	var f *fault
	if errors.As(err, &f) && !strings.HasPrefix(codeOf(err), "22") {
		return err
	}
	return fmt.Errorf("%w: %w", warehouse.ErrBatch, err)
}

// codeOf is the server's SQLSTATE; empty for an error that is not its own.
func codeOf(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// The SQLSTATEs that are asked for by name.
const (
	codeUndefinedTable   = "42P01"
	codeTooLarge         = "54000"
	codeDuplicateTable   = "42P07"
	codeUnique           = "23505"
	codeReadOnly         = "25006"
	codeNoPrivilege      = "42501"
	codeLockNotAvailable = "55P03"
	codeCanceled         = "57014"
)

// remedies say what can be done, by SQLSTATE or by its class.
var remedies = map[string]string{
	codeLockNotAvailable: "another session holds a lock on the table for longer than 30 s: end its transaction; trying again is safe",
	codeCanceled:         "the server ended the statement: it took longer than its time limit, or somebody cancelled it; trying again is safe",
	codeUnique:           "somebody else wrote the same row meanwhile; trying again is safe",
	codeReadOnly:         "the server takes no writes: it is a standby, or default_transaction_read_only is on; name the primary",
	codeDuplicateTable:   "the schema holds something of that name that penstock did not make: rename it, or choose another schema",
	"25P03":              "the transaction stood still for too long and the server ended it; trying again is safe",
	"28":                 "the server refuses the role: check user, password and pg_hba.conf",
	"3D":                 "there is no such database: create it, or name another",
	"40":                 "another transaction was in the way; trying again is safe",
	"53":                 "the server has run out of disk, memory or connections; nothing of this was kept",
	"57":                 "the server is shutting down or starting; trying again is safe",
	"23":                 "a constraint that somebody has added to the table refuses the row: drop the constraint",
	"58":                 "the server's disk failed: nothing of this was kept; check it and try again",
	"XX":                 "the server has found its own data damaged: restore a backup, or load into another schema",
}

// explain adds what can be done to an error of the server, and prefers the
// context's to what it caused.
func explain(ctx context.Context, err error, a *address) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	var done *explained
	if errors.As(err, &done) {
		return err
	}
	code := codeOf(err)
	switch {
	case code == "":
		return err
	case code == codeNoPrivilege:
		return &explained{fmt.Errorf("%s: %w", a.missing(err), err)}
	}
	remedy := remedies[code]
	if remedy == "" {
		remedy = remedies[code[:2]]
	}
	if remedy == "" {
		return err
	}
	return &explained{fmt.Errorf("%s: %w", remedy, err)}
}

// missing is the statement that gives the role what it lacks.
func (a *address) missing(err error) string {
	text, role := err.Error(), quote(a.config.User)
	switch {
	case strings.Contains(text, "must be owner"):
		return fmt.Sprintf("only its owner can change a table: run ALTER TABLE ... OWNER TO %s for every table in the schema %s", role, quote(a.schema))
	case strings.Contains(text, "for database"):
		return fmt.Sprintf("run GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %s TO %s", quote(a.config.Database), role)
	case strings.Contains(text, "for schema"):
		return fmt.Sprintf("run GRANT USAGE, CREATE ON SCHEMA %s TO %s", quote(a.schema), role)
	}
	return fmt.Sprintf("run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", quote(a.schema), role)
}
