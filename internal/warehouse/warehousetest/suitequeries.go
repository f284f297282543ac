package warehousetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// kinds is a table with a column of each kind.
func kinds() *Builder {
	return NewBatch(Contacts(), text("t"), number("n"), penstock.Column{Property: "b", Type: penstock.Bool},
		penstock.Column{Property: "d", Type: penstock.Date}, penstock.Column{Property: "dt", Type: penstock.DateTime})
}

// queries are the tests of which rows a query yields.
var queries = []promise{
	{"TextIsComparedByteByByte", func(b *bench) {
		builder := kinds()
		for i, v := range []any{"a", "B", "b", "é", "e\u0301", "a\x01b", "10", "9", " a", "😀", "\uffff", "%", "a'b", nil} {
			builder.Put(int64(i+1), at(1), 1, v)
		}
		b.load(builder)
		b.passes("1 6", "t", "ge", "a", "t", "lt", "a\x02")
		b.passes("2 7 8 9 12", "t", "lt", "a")
		b.passes("3", "t", "eq", "b")
		b.passes("4", "t", "eq", "é")
		b.passes("10", "t", "gt", "\uffff") // as bytes, not as UTF-16
		b.passes("1 2 4 5 6 7 8 9 10 11 12 13", "t", "ne", "b")
		b.passes("6", "t", "eq", "a\x01b")
		b.passes("7 8 12 13", "t", "in", "9", "10", "%", "a'b", "' OR 1=1 --")
		b.passes("14", "t", "null", "true")
		b.passes("", "t", "eq", "")
	}},
	{"TextWithANULIsComparedByteByByte", func(b *bench) {
		b.load(kinds().Put(1, at(1), 1, "a").Put(2, at(1), 1, "a\x00b").Put(3, at(1), 1, "a\x00").Put(4, at(1), 1, "a\x01"))
		b.passes("1 3", "t", "lt", "a\x00b")
		b.passes("2", "t", "eq", "a\x00b")
		b.passes("2 4", "t", "gt", "a\x00")
	}},
	{"NumbersAreComparedByTheirValue", func(b *bench) {
		builder := kinds()
		for i, v := range []any{
			"0", "0.1", "-0.1", "7", "-7", "10", "9007199254740992", "9007199254740993", "9007199254740994", nil, "-9223372036854775808",
			"0.300000001", "1.5", "0.3", "100",
		} {
			builder.Put(int64(i+1), at(1), 1, nil, v)
		}
		b.load(builder)
		b.passes("2", "n", "eq", "0.1")
		b.passes("2", "n", "eq", "+0.100")
		b.passes("1", "n", "eq", "-0.0")
		b.passes("", "n", "eq", "0.1000000000000000055511151231257827")
		b.passes("4", "n", "eq", "7.000")
		b.passes("8", "n", "eq", "9007199254740993")
		b.passes("9", "n", "gt", "9007199254740993")
		b.passes("8 9", "n", "ge", "9007199254740992.5")
		b.passes("3 5 11", "n", "lt", "0")
		b.passes("5 11", "n", "le", "-7")
		b.passes("11", "n", "lt", "-7")
		b.passes("2 12 13 14", "n", "gt", "0", "n", "lt", "7")
		b.passes("12", "n", "gt", "0.3", "n", "lt", "1")
		b.passes("6 7 8 9 15", "n", "ge", "10")
		b.passes("4 15", "n", "in", "100.0", "7", "8")
		b.passes("1 3 4 5 6 7 8 9 11 12 13 14 15", "n", "ne", "0.1")
		b.passes("10", "n", "null", "true")
		b.passes("7 8 9", "n", "gt", "100", "n", "lt", "1"+strings.Repeat("0", 150))
		b.passes("11", "n", "lt", "-100", "n", "gt", "-1"+strings.Repeat("0", 150))
	}},
	{"DatesMomentsAndTruthsAreComparedByTheirValue", func(b *bench) {
		day := int64(20_000) // 2024-10-04
		b.load(kinds().Put(1, at(1), 1, nil, nil, true, day, at(0)).Put(2, at(1), 1, nil, nil, false, day+1, at(0)+1).
			Put(3, at(1), 1, nil, nil, nil, int64(-1), int64(-1)).Put(4, at(1), 1, "x").Put(5, at(1), 1, nil, nil, nil, int64(-400_000), int64(-1)<<44))
		b.passes("1", "b", "eq", "true")
		b.passes("2", "b", "ne", "true")
		b.passes("2", "b", "lt", "true")
		b.passes("1 2", "b", "in", "false", "true")
		b.passes("3 4 5", "b", "null", "true")
		b.passes("1", "d", "eq", "2024-10-04")
		b.passes("3 5", "d", "lt", "1970-01-01")
		b.passes("2", "d", "gt", "2024-10-04")
		b.passes("1 3", "d", "in", "2024-10-04", "1969-12-31")
		b.passes("1", "dt", "eq", moment(at(0)))
		b.passes("1", "dt", "eq", "2025-10-09T13:23:20+04:30") // the same moment elsewhere
		b.passes("2", "dt", "gt", moment(at(0)))
		b.passes("3 5", "dt", "le", "1969-12-31T23:59:59.999Z")
		b.passes("1 2 3 5", "d", "null", "false")
	}},
	{"KeysAndPenstocksOwnColumnsAreFiltersToo", func(b *bench) {
		b.load(kinds().Put(2, at(1), 1, "A").Put(10, at(5), 1, "B").Bury(11, at(5), 1, 10))
		b.load(kinds().Put(3, at(9), 2, "C"))
		b.passes("10 11", "id", "gt", "3")
		b.passes("2 3", "id", "in", "3", "2")
		b.passes("3 10 11", "_updated_at", "ge", moment(at(5)))
		b.passes("11", "_deleted", "eq", "true")
		b.passes("11", "_merged_into", "eq", "10")
		b.passes("11", "_deleted_why", "in", "merged", "gone")
		b.passes("2 3 10", "_deleted_why", "null", "true")
		b.passes("3", "_load", "gt", "1")
		b.passes("", "_created_at", "le", moment(at(100)))
		b.passes("3", "_load", "gt", "1", "t", "eq", "C", "id", "le", "3")
		b.load(NewBatch(Stages(), text("t")).Add(Row{Key: penstock.Key{"0-3", "p", "1"}, Stamp: 1}, Row{Key: penstock.Key{"0-3", "p", "a"}, Stamp: 1}))
		b.same("stages", b.reads(warehouse.Query{
			Stream: "pipeline_stages", Fields: []string{"id"}, Filters: filters("pipeline_id", "eq", "p", "id", "ge", "a"),
		}), "a")
	}},
	{"AFilterIsRefusedThatTheTableCannotAnswer", func(b *bench) {
		b.load(kinds().Put(1, at(1), 1, "A"))
		for _, refused := range []struct {
			want   error
			filter []string
		}{
			{warehouse.ErrNoColumn, []string{"nothing", "eq", "1"}}, {warehouse.ErrNoColumn, []string{"_stamp", "eq", "1"}},
			{warehouse.ErrNoColumn, []string{"_print", "null", "true"}}, {warehouse.ErrNoColumn, []string{`t" OR 1=1 --`, "eq", "A"}},
			{warehouse.ErrNoColumn, []string{"rowid", "eq", "1"}}, {warehouse.ErrNoColumn, []string{"", "eq", "1"}},
			{warehouse.ErrFilter, []string{"n", "eq", "many"}}, {warehouse.ErrFilter, []string{"n", "eq", ""}},
			{warehouse.ErrFilter, []string{"n", "eq", "1e3"}}, {warehouse.ErrFilter, []string{"n", "lt", "NaN"}},
			{warehouse.ErrFilter, []string{"d", "eq", "tomorrow"}}, {warehouse.ErrFilter, []string{"dt", "eq", "2026-11-21"}},
			{warehouse.ErrFilter, []string{"b", "eq", "yes"}}, {warehouse.ErrFilter, []string{"id", "eq", "1.5"}},
			{warehouse.ErrFilter, []string{"id", "eq", "9223372036854775808"}}, {warehouse.ErrFilter, []string{"t", "like", "A"}},
			{warehouse.ErrFilter, []string{"t", "null", "A"}}, {warehouse.ErrFilter, []string{"_load", "in"}},
		} {
			f := warehouse.Filter{Column: refused.filter[0], Op: warehouse.Compare(refused.filter[1]), Values: refused.filter[2:]}
			_, err := b.store.Rows(b.Context(), warehouse.Query{Stream: "contacts", Filters: []warehouse.Filter{f}})
			if !errors.Is(err, refused.want) {
				b.Errorf("%q: %v, want %v", refused.filter, err, refused.want)
			}
		}
	}},
	{"FiltersLimitsAndPlacesGoTogether", func(b *bench) {
		builder := kinds()
		for id := range int64(20) {
			builder.Put(id+1, at(1), 1, fmt.Sprint("v", id%3), fmt.Sprint(id))
		}
		b.load(builder.Bury(21, at(1), 1, 1))
		q := warehouse.Query{Stream: "contacts", Fields: []string{"id"}, Filters: filters("t", "eq", "v1", "n", "ge", "7"), Limit: 2}
		b.same("first", b.reads(q), "8", "11")
		q.After = penstock.Key{"11"}
		b.same("next", b.reads(q), "14", "17")
		q.After = penstock.Key{"17"}
		b.same("last", b.reads(q), "20")
	}},
	{"BetweenTwoLoadsEveryRowThatStaysComesOnce", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A").Put(3, at(1), 1, "A").Put(4, at(1), 1, "A"))
		b.load(contact().Put(9, at(2), 2, "B").Put(2, at(2), 2, "B"))
		b.load(contact().Bury(3, at(3), 3, 1).Put(5, at(3), 3, "C"))
		changed := func(from, to int64, after ...string) []string {
			return b.reads(warehouse.Query{
				Stream: "contacts", Fields: []string{"_load", "id", "_deleted"}, Deleted: true, After: after, Loaded: &warehouse.Loaded{From: from, To: to},
			})
		}
		b.same("all", changed(0, 3), "1 1 false", "1 4 false", "2 2 false", "2 9 false", "3 3 true", "3 5 false")
		b.same("after the first", changed(1, 3), "2 2 false", "2 9 false", "3 3 true", "3 5 false")
		b.same("up to the second", changed(0, 2), "1 1 false", "1 4 false", "2 2 false", "2 9 false")
		b.same("go on in the second", changed(2, 3, "2"), "2 9 false", "3 3 true", "3 5 false")
		b.same("nothing", changed(3, 3))
		b.same("nothing yet", changed(3, 9))
		live := warehouse.Query{Stream: "contacts", Fields: []string{"id"}, Loaded: &warehouse.Loaded{From: 2, To: 3}}
		b.same("live", b.reads(live), "5")
		if d := b.described(); d.Load != 3 {
			b.Errorf("the newest load is %d, want 3", d.Load)
		}
	}},
	{"RowsThatChangeBetweenThePagesComeWithTheirNewLoad", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A").Put(3, at(1), 1, "A").Put(4, at(1), 1, "A").Put(5, at(1), 1, "A"))
		b.load(contact().Put(1, at(2), 2, "B"))
		q := warehouse.Query{Stream: "contacts", Fields: []string{"_load", "id"}, Deleted: true, Loaded: &warehouse.Loaded{To: 2}, Limit: 2}
		b.same("first page", b.reads(q), "1 2", "1 3")
		b.load(contact().Put(2, at(3), 3, "C").Put(4, at(3), 3, "C").Put(7, at(3), 3, "C")) // read already, to come, and new
		q.After, q.Loaded.From = penstock.Key{"3"}, 1
		b.same("second page", b.reads(q), "1 5", "2 1")
		q.After, q.Loaded.From = penstock.Key{"1"}, 2
		b.same("third page", b.reads(q))
		next := warehouse.Query{Stream: "contacts", Fields: []string{"_load", "id"}, Deleted: true, Loaded: &warehouse.Loaded{From: 2, To: 3}}
		b.same("the next changes", b.reads(next), "3 2", "3 4", "3 7")
	}},
	{"LoadsOfSeveralKeyColumnsGoOnInTheMiddle", func(b *bench) {
		stage := func(stamp int64, keys ...string) *Builder {
			builder := NewBatch(Stages(), text("t"))
			for _, key := range keys {
				builder.Add(Row{Key: strings.Split(key, "/"), Stamp: stamp, Values: []any{fmt.Sprint(stamp)}})
			}
			return builder
		}
		b.load(stage(1, "0-3/p/1", "0-3/p/2", "0-3/q/1", "0-5/a/1"))
		b.load(stage(2, "0-3/q/1", "0-1/z/1"))
		var got []string
		q := warehouse.Query{
			Stream: "pipeline_stages", Fields: []string{"object_type", "pipeline_id", "id", "_load"}, Limit: 1, Loaded: &warehouse.Loaded{To: 2},
		}
		for lines := b.reads(q); len(lines) > 0; lines = b.reads(q) {
			words := strings.Fields(lines[0])
			q.After, q.Loaded.From = words[:3], integer(words[3])
			got = append(got, strings.Join(words, "/"))
		}
		b.same("one by one", got, "0-3/p/1/1", "0-3/p/2/1", "0-5/a/1/1", "0-1/z/1/2", "0-3/q/1/2")
		filtered := warehouse.Query{
			Stream: "pipeline_stages", Fields: []string{"id"}, Loaded: &warehouse.Loaded{To: 2}, Filters: filters("pipeline_id", "eq", "p"), Limit: 1,
		}
		b.same("with a filter", b.reads(filtered), "1")
	}},
}

// longNumbers are apart: a warehouse may keep numbers of so many digits only.
var longNumbers = []promise{{"LongNumbersAreComparedByTheirValue", func(b *bench) {
	builder := kinds()
	for i, v := range []any{
		"1000000000000000000000000000000", "1000000000000000000000000000001", "-1000000000000000000000000000001", "9223372036854775808",
		"0.1000000000000000055511151231257827", "123456789.000000000000000001", "0.000000000000000000000000000001", "5",
		strings.Repeat("9", 400), "-" + strings.Repeat("9", 400), "0.30000000000000004", "0.3",
	} {
		builder.Put(int64(i+1), at(1), 1, nil, v)
	}
	b.load(builder)
	b.passes("2", "n", "eq", "1000000000000000000000000000001.0")
	b.passes("2 9", "n", "gt", "1000000000000000000000000000000")
	b.passes("3 10", "n", "lt", "-1000000000000000000000000000000")
	b.passes("3", "n", "le", "-1000000000000000000000000000001", "n", "gt", "-1"+strings.Repeat("0", 180))
	b.passes("1 2 4 9", "n", "gt", "9223372036854775807")
	b.passes("5", "n", "gt", "0.1", "n", "lt", "0.2")
	b.passes("5 7 11 12", "n", "gt", "0", "n", "lt", "1")
	b.passes("11", "n", "gt", "0.30000000000000003", "n", "lt", "1")
	b.passes("6", "n", "gt", "123456789", "n", "lt", "123456789.1")
	b.passes("7 8", "n", "in", "0.000000000000000000000000000001", "5.0")
}}}

// filters are filters from a column, a comparison and a value each.
func filters(words ...string) []warehouse.Filter {
	var all []warehouse.Filter
	for f := range slices.Chunk(words, 3) {
		all = append(all, warehouse.Filter{Column: f[0], Op: warehouse.Compare(f[1]), Values: f[2:]})
	}
	return all
}

// passes checks the ids of the contacts that pass filters: one that may have
// several values, or some of one value each.
func (b *bench) passes(want string, words ...string) {
	b.Helper()
	all := []warehouse.Filter{{Column: words[0], Op: warehouse.In, Values: words[2:]}}
	if words[1] != "in" {
		all = filters(words...)
	}
	got := b.reads(warehouse.Query{Stream: "contacts", Fields: []string{"id"}, Filters: all, Deleted: true})
	b.same(fmt.Sprintf("%q", words), got, strings.Fields(want)...)
}

// reads are the rows of a query, a line each.
func (b *bench) reads(q warehouse.Query) []string {
	b.Helper()
	result, err := b.store.Rows(b.Context(), q)
	if err != nil {
		b.Fatalf("rows: %v", err)
	}
	lines := []string{}
	for row, err := range result.Rows {
		if err != nil {
			b.Fatalf("rows: %v", err)
		}
		words := make([]string, len(row))
		for i, v := range row {
			words[i] = show(v)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}
