package postgres

import (
	"context"
	"fmt"

	"penstock/internal/warehouse"
)

// Describe gives the columns of a stream's properties their labels as comments,
// by HubSpot's internal names. A comment that somebody else wrote, or removed,
// is left as it is.
func (s *Store) Describe(ctx context.Context, stream string, labels map[string]string) error {
	err := s.write(ctx, func(conn *conn, _ meta) (bool, error) {
		changes, err := labelled(conn, stream, labels)
		for _, c := range changes {
			conn.exec(fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", quote(c.table), quote(c.column), quoteText(c.label)))
			conn.exec("UPDATE _penstock_columns SET described = $3 WHERE stream = $1 AND position = $2", stream, c.position, c.label)
		}
		return len(changes) > 0, err
	})
	if err != nil {
		return fmt.Errorf("describe the columns of %s in %s: %w", stream, s.address.name, err)
	}
	return nil
}

// A label is a comment to be set.
type label struct {
	position             int64
	table, column, label string
}

// labelled are the columns whose comment is what was set last, and not what it
// has to be.
func labelled(conn *conn, stream string, labels map[string]string) (changes []label, err error) {
	if _, err := existingTable(conn, stream); err != nil {
		return nil, err
	}
	return changes, conn.query(`SELECT c.position, c.kept_in, c.name, c.property, coalesce(c.described, '')
		FROM _penstock_columns AS c JOIN pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(c.kept_in)) AND a.attname = c.name
		WHERE c.stream = $1 AND col_description(a.attrelid, a.attnum) IS NOT DISTINCT FROM c.described ORDER BY c.position`,
		func(r row) error {
			text := visible(labels[r.text(3)])
			if text != "" && text != r.text(4) {
				changes = append(changes, label{r.int(0), r.text(1), r.text(2), text})
			}
			return nil
		}, stream)
}

// Repair adds back what somebody has dropped of the tables and says what it
// did. What was dropped holds no values until the stream has been read again,
// which begins anew. A column with another type is not touched: the error says
// what to do.
func (s *Store) Repair(ctx context.Context) ([]string, error) {
	var done []string
	err := s.write(ctx, func(conn *conn, m meta) (bool, error) {
		done = nil
		var streams []string
		err := conn.query("SELECT stream FROM _penstock_tables ORDER BY stream", func(r row) error {
			streams = append(streams, r.text(0))
			return nil
		})
		for _, stream := range streams {
			var mended []string
			if err == nil {
				mended, err = repair(conn, stream)
			}
			done = append(done, mended...)
		}
		return len(done) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("repair the tables in %s: %w", s.address.name, err)
	}
	return done, nil
}

func repair(conn *conn, stream string) ([]string, error) {
	t, err := existingTable(conn, stream)
	if err != nil {
		return nil, err
	}
	found, err := t.differences(conn)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	var done []string
	for _, d := range found {
		switch {
		case d.is != "":
			return nil, &explained{&fault{d.err()}}
		case d.column == "":
			t.create(conn, d.part)
			done = append(done, fmt.Sprintf("made the table %s again, empty", d.table))
			if d.part == 0 {
				conn.exec(`UPDATE _penstock_tables SET "rows" = 0, deleted = 0 WHERE stream = $1`, stream)
				conn.exec("DELETE FROM _penstock_seen WHERE stream = $1", stream)
			}
		case t.isKey(d.column):
			return nil, &explained{&fault{fmt.Errorf("%w: %s has lost its key's column %s: drop or rename the table, and repair again",
				warehouse.ErrAltered, d.table, d.column)}}
		default:
			conn.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", quote(d.table), quote(d.column), d.storage))
			done = append(done, fmt.Sprintf("added the column %s.%s again, without values", d.table, d.column))
		}
		t.restore(conn, d)
	}
	// The backfill begins again and brings every value.
	conn.exec("DELETE FROM _penstock_heads WHERE stream = $1 AND lane IN ('backfill', 'follow')", stream)
	return append(done, fmt.Sprintf("%s is read again from the beginning", stream)), conn.flush()
}

// restore gives a column of ours that was added back what the others say.
func (t *table) restore(conn *conn, d difference) {
	switch d.column {
	case ownColumns[ownDeleted].name:
		conn.exec(fmt.Sprintf("UPDATE %s SET _deleted = _deleted_why IS NOT NULL", quote(d.table)))
	case ownColumns[ownLoad].name:
		conn.exec(fmt.Sprintf("UPDATE %s SET _load = $1", quote(d.table)), t.load)
	}
}

func (t *table) isKey(column string) bool {
	for _, k := range t.keys {
		if k.Name == column {
			return true
		}
	}
	return false
}
