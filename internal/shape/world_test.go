package shape_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

func contacts() penstock.Stream {
	return penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}
}

// answered is HubSpot's clock in the tests' answers.
func answered() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// A row is a row's cells that are not null, by column.
type row map[string]string

// rowsOf reads records back, cell by cell.
func rowsOf(t testing.TB, records []arrow.RecordBatch) []row {
	t.Helper()
	var rows []row
	for _, record := range records {
		for i := range int(record.NumRows()) {
			cells := row{}
			for c := range int(record.NumCols()) {
				if column := record.Column(c); column.IsValid(i) {
					cells[record.ColumnName(c)] = cell(t, column, i)
				}
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func cell(t testing.TB, column arrow.Array, i int) string {
	switch a := column.(type) {
	case *array.String:
		return a.Value(i)
	case *array.Boolean:
		return fmt.Sprint(a.Value(i))
	case *array.Int64:
		return fmt.Sprint(a.Value(i))
	case *array.Uint8:
		return fmt.Sprint(a.Value(i))
	case *array.Date32:
		return a.Value(i).ToTime().Format("2006-01-02")
	case *array.Timestamp:
		return a.Value(i).ToTime(arrow.Millisecond).Format("2006-01-02T15:04:05.000Z")
	}
	t.Fatalf("a column of type %s", column.DataType())
	return ""
}

// put is the fixed part of an object's row, with more cells on top.
func put(id, updated string, more row) row {
	cells := row{"k:id": id, "s:op": "1", "s:via": "1", "s:stamp": "7", "s:updated": updated, "s:why": ""}
	maps.Copy(cells, more)
	return cells
}

func pageOf(body string) *hubspot.Page {
	return &hubspot.Page{Body: []byte(body), Date: answered(), Stamp: 7}
}

// tableOf makes a table of contacts from names and types.
func tableOf(nameType ...string) penstock.Table {
	var properties []hubspot.Property
	for i := 0; i < len(nameType); i += 2 {
		properties = append(properties, hubspot.Property{Name: nameType[i], Type: nameType[i+1]})
	}
	return shape.TableOf(contacts(), properties)
}

// flush ends the builder's batch and checks that its records have the layout
// that every batch has.
func flush(t testing.TB, b *shape.Builder, table penstock.Table) ([]row, shape.Built) {
	t.Helper()
	built := b.Flush()
	unknown := map[string]bool{}
	for _, name := range built.Unknown {
		unknown[name] = true
	}
	known := penstock.Table{Stream: table.Stream}
	for _, c := range table.Columns {
		if !unknown[c.Property] {
			known.Columns = append(known.Columns, c)
		}
	}
	for _, record := range built.Records {
		if !record.Schema().Equal(known.Schema()) {
			t.Fatalf("schema is\n%s\nnot\n%s", record.Schema(), known.Schema())
		}
		for _, column := range record.Columns() {
			if a, ok := column.(interface{ ValidateFull() error }); ok && a.ValidateFull() != nil {
				t.Fatal(a.ValidateFull())
			}
		}
		if there, back := rowsOf(t, built.Records), rowsOf(t, sent(t, record)); !reflect.DeepEqual(there, back) {
			t.Fatalf("rows that were sent as IPC arrive as\n%v\nnot\n%v", back, there)
		}
		t.Cleanup(record.Release)
	}
	return rowsOf(t, built.Records), built
}

// sent writes and reads the record as batches travel.
func sent(t testing.TB, record arrow.RecordBatch) []arrow.RecordBatch {
	t.Helper()
	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(record.Schema()))
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(&stream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	if !r.Next() {
		t.Fatal(r.Err())
	}
	return []arrow.RecordBatch{r.RecordBatch()}
}
