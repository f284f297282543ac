package iceberg

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"zombiezen.com/go/sqlite"
)

const (
	wholeFile   = 32 << 20  // bytes of a file that compaction writes, about
	smallFile   = 8 << 20   // a smaller one is rewritten with others
	fewFiles    = 8         // small ones, or files of deletes, that are left alone
	mostAtOnce  = 64 << 20  // bytes that one commit rewrites
	mostDead    = 5         // a file is rewritten when one in so many of its rows is dead
	metaErasing = "erased " // and the stream: rows were erased whose files are still named
)

// A compaction writes the rows of some data files into new ones, and leaves
// out the dead.
type compaction struct {
	snapshotOf
	files   []dataEntry
	pick    []dataEntry // to be rewritten
	deletes []iceberg.ManifestEntry
	cleared bool // no file holds erased rows any more

	builder *array.RecordBuilder
	rows    []*standing // in the builder
	writer  *dataWriter
	name    string // of the file in hand
	id      int64
	number  int
}

// A dataEntry is a data file of the table's snapshot.
type dataEntry struct {
	iceberg.ManifestEntry
	id, alive int64
	first     int64 // what its rows begin with, to keep them in order
}

// run rewrites what one commit may, and tells whether there was anything.
func (c *compaction) run() (bool, error) {
	t := c.table
	if t.lake.metadata == nil || t.lake.metadata.CurrentSnapshot() == nil {
		return false, nil
	}
	if err := c.survey(); err != nil {
		return false, err
	}
	if len(c.pick) == 0 && len(c.deletes) < fewFiles {
		return false, nil
	}
	for _, f := range c.pick {
		if err := c.rewrite(f); err != nil {
			return false, err
		}
	}
	if err := c.finish(); err != nil {
		return false, err
	}
	if err := c.survivors(); err != nil {
		return false, err
	}
	return true, c.stage()
}

// survey lists the files, and picks those to rewrite.
func (c *compaction) survey() error {
	t := c.table
	entries, err := t.files(iceberg.ManifestContentData)
	if err != nil {
		return err
	}
	if c.deletes, err = t.files(iceberg.ManifestContentDeletes); err != nil {
		return err
	}
	known, err := t.fileCounts()
	if err != nil {
		return err
	}
	erasing, err := t.erasing()
	if err != nil {
		return err
	}
	var small, holed []dataEntry
	for _, e := range entries {
		name, err := t.tx.store.nameOf(e.DataFile().FilePath())
		if err != nil {
			return err
		}
		f := known[name]
		f.ManifestEntry = e
		c.files = append(c.files, f)
		dead := e.DataFile().Count() - f.alive
		switch {
		case dead > 0 && (erasing || dead*mostDead >= e.DataFile().Count()):
			holed = append(holed, f)
		case e.DataFile().FileSizeBytes() < smallFile:
			small = append(small, f)
		}
	}
	if len(small) >= fewFiles {
		holed = append(holed, small...)
	}
	slices.SortFunc(holed, func(a, b dataEntry) int { return cmp.Compare(a.first, b.first) })
	size := int64(0)
	for _, f := range holed {
		if size += f.DataFile().FileSizeBytes(); size > mostAtOnce && len(c.pick) > 0 {
			break
		}
		c.pick = append(c.pick, f)
	}
	if erasing && len(c.pick) == 0 {
		c.cleared = true
		return t.tx.conn.exec(`DELETE FROM _penstock_meta WHERE name = ?1`, metaErasing+t.stream.Name)
	}
	return nil
}

// erasing tells whether rows were erased since the last compaction that left
// no dead rows.
func (t *streamTable) erasing() (erasing bool, err error) {
	err = t.tx.conn.query(`SELECT 1 FROM _penstock_meta WHERE name = ?1`, func(*sqlite.Stmt) error {
		erasing = true
		return nil
	}, metaErasing+t.stream.Name)
	return erasing, err
}

// fileCounts are the table's files in the index by name.
func (t *streamTable) fileCounts() (map[string]dataEntry, error) {
	counts := map[int64]dataEntry{}
	err := t.tx.conn.query(`SELECT file, count(*), min(k0) FROM `+indexName(t.stream.Name)+` GROUP BY file`, func(row *sqlite.Stmt) error {
		counts[row.ColumnInt64(0)] = dataEntry{alive: row.ColumnInt64(1), first: row.ColumnInt64(2)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	known := map[string]dataEntry{}
	return known, t.tx.conn.query(`SELECT id, name FROM _local_files WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		f := counts[row.ColumnInt64(0)]
		f.id = row.ColumnInt64(0)
		known[row.ColumnText(1)] = f
		return nil
	}, t.stream.Name)
}

// rewrite copies the rows of a file that stand.
func (c *compaction) rewrite(f dataEntry) error {
	t := c.table
	name, err := t.dataName(f.id)
	if err != nil {
		return err
	}
	d, err := openDataFile(t.tx.ctx, t.tx.store.lake, name, t.layout)
	if err != nil {
		return err
	}
	for number := range len(d.starts) - 1 {
		g, err := d.read(t.tx.ctx, number, t.layout, nil)
		if err != nil {
			return err
		}
		if err := c.group(g, f.id, d.starts[number], int(d.starts[number+1]-d.starts[number])); err != nil {
			return err
		}
		g.release()
	}
	return d.close()
}

// group takes over the rows of a row group of which the index says that they
// stand there. One that is large enough and has no dead ones is not copied.
func (c *compaction) group(g *group, file, start int64, length int) error {
	t := c.table
	alive := make([]*standing, 0, length)
	rows := make([]int, 0, length)
	for row := range length {
		key, parts, err := t.keyOf(stored{g.columns, row})
		if err != nil {
			return err
		}
		s, err := t.index.lookup(parts, key.id)
		if err != nil {
			return err
		}
		if s != nil && s.at == (location{file, start + int64(row)}) {
			alive, rows = append(alive, s), append(rows, row)
		}
	}
	most := int(groupRows(len(t.layout.columns)))
	if len(alive) == length && length > most/4 {
		if err := c.flush(); err != nil {
			return err
		}
		return c.put(g.record(t.layout, length), alive)
	}
	for i, s := range alive {
		if c.builder == nil {
			c.builder = array.NewRecordBuilder(memory.DefaultAllocator, t.layout.schema())
		}
		for place := range t.layout.columns {
			copyValue(c.builder.Field(place), g.columns[place], rows[i])
		}
		if c.rows = append(c.rows, s); len(c.rows) == most {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// record is the row group with all columns of the layout.
func (g *group) record(lay layout, length int) arrow.RecordBatch {
	columns := make([]arrow.Array, len(lay.columns))
	for place, values := range g.columns {
		if columns[place] = values; values == nil {
			columns[place] = array.MakeArrayOfNull(memory.DefaultAllocator, lay.columns[place].arrow(), length)
		}
	}
	return array.NewRecordBatch(lay.schema(), columns, int64(length))
}

// flush writes the rows in the builder.
func (c *compaction) flush() error {
	if len(c.rows) == 0 {
		return nil
	}
	rows := c.rows
	c.rows = nil
	return c.put(c.builder.NewRecordBatch(), rows)
}

// put writes rows as a row group, and ends a file that is large enough.
func (c *compaction) put(record arrow.RecordBatch, rows []*standing) (err error) {
	defer record.Release()
	t := c.table
	if c.writer == nil {
		if c.writer, err = newDataWriter(record, t.boundedPlaces()...); err != nil {
			return err
		}
		c.number++
		c.name = t.fileName("data", fmt.Sprintf("%05d", c.number), ".parquet")
		if c.id, err = t.fileID(c.name); err != nil {
			return err
		}
	}
	for i, s := range rows {
		s.at = location{c.id, c.writer.rows + int64(i)}
		if err := t.index.store(s); err != nil {
			return err
		}
	}
	if err := c.writer.write(record); err != nil {
		return err
	}
	if c.writer.content.Len() < wholeFile {
		return nil
	}
	return c.endFile()
}

func (c *compaction) endFile() error {
	err := c.addFile(c.writer, c.name)
	c.writer = nil
	return err
}

func (c *compaction) finish() error {
	if err := c.flush(); err != nil || c.writer == nil {
		return err
	}
	return c.endFile()
}

// survivors lists the files that stay, and makes one file of the deletes that
// are still needed.
func (c *compaction) survivors() error {
	t := c.table
	gone := map[int64]bool{}
	for _, f := range c.pick {
		gone[f.id] = true
		if err := t.tx.conn.exec(`DELETE FROM _local_files WHERE id = ?1`, f.id); err != nil {
			return err
		}
	}
	deleted, err := t.deletions()
	if err != nil {
		return err
	}
	var deletions []deletion
	for _, f := range c.files {
		uri := f.DataFile().FilePath()
		if gone[f.id] {
			c.removed = append(c.removed, f.ManifestEntry)
			continue
		}
		c.existing = append(c.existing, f.ManifestEntry)
		for position := range deleted[uri] {
			deletions = append(deletions, deletion{uri, position})
		}
	}
	c.rewritten = true
	c.total()
	if len(deletions) == 0 {
		return nil
	}
	return c.writeDeletions(deletions)
}

// total counts what the snapshot comes to.
func (c *compaction) total() {
	c.totals = map[string]int64{}
	for _, e := range c.existing {
		c.totals["total-data-files"]++
		c.totals["total-records"] += e.DataFile().Count()
	}
}
