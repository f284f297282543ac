package sqlite_test

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
	"penstock/internal/warehouse"
	engine "penstock/internal/warehouse/sqlite"
	"penstock/internal/warehouse/warehousetest"
)

// hand runs a statement as a user of the file would.
func hand(t *testing.T, path, statement string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteScript(conn, statement, nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// lines are the rows' fields as text.
func lines(t *testing.T, s warehouse.Store, fields ...string) []string {
	t.Helper()
	result, err := s.Rows(t.Context(), warehouse.Query{Stream: "contacts", Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for row, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, value := range row {
			if text, ok := value.(string); ok {
				line += text
			}
			line += "|"
		}
		out = append(out, line)
	}
	return out
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatAUserDroppedIsNamedAndRepaired(t *testing.T) {
	for dropped, named := range map[string]string{
		"ALTER TABLE contacts DROP COLUMN v":           "the column v of the table contacts",
		"ALTER TABLE contacts RENAME COLUMN v TO mine": "the column v of the table contacts",
		"ALTER TABLE contacts DROP COLUMN _synced_at":  "the column _synced_at of the table contacts",
		"DROP TABLE contacts":                          "the table contacts",
	} {
		t.Run(dropped, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w.db")
			store, err := engine.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer closing(t, store)
			if err := store.Claim(t.Context(), warehouse.Claim{Loader: "a", Installation: "here", Account: 1}); err != nil {
				t.Fatal(err)
			}
			run := &warehousetest.Range{Lane: penstock.Backfill, Grant: "first"}
			contacts := func(value string, version int64) *warehousetest.Builder {
				columns := []penstock.Column{{Property: "v", Type: penstock.Text}, {Property: "w", Type: penstock.Text}}
				return warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, version, version, value, "W").Put(2, version, version, value, "W")
			}
			load := func(b *warehousetest.Builder) error {
				items := []warehouse.Item{{Batch: run.Next(b), Current: run.Grant}}
				outcomes, err := store.Load(t.Context(), items, warehouse.Moment{Now: time.Unix(1, 0), Account: 1})
				if err == nil && outcomes[0].Verdict != warehouse.Apply {
					t.Fatalf("the verdict is %v", outcomes[0].Verdict)
				}
				return err
			}
			if err := load(contacts("A", 1)); err != nil {
				t.Fatal(err)
			}
			if done, err := store.Repair(t.Context()); err != nil || len(done) > 0 {
				t.Fatalf("nothing is missing, and repair says %q, %v", done, err)
			}
			hand(t, path, dropped)
			if err := load(contacts("B", 2)); !errors.Is(err, warehouse.ErrAltered) || errors.Is(err, warehouse.ErrBatch) || !strings.Contains(err.Error(), named) {
				t.Fatalf("the load says %v", err)
			}
			done, err := store.Repair(t.Context())
			if err != nil || len(done) != 1 {
				t.Fatalf("repair says %q, %v", done, err)
			}
			if heads, err := store.Heads(t.Context(), "contacts", penstock.Backfill); err != nil || len(heads) > 0 {
				t.Fatalf("the backfill stands at %+v, %v", heads, err)
			}
			run = &warehousetest.Range{Lane: penstock.Backfill, Grant: "again"}
			if err := load(contacts("A", 1)); err != nil {
				t.Fatal(err)
			}
			if got := lines(t, store, "v", "w"); !slices.Equal(got, []string{"A|W|", "A|W|"}) {
				t.Errorf("after the stream was read again the rows are %q", got)
			}
		})
	}
}

func TestAUsersOwnColumnSurvivesAPropertyOfItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	store, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, store)
	if err := store.Claim(t.Context(), warehouse.Claim{Loader: "a", Installation: "here", Account: 1}); err != nil {
		t.Fatal(err)
	}
	run := &warehousetest.Range{Lane: penstock.Named, Grant: "g"}
	for version, columns := range [][]penstock.Column{
		{{Property: "v", Type: penstock.Text}},
		{{Property: "v", Type: penstock.Text}, {Property: "note", Type: penstock.Text}},
	} {
		values := []any{"V", "HubSpot's"}[:len(columns)]
		b := warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, int64(version)+1, int64(version)+1, values...)
		if _, err := store.Load(t.Context(), []warehouse.Item{{Batch: run.Next(b), Current: "g"}}, warehouse.Moment{Now: time.Unix(1, 0), Account: 1}); err != nil {
			t.Fatal(err)
		}
		if version == 0 {
			hand(t, path, "ALTER TABLE contacts ADD COLUMN Note; UPDATE contacts SET note = 'mine'; CREATE VIEW seen AS SELECT note FROM contacts")
		}
	}
	tables, err := store.Tables(t.Context())
	if err != nil || len(tables[0].Columns) != 2 || tables[0].Columns[1].Name == "note" {
		t.Fatalf("the columns are %+v, %v", tables, err)
	}
	if got := lines(t, store, tables[0].Columns[1].Name); !slices.Equal(got, []string{"HubSpot's|"}) {
		t.Errorf("HubSpot's note is %q", got)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, conn)
	mine, err := sqlitex.ResultText(conn.Prep("SELECT note FROM seen"))
	if err != nil || mine != "mine" {
		t.Errorf("the user's note is %q, %v", mine, err)
	}
}
