package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	batchRows  = 500    // of a statement
	parameters = 65_535 // that PostgreSQL takes in a statement
)

// extractBatched is what one writes first for PostgreSQL: pages one after the
// other, encoding/json, INSERTs of many rows, a transaction each. It only
// inserts: a second run would need more.
func extractBatched(address, dsn string) (err error) {
	ctx := context.Background()
	names, err := properties(address)
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	create := "CREATE TABLE contacts (id bigint PRIMARY KEY, " + strings.Join(quoted, " text,") + " text)"
	if _, err := db.Exec(ctx, create); err != nil {
		return err
	}
	most := min(batchRows, parameters/(len(names)+1))
	var waiting []object
	for after := ""; ; {
		page, err := list(address, names, after)
		if err != nil {
			return err
		}
		after = page.Paging.Next.After
		waiting = append(waiting, page.Results...)
		for len(waiting) >= most || after == "" && len(waiting) > 0 {
			n := min(most, len(waiting))
			if err := insert(ctx, db, names, waiting[:n]); err != nil {
				return err
			}
			waiting = waiting[n:]
		}
		if after == "" {
			return nil
		}
	}
}

func insert(ctx context.Context, db *pgx.Conn, names []string, objects []object) error {
	var statement strings.Builder
	statement.WriteString("INSERT INTO contacts VALUES ")
	args := make([]any, 0, len(objects)*(len(names)+1))
	for i, o := range objects {
		if i > 0 {
			statement.WriteByte(',')
		}
		for column := range len(names) + 1 {
			mark := byte(',')
			if column == 0 {
				mark = '('
			}
			fmt.Fprintf(&statement, "%c$%d", mark, len(args)+column+1)
		}
		statement.WriteByte(')')
		args = append(args, o.ID)
		for _, name := range names {
			args = append(args, o.Properties[name])
		}
	}
	_, err := db.Exec(ctx, statement.String(), args...)
	return err
}
