package api_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// readArrow reads an IPC stream: the columns with their types, and the rows.
func readArrow(t *testing.T, text string) (columns, rows []string) {
	t.Helper()
	reader, err := ipc.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	for _, f := range reader.Schema().Fields() {
		columns = append(columns, f.Name+" "+f.Type.String())
	}
	for reader.Next() {
		record := reader.RecordBatch()
		for row := range int(record.NumRows()) {
			var cells []string
			for _, c := range record.Columns() {
				cells = append(cells, cell(c, row))
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, rows
}

func cell(c arrow.Array, row int) string {
	if c.IsNull(row) {
		return "-"
	}
	switch c := c.(type) {
	case *array.Date32:
		return fmt.Sprint(int32(c.Value(row)))
	case *array.Timestamp:
		return fmt.Sprint(int64(c.Value(row)))
	case *array.Float64:
		return fmt.Sprint(c.Value(row))
	}
	return c.ValueStr(row)
}

// readParquet reads a file: the columns with their types, the rows, and how many
// groups they are in.
func readParquet(t *testing.T, text string) (columns, rows []string, groups int) {
	t.Helper()
	reader, err := file.NewParquetReader(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	described := reader.MetaData().Schema
	for i := range described.NumColumns() {
		c := described.Column(i)
		columns = append(columns, fmt.Sprint(c.Name(), " ", c.PhysicalType(), " ", c.LogicalType()))
	}
	for g := range reader.NumRowGroups() {
		group := reader.RowGroup(g)
		cells := make([][]string, group.NumRows())
		for i := range described.NumColumns() {
			values, err := group.Column(i)
			if err != nil {
				t.Fatal(err)
			}
			for row, value := range columnOf(t, values, group.NumRows()) {
				cells[row] = append(cells[row], value)
			}
		}
		for _, row := range cells {
			rows = append(rows, strings.Join(row, "|"))
		}
	}
	return columns, rows, reader.NumRowGroups()
}

func columnOf(t *testing.T, values file.ColumnChunkReader, n int64) []string {
	t.Helper()
	switch values := values.(type) {
	case *file.ByteArrayColumnChunkReader:
		return batchOf(t, n, values.ReadBatch)
	case *file.Int64ColumnChunkReader:
		return batchOf(t, n, values.ReadBatch)
	case *file.Int32ColumnChunkReader:
		return batchOf(t, n, values.ReadBatch)
	case *file.Float64ColumnChunkReader:
		return batchOf(t, n, values.ReadBatch)
	case *file.BooleanColumnChunkReader:
		return batchOf(t, n, values.ReadBatch)
	}
	t.Fatalf("a column of %T", values)
	return nil
}

func batchOf[T any](t *testing.T, n int64, read func(int64, []T, []int16, []int16) (int64, int, error)) []string {
	t.Helper()
	var out []string
	for int64(len(out)) < n {
		values, levels := make([]T, n), make([]int16, n)
		total, _, err := read(n-int64(len(out)), values, levels, nil)
		if err != nil || total == 0 {
			t.Fatalf("%d of %d values: %v", len(out), n, err)
		}
		next := 0
		for _, level := range levels[:total] {
			if level == 0 {
				out = append(out, "-")
				continue
			}
			text := fmt.Sprint(values[next])
			if bytes, ok := any(values[next]).(parquet.ByteArray); ok {
				text = string(bytes)
			}
			out = append(out, text)
			next++
		}
	}
	return out
}

func TestTypedFormatsHoldTheRowsWithTheirTypes(t *testing.T) {
	w := setup(t, "")
	w.deals()
	const query = "/data/deals?deleted=true&fields=id,dealname,amount,open,closes,seen,_deleted,_merged_into,_load,_updated_at"
	at := moment().UnixMilli()
	want := []string{
		fmt.Sprintf(`1|Smith, "Sons" & Co|100|true|20000|%d|false|-|1|%d`, at, at),
		fmt.Sprintf(`2|b|99.99|false|20001|%d|false|-|1|%d`, at+1, at),
		fmt.Sprintf(`3|B|9.007199254740992e+15|-|-|-|false|-|1|%d`, at), // a double, as the description says
		fmt.Sprintf(`4|-|0.1|true|-|-|false|-|1|%d`, at),
		fmt.Sprintf(`5|-|-|-|-|-|true|1|1|%d`, at),
	}
	response, text := w.ask("GET", query, "", "Accept", arrowType)
	columns, rows := readArrow(t, text)
	types := []string{
		"id int64", "dealname utf8", "amount float64", "open bool", "closes date32", "seen timestamp[ms, tz=UTC]", "_deleted bool",
		"_merged_into int64", "_load int64", "_updated_at timestamp[ms, tz=UTC]",
	}
	if !slices.Equal(rows, want) || !slices.Equal(columns, types) || response.Header.Get("Content-Type") != arrowType {
		t.Errorf("Arrow holds %q\n%s\nwant\n%s", columns, strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	response, text = w.ask("GET", query, "", "Accept", parquetType)
	columns, rows, _ = readParquet(t, text)
	moments := "INT64 Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds, is_from_converted_type=false, force_set_converted_type=false)"
	types = []string{
		"id INT64 None", "dealname BYTE_ARRAY String", "amount DOUBLE None", "open BOOLEAN None", "closes INT32 Date", "seen " + moments,
		"_deleted BOOLEAN None", "_merged_into INT64 None", "_load INT64 None", "_updated_at " + moments,
	}
	if !slices.Equal(rows, want) || !slices.Equal(columns, types) || response.Header.Get("Content-Type") != parquetType {
		t.Errorf("Parquet holds %q\n%s\nwant\n%s", columns, strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func TestTypedFormatsHoldAllRowsOrAPage(t *testing.T) {
	w := setup(t, "")
	w.contacts(many(2500)...)
	w.load(warehousetest.NewBatch(warehousetest.Owners()).Page())
	for query, n := range map[string]int{"contacts": 2500, "contacts?limit=7": 7, "contacts?filter%5Bid%5D%5Bgt%5D=2500": 0, "owners": 0} {
		at := "/data/" + query
		response, text := w.ask("GET", at, "", "Accept", parquetType)
		_, rows, _ := readParquet(t, text)
		_, streamed := w.ask("GET", at, "", "Accept", arrowType)
		columns, again := readArrow(t, streamed)
		if len(rows) != n || !slices.Equal(rows, again) || len(columns) == 0 {
			t.Errorf("%s: %d rows as Parquet and %d as Arrow, want %d", query, len(rows), len(again), n)
		}
		if paged := strings.Contains(query, "limit"); paged != (response.Header.Get("Link") != "") {
			t.Errorf("%s: Link: %s", query, response.Header.Get("Link"))
		}
	}
}

func TestAYearOfFiveDigitsIsAMomentToo(t *testing.T) {
	w := setup(t, "")
	columns := []penstock.Column{{Property: "at", Type: penstock.DateTime}, {Property: "on", Type: penstock.Date}}
	far, old := int64(253402300800000+366*86400000), int64(-62198755200001)
	w.load(warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1, 1, far, far/86400000).Put(2, 1, 1, old, int64(-719894)))
	_, text := w.ask("GET", "/data/contacts?fields=at,on", "", "Accept", arrowType)
	want := []string{fmt.Sprintf("%d|%d", far, far/86400000), fmt.Sprintf("%d|%d", old, -719894)}
	if _, rows := readArrow(t, text); !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
}

func TestHalfAnAnswerOfAnyFormatDoesNotLookWhole(t *testing.T) {
	w := setup(t, "")
	w.contacts(many(2500)...)
	var pages atomic.Int64
	w.rows = func(r *warehouse.Result) {
		if len(r.Columns) > 1 && pages.Add(1) == 3 { // a page, not the question when a load was written
			r.Rows = func(yield func([]any, error) bool) { yield(nil, errors.New("the disk is on fire")) }
		}
	}
	for _, accept := range []string{linesType, csvType, parquetType, arrowType} {
		pages.Store(0)
		response, err := w.server.Client().Do(newRequest(w, "/data/contacts", accept))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err == nil {
			t.Errorf("%s that was broken off ends like a whole one", accept)
		}
		response.Body.Close()

		pages.Store(0)
		if err := w.askOld("/data/contacts", accept); err == nil {
			t.Errorf("%s over HTTP/1.0 that was broken off ends like a whole one", accept)
		}
	}
	pages.Store(9)
	if err := w.askOld("/data/contacts", linesType); err != nil {
		t.Errorf("a whole answer over HTTP/1.0: %v", err)
	}
}

// askOld asks over HTTP/1.0, where an answer ends with its connection.
func (w *world) askOld(path, accept string) error {
	w.Helper()
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it may have been reset
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: localhost\r\nAccept: %s\r\n\r\n", path, accept); err != nil {
		w.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// TestMemoryDoesNotGrowWithTheAnswer compares what is held at most while a tenth
// of the rows are answered, which a group of Parquet takes up, and while all
// are.
func TestMemoryDoesNotGrowWithTheAnswer(t *testing.T) {
	w := setup(t, "")
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(' ' + random.IntN(90))
	}
	for tx := range int64(50) {
		batch := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "note", Type: penstock.Text})
		for row := range int64(100) {
			from := random.IntN(len(noise) - 15_000)
			batch.Put(tx*100+row+1, 1, 1, string(noise[from:from+15_000]))
		}
		w.load(batch)
	}
	for _, accept := range []string{parquetType, arrowType, csvType, linesType} {
		few, many := w.held("/data/contacts?filter%5Bid%5D%5Ble%5D=500", accept), w.held("/data/contacts", accept)
		t.Logf("%s: %d MB at most for 500 rows, %d MB for 5,000", accept, few>>20, many>>20)
		if many > 3*few {
			t.Errorf("%s: %d bytes held for 500 rows, and %d for 5,000", accept, few, many)
		}
	}
}

// held is the most memory that is in use before any page of an answer, but for
// less than all of 500 rows take.
func (w *world) held(path, accept string) uint64 {
	w.Helper()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := uint64(500 * 15_000)
	w.rows = func(*warehouse.Result) {
		runtime.GC()
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > before.HeapAlloc {
			most = max(most, now.HeapAlloc-before.HeapAlloc)
		}
	}
	response, err := w.server.Client().Do(newRequest(w, path, accept))
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		w.Fatal(err)
	}
	return most
}
