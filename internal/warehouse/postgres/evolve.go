package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// A row of a table has to fit into a page of 8,160 bytes, whatever its values:
// a value of more than 24 bytes can be moved out of the row, a shorter one not
// (access/heap/heaptoast.c). So a part holds as many columns as fit when each
// is as wide as it can be.
const (
	partRoom    = 7600 // bytes for properties; the key, our own columns and a user's have the rest
	partColumns = 1400 // PostgreSQL's limit is 1,600, and a column that was dropped counts
)

// widest is how many bytes a value takes in its row at most, with what aligns
// it and its bit among the NULLs, rounded up.
func widest(t penstock.Type) int {
	switch t {
	case penstock.Bool:
		return 2
	case penstock.Date:
		return 8
	case penstock.DateTime:
		return 16
	}
	return 25
}

// evolve adds the columns that are missing, and makes the table if need be.
func (l *load) evolve(t *table, incoming []penstock.Column) error {
	added := warehouse.Evolve(t.keys, t.recorded(), incoming)
	if t.made && len(added) == 0 {
		return nil
	}
	if err := l.flushRows(); err != nil {
		return err
	}
	begun := l.begun(t)
	first := len(t.columns)
	known := len(t.parts)
	if !t.made {
		known = 0
	}
	for _, r := range added {
		r.Filled = !begun
		part, name, err := l.room(t, r.Type)
		if err != nil {
			return err
		}
		t.append(column{r, part}, name)
	}
	t.named = nil
	for part := range t.parts {
		if part < known {
			t.alter(l.conn, part, t.columns[first:])
		} else {
			t.create(l.conn, part)
		}
	}
	t.made = true
	for i, c := range t.columns[first:] {
		l.conn.exec(`INSERT INTO _penstock_columns (stream, position, name, property, type, filled, part, kept_in)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			t.stream.Name, first+i, c.Name, c.Property, string(c.Type), c.Filled, c.part, t.parts[c.part])
	}
	if len(t.parts) > 1 {
		if err := t.showAll(l.conn); err != nil {
			return err
		}
	}
	return l.conn.flush()
}

// room is the last part if the column fits into it, and else another one,
// under a name that nothing in the schema has.
func (l *load) room(t *table, kind penstock.Type) (int, string, error) {
	last := len(t.parts) - 1
	bytes, columns := widest(kind), 1
	for _, c := range t.columns {
		if c.part == last {
			bytes += widest(c.Type)
			columns++
		}
	}
	if bytes <= partRoom && columns <= partColumns {
		return last, t.parts[last], nil
	}
	for n := len(t.parts) + 1; ; n++ {
		tail := "__" + strconv.Itoa(n)
		name := t.stream.Name[:min(len(t.stream.Name), warehouse.MaxName-len(tail))] + tail
		taken := false
		err := l.conn.query("SELECT to_regclass($1) IS NOT NULL", func(r row) error {
			taken = r.bool(0)
			return nil
		}, quote(l.schema)+"."+quote(name))
		if err != nil || !taken && !slices.Contains(t.parts, name) {
			return last + 1, name, err
		}
	}
}

// create makes one part: key, properties, and in the first our own columns.
func (t *table) create(conn *conn, part int) {
	name := quote(t.parts[part])
	conn.exec(fmt.Sprintf("CREATE TABLE %s (%s, PRIMARY KEY (%s))", name, strings.Join(t.definitions(part), ", "), keyList("", t.keys)))
	if part > 0 {
		return
	}
	for _, index := range []string{
		`(%s) WHERE _deleted_why = 'archived'`, `(%s) WHERE _deleted_why = 'gone'`, `(_load, %s)`,
	} {
		conn.exec("CREATE INDEX ON " + name + " " + fmt.Sprintf(index, keyList("", t.keys)))
	}
	conn.exec(`INSERT INTO _penstock_tables (stream, family, object_type, to_type) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, t.stream.Name, string(t.stream.Family), t.stream.ObjectType, t.stream.ToType)
}

// definitions are a part's columns as CREATE TABLE takes them.
func (t *table) definitions(part int) []string {
	var lines []string
	for _, k := range t.keys {
		lines = append(lines, quote(k.Name)+" "+keyStorage(k)+" NOT NULL")
	}
	for _, c := range t.columns {
		if c.part == part {
			lines = append(lines, quote(c.Name)+" "+storage(c.Type))
		}
	}
	for _, c := range ownColumns {
		if part == 0 {
			lines = append(lines, c.name+" "+storage(c.kind))
		}
	}
	return lines
}

func keyStorage(k penstock.KeyColumn) string {
	if k.Integer {
		return "bigint"
	}
	return `text COLLATE "C"`
}

// alter appends columns to a part that is there.
func (t *table) alter(conn *conn, part int, added []column) {
	var lines []string
	for _, c := range added {
		if c.part == part {
			lines = append(lines, "ADD COLUMN "+quote(c.Name)+" "+storage(c.Type))
		}
	}
	if len(lines) > 0 {
		conn.exec("ALTER TABLE " + quote(t.parts[part]) + " " + strings.Join(lines, ", "))
	}
}

// madeByUs is the comment of a view that may be replaced.
const madeByUs = "made and kept by penstock"

// showAll makes the view over all parts, as wide as a view can be. Columns are
// only ever appended to it, so what was built on it stays. Something else of
// its name is somebody's own, and stays too.
func (t *table) showAll(conn *conn) error {
	const most = 1600
	name := quote(t.stream.Name[:min(len(t.stream.Name), warehouse.MaxName-len("_all"))] + "_all")
	free := false
	err := conn.query(`SELECT to_regclass($1) IS NULL OR coalesce(obj_description(to_regclass($1), 'pg_class'), '') = $2`, func(r row) error {
		free = r.bool(0)
		return nil
	}, name, madeByUs)
	if err != nil || !free {
		return err
	}
	var names []string
	for _, k := range t.keys {
		names = append(names, "t."+quote(k.Name))
	}
	for _, c := range ownColumns[:ownStamp] {
		names = append(names, "t."+c.name)
	}
	for _, c := range t.columns {
		names = append(names, alias(c.part)+"."+quote(c.Name))
	}
	conn.exec(fmt.Sprintf("CREATE OR REPLACE VIEW %s AS SELECT %s FROM %s", name, joined(names[:min(len(names), most)]), t.from()))
	conn.exec(fmt.Sprintf("COMMENT ON VIEW %s IS %s", name, quoteText(madeByUs)))
	return nil
}

// begun tells whether there is a backfill and it has read anything.
func (l *load) begun(t *table) bool {
	if t.stream.Family != penstock.Objects {
		return false
	}
	for p, head := range l.heads {
		if p.stream == t.stream.Name && p.lane == penstock.Backfill && head.Cursor != "" {
			return true
		}
	}
	return false
}

// attend marks the columns that go and come back with rows that name all of
// them. Most rows name the same as those before.
func (l *load) attend(t *table, named []penstock.Column) {
	if t.stream.Family != penstock.Objects || t.named != nil && slices.Equal(t.named, named) {
		return
	}
	t.named = named
	t.mark(l.conn, warehouse.ComeAndGo(t.recorded(), named, l.begun(t)))
}

// fill marks the properties' columns as holding the values of the rows that
// were loaded before them.
func (t *table) fill(conn *conn, properties []string) {
	if len(properties) > 0 {
		t.mark(conn, warehouse.FillColumns(t.recorded(), properties))
	}
}

// mark writes down what is new of the columns; nil is nothing.
func (t *table) mark(conn *conn, columns []warehouse.Recorded) {
	for i, c := range columns {
		if c == t.columns[i].Recorded {
			continue
		}
		conn.exec(`UPDATE _penstock_columns SET filled = $3, absent = $4 WHERE stream = $1 AND position = $2`,
			t.stream.Name, i, c.Filled, c.Absent)
		t.columns[i].Recorded = c
	}
}
