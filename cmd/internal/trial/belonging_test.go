package trial_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// types are the types of objects of the trials, and pairs those of them that
// are associated.
func types() []string { return []string{"contacts", "companies", "deals"} }

func pairs() []string { return []string{"contacts_companies", "contacts_deals", "companies_deals"} }

// histories are the properties whose former values are kept.
func histories() []string { return []string{"deals.dealstage", "deals.dealname"} }

// wanted are the keys of a stream that are to be read again, now or in an hour.
func (j *judge) wanted(stream string) map[int64]bool {
	all, err := j.first.Wanted(context.Background(), stream, time.Now().Add(24*time.Hour), 100_000, "")
	if err != nil {
		j.t.Fatal(err)
	}
	keys := map[int64]bool{}
	for _, w := range all {
		if id, err := strconv.ParseInt(w.Key, 10, 64); err == nil {
			keys[id] = true
		}
	}
	return keys
}

// same compares two sets of rows, each written as one text.
func (j *judge) same(what string, want, got map[string]bool) {
	for row := range want {
		if !got[row] {
			j.differ("%s: %s is missing", what, row)
		}
	}
	for row := range got {
		if !want[row] {
			j.differ("%s: the warehouse has %s and the account has not", what, row)
		}
	}
	j.t.Logf("%s: %d rows", what, len(want))
}

// live are the rows of a stream that are not tombstones, each as the text of
// its columns.
func (j *judge) live(stream string, columns ...string) map[string]bool {
	rows := map[string]bool{}
	for r := range j.rows(stream) {
		if r["_deleted"] == int64(0) || r["_deleted"] == false {
			row := text(r, columns)
			if rows[row] {
				j.differ("%s: %s comes twice", stream, row)
			}
			rows[row] = true
		}
	}
	return rows
}

func text(r row, columns []string) string {
	parts := make([]string, len(columns))
	for i, name := range columns {
		if r[name] != nil {
			parts[i] = fmt.Sprint(r[name])
		}
	}
	return strings.Join(parts, " | ")
}

func joined(parts ...any) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = fmt.Sprint(part)
	}
	return strings.Join(texts, " | ")
}

// links compares the associations of a pair with all their labels.
func (j *judge) links(pair string) {
	from, to, _ := strings.Cut(pair, "_")
	want := map[string]bool{}
	for l := range j.account.TrueLinks(from, to) {
		want[joined(l.From, l.To, l.TypeID, l.Category, l.Label)] = true
	}
	j.same(pair, want, j.live(pair, "from_id", "to_id", "type_id", "category", "label"))
}

// histories compares the former values of the chosen properties of every live
// object.
func (j *judge) histories() {
	want := map[string]bool{}
	isLive := map[int64]bool{}
	for o := range j.account.Truth("deals") {
		isLive[o.ID] = true
		for _, name := range histories() {
			_, property, _ := strings.Cut(name, ".")
			for _, x := range j.account.TrueHistory("deals", o.ID, property) {
				want[joined(o.ID, property, x.At.UTC().Format("2006-01-02T15:04:05.000Z"), x.Value, x.SourceType)] = true
			}
		}
	}
	got := map[string]bool{}
	columns := []string{"id", "property", "at", "value", "source_type"}
	for r := range j.rows("deals_history") {
		if id, _ := r["id"].(int64); isLive[id] && (r["_deleted"] == int64(0) || r["_deleted"] == false) {
			got[text(r, columns)] = true
		}
	}
	j.same("deals_history", want, got)
}

// families compares what is read whole: owners, pipelines and their stages.
func (j *judge) families() {
	owners := map[string]bool{}
	for _, o := range j.account.Owners() {
		if !o.Archived {
			owners[joined(o.ID, o.Email, o.LastName)] = true
		}
	}
	j.same("owners", owners, j.live("owners", "id", "email", "last_name"))
	pipelines, stages := map[string]bool{}, map[string]bool{}
	for _, p := range j.account.Pipelines("deals") {
		pipelines[joined("deals", p.ID, p.Label)] = true
		for _, s := range p.Stages {
			stages[joined("deals", p.ID, s.ID, s.Label)] = true
		}
	}
	ofDeals := func(row string) bool { return !strings.HasPrefix(row, "deals | ") }
	j.same("pipelines", pipelines, without(j.live("pipelines", "object_type", "id", "label"), ofDeals))
	j.same("pipeline_stages", stages, without(j.live("pipeline_stages", "object_type", "pipeline_id", "id", "label"), ofDeals))
}

func without(rows map[string]bool, left func(string) bool) map[string]bool {
	for row := range rows {
		if left(row) {
			delete(rows, row)
		}
	}
	return rows
}
