package iceberg

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// reindex makes the index of the table's rows anew from its files. Each row is
// read whole, to know what its print ought to be.
func (t *streamTable) reindex() error {
	if err := t.index.wipe(); err != nil {
		return err
	}
	deleted, err := t.deletions()
	if err != nil {
		return err
	}
	files, err := t.files(iceberg.ManifestContentData)
	if err != nil {
		return err
	}
	for _, f := range files {
		uri := f.DataFile().FilePath()
		name, err := t.tx.store.nameOf(uri)
		if err != nil {
			return err
		}
		if err := t.reindexFile(name, deleted[uri]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return t.stands()
}

// deletions are the positions by file that the snapshot's position deletes
// name. Other kinds of deletes only another program can have written.
func (t *streamTable) deletions() (map[string]map[int64]bool, error) {
	entries, err := t.files(iceberg.ManifestContentDeletes)
	if err != nil {
		return nil, err
	}
	deleted := map[string]map[int64]bool{}
	for _, e := range entries {
		if e.DataFile().ContentType() != iceberg.EntryContentPosDeletes {
			return nil, fmt.Errorf("another program has written equality deletes, which cannot be read: %s", e.DataFile().FilePath())
		}
		if err := t.readDeletes(e.DataFile().FilePath(), deleted); err != nil {
			return nil, err
		}
	}
	return deleted, nil
}

func (t *streamTable) readDeletes(uri string, into map[string]map[int64]bool) (err error) {
	name, err := t.tx.store.nameOf(uri)
	if err != nil {
		return err
	}
	d, err := openDataFile(t.tx.ctx, t.tx.store.lake, name, layout{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	table, err := d.reader.ReadTable(t.tx.ctx)
	if err != nil {
		return err
	}
	defer table.Release()
	reader := array.NewTableReader(table, 0)
	defer reader.Release()
	for reader.Next() {
		paths, first := reader.RecordBatch().Column(0).(*array.String)
		positions, second := reader.RecordBatch().Column(1).(*array.Int64)
		if !first || !second {
			return fmt.Errorf("%s is no file of position deletes", name)
		}
		for i := range paths.Len() {
			path := paths.Value(i)
			if into[path] == nil {
				into[path] = map[int64]bool{}
			}
			into[path][positions.Value(i)] = true
		}
	}
	return reader.Err()
}

func (t *streamTable) reindexFile(name string, deleted map[int64]bool) (err error) {
	id, err := t.fileID(name)
	if err != nil {
		return err
	}
	d, err := openDataFile(t.tx.ctx, t.tx.store.lake, name, t.layout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	for number := range len(d.starts) - 1 {
		g, err := d.read(t.tx.ctx, number, t.layout, nil)
		if err != nil {
			return err
		}
		for row := range d.starts[number+1] - d.starts[number] {
			position := d.starts[number] + row
			if deleted[position] {
				continue
			}
			s, err := t.standingOf(stored{g.columns, int(row)})
			if err == nil {
				s.at = location{id, position}
				err = t.index.store(s)
			}
			if err != nil {
				return err
			}
		}
		g.release()
	}
	return nil
}

// standingOf reads a row as the index keeps it.
func (t *streamTable) standingOf(row stored) (*standing, error) {
	s := &standing{actual: t.printOf(row)}
	var err error
	if s.key, s.parts, err = t.keyOf(row); err != nil {
		return nil, err
	}
	moment := func(place int) int64 {
		if values, ok := row.column(t.layout.own(place)).(*array.Timestamp); ok {
			return momentAt(values, row.row)
		}
		return none
	}
	whole := func(place int) (int64, bool) {
		values, ok := row.column(t.layout.own(place)).(*array.Int64)
		if !ok || values.IsNull(row.row) {
			return 0, false
		}
		return values.Value(row.row), true
	}
	s.created, s.updated, s.deletedAt = moment(ownCreated), moment(ownUpdated), moment(ownDeletedAt)
	if values, ok := row.column(t.layout.own(ownDeleted)).(*array.Boolean); ok && !values.IsNull(row.row) {
		s.deleted = values.Value(row.row)
	}
	if values, ok := row.column(t.layout.own(ownWhy)).(*array.String); ok && !values.IsNull(row.row) {
		s.Why = penstock.Why(values.Value(row.row))
	}
	s.MergedInto, _ = whole(ownMergedInto)
	s.load, _ = whole(ownLoad)
	s.stamp, _ = whole(ownStamp)
	kept := int64(0)
	kept, s.printed = whole(ownPrint)
	s.print = warehouse.Print(kept)
	return s, nil
}

// keyOf is the row's key as the index has it.
func (t *streamTable) keyOf(row stored) (rowKey, penstock.Key, error) {
	key := make(penstock.Key, t.layout.keys)
	for i := range key {
		values := row.column(i)
		if values == nil || values.IsNull(row.row) {
			return rowKey{}, nil, fmt.Errorf("a row has no %s", t.layout.columns[i].name)
		}
		if ids, ok := values.(*array.Int64); ok && single(t.keys) {
			return rowKey{id: ids.Value(row.row)}, nil, nil
		}
		key[i] = values.ValueStr(row.row)
	}
	return rowKey{text: key.Text()}, key, nil
}

// printOf is what the row's print ought to be.
func (t *streamTable) printOf(row stored) warehouse.Print {
	sum := warehouse.Print(0)
	for place, c := range t.layout.columns {
		if t.layout.printed(place) {
			sum += hash(c.seed, row.column(place), row.row)
		}
	}
	return sum
}

// fileID is a data file's number in the index, given with its first mention.
func (t *streamTable) fileID(name string) (id int64, err error) {
	err = t.tx.conn.exec(`INSERT INTO _local_files (stream, name) VALUES (?1, ?2)`, t.stream.Name, name)
	return t.tx.conn.LastInsertRowID(), err
}

// dataName is the name of a data file.
func (t *streamTable) dataName(id int64) (string, error) { return dataName(t.tx.conn.Conn, id) }

func dataName(conn *sqlite.Conn, id int64) (name string, err error) {
	err = query(conn, `SELECT name FROM _local_files WHERE id = ?1`, func(row *sqlite.Stmt) error {
		name = row.ColumnText(0)
		return nil
	}, id)
	if err == nil && name == "" {
		err = fmt.Errorf("the index knows no file %d", id)
	}
	return name, err
}

// shelf reads the table's rows.
func (t *streamTable) shelf(want []bool) *shelf {
	return &shelf{lake: t.tx.store.lake, name: t.dataName, layout: t.layout, want: want}
}
