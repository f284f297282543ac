package shape_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/shape"
)

// The naive way: maps, package time, rational numbers.
type naiveObject struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	CreatedAt  string             `json:"createdAt"`
	UpdatedAt  string             `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	ArchivedAt string             `json:"archivedAt"`
}

// naive makes of a page what Objects should make of it. The lists are of
// texts, so that they compare.
func naive(t *rapid.T, table penstock.Table, body string) (rows []row, rejects []string) {
	var page struct {
		Results []naiveObject `json:"results"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, o := range page.Results {
		if n, err := strconv.ParseInt(o.ID, 10, 64); err != nil || n <= 0 || strconv.FormatInt(n, 10) != o.ID {
			rejects = append(rejects, o.ID+"  ")
			continue
		}
		cells := put(o.ID, naiveVersion(o.UpdatedAt), nil)
		if at, ok := naiveMoment(o.CreatedAt); ok {
			cells["s:created"] = at
		}
		if at, ok := naiveMoment(o.ArchivedAt); ok && o.Archived {
			cells["s:deleted"] = at
		}
		if o.Archived {
			cells["s:why"] = "archived"
		}
		for _, c := range table.Columns {
			text := o.Properties[c.Property]
			if text == nil || *text == "" {
				continue
			}
			if value, ok := naiveValue(c.Type, *text); ok {
				cells["p:"+c.Property] = value
			} else {
				rejects = append(rejects, o.ID+" "+c.Property+" "+*text)
			}
		}
		rows = append(rows, cells)
		rows = append(rows, naiveTombstones(o, cells["s:updated"])...)
	}
	return rows, rejects
}

func naiveVersion(updatedAt string) string {
	at, err := time.Parse(time.RFC3339Nano, updatedAt)
	if err != nil || at.After(answered().Add(999*time.Millisecond)) {
		at = answered()
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func naiveTombstones(o naiveObject, updated string) (rows []row) {
	merged := o.Properties["hs_merged_object_ids"]
	if merged == nil {
		return nil
	}
	losers := map[int]bool{}
	for _, id := range strings.Split(*merged, ";") {
		if n, err := strconv.Atoi(id); err == nil && n > 0 && id != o.ID {
			losers[n] = true
		}
	}
	var ids []int
	for id := range losers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		rows = append(rows, put(strconv.Itoa(id), updated, row{"s:op": "2", "s:why": "merged", "s:merged_into": o.ID}))
	}
	return rows
}

func naiveMoment(text string) (string, bool) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if ms, bad := strconv.ParseInt(text, 10, 64); bad == nil {
		at, err = time.UnixMilli(ms), nil
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z"), err == nil
}

func naiveValue(kind penstock.Type, text string) (string, bool) {
	switch kind {
	case penstock.Number:
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return "", false
		}
		places, _ := r.FloatPrec()
		return r.FloatString(places), true
	case penstock.Bool:
		v, err := strconv.ParseBool(text)
		return fmt.Sprint(v), err == nil
	case penstock.Date:
		at, err := time.Parse("2006-01-02", text)
		return at.Format("2006-01-02"), err == nil
	case penstock.DateTime:
		return naiveMoment(text)
	}
	return text, true
}

// generated draws a table and a page of its objects. Values are of the
// column's type, of another's, or hostile; names come in any order.
func generated(t *rapid.T) (penstock.Table, string) {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c\"d", "é", "email", "hs_object_id", "hs_merged_object_ids", "x\\y", "z z"}), 1, 9, rapid.ID).Draw(t, "names")
	types := rapid.SliceOfN(rapid.SampledFrom([]string{"string", "number", "bool", "date", "datetime"}), len(names), len(names)).Draw(t, "types")
	var pairs []string
	for i, name := range names {
		if name == "hs_merged_object_ids" {
			types[i] = "string"
		}
		pairs = append(pairs, name, types[i])
	}
	value := rapid.OneOf(
		rapid.SampledFrom([]string{"null", `""`, `"true"`, `"False"`, `"1"`, `"1;2;3;4;x"`, `"-12.50"`, `"+7e3"`, `"0.000"`, `"134;137"`, `"2024-02-29"`, `"2023-02-29"`,
			`"2024-02-29T01:02:03.456Z"`, `"2024-02-29T01:02:03+02:00"`, `"1700000000000"`, `"eight by\u00eet\"es\\"`, `"\ud83d\ude00"`}),
		rapid.Map(rapid.StringN(0, 30, -1), func(s string) string { return inJSON("!" + s) }))
	text := rapid.SampledFrom([]string{"", "soon", "2024-02-29T01:02:03.456Z", "2026-01-02T03:04:05.999Z", "2026-01-02T03:04:06Z"})
	var objects []string
	for range rapid.IntRange(0, 8).Draw(t, "objects") {
		members := []string{`"other" : "x"`}
		for _, name := range names {
			members = append(members, inJSON(name)+": "+value.Draw(t, "value"))
		}
		members = rapid.Permutation(members).Draw(t, "order")
		parts := []string{
			`"id":` + rapid.SampledFrom([]string{`"1"`, `"2"`, `"35"`, `"9223372036854775807"`, `"0"`, `"-3"`, `"x"`, `""`}).Draw(t, "id"),
			`"properties" : {` + strings.Join(members, ",\n ") + `}`,
			`"updatedAt":"` + text.Draw(t, "updated") + `"`, `"createdAt":"` + text.Draw(t, "created") + `"`,
			`"archived":` + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "archived"), `"archivedAt":"` + text.Draw(t, "archived at") + `"`,
			`"associations":{"companies":{"results":[{"id":"1","type":"contact_to_company"}]}}`,
		}
		objects = append(objects, `{`+strings.Join(rapid.Permutation(parts).Draw(t, "parts"), ", ")+`}`)
	}
	return tableOf(pairs...), `{ "paging":{"next":{"after":"4"}}, "results" : [` + strings.Join(objects, ",") + ` ] }`
}

func inJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestPagesBecomeWhatTheNaiveWayMakesOfThem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table, body := generated(rt)
		b := shape.NewBuilder(table)
		if _, err := b.Objects(pageOf(body), penstock.ByList); err != nil {
			rt.Fatalf("%s: %v", body, err)
		}
		rows, built := flush(t, b, table)
		wantRows, wantRejects := naive(rt, table, body)
		if !reflect.DeepEqual(rows, wantRows) {
			rt.Fatalf("%s\nrows\n%q\nnot\n%q", body, rows, wantRows)
		}
		var rejects []string
		for _, r := range built.Rejects {
			if r.Property == "" {
				r.Original = ""
			}
			rejects = append(rejects, r.Key+" "+r.Property+" "+r.Original)
		}
		slices.Sort(rejects)
		slices.Sort(wantRejects)
		if !slices.Equal(rejects, wantRejects) {
			rt.Fatalf("%s\nrejects\n%q\nnot\n%q", body, rejects, wantRejects)
		}
		if c := built.Counts; len(rows) != c.Fetched-c.Rejected+c.Buried || c.Rejected+c.Values != len(rejects) {
			rt.Fatalf("%s\n%d rows, counts %+v", body, len(rows), c)
		}
	})
}

func FuzzAPageIsTakenWholeOrNotAtAll(f *testing.F) {
	for _, h := range histories {
		f.Add([]byte(`{"results":[` + h.objects + `]}`))
	}
	f.Add([]byte(`{"results":[{"id":"1","properties":{"name":"a","vip":"true"`))
	f.Add([]byte(`{"results":[{"id":"1","properties":{"name":"a\ud83d"}},{"id":"2"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		table := tableOf("vip", "bool", "amount", "number", "name", "string", "seen", "datetime", "born", "date")
		const first = `{"id":"1","properties":{"vip":"true","amount":"1","name":"a","seen":"0","born":"2020-01-01"},` + then + `}`
		var left [2][]row
		var built [2]shape.Built
		var err error
		for i := range 2 {
			b := shape.NewBuilder(table)
			objects(t, b, first)
			if i == 1 {
				_, err = b.Objects(pageOf(string(body)), penstock.ByList)
			}
			built[i] = b.Flush()
			left[i] = rowsOf(t, built[i].Records)
			release(built[i])
			built[i].Records = nil
		}
		switch {
		case err != nil && (!reflect.DeepEqual(left[0], left[1]) || !reflect.DeepEqual(built[0], built[1])):
			t.Fatalf("%q: %v, but left %v and %+v", body, err, left[1], built[1])
		case err == nil && !reflect.DeepEqual(left[0][0], left[1][0]):
			t.Fatalf("%q: changed the row before it to %v", body, left[1][0])
		case err == nil && len(left[1]) != built[1].Counts.Fetched-built[1].Counts.Rejected+built[1].Counts.Buried:
			t.Fatalf("%q: %d rows, counts %+v", body, len(left[1]), built[1].Counts)
		}
	})
}
