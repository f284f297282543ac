package api

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"penstock"
)

// The most that a row group holds, and so the most that is held of an answer.
const (
	maxGroupRows  = 50_000
	maxGroupBytes = 8 << 20
)

// parquetFile writes rows as a Parquet file. What is written of it does not open
// before its end is there.
type parquetFile struct {
	group *typed
	page  int // bytes of the group when the page began
	body  bytes.Buffer
	file  *file.Writer
}

func newParquet(columns []column) (*parquetFile, error) {
	var nodes schema.FieldList
	for _, c := range columns {
		node, err := parquetNode(c)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	root, err := schema.NewGroupNode("rows", parquet.Repetitions.Required, nodes, -1)
	if err != nil {
		return nil, fmt.Errorf("make a Parquet schema: %w", err)
	}
	p := &parquetFile{group: newTyped(schemaOf(columns))}
	properties := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithCreatedBy("penstock"))
	p.file, err = file.NewParquetWriterWithError(&p.body, root, file.WithWriterProps(properties))
	if err != nil {
		return nil, fmt.Errorf("begin a Parquet file: %w", err)
	}
	return p, nil
}

func parquetNode(c column) (schema.Node, error) {
	physical, logical := parquet.Types.Int64, schema.LogicalType(schema.NoLogicalType{})
	switch c.kind {
	case penstock.Text:
		physical, logical = parquet.Types.ByteArray, schema.StringLogicalType{}
	case penstock.Number:
		physical = parquet.Types.Double
	case penstock.Bool:
		physical = parquet.Types.Boolean
	case penstock.Date:
		physical, logical = parquet.Types.Int32, schema.DateLogicalType{}
	case penstock.DateTime:
		logical = schema.NewTimestampLogicalType(true, schema.TimeUnitMillis)
	}
	node, err := schema.NewPrimitiveNodeLogical(c.name, parquet.Repetitions.Optional, logical, physical, -1, -1)
	if err != nil {
		return nil, fmt.Errorf("column %s as Parquet: %w", c.name, err)
	}
	return node, nil
}

func (p *parquetFile) row(values []any) error { return p.group.row(values) }

func (p *parquetFile) size() int { return p.group.bytes - p.page }

// take writes the group once it is full, and the file's end after the last page.
func (p *parquetFile) take(e ending) ([]byte, error) {
	if full := p.group.rows >= maxGroupRows || p.group.bytes >= maxGroupBytes; full || e.last && p.group.rows > 0 {
		if err := p.writeGroup(); err != nil {
			return nil, fmt.Errorf("write rows as Parquet: %w", err)
		}
	}
	p.page = p.group.bytes
	if e.last {
		if err := p.file.Close(); err != nil {
			return nil, fmt.Errorf("end the Parquet file: %w", err)
		}
	}
	body := p.body.Bytes()
	p.body = bytes.Buffer{} // the next bytes are others: nothing of these is kept
	return body, nil
}

func (p *parquetFile) writeGroup() error {
	record := p.group.take()
	defer record.Release()
	group, err := p.file.AppendRowGroupChecked()
	if err != nil {
		return err
	}
	for _, values := range record.Columns() {
		into, err := group.NextColumn()
		if err != nil {
			return err
		}
		if err := writeColumn(into, values); err != nil {
			return err
		}
		if err := into.Close(); err != nil {
			return err
		}
	}
	return group.Close()
}

// writeColumn writes the values that are there, and for each row whether there
// is one.
func writeColumn(into file.ColumnChunkWriter, values arrow.Array) (err error) {
	levels := make([]int16, values.Len())
	for i := range levels {
		if values.IsValid(i) {
			levels[i] = 1
		}
	}
	switch into := into.(type) {
	case *file.ByteArrayColumnChunkWriter:
		texts := values.(*array.String)
		_, err = into.WriteBatch(present(levels, func(i int) parquet.ByteArray { return []byte(texts.Value(i)) }), levels, nil)
	case *file.Float64ColumnChunkWriter:
		_, err = into.WriteBatch(present(levels, values.(*array.Float64).Value), levels, nil)
	case *file.BooleanColumnChunkWriter:
		_, err = into.WriteBatch(present(levels, values.(*array.Boolean).Value), levels, nil)
	case *file.Int32ColumnChunkWriter:
		days := values.(*array.Date32)
		_, err = into.WriteBatch(present(levels, func(i int) int32 { return int32(days.Value(i)) }), levels, nil)
	case *file.Int64ColumnChunkWriter:
		_, err = into.WriteBatch(present(levels, wholes(values)), levels, nil)
	}
	return err
}

func wholes(values arrow.Array) func(i int) int64 {
	if moments, ok := values.(*array.Timestamp); ok {
		return func(i int) int64 { return int64(moments.Value(i)) }
	}
	return values.(*array.Int64).Value
}

func present[T any](levels []int16, value func(i int) T) []T {
	var all []T
	for i, level := range levels {
		if level == 1 {
			all = append(all, value(i))
		}
	}
	return all
}
