package iceberg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A rowKey is a row's key: the id where that is the only column and an
// integer, else the key's text.
type rowKey struct {
	id   int64
	text string
}

// A location is where a row's values are: a file and a position in it. File 0
// stands for what is written in the commit in hand.
type location struct{ file, position int64 }

// A standing is a row that is there, all of it but the properties.
type standing struct {
	warehouse.Standing // its stamp is the latest observation's
	key                rowKey
	parts              penstock.Key // unless the key is one integer

	created, updated, deletedAt int64 // ms since 1970, or none
	deleted                     bool
	stamp, seen                 int64 // the row's own; of an observation that changed nothing, kept apart
	printed                     bool  // it has a print
	print, actual               warehouse.Print
	load                        int64

	at          location
	record, row int  // of the commit in hand
	dead        bool // written anew in the same commit
}

// rowKeyOf is the key of a row of the stream.
func rowKeyOf(keys []penstock.KeyColumn, key penstock.Key) (rowKey, error) {
	if !single(keys) {
		return rowKey{text: key.Text()}, nil
	}
	id, err := strconv.ParseInt(key[0], 10, 64)
	return rowKey{id: id}, err
}

// single tells whether the key is one integer.
func single(keys []penstock.KeyColumn) bool { return len(keys) == 1 && keys[0].Integer }

// whole is the key with its columns as texts.
func (s *standing) whole() penstock.Key {
	if s.parts == nil {
		return penstock.Key{strconv.FormatInt(s.key.id, 10)}
	}
	return s.parts
}

// A rowIndex is the index of one table's rows.
type rowIndex struct {
	conn   *conn
	stream string
	keys   []penstock.KeyColumn

	stored    int // rows of the commit in hand that are in it, in the order they were written
	find, put *sqlite.Stmt
}

func indexName(stream string) string { return quote("rows_" + stream) }

// rowColumns follow the key's in the index.
const rowColumns = `updated, stamp, why, merged, created, deleted_at, deleted, print, actual, load, file, position`

func (x *rowIndex) create() error {
	var lines []string
	options := ""
	for i, k := range x.keys {
		kind := "TEXT NOT NULL"
		if k.Integer {
			kind = "INTEGER NOT NULL"
		}
		if single(x.keys) {
			kind = "INTEGER PRIMARY KEY"
		}
		lines = append(lines, fmt.Sprintf("k%d %s", i, kind))
	}
	lines = append(lines, strings.Split(rowColumns, ", ")...)
	if !single(x.keys) {
		lines = append(lines, "PRIMARY KEY ("+keyList(x.keys)+")")
		options = " WITHOUT ROWID"
	}
	name := indexName(x.stream)
	err := x.conn.exec("CREATE TABLE " + name + " (" + strings.Join(lines, ", ") + ")" + options)
	for at, where := range map[string]string{
		"load": "(load)", "archived": "(" + keyList(x.keys) + ") WHERE why = 'archived'",
		"gone": "(" + keyList(x.keys) + ") WHERE why = 'gone'",
	} {
		if err == nil {
			err = x.conn.exec("CREATE INDEX " + quote(at+"_"+x.stream) + " ON " + name + " " + where)
		}
	}
	return err
}

// wipe empties the index of the table's rows, or makes it.
func (x *rowIndex) wipe() error {
	x.release()
	err := x.conn.exec("DROP TABLE IF EXISTS " + indexName(x.stream))
	if err == nil {
		err = x.conn.exec(`DELETE FROM _local_files WHERE stream = ?1`, x.stream)
	}
	return errors.Join(err, x.create())
}

func (x *rowIndex) release() {
	for _, statement := range []*sqlite.Stmt{x.find, x.put} {
		if statement != nil {
			_ = statement.Finalize() // says again what the last step said
		}
	}
	x.find, x.put = nil, nil
}

// selection is a query of standings.
func (x *rowIndex) selection() string {
	return "SELECT " + keyList(x.keys) + ", " + rowColumns + " FROM " + indexName(x.stream)
}

// read is the standing that a statement of the selection stands on.
func (x *rowIndex) read(row *sqlite.Stmt) *standing {
	s, n := &standing{}, len(x.keys)
	if single(x.keys) {
		s.key.id = row.ColumnInt64(0)
	} else {
		s.parts = make(penstock.Key, n)
		for i := range n {
			s.parts[i] = row.ColumnText(i)
		}
		s.key.text = s.parts.Text()
	}
	moment := func(i int) int64 {
		if row.ColumnType(n+i) == sqlite.TypeNull {
			return none
		}
		return row.ColumnInt64(n + i)
	}
	s.updated, s.stamp = moment(0), row.ColumnInt64(n+1)
	s.Why, s.MergedInto = penstock.Why(row.ColumnText(n+2)), row.ColumnInt64(n+3)
	s.created, s.deletedAt, s.deleted = moment(4), moment(5), row.ColumnBool(n+6)
	s.printed, s.print = row.ColumnType(n+7) != sqlite.TypeNull, warehouse.Print(row.ColumnInt64(n+7))
	s.actual, s.load = warehouse.Print(row.ColumnInt64(n+8)), row.ColumnInt64(n+9)
	s.at = location{row.ColumnInt64(n + 10), row.ColumnInt64(n + 11)}
	s.Stamp, s.Untrusted = s.stamp, !s.printed
	if s.updated != none {
		s.Updated = s.updated
	}
	return s
}

// lookup reads one row; nil where there is none.
func (x *rowIndex) lookup(key penstock.Key, id int64) (s *standing, err error) {
	if x.find == nil {
		terms := make([]string, len(x.keys))
		for i := range terms {
			terms[i] = fmt.Sprintf("k%d = %s", i, param(i))
		}
		x.find, _, err = x.conn.PrepareTransient(x.selection() + " WHERE " + strings.Join(terms, " AND "))
		if err != nil {
			return nil, err
		}
	}
	x.bindKey(x.find, key, id)
	found, err := x.find.Step()
	if err == nil && found {
		s = x.read(x.find)
	}
	return s, errors.Join(err, x.find.Reset())
}

func (x *rowIndex) bindKey(into *sqlite.Stmt, key penstock.Key, id int64) {
	if single(x.keys) {
		into.BindInt64(1, id)
		return
	}
	for i, text := range key {
		if x.keys[i].Integer {
			n, _ := strconv.ParseInt(text, 10, 64) // CheckKey or the record's type has looked
			into.BindInt64(i+1, n)
		} else {
			into.BindText(i+1, text)
		}
	}
}

// store writes a standing.
func (x *rowIndex) store(s *standing) (err error) {
	if x.put == nil {
		marks := make([]string, len(x.keys)+12)
		for i := range marks {
			marks[i] = param(i)
		}
		x.put, _, err = x.conn.PrepareTransient("INSERT OR REPLACE INTO " + indexName(x.stream) + " VALUES (" + strings.Join(marks, ", ") + ")")
		if err != nil {
			return err
		}
	}
	x.bindKey(x.put, s.parts, s.key.id)
	n := len(x.keys)
	bindMoment := func(i int, ms int64) {
		if ms == none {
			x.put.BindNull(i)
		} else {
			x.put.BindInt64(i, ms)
		}
	}
	bindMoment(n+1, s.updated)
	x.put.BindInt64(n+2, s.stamp)
	x.put.BindText(n+3, string(s.Why))
	x.put.BindInt64(n+4, s.MergedInto)
	bindMoment(n+5, s.created)
	bindMoment(n+6, s.deletedAt)
	x.put.BindBool(n+7, s.deleted)
	if s.printed {
		x.put.BindInt64(n+8, int64(s.print))
	} else {
		x.put.BindNull(n + 8)
	}
	x.put.BindInt64(n+9, int64(s.actual))
	x.put.BindInt64(n+10, s.load)
	x.put.BindInt64(n+11, s.at.file)
	x.put.BindInt64(n+12, s.at.position)
	_, err = x.put.Step()
	return errors.Join(err, x.put.Reset())
}
