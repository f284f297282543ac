package iceberg

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"

	"penstock/internal/warehouse"
)

// groupRows is how many rows a row group has: readers hold one decoded.
func groupRows(columns int) int64 {
	return int64(min(mostRows, max(1024, mostCells/max(columns, 1))))
}

// A dataWriter writes one Parquet file into memory.
type dataWriter struct {
	content bytes.Buffer
	writer  *pqarrow.FileWriter
	rows    int64
	group   int64

	bounds map[int]*[2]int64 // by place: of the columns of whole numbers and moments
}

// newDataWriter begins a file for records such as the given one, and bounds the
// columns at the places in the file's statistics.
func newDataWriter(like arrow.RecordBatch, bounded ...int) (*dataWriter, error) {
	w := &dataWriter{group: groupRows(int(like.NumCols())), bounds: map[int]*[2]int64{}}
	for _, place := range bounded {
		w.bounds[place] = &[2]int64{math.MaxInt64, math.MinInt64}
	}
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1), parquet.WithMaxRowGroupLength(w.group),
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithDataPageVersion(parquet.DataPageV1),
	}
	for i, column := range like.Columns() {
		if various(column) {
			options = append(options, parquet.WithDictionaryFor(like.ColumnName(i), false))
		}
	}
	var err error
	w.writer, err = pqarrow.NewFileWriter(like.Schema(), &w.content, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	return w, err
}

// sampled is how many values various looks at.
const sampled = 200

// various tells whether most values of a column differ: a dictionary of them
// costs more than it saves.
func various(column arrow.Array) bool {
	seen, values := map[warehouse.Print]bool{}, 0
	for row := 0; row < column.Len() && values < sampled; row++ {
		if column.IsValid(row) {
			seen[hash(0, column, row)] = true
			values++
		}
	}
	return values > 0 && len(seen)*4 > values*3
}

// write appends a record, a row group or more of its own.
func (w *dataWriter) write(record arrow.RecordBatch) error {
	for place, b := range w.bounds {
		at := func(int) int64 { return 0 }
		switch column := record.Column(place).(type) {
		case *array.Int64:
			at = column.Value
		case *array.Timestamp:
			at = func(row int) int64 { return int64(column.Value(row)) }
		}
		for row := range record.Column(place).Len() {
			if !record.Column(place).IsNull(row) {
				b[0], b[1] = min(b[0], at(row)), max(b[1], at(row))
			}
		}
	}
	w.rows += record.NumRows()
	for from := int64(0); from < record.NumRows(); from += w.group {
		part := record.NewSlice(from, min(from+w.group, record.NumRows()))
		err := w.writer.Write(part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// take appends a record and releases it.
func (w *dataWriter) take(record arrow.RecordBatch) error {
	defer record.Release()
	return w.write(record)
}

// close ends the file and returns it.
func (w *dataWriter) close() ([]byte, error) {
	err := w.writer.Close()
	return w.content.Bytes(), err
}

// describe is the entry of the file in a manifest.
func (w *dataWriter) describe(uri string, lay layout) (iceberg.DataFile, error) {
	b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, uri, iceberg.ParquetFile,
		nil, nil, nil, w.rows, int64(w.content.Len()))
	if err != nil {
		return nil, err
	}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	for place, bounds := range w.bounds {
		if bounds[0] <= bounds[1] {
			lower[lay.columns[place].id] = binary.LittleEndian.AppendUint64(nil, uint64(bounds[0]))
			upper[lay.columns[place].id] = binary.LittleEndian.AppendUint64(nil, uint64(bounds[1]))
		}
	}
	return b.LowerBoundValues(lower).UpperBoundValues(upper).Build(), nil
}

// The fields of a file of position deletes (iceberg.apache.org/spec, reserved
// field ids).
const (
	deletePathID     = 2147483546
	deletePositionID = 2147483545
)

func deleteSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "file_path", Type: arrow.BinaryTypes.String, Metadata: fieldMetadata(deletePathID)},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: fieldMetadata(deletePositionID)},
	}, nil)
}

// A deletion is a row that a file of position deletes names.
type deletion struct {
	uri      string
	position int64
}

func compareDeletions(a, b deletion) int {
	return cmp.Or(strings.Compare(a.uri, b.uri), cmp.Compare(a.position, b.position))
}

// writeDeletes makes a file of position deletes; the deletions are in order, as
// the format wants.
func writeDeletes(deletions []deletion) (*dataWriter, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, deleteSchema())
	defer b.Release()
	for _, d := range deletions {
		b.Field(0).(*array.StringBuilder).Append(d.uri)
		b.Field(1).(*array.Int64Builder).Append(d.position)
	}
	record := b.NewRecordBatch()
	defer record.Release()
	w, err := newDataWriter(record)
	if err != nil {
		return nil, err
	}
	return w, w.write(record)
}

// describeDeletes is the entry of a file of position deletes in a manifest.
func describeDeletes(w *dataWriter, uri string, deletions []deletion) (iceberg.DataFile, error) {
	b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentPosDeletes, uri, iceberg.ParquetFile,
		nil, nil, nil, w.rows, int64(w.content.Len()))
	if err != nil {
		return nil, err
	}
	first, last := deletions[0].uri, deletions[len(deletions)-1].uri
	return b.LowerBoundValues(map[int][]byte{deletePathID: []byte(first)}).
		UpperBoundValues(map[int][]byte{deletePathID: []byte(last)}).Build(), nil
}
