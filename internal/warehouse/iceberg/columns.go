package iceberg

import (
	"slices"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// record writes down the names of new columns. One that comes before the
// backfill has read anything needs no filling.
func (t *streamTable) record(added []warehouse.Recorded) error {
	begun, err := t.begun()
	if err != nil {
		return err
	}
	for _, c := range added {
		c.Filled = !begun
		err := t.tx.conn.exec(`INSERT INTO _penstock_columns (stream, position, name, property, type, filled)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, t.stream.Name, len(t.columns), c.Name, c.Property, c.Type, c.Filled)
		if err != nil {
			return err
		}
		t.columns = append(t.columns, c)
		t.names[c.Column], t.places[c.Column] = c.Name, len(t.layout.columns)
		t.layout.add(c.Name, c.Type)
	}
	t.named = nil
	return nil
}

// begun tells whether there is a backfill and it has read anything.
func (t *streamTable) begun() (begun bool, err error) {
	if t.stream.Family != penstock.Objects {
		return false, nil
	}
	err = t.tx.conn.query(`SELECT 1 FROM _penstock_heads WHERE stream = ?1 AND lane = ?2 AND cursor <> '' LIMIT 1`,
		func(*sqlite.Stmt) error {
			begun = true
			return nil
		}, t.stream.Name, penstock.Backfill)
	return begun, err
}

// attend marks the columns that go and come back with rows that name all of
// them. Most rows name the same as those before.
func (t *streamTable) attend(named []penstock.Column) error {
	if t.stream.Family != penstock.Objects || t.named != nil && slices.Equal(t.named, named) {
		return nil
	}
	begun, err := t.begun()
	if err != nil {
		return err
	}
	t.named = named
	return t.mark(warehouse.ComeAndGo(t.columns, named, begun))
}

// fill marks the properties' columns as holding the values of the rows that
// were loaded before them.
func (t *streamTable) fill(properties []string) error {
	if len(properties) == 0 {
		return nil
	}
	return t.mark(warehouse.FillColumns(t.columns, properties))
}

// mark writes down what is new of the columns; nil is nothing.
func (t *streamTable) mark(columns []warehouse.Recorded) error {
	for i, c := range columns {
		if c == t.columns[i] {
			continue
		}
		err := t.tx.conn.exec(`UPDATE _penstock_columns SET filled = ?3, absent = ?4 WHERE stream = ?1 AND position = ?2`,
			t.stream.Name, i, c.Filled, c.Absent)
		if err != nil {
			return err
		}
		t.columns[i] = c
	}
	return nil
}

func readColumns(conn *sqlite.Conn, stream string) ([]warehouse.Recorded, error) {
	var columns []warehouse.Recorded
	err := query(conn, `SELECT name, property, type, filled, absent FROM _penstock_columns WHERE stream = ?1 ORDER BY position`,
		func(row *sqlite.Stmt) error {
			columns = append(columns, warehouse.Recorded{
				Column: penstock.Column{Property: row.ColumnText(1), Type: penstock.Type(row.ColumnText(2))},
				Name:   row.ColumnText(0), Filled: row.ColumnBool(3), Absent: row.ColumnBool(4),
			})
			return nil
		}, stream)
	return columns, err
}
