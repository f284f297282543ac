package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

const (
	shelfFiles = 4         // open at once: a bucket's are in memory
	shelfCells = 2 << 20   // in decoded row groups that are kept
	mostCells  = 1 << 20   // in a row group as we write them
	mostRows   = 128 << 10 // in a row group of few columns
)

// stored is a row's values: the columns by their places in the layout, of
// which a file lacks those that are younger than it.
type stored struct {
	columns []arrow.Array
	row     int
}

// column is the column's values; nil where the row's file does not have it.
func (s stored) column(place int) arrow.Array {
	if place >= len(s.columns) {
		return nil
	}
	return s.columns[place]
}

// A shelf reads rows of a table's files by where they are. It keeps what was
// decoded last, since neighbours are asked for together.
type shelf struct {
	lake   lake
	name   func(file int64) (string, error)
	layout layout
	want   []bool // columns by place; nil is all

	files  map[int64]*dataFile
	order  []int64 // of the open files, the latest used last
	groups []*group
	cells  int64
}

// A group is a decoded row group.
type group struct {
	file    int64
	number  int
	cells   int64
	columns []arrow.Array
}

// A dataFile is an open Parquet file.
type dataFile struct {
	blob   blob
	raw    *file.Reader
	reader *pqarrow.FileReader
	places []int   // of the columns; -1 for one that is not ours
	starts []int64 // positions at which the row groups begin, and the end
}

func openDataFile(ctx context.Context, l lake, name string, lay layout) (*dataFile, error) {
	b, err := l.open(ctx, name)
	if err != nil {
		return nil, err
	}
	raw, err := file.NewParquetReader(b)
	if err != nil {
		return nil, troubled(errors.Join(fmt.Errorf("%s: %w", name, err), b.Close()))
	}
	reader, err := pqarrow.NewFileReader(raw, pqarrow.ArrowReadProperties{BatchSize: mostRows}, memory.DefaultAllocator)
	if err != nil {
		return nil, troubled(errors.Join(fmt.Errorf("%s: %w", name, err), raw.Close()))
	}
	d := &dataFile{blob: b, raw: raw, reader: reader}
	columns := raw.MetaData().Schema
	for i := range columns.NumColumns() {
		place := int(columns.Column(i).SchemaNode().FieldID()) - 1
		if place < 0 || place >= len(lay.columns) {
			place = -1
		}
		d.places = append(d.places, place)
	}
	start := int64(0)
	for i := range raw.NumRowGroups() {
		d.starts = append(d.starts, start)
		start += raw.MetaData().RowGroup(i).NumRows()
	}
	d.starts = append(d.starts, start)
	return d, nil
}

func (d *dataFile) close() error { return d.raw.Close() }

// read decodes columns of a row group.
func (d *dataFile) read(ctx context.Context, number int, lay layout, want []bool) (*group, error) {
	var indices []int
	for i, place := range d.places {
		if place >= 0 && (want == nil || want[place]) {
			indices = append(indices, i)
		}
	}
	g := &group{number: number, columns: make([]arrow.Array, len(lay.columns))}
	if len(indices) == 0 {
		return g, nil
	}
	table, err := d.reader.ReadRowGroups(ctx, indices, []int{number})
	if err != nil {
		return nil, err
	}
	defer table.Release()
	for n, i := range indices {
		place, chunks := d.places[i], table.Column(n).Data().Chunks()
		if !arrow.TypeEqual(table.Column(n).DataType(), lay.columns[place].arrow()) {
			return nil, fmt.Errorf("column %s is of type %v", lay.columns[place].name, table.Column(n).DataType())
		}
		switch len(chunks) {
		case 0:
			continue
		case 1:
			chunks[0].Retain()
			g.columns[place] = chunks[0]
		default:
			if g.columns[place], err = array.Concatenate(chunks, memory.DefaultAllocator); err != nil {
				return nil, err
			}
		}
		g.cells += table.NumRows()
	}
	return g, nil
}

func (s *shelf) open(ctx context.Context, id int64) (*dataFile, error) {
	if d, ok := s.files[id]; ok {
		s.order = append(slices.DeleteFunc(s.order, func(i int64) bool { return i == id }), id)
		return d, nil
	}
	name, err := s.name(id)
	if err != nil {
		return nil, err
	}
	d, err := openDataFile(ctx, s.lake, name, s.layout)
	if err != nil {
		return nil, err
	}
	if s.files == nil {
		s.files = map[int64]*dataFile{}
	}
	s.files[id] = d
	s.order = append(s.order, id)
	if len(s.order) > shelfFiles {
		oldest := s.order[0]
		s.order = s.order[1:]
		err = s.files[oldest].close()
		delete(s.files, oldest)
	}
	return d, err
}

// group decodes the row group that holds a position, with its first position.
func (s *shelf) group(ctx context.Context, at location) (*group, int64, error) {
	d, err := s.open(ctx, at.file)
	if err != nil {
		return nil, 0, err
	}
	number := sort.Search(len(d.starts), func(i int) bool { return d.starts[i] > at.position }) - 1
	if number < 0 || number >= len(d.starts)-1 {
		return nil, 0, troubled(fmt.Errorf("file %d has no row %d", at.file, at.position))
	}
	for i, g := range s.groups {
		if g.file == at.file && g.number == number {
			s.groups = append(slices.Delete(s.groups, i, i+1), g)
			return g, d.starts[number], nil
		}
	}
	g, err := d.read(ctx, number, s.layout, s.want)
	if err != nil {
		return nil, 0, troubled(err)
	}
	g.file = at.file
	s.groups = append(s.groups, g)
	s.cells += g.cells
	for len(s.groups) > 1 && s.cells > shelfCells {
		s.cells -= s.groups[0].cells
		s.groups[0].release()
		s.groups = slices.Delete(s.groups, 0, 1)
	}
	return g, d.starts[number], nil
}

func (g *group) release() {
	for _, c := range g.columns {
		if c != nil {
			c.Release()
		}
	}
}

// each calls f for every location, those in the same file together, with its
// number in the list.
func (s *shelf) each(ctx context.Context, at []location, f func(i int, row stored) error) error {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareLocations(at[a], at[b]) })
	for _, i := range order {
		g, start, err := s.group(ctx, at[i])
		if err != nil {
			return err
		}
		if err := f(i, stored{g.columns, int(at[i].position - start)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) close() error {
	var err error
	for _, d := range s.files {
		err = errors.Join(err, d.close())
	}
	for _, g := range s.groups {
		g.release()
	}
	s.files, s.groups, s.order = nil, nil, nil
	return err
}
