package api

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock"
	"penstock/internal/warehouse"
)

// schemaOf is fixed before a row is seen. A number is a double: a decimal of
// fixed digits would have to refuse what HubSpot computes with more, and text
// cannot be summed.
func schemaOf(columns []column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.kind.Arrow(), Nullable: true}
		switch c.kind {
		case penstock.Number:
			fields[i].Type = arrow.PrimitiveTypes.Float64
		case warehouse.WholeNumber:
			fields[i].Type = arrow.PrimitiveTypes.Int64
		}
	}
	return arrow.NewSchema(fields, nil)
}

// typed collects rows as columns of their types.
type typed struct {
	builder *array.RecordBuilder
	bytes   int // about as many as the rows take
	rows    int
}

func newTyped(schema *arrow.Schema) *typed {
	return &typed{builder: array.NewRecordBuilder(memory.DefaultAllocator, schema)}
}

// row adds a row as the warehouse yields it.
func (t *typed) row(values []any) error {
	for i, value := range values {
		t.bytes += 8
		if text, ok := value.(string); ok {
			t.bytes += len(text)
		}
		switch into := t.builder.Field(i).(type) {
		case *array.StringBuilder:
			if text, ok := value.(string); ok {
				into.Append(text)
				continue
			}
		case *array.Int64Builder:
			if n, ok := value.(int64); ok {
				into.Append(n)
				continue
			}
		case *array.Float64Builder:
			if n, ok := double(value); ok {
				into.Append(n)
				continue
			}
		case *array.BooleanBuilder:
			if truth, ok := value.(bool); ok {
				into.Append(truth)
				continue
			}
		case *array.Date32Builder:
			if at, ok := instant(value, "-01-02"); ok {
				into.Append(arrow.Date32FromTime(at))
				continue
			}
		case *array.TimestampBuilder:
			if at, ok := instant(value, "-01-02T15:04:05.000Z"); ok {
				into.Append(arrow.Timestamp(at.UnixMilli()))
				continue
			}
		default:
			return fmt.Errorf("column %d has no type", i)
		}
		t.builder.Field(i).AppendNull() // no value, or one that was altered by hand
	}
	t.rows++
	return nil
}

func double(value any) (float64, bool) {
	switch value := value.(type) {
	case float64:
		return value, true
	case int64:
		return float64(value), true
	case string:
		n, err := strconv.ParseFloat(value, 64)
		return n, err == nil
	}
	return 0, false
}

// instant reads a date or a moment, whose year may have more than four digits.
func instant(value any, tail string) (time.Time, bool) {
	text, _ := value.(string)
	at := max(len(text)-len(tail), 0)
	year, yearErr := strconv.Atoi(text[:at])
	rest, err := time.Parse("2006"+tail, "2000"+text[at:]) // as 2000, every fourth year has 366 days
	return rest.AddDate(year-2000, 0, 0), err == nil && yearErr == nil
}

// take are the rows so far, which the caller releases.
func (t *typed) take() arrow.RecordBatch {
	t.bytes, t.rows = 0, 0
	return t.builder.NewRecordBatch()
}

// arrowStream writes rows as an Arrow IPC stream, a record batch a page.
type arrowStream struct {
	*typed
	body   bytes.Buffer
	writer *ipc.Writer
}

func newArrow(columns []column) *arrowStream {
	schema := schemaOf(columns)
	a := &arrowStream{typed: newTyped(schema)}
	a.writer = ipc.NewWriter(&a.body, ipc.WithSchema(schema))
	return a
}

func (a *arrowStream) size() int { return a.bytes }

func (a *arrowStream) take(e ending) ([]byte, error) {
	record := a.typed.take()
	defer record.Release()
	if err := a.writer.Write(record); err != nil {
		return nil, fmt.Errorf("write rows as Arrow: %w", err)
	}
	if e.last {
		if err := a.writer.Close(); err != nil {
			return nil, fmt.Errorf("end the Arrow stream: %w", err)
		}
	}
	body := a.body.Bytes()
	a.body = bytes.Buffer{} // the next bytes are others: nothing of these is kept
	return body, nil
}
