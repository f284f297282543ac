package iceberg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/twmb/avro/ocf"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func claim(t *testing.T, store *Store) {
	t.Helper()
	if err := store.Claim(t.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 1}); err != nil {
		t.Fatalf("claim: %v", err)
	}
}

func moment() warehouse.Moment {
	return warehouse.Moment{
		Now: time.UnixMilli(0), Account: 1, Followers: map[string][]string{"contacts": {warehousetest.Links().Name}},
	}
}

func mustLoad(t *testing.T, store *Store, items ...warehouse.Item) []warehouse.Outcome {
	t.Helper()
	outcomes, err := store.Load(t.Context(), items, moment())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return outcomes
}

func named() *warehousetest.Range {
	return &warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
}

// some is an item with contacts of the ids.
func some(run *warehousetest.Range, updated int64, value string, ids ...int64) warehouse.Item {
	b := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "v", Type: penstock.Text})
	for _, id := range ids {
		b.Put(id, updated, updated, value)
	}
	return warehouse.Item{Batch: run.Next(b), Current: run.Grant}
}

// An outsider reads the tables in a folder by the format's specification,
// without a line of this package.
type outsider struct {
	*testing.T
	root string
}

// local is the path of what metadata names.
func (o outsider) local(uri string) string {
	path, ok := strings.CutPrefix(uri, "file://")
	if !ok || !strings.HasPrefix(path, o.root) {
		o.Fatalf("%s is not a file in %s", uri, o.root)
	}
	return path
}

func (o outsider) read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		o.Fatal(err)
	}
	return content
}

// avro reads the records of an Avro file.
func (o outsider) avro(path string) []map[string]any {
	r, err := ocf.NewReader(bytes.NewReader(o.read(path)))
	if err != nil {
		o.Fatal(err)
	}
	var records []map[string]any
	for {
		var record map[string]any
		if err := r.Decode(&record); err != nil {
			return records
		}
		records = append(records, record)
	}
}

// parquet reads a file's columns by field id.
func (o outsider) parquet(path string) (columns map[int]*arrow.Chunked, rows int) {
	table, err := pqarrow.ReadTable(o.Context(), bytes.NewReader(o.read(path)), parquet.NewReaderProperties(memory.DefaultAllocator),
		pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		o.Fatal(err)
	}
	columns = map[int]*arrow.Chunked{}
	for i := range int(table.NumCols()) {
		id, _ := table.Schema().Field(i).Metadata.GetValue("PARQUET:field_id")
		n := 0
		if _, err := fmt.Sscan(id, &n); err != nil {
			o.Fatalf("%s has a column without a field id", path)
		}
		columns[n] = table.Column(i).Data()
	}
	return columns, int(table.NumRows())
}

func value(c *arrow.Chunked, row int) string {
	if c == nil {
		return "(null)"
	}
	for _, chunk := range c.Chunks() {
		if row < chunk.Len() {
			return chunk.ValueStr(row)
		}
		row -= chunk.Len()
	}
	return "?"
}

// rows are the table's rows, the names of the columns first, in the order of
// their texts.
func (o outsider) rows(stream string) (names string, lines []string) {
	hint := strings.TrimSpace(string(o.read(filepath.Join(o.root, stream, "metadata", "version-hint.text"))))
	var metadata struct {
		Version int    `json:"format-version"`
		Schema  int    `json:"current-schema-id"`
		Current *int64 `json:"current-snapshot-id"`
		Schemas []struct {
			ID     int `json:"schema-id"`
			Fields []struct {
				ID   int
				Name string
			}
		}
		Snapshots []struct {
			ID   int64  `json:"snapshot-id"`
			List string `json:"manifest-list"`
		}
	}
	if err := json.Unmarshal(o.read(filepath.Join(o.root, stream, "metadata", "v"+hint+".metadata.json")), &metadata); err != nil {
		o.Fatal(err)
	}
	if metadata.Version != 2 {
		o.Errorf("%s is of version %d", stream, metadata.Version)
	}
	var ids []int
	for _, s := range metadata.Schemas {
		if s.ID != metadata.Schema {
			continue
		}
		for _, f := range s.Fields {
			ids, names = append(ids, f.ID), names+" "+f.Name
		}
	}
	for _, s := range metadata.Snapshots {
		if metadata.Current != nil && s.ID == *metadata.Current {
			lines = o.snapshot(s.List, ids)
		}
	}
	return names, lines
}

// A manifested file is one that a manifest names, with its sequence number.
type manifested struct {
	path     string
	sequence int64
	rows     int64
}

func (o outsider) snapshot(list string, ids []int) []string {
	var data, deletes []manifested
	for _, m := range o.avro(o.local(list)) {
		for _, e := range o.avro(o.local(fmt.Sprint(m["manifest_path"]))) {
			if fmt.Sprint(e["status"]) == "2" {
				continue
			}
			f := e["data_file"].(map[string]any)
			file := manifested{path: fmt.Sprint(f["file_path"]), rows: f["record_count"].(int64)}
			if n, ok := e["sequence_number"].(int64); ok {
				file.sequence = n
			} else {
				file.sequence = m["sequence_number"].(int64)
			}
			switch fmt.Sprint(f["content"]) {
			case "0":
				data = append(data, file)
			case "1":
				deletes = append(deletes, file)
			default:
				o.Errorf("%s is of content %v", file.path, f["content"])
			}
		}
	}
	gone := map[string]int64{} // by path and position: the latest delete's sequence number
	for _, d := range deletes {
		columns, rows := o.parquet(o.local(d.path))
		for row := range rows {
			at := value(columns[2147483546], row) + "#" + value(columns[2147483545], row)
			gone[at] = max(gone[at], d.sequence)
		}
	}
	var lines []string
	for _, d := range data {
		columns, rows := o.parquet(o.local(d.path))
		if int64(rows) != d.rows {
			o.Errorf("%s has %d rows, its manifest says %d", d.path, rows, d.rows)
		}
		for row := range rows {
			if gone[fmt.Sprintf("%s#%d", d.path, row)] >= d.sequence {
				continue
			}
			line := ""
			for _, id := range ids {
				line += " " + value(columns[id], row)
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

// outsideAgrees checks that an outsider sees the rows that the store has.
func outsideAgrees(t *testing.T, address, workdir string) {
	t.Helper()
	store := open(t, address, workdir)
	claim(t, store)
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	tables, err := store.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		names, lines := outsider{t, strings.TrimPrefix(address, "iceberg:")}.rows(table.Stream.Name)
		fields := strings.Fields(names)
		result, err := store.Rows(t.Context(), warehouse.Query{Stream: table.Stream.Name, Fields: fields, Deleted: true})
		if err != nil {
			t.Fatal(err)
		}
		var own []string
		for row, err := range result.Rows {
			if err != nil {
				t.Fatal(err)
			}
			line := ""
			for _, v := range row {
				line += " " + outward(v)
			}
			own = append(own, line)
		}
		slices.Sort(own)
		if !slices.Equal(own, lines) {
			t.Errorf("another engine reads of %s\n%s\nand we\n%s", table.Stream.Name, strings.Join(lines, "\n"), strings.Join(own, "\n"))
		}
	}
}

// outward is a value as Arrow writes it.
func outward(v any) string {
	switch v := v.(type) {
	case nil:
		return "(null)"
	case string:
		if at, err := warehouse.ParseMoment(v); err == nil && v != "" {
			return strings.Replace(time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.999999999Z"), " ", "T", 1)
		}
		return v
	}
	return fmt.Sprint(v)
}
