package postgres

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestANumberSurvivesNumericsBinaryForm(t *testing.T) {
	w := newWorld(t)
	c := session(t, w.server.DSN())
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?`).Filter(canonical).Draw(t, "number")
		err := c.query("SELECT $1::numeric, $1::numeric::text", func(r row) error {
			if mine := appendNumeric(nil, text); string(mine) != string(r[0]) {
				t.Fatalf("%s is %x, the server's is %x", text, mine, r[0])
			}
			if back := numericText(r[0]); back != text || r.text(1) != text {
				t.Fatalf("%s comes back as %s, the server prints %s", text, back, r.text(1))
			}
			return nil
		}, decimal(text))
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, text := range []string{"", "-", "-0", "-0.00", "007", "+1", "1e3", "1.", ".5", "NaN", "Infinity", strings.Repeat("9", maxWhole+1), "1." + strings.Repeat("1", maxFraction+1)} {
		if canonical(text) {
			t.Errorf("%.20s is taken for canonical", text)
		}
	}
}

// TestV2WhatPostgreSQLCannotHoldIsARejectAndItsNeighboursLoad names one value
// that cannot be held per type, among others that can.
func TestV2WhatPostgreSQLCannotHoldIsARejectAndItsNeighboursLoad(t *testing.T) {
	w := newWorld(t)
	store, run := open(t, w.fresh()), named()
	claim(t, store)
	columns := []penstock.Column{
		text("t"), number("n"), {Property: "d", Type: penstock.Date}, {Property: "dt", Type: penstock.DateTime}, text("ok"),
	}
	values := []any{"a\x00b", "NaN", int64(math.MaxInt32), int64(math.MaxInt64), "good"}
	b := warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1000, 1, values...).Put(2, 1000, 1, "fine", "5", nil, nil, "good")
	outcomes := mustLoad(t, store, item(run, b))
	if got := outcomes[0].Applied; got.Loaded != 2 {
		t.Errorf("applied %+v", got)
	}
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "t", "n", "d", "dt", "ok"}}),
		"1 <nil> <nil> <nil> <nil> good", "2 fine 5 <nil> <nil> good")
	want(t, "rejects", rejects(t, store), "1 d 5881580-07-11", "1 dt 292278994-08-17T07:12:55.807Z", "1 n NaN", `1 t a\u0000b`)
	bad, _, err := store.Check(t.Context(), "contacts", nil, 10)
	if err != nil || len(bad) > 0 {
		t.Errorf("rows %v fail their prints, %v", bad, err)
	}
	same := mustLoad(t, store, item(run, warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1000, 2, values...)))
	if same[0].Applied.Unchanged != 1 {
		t.Errorf("the same again: %+v", same[0].Applied)
	}
	mustLoad(t, store, item(run, warehousetest.NewBatch(warehousetest.Contacts(), text("t")).Put(2, 2000, 3, "é\xff\xe9")))
	mustLoad(t, store, item(run, warehousetest.NewBatch(warehousetest.Contacts(), text("t")).Put(2, 3000, 3, "é")))
	mustLoad(t, store, item(run, warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 2000, 3, "b", "1", int64(1), int64(1), "good")))
	want(t, "rejects of values that loaded", rejects(t, store))
	owner := warehousetest.NewBatch(warehousetest.Owners()).Add(
		warehousetest.Row{Key: penstock.Key{"a\x00b"}, Stamp: 1}, warehousetest.Row{Key: penstock.Key{"\xff\uFFFD"}, Stamp: 1}, warehousetest.Row{Key: penstock.Key{"ok"}, Stamp: 1})
	applied := mustLoad(t, store, item(named(), owner.Want("x\x00y", 1).Reject("z\x00", "p", "o\x00")))
	if got := applied[0].Applied; got.Loaded != 1 || got.Superseded != 2 {
		t.Errorf("applied %+v", got)
	}
	want(t, "owners", lines(t, store, warehouse.Query{Stream: "owners", Fields: []string{"id"}}), "ok")
	want(t, "rejects of owners", rejects(t, store), "\\xff\uFFFD  \\xff\uFFFD", `a\u0000b  a\u0000b`, `z\u0000 p o\u0000`)
}

func TestTextsThatAreOnlyTogetherUTF8AreFound(t *testing.T) {
	for _, c := range []struct {
		values []any
		holes  int
	}{{[]any{"é", nil, "", "z"}, 0}, {[]any{"\xc3", nil, "\xa9", "z"}, 2}, {[]any{"é", "\x00"}, 1}} {
		b := warehousetest.NewBatch(warehousetest.Contacts(), text("t"))
		for i, v := range c.values {
			b.Put(int64(i+1), 1, 1, v)
		}
		r, err := readRecord(warehousetest.Contacts(), b.Build().Rows[0], nil)
		if err != nil || len(r.lacking) != c.holes {
			t.Errorf("%q: %v, %v, want %d rejects", c.values, r.lacking, err, c.holes)
		}
	}
}

func rejects(t *testing.T, store *Store) []string {
	t.Helper()
	list, _, err := store.Rejects(t.Context(), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, r := range list {
		all = append(all, fmt.Sprintf("%s %s %s", r.Key, r.Property, r.Original))
	}
	return all
}

// TestARowOfManyFilledColumnsIsHeldWhateverItsValues fills 1,500 columns with
// the values that take the most room in a row.
func TestARowOfManyFilledColumnsIsHeldWhateverItsValues(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	kinds := []penstock.Type{penstock.Text, penstock.Number, penstock.DateTime, penstock.Text, penstock.Bool, penstock.Date}
	many := func(salt string, count int) (columns []penstock.Column, values []any) {
		for i := range count {
			kind := kinds[i%len(kinds)]
			columns = append(columns, penstock.Column{Property: fmt.Sprintf("p%04d", i), Type: kind})
			values = append(values, map[penstock.Type]any{
				penstock.Text:   strings.Repeat(string(rune('a'+i%26)), []int{23, 22, 30, 500}[i/6%4]) + salt,
				penstock.Number: "1" + strings.Repeat("23456789", 4) + salt, penstock.DateTime: int64(i), penstock.Bool: true, penstock.Date: int64(i),
			}[kind])
		}
		return columns, values
	}
	columns, values := many("1", 1500)
	batch := func() *warehousetest.Builder { return warehousetest.NewBatch(warehousetest.Contacts(), columns...) }
	mustLoad(t, store, item(run, batch().Put(1, 1000, 1, values...).Put(2, 1000, 1)))
	_, changed := many("2", 1500)
	mustLoad(t, store, item(run, batch().Put(1, 2000, 2, changed...).Put(2, 2000, 2, values...).Put(3, 1000, 1, values...)))
	fields := []string{"id", "p0000", "p1498", "p1499"}
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: fields}),
		"1 aaaaaaaaaaaaaaaaaaaaaaa2 true 1974-02-08", "2 aaaaaaaaaaaaaaaaaaaaaaa1 true 1974-02-08", "3 aaaaaaaaaaaaaaaaaaaaaaa1 true 1974-02-08")
	columns, values = many("1", 1700) // more than one answer has columns
	outcomes := mustLoad(t, store, item(run, batch().Put(3, 2000, 3, values...).Put(4, 1000, 3, values...)))
	if outcomes[0].Applied.Loaded != 2 {
		t.Errorf("applied %+v", outcomes[0].Applied)
	}
	if again := mustLoad(t, store, item(run, batch().Put(3, 2000, 4, values...))); again[0].Applied.Unchanged != 1 {
		t.Errorf("the same again: %+v", again[0].Applied)
	}
	bad, _, err := store.Check(t.Context(), "contacts", nil, 10)
	if err != nil || len(bad) > 0 {
		t.Errorf("rows %v fail their prints, %v", bad, err)
	}
	if all := lines(t, store, warehouse.Query{Stream: "contacts"}); len(all) != 4 || len(strings.Fields(all[2])) != 1700+9 {
		t.Errorf("%d rows of %d fields", len(all), len(strings.Fields(all[2])))
	}
	if got := ask(t, dsn, "SELECT count(*), count(p0000), count(p1001) FROM contacts_all"); got != "4,4,4;" {
		t.Errorf("the view over the parts: %s", got)
	}
	if ask(t, dsn, "SELECT to_regclass('contacts__4') IS NOT NULL AND count(DISTINCT kept_in) < 7 FROM _penstock_columns") != "t;" {
		t.Error("the columns are not in parts of about 400")
	}
}

func TestARowThatNoPageCanHoldIsARejectAndItsNeighboursLoad(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	key := func(value string) penstock.Key { return penstock.Key{"0-1", "p", value} }
	stream := penstock.Stream{Name: "property_options", Family: penstock.PropertyOptions}
	long := strings.Builder{} // that compression cannot make short enough for an index
	for i := range 3000 {
		fmt.Fprintf(&long, "%x", i*i*7919)
	}
	b := warehousetest.NewBatch(stream, text("v"))
	for i := range 10 {
		b.Add(warehousetest.Row{Key: key(fmt.Sprint(i)), Stamp: 1, Values: []any{"A"}})
	}
	b.Add(warehousetest.Row{Key: key(long.String()), Stamp: 1, Values: []any{"A"}}, warehousetest.Row{Key: key("z"), Stamp: 1, Values: []any{"A"}})
	outcomes := mustLoad(t, store, item(run, b))
	if got := outcomes[0].Applied; got.Loaded != 11 || got.Superseded != 1 {
		t.Errorf("applied %+v", got)
	}
	if got := lines(t, store, warehouse.Query{Stream: stream.Name, Fields: []string{"value"}}); len(got) != 11 {
		t.Errorf("rows %v", got)
	}
	list, _, err := store.Rejects(t.Context(), stream.Name, "", 10)
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "cannot hold the row") {
		t.Errorf("rejects %v, %v", list, err)
	}
	tables, err := store.Tables(t.Context())
	if err != nil || tables[0].Rows != 11 {
		t.Errorf("described as %+v, %v", tables, err)
	}
}

func TestHostileNamesAndValuesAreOnlyNamesAndValues(t *testing.T) {
	w := newWorld(t)
	dsn := w.server.DSN() + "&schema=" + `it%27s+%22a%22+schema%3B--`
	store := open(t, dsn)
	claim(t, store)
	names := []string{`"; DROP TABLE contacts; --`, "select", "user", "ctid", "tableoid", "xmin", "id", "_load", "Ünïcode", strings.Repeat("long", 40)}
	stream := penstock.Stream{Name: `Robert'); DROP "contacts`, Family: penstock.Objects, ObjectType: "2-1"}
	var columns []penstock.Column
	var values []any
	for _, name := range names {
		columns, values = append(columns, text(name)), append(values, `\N '"$1 %s `+name)
	}
	for stamp := int64(1); stamp < 4; stamp++ {
		mustLoad(t, store, item(&warehousetest.Range{Lane: penstock.Named, Grant: fmt.Sprint(stamp), Cursor: cursorOf(t, store, stream.Name)},
			warehousetest.NewBatch(stream, columns...).Put(1+stamp/2, stamp, stamp, values...)))
	}
	tables, err := store.Tables(t.Context())
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	fields := []string{}
	for _, c := range tables[0].Columns {
		fields = append(fields, c.Name)
	}
	for _, line := range lines(t, store, warehouse.Query{Stream: stream.Name, Fields: fields}) {
		if strings.Count(line, `\N '"$1 %s `) != len(names) {
			t.Errorf("a row is %s", line)
		}
	}
	if err := store.Describe(t.Context(), stream.Name, map[string]string{names[0]: `'; DROP SCHEMA x; --`}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "_x", "pg_class", strings.Repeat("x", 64)} {
		stream.Name = name
		_, err := tryLoad(t, store, item(named(), warehousetest.NewBatch(stream, text("v")).Put(1, 1, 1, "A")))
		if !errors.Is(err, warehouse.ErrBatch) {
			t.Errorf("a stream %.10q: %v", name, err)
		}
	}
}

func cursorOf(t *testing.T, store *Store, stream string) penstock.Cursor {
	t.Helper()
	heads, err := store.Heads(t.Context(), stream, penstock.Named)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		return h.Cursor
	}
	return ""
}

func TestAQueryReadsTheLoadsAndTheValuesItAsksFor(t *testing.T) {
	w := newWorld(t)
	store, run := open(t, w.fresh()), named()
	claim(t, store)
	columns := []penstock.Column{text("t"), number("n"), {Property: "b", Type: penstock.Bool}, {Property: "d", Type: penstock.Date}, {Property: "dt", Type: penstock.DateTime}}
	batch := func() *warehousetest.Builder { return warehousetest.NewBatch(warehousetest.Contacts(), columns...) }
	day := int64(86_400_000)
	mustLoad(t, store, item(run, batch().Put(1, 1, 1, "Z", "10", true, int64(1), day).Put(2, 1, 1, "a", "9.5", false, int64(2), 2*day).Put(3, 1, 1)))
	mustLoad(t, store, item(run, batch().Put(4, 1, 2, "é", "-1", true, int64(-1), -day).Bury(5, 1, 2, 1)))
	mustLoad(t, store, item(run, batch().Put(1, 2, 3, "Z", "11", true, int64(1), day)))
	ids := func(q warehouse.Query) string {
		q.Stream, q.Fields = "contacts", []string{"id"}
		return strings.Join(lines(t, store, q), " ")
	}
	for _, c := range []struct {
		loaded warehouse.Loaded
		after  penstock.Key
		limit  int
		want   string
	}{
		{warehouse.Loaded{From: 0, To: 3}, nil, 0, "2 3 4 5 1"}, {warehouse.Loaded{From: 1, To: 3}, nil, 0, "4 5 1"},
		{warehouse.Loaded{From: 1, To: 2}, nil, 0, "4 5"}, {warehouse.Loaded{From: 1, To: 2}, penstock.Key{"2"}, 0, "3 4 5"},
		{warehouse.Loaded{From: 1, To: 3}, penstock.Key{"2"}, 2, "3 4"}, {warehouse.Loaded{From: 3, To: 3}, penstock.Key{"1"}, 0, ""},
	} {
		if got := ids(warehouse.Query{Loaded: &c.loaded, After: c.after, Limit: c.limit, Deleted: true}); got != c.want {
			t.Errorf("%+v after %v up to %d: %q, want %q", c.loaded, c.after, c.limit, got, c.want)
		}
	}
	for _, c := range []struct {
		column string
		op     warehouse.Compare
		values string
		want   string
	}{
		{"t", warehouse.Equal, "Z", "1"}, {"t", warehouse.Less, "a", "1"}, {"t", warehouse.Greater, "a", "4"}, {"t", warehouse.NotEqual, "Z", "2 4"},
		{"t", warehouse.In, "Z,é", "1 4"}, {"t", warehouse.Null, "true", "3"}, {"t", warehouse.Null, "false", "1 2 4"},
		{"n", warehouse.Greater, "9.50", "1"}, {"n", warehouse.Equal, "9.500", "2"}, {"n", warehouse.LessOrEqual, "9.5", "2 4"},
		{"b", warehouse.Equal, "true", "1 4"}, {"d", warehouse.GreaterOrEqual, "1970-01-02", "1 2"}, {"dt", warehouse.Less, "1970-01-02T00:00:00Z", "4"},
		{"id", warehouse.In, "2,4", "2 4"}, {"_load", warehouse.Equal, "1", "2 3"}, {"_updated_at", warehouse.Equal, "1970-01-01T00:00:00.002Z", "1"},
	} {
		f := warehouse.Filter{Column: c.column, Op: c.op, Values: strings.Split(c.values, ",")}
		if got := ids(warehouse.Query{Filters: []warehouse.Filter{f, {Column: "id", Op: warehouse.Less, Values: []string{"9"}}}}); got != c.want {
			t.Errorf("%v: %q, want %q", f, got, c.want)
		}
	}
	for _, f := range []struct {
		filter warehouse.Filter
		is     error
	}{
		{warehouse.Filter{Column: "n", Op: warehouse.Equal, Values: []string{"x"}}, warehouse.ErrFilter},
		{warehouse.Filter{Column: "t", Op: warehouse.Equal, Values: []string{"a\x00"}}, warehouse.ErrFilter},
		{warehouse.Filter{Column: "_print", Op: warehouse.Equal, Values: []string{"1"}}, warehouse.ErrNoColumn},
	} {
		if _, err := store.Rows(t.Context(), warehouse.Query{Stream: "contacts", Filters: []warehouse.Filter{f.filter}}); !errors.Is(err, f.is) {
			t.Errorf("%v: %v", f.filter, err)
		}
	}
}

func TestAReaderThatHasEnoughLeavesItsSessionToOthers(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	for page := range int64(20) {
		b := warehousetest.NewBatch(warehousetest.Contacts(), text("v"))
		for id := range int64(1000) {
			b.Put(page*1000+id+1, 1, 1, strings.Repeat("x", 500))
		}
		mustLoad(t, store, item(run, b))
	}
	begin := time.Now()
	for range 4 * readerCount {
		result, err := store.Rows(t.Context(), warehouse.Query{Stream: "contacts"})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range result.Rows {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	t.Logf("%d readers had enough in %v", 4*readerCount, time.Since(begin))
	if got := lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id"}}); len(got) != 20_000 {
		t.Errorf("%d rows afterwards", len(got))
	}
}
