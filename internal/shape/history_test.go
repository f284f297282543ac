package shape_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/shape"
)

func past() penstock.Stream {
	return penstock.Stream{Name: "contacts_history", Family: penstock.PropertyHistory, ObjectType: "0-1", Of: "contacts", Properties: []string{"email"}}
}

// pastOf is what becomes of a page of histories.
func pastOf(t testing.TB, body string) (ids []string, rows []row, built shape.Built) {
	t.Helper()
	table := shape.HistoryTable(past())
	b := shape.NewBuilder(table)
	ids, versions, err := b.History(pageOf(body))
	if err != nil {
		t.Fatal(err)
	}
	whole(versions)
	rows, built = flush(t, b, table)
	return ids, rows, built
}

// versionRow is a row of history of the record 9.
func versionRow(property, at, n string, more row) row {
	cells := byID(more)
	delete(cells, "k:id")
	cells["k:id"], cells["k:property"], cells["k:at"], cells["k:n"], cells["s:updated"] = "9", property, at, n, at
	return cells
}

func TestEachVersionOfAPropertyIsARow(t *testing.T) {
	ids, rows, built := pastOf(t, `{"results":[{"id":"9","properties":{"x":"y"},"propertiesWithHistory":{"email":[
		{"value":"new@example.com","timestamp":"2023-06-28T13:55:47.572Z","sourceType":"CRM_UI","sourceId":"userId:7","sourceLabel":"Ann","updatedByUserId":7},
		{"value":"","timestamp":"2023-06-28T15:55:47+02:00","sourceType":"API"}],"city":[{"value":null,"timestamp":1687960547572}],"none":[],"null":null}},
		{"id":"10"}],"errors":[]}`)
	want := []row{
		versionRow("email", "2023-06-28T13:55:47.000Z", "0", row{"p:source_type": "API"}),
		versionRow("email", "2023-06-28T13:55:47.572Z", "0", row{"p:value": "new@example.com", "p:source_type": "CRM_UI",
			"p:source_id": "userId:7", "p:source_label": "Ann", "p:user": "7"}),
		versionRow("city", "2023-06-28T13:55:47.572Z", "0", nil),
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%v\nnot\n%v", rows, want)
	}
	if !slices.Equal(ids, []string{"9", "10"}) || built.Counts != (penstock.Counts{Fetched: 3}) || len(built.Rejects) != 0 {
		t.Errorf("ids %v, %+v", ids, built)
	}
}

func TestVersionsOfOneMillisecondHaveTheSameNumbersInAnyOrder(t *testing.T) {
	versions := []string{
		`{"value":"b","timestamp":"2023-06-28T13:55:47.5Z","sourceType":"API"}`, `{"value":"a","timestamp":"2023-06-28T13:55:47.500Z","sourceType":"IMPORT"}`,
		`{"value":"a","timestamp":"2023-06-28T13:55:47.500Z","sourceType":"API"}`, `{"value":"z","timestamp":"2023-06-28T13:55:46.500Z"}`,
	}
	page := func() string {
		return `{"results":[{"id":"9","propertiesWithHistory":{"email":[` + strings.Join(versions, ",") + `]}}]}`
	}
	_, first, _ := pastOf(t, page())
	var keys []string
	for _, r := range first {
		keys = append(keys, r["p:value"]+r["p:source_type"]+r["k:n"])
	}
	if want := []string{"z0", "aAPI0", "aIMPORT1", "bAPI2"}; !slices.Equal(keys, want) {
		t.Errorf("%v, not %v", keys, want)
	}
	slices.Reverse(versions)
	if _, again, _ := pastOf(t, page()); !reflect.DeepEqual(first, again) {
		t.Errorf("read again they are\n%v\nnot\n%v", again, first)
	}
}

func TestVersionsThatCannotBeDatedAreRejects(t *testing.T) {
	for _, one := range []string{
		`{"value":"x"}`, `{"value":"x","timestamp":null}`, `{"value":"x","timestamp":"yesterday"}`, `{"value":"x","timestamp":{}}`, `7`, `null`, `[]`,
		`{"timestamp":"0000-01-01T00:00:00Z"}`, `{"timestamp":"2023-01-01T00:00:00Z","timestamp":""}`,
	} {
		_, rows, built := pastOf(t, `{"results":[{"propertiesWithHistory":{"email":[{"value":"kept","timestamp":"2023-01-01T00:00:00Z"},`+one+`]},"id":9}]}`)
		want := penstock.Reject{Key: "9", Property: "email", Original: one, Reason: "the version has no timestamp that can be read", At: answered().UnixMilli()}
		if len(rows) != 1 || rows[0]["p:value"] != "kept" || len(built.Rejects) != 1 || built.Rejects[0] != want ||
			built.Counts != (penstock.Counts{Fetched: 2, Rejected: 1}) {
			t.Errorf("%s: rows %v, %+v", one, rows, built)
		}
	}
}

func TestWhatIsNoHistoryIsAReject(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"x","propertiesWithHistory":{"email":[{"timestamp":"2023-01-01T00:00:00Z"}]}}`: "x/",
		`{"propertiesWithHistory":{"email":[]}}`:                                              "/",
		`null`:                                                                                "/",
		`{"id":"9","propertiesWithHistory":{"email":"no"}}`:                                   "9/email",
	} {
		_, rows, built := pastOf(t, `{"results":[`+body+`]}`)
		if len(rows) != 0 || len(built.Rejects) != 1 || built.Rejects[0].Key+"/"+built.Rejects[0].Property != want {
			t.Errorf("%s: rows %v, rejects %+v", body, rows, built.Rejects)
		}
	}
}

// What a page says is in rows and rejects, whatever it is, and a page that is
// malformed leaves nothing.
func FuzzHistoriesAreRowsOrRejects(f *testing.F) {
	for _, body := range []string{
		`{"results":[{"id":"9","propertiesWithHistory":{"email":[{"value":"a","timestamp":"2023-01-01T00:00:00Z","sourceId":"\ud800","updatedByUserId":1.5}]}}]}`,
		`{"results":[{"id":"9","propertiesWithHistory":{"":[null,[],{"timestamp":1}],"\u0061":{}}},7,{"id":{}}]}`, `{"results":[{"id":"9","propertiesWithHistory":[]}]}`,
		`{"results":[{"id":"9","propertiesWithHistory":{"a":[{"timestamp":1},{"timestamp":1}`, "{\"results\":[{\"id\":\"9\",\"propertiesWithHistory\":{\"a\xff\":[{\"value\":\"\xff\",\"timestamp\":5}]}}]}",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		table := shape.HistoryTable(past())
		b := shape.NewBuilder(table)
		ids, versions, err := b.History(pageOf(body))
		steps := 0
		if err == nil {
			steps = whole(versions)
		}
		rows, built := flush(t, b, table)
		if err != nil && (len(ids) > 0 || len(rows) > 0 || len(built.Rejects) > 0) {
			t.Fatalf("%q is malformed and leaves %v, %+v", body, rows, built)
		}
		if built.Counts.Fetched != steps || len(rows)+built.Counts.Rejected != steps || len(built.Rejects) != built.Counts.Rejected+built.Counts.Values {
			t.Fatalf("%q: %d steps, %d rows, %+v", body, steps, len(rows), built)
		}
	})
}
