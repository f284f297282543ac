package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// Repair adds back what somebody has dropped of the tables, and says what it
// did. It holds no values until the stream has been read again, which begins
// anew.
func (s *Store) Repair(ctx context.Context) ([]string, error) {
	var done []string
	err := s.write(ctx, func(conn *conn, _ meta) (bool, error) {
		done = nil
		var streams []penstock.Stream
		err := conn.query(`SELECT stream, family, object_type, to_type, belongs FROM _penstock_tables ORDER BY stream`, func(row *sqlite.Stmt) error {
			streams = append(streams, penstock.Stream{
				Name: row.ColumnText(0), Family: penstock.Family(row.ColumnText(1)), ObjectType: row.ColumnText(2),
				ToType: row.ColumnText(3), Of: row.ColumnText(4),
			})
			return nil
		})
		for _, stream := range streams {
			var mended []string
			if err == nil {
				mended, err = repair(conn, stream)
			}
			done = append(done, mended...)
		}
		if err == nil && len(done) > 0 {
			err = conn.forget() // statements that were prepared for the tables as they were
		}
		return len(done) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", s.path, err)
	}
	return done, nil
}

// repair mends one table and has its stream read again.
func repair(conn *conn, stream penstock.Stream) (done []string, err error) {
	t, err := openTable(conn, stream)
	if err != nil {
		return nil, err
	}
	dropped, err := t.dropped(conn)
	if err != nil || len(dropped) == 0 {
		return nil, err
	}
	err = conn.exec(`DELETE FROM _penstock_heads WHERE stream = ?1 AND lane IN (?2, ?3)`, t.stream.Name, penstock.Backfill, penstock.Follow)
	if err != nil {
		return nil, err
	}
	switch dropped[0] {
	case t.stream.Name:
		if err := t.makeAgain(conn); err != nil {
			return nil, err
		}
		done = append(done, fmt.Sprintf("made the table %s again, empty", t.stream.Name))
	default:
		for _, name := range dropped {
			if err := conn.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", quote(t.stream.Name), quote(name), t.kindOf(name))); err != nil {
				return nil, err
			}
			done = append(done, fmt.Sprintf("added the column %s to the table %s, empty", name, t.stream.Name))
		}
	}
	return done, nil
}

// makeAgain makes a table that was dropped, with the columns it had.
func (t *table) makeAgain(conn *conn) error {
	for _, list := range []string{"_penstock_tables", "_penstock_columns", "_penstock_seen"} {
		if err := conn.exec(`DELETE FROM `+list+` WHERE stream = ?1`, t.stream.Name); err != nil {
			return err
		}
	}
	columns := t.columns
	t.columns, t.rows, t.deleted = nil, 0, 0
	if err := t.create(conn, columns); err != nil {
		return err
	}
	if err := t.record(conn, columns); err != nil {
		return err
	}
	return t.save(conn)
}

// dropped are the names of the columns that somebody has dropped; the table's
// alone when it is not there at all.
func (t *table) dropped(conn *conn) ([]string, error) {
	there := map[string]bool{}
	err := conn.query(`SELECT name FROM pragma_table_xinfo(?1)`, func(row *sqlite.Stmt) error {
		there[strings.ToLower(row.ColumnText(0))] = true
		return nil
	}, t.stream.Name)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return []string{t.stream.Name}, nil
	}
	var gone []string
	for _, c := range t.columns {
		gone = append(gone, c.Name)
	}
	for _, c := range ownColumns {
		gone = append(gone, c.name)
	}
	return slices.DeleteFunc(gone, func(name string) bool { return there[strings.ToLower(name)] }), nil
}

// kindOf is the declared type of a column by its name.
func (t *table) kindOf(name string) string {
	for _, c := range t.columns {
		if c.Name == name {
			return storage(c.Type)
		}
	}
	for _, c := range ownColumns {
		if c.name == name {
			return c.declared
		}
	}
	return ""
}

// altered says what somebody has dropped of the table; nil where that is nothing
// or cannot be seen.
func (t *table) altered(conn *conn) error {
	dropped, err := t.dropped(conn)
	if err != nil || len(dropped) == 0 {
		return nil
	}
	what := "the column " + dropped[0] + " of the table " + t.stream.Name
	switch {
	case dropped[0] == t.stream.Name:
		what = "the table " + t.stream.Name
	case len(dropped) > 1:
		what = fmt.Sprintf("%d columns of the table %s (%s ...)", len(dropped), t.stream.Name, dropped[0])
	}
	return fmt.Errorf("%w: somebody has dropped %s", warehouse.ErrAltered, what)
}

// foreign are the columns that somebody else has added to the table.
func (t *table) foreign(conn *conn) ([]penstock.KeyColumn, error) {
	ours := map[string]bool{}
	for _, k := range t.keys {
		ours[k.Name] = true
	}
	for _, c := range t.columns {
		ours[c.Name] = true
	}
	var others []penstock.KeyColumn
	err := conn.query(`SELECT name FROM pragma_table_xinfo(?1)`, func(row *sqlite.Stmt) error {
		if name := strings.ToLower(row.ColumnText(0)); !ours[name] {
			others = append(others, penstock.KeyColumn{Name: name})
		}
		return nil
	}, t.stream.Name)
	return others, err
}
