package trial_test

import (
	"context"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/sqlite"
)

// judge compares a warehouse with the account's truth, value by value.
type judge struct {
	t       *testing.T
	store   warehouse.Store
	first   warehouse.Store // whose wanted keys count: a follower has none of its own
	account *hubspotsim.Account
	unswept bool // no sweep has told what HubSpot computes, and what was erased
	wrong   int
}

// compare checks every row: that all live objects are there with every value,
// that archived and merged ones are tombstones, that exactly the links between
// live objects are there, the histories, the small families, and nothing else.
func compare(t *testing.T, path string, account *hubspotsim.Account) {
	t.Helper()
	judged(t, path, account, (*judge).everything)
}

func (j *judge) everything() {
	for _, stream := range types() {
		j.stream(stream)
	}
	for _, pair := range pairs() {
		j.links(pair)
	}
	j.histories()
	j.families()
}

// compareUnswept checks the rows of all objects, but for what only sweeps tell.
func compareUnswept(t *testing.T, path string, account *hubspotsim.Account) {
	t.Helper()
	judged(t, path, account, func(j *judge) {
		j.unswept = true
		for _, stream := range types() {
			j.stream(stream)
		}
	})
}

// compareObjects checks the rows of one stream of objects alone.
func compareObjects(t *testing.T, path string, account *hubspotsim.Account, stream string) {
	t.Helper()
	judged(t, path, account, func(j *judge) { j.stream(stream) })
}

func judged(t *testing.T, path string, account *hubspotsim.Account, judging func(*judge)) {
	t.Helper()
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	judgedOf(t, store, &judge{store: store, account: account}, judging)
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// judgedOf judges a store that somebody else closes, by the keys that the first
// warehouse of its connection wants.
func judgedOf(t *testing.T, first warehouse.Store, j *judge, judging func(*judge)) {
	t.Helper()
	j.t, j.first = t, first
	judging(j)
	if j.wrong > 0 {
		t.Errorf("%d differences in all", j.wrong)
	}
}

func (j *judge) differ(format string, args ...any) {
	j.t.Helper()
	if j.wrong++; j.wrong <= 20 {
		j.t.Errorf(format, args...)
	}
}

// table is what is known of a stream's table.
type table struct {
	name    string
	columns map[string]warehouse.Recorded // by property
	rejects map[string]string             // originals by key and property
	unknown map[string]bool               // properties whose values cannot be known yet
}

// row is a row of the warehouse by column name.
type row map[string]any

func (j *judge) stream(name string) {
	of := table{name, j.columns(name), j.rejects(name), j.unknowable(name)}
	truth, archived, merged := map[int64]hubspotsim.Object{}, map[int64]bool{}, j.account.MergedAway(name)
	wanted := j.wanted(name)
	for o := range j.account.Truth(name) {
		truth[o.ID] = o
	}
	for o := range j.account.Archived(name) {
		archived[o.ID] = true
	}
	seen, into := map[int64]bool{}, map[int64]int64{}
	for r := range j.rows(name) {
		id := r["id"].(int64)
		if seen[id] {
			j.differ("%s %d comes twice", name, id)
		}
		seen[id] = true
		o, live := truth[id]
		deleted := r["_deleted"] == int64(1) || r["_deleted"] == true
		switch {
		case live && deleted:
			j.differ("%s %d is live and the warehouse says deleted (%v)", name, id, r["_deleted_why"])
		case live:
			j.object(of, o, r)
		case !deleted && slices.Contains(j.account.Erased(name), id):
			if !wanted[id] { // gone once an hour has passed between two answers that it is not found
				j.differ("%s %d was erased, and the warehouse holds it as live and does not want it read", name, id)
			}
		case !deleted:
			j.differ("%s %d is not live and the warehouse says it is", name, id)
		case merged[id] != 0:
			into[id], _ = r["_merged_into"].(int64)
			if r["_deleted_why"] != "merged" {
				j.differ("%s %d was merged into %d and the warehouse says %v", name, id, merged[id], r["_deleted_why"])
			}
		case archived[id] && r["_deleted_why"] != "archived":
			j.differ("%s %d is archived and the warehouse says %v", name, id, r["_deleted_why"])
		}
	}
	for loser, winner := range merged {
		at := into[loser]
		for range merged { // a winner may have been merged away in its turn
			if at == winner || into[at] == 0 {
				break
			}
			at = into[at]
		}
		if at != winner {
			j.differ("%s %d lives on in %d and the warehouse says %d", name, loser, winner, into[loser])
		}
	}
	for id := range truth {
		if !seen[id] {
			j.differ("%s %d is missing", name, id)
		}
	}
	for id := range archived {
		if !seen[id] {
			j.differ("%s %d is archived and the warehouse has never heard of it", name, id)
		}
	}
	j.t.Logf("%s: %d live, %d archived, %d merged away; %d rows", name, len(truth), len(archived), len(merged), len(seen))
}

// unknowable are the properties that HubSpot computes, of whose changes a sweep
// alone tells.
func (j *judge) unknowable(stream string) map[string]bool {
	computed := map[string]bool{}
	for _, p := range j.account.Properties(stream) {
		if j.unswept && (p.Calculated || p.CalculationFormula != "" || strings.HasPrefix(p.FieldType, "calculation_")) {
			computed[p.Name] = true
		}
	}
	return computed
}

// columns are those that are read now: of a property that had another type
// before, the later one.
func (j *judge) columns(stream string) map[string]warehouse.Recorded {
	byProperty := map[string]warehouse.Recorded{}
	for _, c := range j.recorded(stream) {
		if !c.Absent {
			byProperty[c.Property] = c
		}
	}
	return byProperty
}

// recorded are all columns of a stream, those of removed properties too.
func (j *judge) recorded(stream string) []warehouse.Recorded {
	tables, err := j.store.Tables(context.Background())
	if err != nil {
		j.t.Fatal(err)
	}
	for _, table := range tables {
		if table.Stream.Name == stream {
			return table.Columns
		}
	}
	return nil
}

func (j *judge) rejects(stream string) map[string]string {
	out := map[string]string{}
	for after := ""; ; {
		rejects, next, err := j.store.Rejects(context.Background(), stream, after, 1000)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, r := range rejects {
			out[r.Key+"\x00"+r.Property] = r.Original
		}
		if next == "" {
			return out
		}
		after = next
	}
}

func (j *judge) rows(stream string) iter.Seq[row] {
	return func(yield func(row) bool) {
		result, err := j.store.Rows(context.Background(), warehouse.Query{Stream: stream, Deleted: true})
		if err != nil {
			j.t.Fatal(err)
		}
		for values, err := range result.Rows {
			if err != nil {
				j.t.Fatal(err)
			}
			r := row{}
			for i, name := range result.Columns {
				r[name] = values[i]
			}
			if !yield(r) {
				return
			}
		}
	}
}

// object compares one live object's values, and its date.
func (j *judge) object(of table, o hubspotsim.Object, r row) {
	stream, columns, rejects := of.name, of.columns, of.rejects
	if got, want := fmt.Sprint(r["_updated_at"]), o.Updated.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
		j.differ("%s %d: _updated_at is %s, not %s", stream, o.ID, got, want)
	}
	for property, column := range columns {
		want, set := o.Properties[property]
		got := r[column.Name]
		original, rejected := rejects[strconv.FormatInt(o.ID, 10)+"\x00"+property]
		switch {
		case of.unknown[property]:
		case rejected && (original != want || got != nil && column.Type != penstock.Text):
			j.differ("%s %d.%s: the reject keeps %q (value %v), the account has %q", stream, o.ID, property, original, got, want)
		case rejected:
		case !set || want == "":
			if got != nil {
				j.differ("%s %d.%s: %v, but the account has nothing", stream, o.ID, property, got)
			}
		case got == nil || !equal(column.Type, want, got):
			j.differ("%s %d.%s (%s): %#v, but the account has %q", stream, o.ID, property, column.Type, got, want)
		}
	}
	for property := range o.Properties {
		if _, known := columns[property]; !known {
			j.differ("%s %d.%s has no column", stream, o.ID, property)
			return
		}
	}
}

// equal compares a value as the account has it with one as the warehouse
// keeps it, by their meaning.
func equal(kind penstock.Type, want string, got any) bool {
	text := fmt.Sprint(got)
	if f, ok := got.(float64); ok {
		text = strconv.FormatFloat(f, 'g', -1, 64)
	}
	switch kind {
	case penstock.Number:
		a, aOK := new(big.Rat).SetString(strings.TrimPrefix(want, "+"))
		b, bOK := new(big.Rat).SetString(text)
		return aOK && bOK && a.Cmp(b) == 0
	case penstock.Bool:
		truth := map[string]bool{"true": true, "yes": true, "1": true}[strings.ToLower(want)]
		return text == "1" == truth || text == strconv.FormatBool(truth)
	case penstock.Date, penstock.DateTime:
		a, aOK := moment(want)
		b, bOK := moment(text)
		return aOK && bOK && a.Equal(b)
	}
	return text == want
}

func moment(text string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}
