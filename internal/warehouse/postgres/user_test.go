package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func number(property string) penstock.Column {
	return penstock.Column{Property: property, Type: penstock.Number}
}

// contacts begins a batch of contacts with a text and a number.
func contacts() *warehousetest.Builder {
	return warehousetest.NewBatch(warehousetest.Contacts(), text("v"), number("n"))
}

func TestWhatUsersAddToOurTablesSurvives(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, item(run, contacts().Put(1, 1000, 1, "A", "1")))
	ask(t, dsn, `ALTER TABLE contacts ADD COLUMN mine text DEFAULT 'kept'; CREATE INDEX mine ON contacts (v);
		CREATE VIEW his AS SELECT id, v, mine FROM contacts; CREATE ROLE reader; GRANT SELECT ON contacts TO reader`)
	ask(t, dsn, "UPDATE contacts SET mine = 'by hand'")
	mustLoad(t, store, item(run, contacts().Put(1, 2000, 2, "B", "2").Put(2, 2000, 2, "C", "3")))
	more := warehousetest.NewBatch(warehousetest.Contacts(), text("v"), number("n"), text("late"))
	mustLoad(t, store, item(run, more.Put(1, 3000, 3, "D", "2", "L")))
	if got := ask(t, dsn, "SELECT * FROM his ORDER BY id"); got != "1,D,by hand;2,C,kept;" {
		t.Errorf("the view shows %s", got)
	}
	if got := ask(t, dsn, "SELECT has_table_privilege('reader', 'contacts', 'SELECT'), to_regclass('mine') IS NOT NULL"); got != "t,t;" {
		t.Errorf("grant and index: %s", got)
	}
}

func TestATableChangedByHandIsNamedAndRepaired(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), &warehousetest.Range{Lane: penstock.Backfill, Grant: "grant"}
	claim(t, store)
	load := func(stamp int64) error {
		_, err := tryLoad(t, store, item(run, contacts().Put(1, 1000, stamp, "A", "1.5")))
		return err
	}
	for i, c := range []struct{ change, error, done, again string }{
		{"ALTER TABLE contacts DROP COLUMN v", "contacts.v is missing", "added the column contacts.v again, without values", ""},
		{"ALTER TABLE contacts DROP COLUMN _deleted", "contacts._deleted is missing", "added the column contacts._deleted again, without values", ""},
		{"DROP TABLE contacts", "contacts is missing", "made the table contacts again, empty", ""},
		{
			"ALTER TABLE contacts ALTER COLUMN n TYPE numeric(9,0)", "contacts.n is of type numeric(9,0) and not numeric: rename it",
			"added the column contacts.n again, without values", `ALTER TABLE contacts RENAME COLUMN n TO my_n`,
		},
	} {
		*run = warehousetest.Range{Lane: penstock.Backfill, Grant: fmt.Sprint("grant", i)}
		if err := load(int64(i + 1)); err != nil {
			t.Fatal(err)
		}
		ask(t, dsn, c.change)
		seq, cursor := run.Seq, run.Cursor
		err := load(int64(i + 1))
		if err == nil || !strings.Contains(err.Error(), c.error) || errors.Is(err, warehouse.ErrBatch) {
			t.Errorf("after %s: %v", c.change, err)
		}
		run.Seq, run.Cursor = seq, cursor
		if c.again != "" {
			if _, err := store.Repair(t.Context()); err == nil || !strings.Contains(err.Error(), c.error) {
				t.Errorf("repair after %s: %v", c.change, err)
			}
			ask(t, dsn, c.again)
		}
		done, err := store.Repair(t.Context())
		if err != nil {
			t.Errorf("repair after %s: %v", c.change, err)
		}
		want(t, "done", done, c.done, "contacts is read again from the beginning")
		if heads, err := store.Heads(t.Context(), "contacts", penstock.Backfill); err != nil || len(heads) > 0 {
			t.Errorf("the backfill stands at %v, %v", heads, err)
		}
		*run = warehousetest.Range{Lane: penstock.Backfill, Grant: fmt.Sprint("again", i)}
		if err := load(int64(i + 1)); err != nil {
			t.Errorf("after the repair: %v", err)
		}
		want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v", "n", "_deleted"}}), "1 A 1.5 false")
		*run = warehousetest.Range{Lane: penstock.Backfill, Grant: fmt.Sprint("again", i)}
		if err := store.Restart(t.Context(), "contacts"); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := store.Repair(t.Context()); err != nil || len(done) > 0 {
		t.Errorf("nothing was broken: %v, %v", done, err)
	}
}

func TestMissingPrivilegesAreNamedAsTheStatementThatGrantsThem(t *testing.T) {
	w := newWorld(t)
	owner := w.server.DSN() + "&schema=public"
	ask(t, owner, `CREATE ROLE "a ""role" LOGIN; REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC`)
	dsn := w.server.As(`a "role`) + `&schema=the+%22schema`
	attempt := func() error { return open(t, dsn).Claim(t.Context(), claimOf("loader")) }
	for _, c := range []struct{ names, grant string }{
		{`GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "postgres" TO "a ""role"`, `GRANT CONNECT ON DATABASE postgres TO "a ""role"`},
		{`GRANT TEMPORARY ON DATABASE "postgres" TO "a ""role"`, `GRANT TEMPORARY ON DATABASE "postgres" TO "a ""role"`},
		{`CREATE SCHEMA "the ""schema" AUTHORIZATION "a ""role"`, `CREATE SCHEMA "the ""schema"`},
		{`GRANT USAGE, CREATE ON SCHEMA "the ""schema" TO "a ""role"`, `GRANT USAGE, CREATE ON SCHEMA "the ""schema" TO "a ""role"`},
	} {
		if err := attempt(); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("want %s: %v", c.names, err)
		}
		ask(t, owner, c.grant)
	}
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	mustLoad(t, store, one(run, 1, 2000, "B"))
	ask(t, as(t, dsn, "tester"), `ALTER TABLE contacts OWNER TO tester; GRANT SELECT ON contacts TO "a ""role"`)
	next := one(run, 1, 3000, "C")
	if _, err := tryLoad(t, store, next); err == nil || errors.Is(err, warehouse.ErrBatch) ||
		!strings.Contains(err.Error(), `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "the ""schema" TO "a ""role"`) {
		t.Errorf("a table of somebody else's: %v", err)
	}
}

func TestDescribeSetsLabelsAndKeepsWhatUsersWrote(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store := open(t, dsn)
	claim(t, store)
	mustLoad(t, store, item(named(), contacts().Put(1, 1000, 1, "A", "1")))
	comments := func() string {
		return ask(t, dsn, `SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
			WHERE attrelid = 'contacts'::regclass AND attname IN ('v', 'n') ORDER BY 1`)
	}
	describe := func(v, n string) {
		t.Helper()
		if err := store.Describe(t.Context(), "contacts", map[string]string{"v": v, "n": n, "unknown": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	describe("It's a \\ value\x00", "A number")
	if got := comments(); got != "n,A number;v,It's a \\ value\\u0000;" {
		t.Errorf("at first %s", got)
	}
	ask(t, dsn, "COMMENT ON COLUMN contacts.n IS 'by hand'")
	describe("Another", "Another")
	if got := comments(); got != "n,by hand;v,Another;" {
		t.Errorf("afterwards %s", got)
	}
	if err := store.Describe(t.Context(), "deals", nil); !errors.Is(err, warehouse.ErrNoTable) {
		t.Errorf("a stream without a table: %v", err)
	}
}

func TestALockThatIsHeldOrAConstraintIsNotTheBatchsFault(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	ask(t, dsn, "ALTER TABLE contacts ADD CONSTRAINT short CHECK (length(v) < 3)")
	_, err := tryLoad(t, store, one(run, 2, 1000, "long"))
	if err == nil || errors.Is(err, warehouse.ErrBatch) || !strings.Contains(err.Error(), "drop the constraint") {
		t.Errorf("a constraint: %v", err)
	}
	run.Seq, run.Cursor = 1, "grant/1"
	other := session(t, dsn)
	defer func() {
		if err := other.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := other.query("BEGIN", nil); err != nil {
		t.Fatal(err)
	}
	if err := other.query("LOCK contacts IN ACCESS EXCLUSIVE MODE", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.loader.conn.pg.Exec(t.Context(), "SET lock_timeout TO 10").ReadAll(); err != nil {
		t.Fatal(err)
	}
	_, err = tryLoad(t, store, one(run, 2, 1000, "B"))
	if err == nil || errors.Is(err, warehouse.ErrBatch) || !strings.Contains(err.Error(), "holds a lock") {
		t.Errorf("a lock: %v", err)
	}
	if got := ask(t, dsn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'penstock' AND state LIKE 'idle in transaction%'"); got != "1;" {
		t.Errorf("%s sessions are idle in a transaction, want the other's alone", got)
	}
}

func TestAFurtherPartIsRepairedAndSomebodysOwnViewStays(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	ask(t, dsn, "CREATE VIEW contacts_all AS SELECT 'mine' AS whose; CREATE TABLE contacts__2 (mine int)")
	var columns []penstock.Column
	var values []any
	for i := range 400 {
		columns, values = append(columns, text(fmt.Sprintf("p%03d", i))), append(values, "A")
	}
	load := func(stamp int64) error {
		b := warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1000, stamp, values...)
		_, err := tryLoad(t, store, item(run, b))
		return err
	}
	if err := load(1); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, dsn, "SELECT * FROM contacts_all"); got != "mine;" {
		t.Errorf("the view shows %s", got)
	}
	ask(t, dsn, "DROP TABLE contacts__3")
	seq, cursor := run.Seq, run.Cursor
	if err := load(2); err == nil || !strings.Contains(err.Error(), "contacts__3 is missing") {
		t.Errorf("a part was dropped: %v", err)
	}
	run.Seq, run.Cursor = seq, cursor
	done, err := store.Repair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "done", done, "made the table contacts__3 again, empty", "contacts is read again from the beginning")
	if err := load(3); err != nil {
		t.Fatal(err)
	}
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "p000", "p399"}}), "1 A A")
	if bad, _, err := store.Check(t.Context(), "contacts", nil, 9); err != nil || len(bad) > 0 {
		t.Errorf("rows %v fail their prints, %v", bad, err)
	}
}
