package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/warehouse/warehousetest"
)

// deals fills the table deals: a column of each kind, one with a name that is
// not HubSpot's, and one whose property has changed its type.
func (w *world) deals() {
	w.Helper()
	stream := penstock.Stream{Name: "deals", Family: penstock.Objects, ObjectType: "0-3"}
	columns := []penstock.Column{
		{Property: "DealName", Type: penstock.Text}, {Property: "amount", Type: penstock.Number}, {Property: "open", Type: penstock.Bool},
		{Property: "closes", Type: penstock.Date}, {Property: "seen", Type: penstock.DateTime},
	}
	at := moment().UnixMilli()
	w.load(warehousetest.NewBatch(stream, columns...).
		Put(1, at, 1, `Smith, "Sons" & Co`, "100", true, int64(20_000), at).
		Put(2, at, 1, "b", "99.99", false, int64(20_001), at+1).
		Put(3, at, 1, "B", "9007199254740993", nil, nil, nil).
		Put(4, at, 1, nil, "0.1", true, nil, nil).
		Bury(5, at, 1, 1))
}

func (w *world) ids(query string, pairs ...string) []int {
	w.Helper()
	values := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		values.Add(pair[0], pair[1])
	}
	var ids []int
	for _, item := range get[api.RowPage](w, query+"&"+values.Encode()).Items {
		ids = append(ids, int(item["id"].(float64)))
	}
	return ids
}

func TestFiltersKeepTheRowsThatPassThemAll(t *testing.T) {
	w := setup(t, "")
	w.deals()
	for _, c := range []struct {
		want  []int
		query []string
	}{
		{[]int{2}, []string{"filter[DealName][eq]", "b"}}, {[]int{2}, []string{"filter[dealname][eq]", "b"}},
		{[]int{1, 3}, []string{"filter[DealName][ne]", "b"}}, {[]int{1, 3}, []string{"filter[amount][ge]", "100.00"}},
		{[]int{3}, []string{"filter[amount][gt]", "9007199254740992"}}, {[]int{4}, []string{"filter[amount][lt]", "1"}},
		{[]int{2, 4}, []string{"filter[amount][le]", "99.99"}}, {[]int{1, 4}, []string{"filter[open][eq]", "true"}},
		{[]int{3}, []string{"filter[open][null]", "true"}}, {[]int{1, 2, 4}, []string{"filter[open][null]", "false"}},
		{[]int{2}, []string{"filter[closes][gt]", "2024-10-04"}}, {[]int{2}, []string{"filter[seen][gt]", "2026-11-21T13:00:00+01:00"}},
		{[]int{1, 2}, []string{"filter[DealName][in]", `b,"Smith, ""Sons"" & Co"`}}, {[]int{1, 4}, []string{"filter[amount][in]", "0.10,100"}},
		{[]int{2}, []string{"filter[amount][ge]", "1", "filter[amount][lt]", "100"}}, {nil, []string{"filter[DealName][eq]", "' OR 1=1 --"}},
		{[]int{2, 3}, []string{"filter[id][in]", "2,3"}}, {[]int{5}, []string{"filter[_deleted][eq]", "true", "deleted", "true"}},
		{[]int{3}, []string{"filter[amount][ge]", "1", "filter[amount][ge]", "1000"}},
	} {
		if got := w.ids("/data/deals?fields=id", c.query...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.query, got, c.want)
		}
		if got := w.ids(v1+"/rows/deals?limit=1000", c.query...); !slices.Equal(got, c.want) {
			t.Errorf("%q under /v1: %v, want %v", c.query, got, c.want)
		}
	}
}

func TestAFilterSeesTheColumnThatHubSpotsPropertyHasNow(t *testing.T) {
	w := setup(t, "")
	column := func(kind penstock.Type) penstock.Column { return penstock.Column{Property: "Size", Type: kind} }
	w.load(warehousetest.NewBatch(warehousetest.Contacts(), column(penstock.Text)).Put(1, 1, 1, "large"))
	w.load(warehousetest.NewBatch(warehousetest.Contacts(), column(penstock.Number)).Put(2, 2, 2, "5"))
	if got := w.ids("/data/contacts?fields=id", "filter[Size][ge]", "5"); !slices.Equal(got, []int{2}) {
		t.Errorf("as a number: %v", got)
	}
	if got := w.ids("/data/contacts?fields=id", "filter[size][eq]", "large"); !slices.Equal(got, []int{1}) {
		t.Errorf("by the name of the older column: %v", got)
	}
}

func TestAFilterThatIsNotPossibleIsRefusedWithTheNearest(t *testing.T) {
	w := setup(t, "")
	w.deals()
	for _, c := range []struct{ kind, say, key, value string }{
		{"unknown-field", `"amount"`, "filter[amuont][ge]", "1"}, {"unknown-field", `"dealname"`, "filter[Deal_Name][eq]", "b"},
		{"unknown-field", "no such column", "filter[_stamp][eq]", "1"}, {"unknown-field", "no such column", "filter[x'; drop table deals][eq]", "1"},
		{"bad-filter", "comparisons are", "filter[amount][like]", "1"}, {"bad-filter", "decimal", "filter[amount][ge]", "many"},
		{"bad-filter", "decimal", "filter[amount][in]", "1,"}, {"bad-filter", "whole number", "filter[id][eq]", "1.5"},
		{"bad-filter", "date", "filter[closes][eq]", "soon"}, {"bad-filter", "moment", "filter[seen][eq]", "2026-11-21"},
		{"bad-filter", "is not a filter", "filter[amount]", "1"}, {"bad-filter", "is not a filter", "filter[][eq]", "1"},
		{"bad-filter", `"`, "filter[DealName][in]", `"open`}, {"bad-filter", "line break", "filter[DealName][in]", "a\nb"},
		{"bad-filter", "1000 values", "filter[DealName][in]", strings.Repeat(",", 1000)}, {"invalid-request", "filters", "filters[amount][ge]", "1"},
		{"unknown-field", `"amount"`, "fields", "amountt"},
	} {
		response, text := w.ask("GET", "/data/deals?"+url.Values{c.key: {c.value}}.Encode(), "")
		w.problem(response, text, c.kind)
		var p api.Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil || !strings.Contains(p.Detail, c.say) {
			t.Errorf("%s=%s is answered with %q, without %s", c.key, c.value, p.Detail, c.say)
		}
	}
	many := url.Values{}
	for i := range 51 {
		many.Add("filter[amount][ge]", fmt.Sprint(i))
	}
	response, text := w.ask("GET", "/data/deals?"+many.Encode(), "")
	w.problem(response, text, "bad-filter")
}

func TestPagesOfAFilterGoOn(t *testing.T) {
	w := setup(t, "")
	w.contacts(slices.Repeat([]string{"a", "b", "c"}, 20)...)
	var ids []int
	for after, first := "", true; first || after != ""; first = false {
		page := get[api.RowPage](w, "/data/contacts?fields=note,id&limit=7&filter%5Bnote%5D%5Beq%5D=b&after="+after)
		for _, item := range page.Items {
			ids = append(ids, int(item["id"].(float64)))
		}
		after = page.Next
	}
	if len(ids) != 20 || ids[0] != 2 || ids[19] != 59 || !slices.IsSorted(ids) {
		t.Errorf("%v, want every third row from 2 on", ids)
	}
}

func TestTheDescriptionTellsOfFiltersAndFormats(t *testing.T) {
	w := setup(t, "")
	var described struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name, Style string
					Schema      map[string]any
				}
				Responses map[string]struct{ Headers, Content map[string]any }
			}
		}
	}
	_, text := w.ask("GET", "/openapi.json", "")
	if err := json.Unmarshal([]byte(text), &described); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/data/{stream}", "/v1/connections/{connection}/rows/{stream}"} {
		get := described.Paths[path].Get
		found := map[string]bool{}
		for _, p := range get.Parameters {
			found[p.Name] = p.Name != "filter" || p.Style == "deepObject" && strings.Contains(fmt.Sprint(p.Schema), "separated by commas")
		}
		answer := get.Responses["200"]
		if !found["filter"] || !found["changed_since"] || answer.Content[parquetType] == nil || answer.Content[arrowType] == nil ||
			answer.Headers["Penstock-Changes"] == nil {
			t.Errorf("%s is described as %+v", path, get)
		}
	}
}

// FuzzAnyQueryIsAnsweredOrRefused: whatever is sent as filter, place or token, no
// query reaches the warehouse that it cannot answer.
func FuzzAnyQueryIsAnsweredOrRefused(f *testing.F) {
	for _, seed := range [][4]string{
		{"amount", "ge", "1", ""}, {"DealName", "in", `a,"b,c"`, "0"}, {"open", "null", "true", "WyJjaGFuZ2VzIG9mIGRlZmF1bHQgZGVhbHMiLCIxIiwiIl0"},
		{"a][eq", "]", "\x00", "WyJyb3dzIG9mIGRlYWxzIiwiMSIsIiIsIjEiXQ"}, {"closes", "lt", "0000-01-01", "-1"}, {"seen", "gt", "9999-12-31T23:59:59+23:59", "\xff"},
		{"id", "in", "9223372036854775807,-9223372036854775808", ""}, {"amount", "lt", strings.Repeat("9", 200), ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, name, op, value, token string) {
		w := setup(t, "")
		w.deals()
		term := url.Values{"filter[" + name + "][" + op + "]": {value}}.Encode()
		for _, query := range []string{term, "changed_since=" + url.QueryEscape(token), "after=" + url.QueryEscape(token), term + "&changed_since=0&after=" + url.QueryEscape(token)} {
			response, text := w.ask("GET", "/data/deals?"+query, "")
			if response.StatusCode >= 500 || !json.Valid([]byte(text)) {
				t.Errorf("%s is answered with %s %s", query, response.Status, text)
			}
		}
	})
}
