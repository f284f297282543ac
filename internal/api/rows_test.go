package api_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

const (
	jsonType  = "application/json"
	linesType = "application/x-ndjson"
	csvType   = "text/csv"

	parquetType = "application/vnd.apache.parquet"
	arrowType   = "application/vnd.apache.arrow.stream"
)

func many(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("contact-%06d@example.com", i+1)
	}
	return values
}

func TestPagesHoldEveryRowOnceInKeyOrder(t *testing.T) {
	w := setup(t, "")
	w.contacts(many(7)...)
	var stages []warehousetest.Row
	for i := range 7 {
		stages = append(stages, warehousetest.Row{
			Key: penstock.Key{"0-3", `p"[,é`, fmt.Sprint(i)}, Stamp: 1, Values: []any{fmt.Sprint("stage ", i)},
		})
	}
	w.load(warehousetest.NewBatch(warehousetest.Stages(), penstock.Column{Property: "label", Type: penstock.Text}).Add(stages...))
	for _, stream := range []string{"contacts", "pipeline_stages"} {
		for _, limit := range []int{1, 2, 3, 6, 7, 8} {
			for _, fields := range []string{"", "_load", "id"} {
				var count, pages int
				for after := ""; pages == 0 || after != ""; pages++ {
					page := get[api.RowPage](w, fmt.Sprintf("/data/%s?limit=%d&fields=%s&after=%s", stream, limit, fields, after))
					if len(page.Items) > limit || (page.Next != "" && len(page.Items) != limit) {
						t.Errorf("%s by %d: a page of %d", stream, limit, len(page.Items))
					}
					count += len(page.Items)
					after = page.Next
				}
				if want := (7 + limit - 1) / limit; count != 7 || pages != want {
					t.Errorf("%s by %d (%s): %d rows in %d pages, want 7 in %d", stream, limit, fields, count, pages, want)
				}
			}
		}
	}
}

func TestLinesAndCSVHoldAllRowsWithoutALimit(t *testing.T) {
	w := setup(t, "")
	notes := many(2500)
	w.contacts(notes...)
	response, text := w.ask("GET", "/data/contacts?fields=note", "", "Accept", linesType)
	var found []string
	for line := range strings.Lines(text) {
		var row map[string]string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		found = append(found, row["note"])
	}
	if !slices.Equal(found, notes) || response.Header.Get("Content-Type") != linesType {
		t.Errorf("%d lines of %s, want %d", len(found), response.Header.Get("Content-Type"), len(notes))
	}
	_, text = w.ask("GET", "/data/contacts?fields=note,id", "", "Accept", csvType)
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) != 2501 || !slices.Equal(records[0], []string{"note", "id"}) ||
		!slices.Equal(records[2500], []string{notes[2499], "2500"}) {
		t.Errorf("%d records of CSV (%v), the last is %q", len(records), err, records[len(records)-1])
	}
}

func TestAPageOfLinesLinksToTheNext(t *testing.T) {
	w := setup(t, "")
	w.contacts(many(5)...)
	var pages []string
	for at := "/data/contacts?fields=id&limit=2"; at != ""; {
		response, text := w.ask("GET", at, "", "Accept", linesType)
		pages = append(pages, text)
		link, rel, _ := strings.Cut(response.Header.Get("Link"), "; ")
		at = strings.Trim(link, "<>")
		if at != "" && rel != `rel="next"` {
			t.Fatalf("Link: %s", response.Header.Get("Link"))
		}
	}
	want := []string{"{\"id\":1}\n{\"id\":2}\n", "{\"id\":3}\n{\"id\":4}\n", "{\"id\":5}\n"}
	if !slices.Equal(pages, want) {
		t.Errorf("%q, want %q", pages, want)
	}
}

func TestTheFormatIsTheOneThatIsAccepted(t *testing.T) {
	w := setup(t, "")
	w.contacts("a")
	for accept, want := range map[string]string{
		"": jsonType, "*/*": jsonType, "text/html,application/xhtml+xml,*/*;q=0.8": jsonType, "application/json": jsonType,
		"text/csv;q=0.5, application/x-ndjson": linesType, "TEXT/CSV": csvType + "; charset=utf-8; header=present",
		"text/html, text/csv": csvType + "; charset=utf-8; header=present", "image/png": "application/problem+json",
	} {
		response, text := w.ask("GET", "/data/contacts", "", "Accept", accept)
		if got := response.Header.Get("Content-Type"); got != want {
			t.Errorf("%s is answered with %s: %s", accept, got, text)
		}
	}
}

func TestASpreadsheetTakesNoTextForAFormula(t *testing.T) {
	w := setup(t, "")
	w.contacts("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "a=b", `"=1"`, "")
	_, text := w.ask("GET", "/data/contacts?fields=note,amount,_merged_into", "", "Accept", csvType)
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var notes []string
	for _, r := range records[1:] {
		notes = append(notes, r[0])
		if r[1] != tiny || r[2] != "" {
			t.Errorf("%q: a number is changed, or nothing is something", r)
		}
	}
	want := []string{"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "plain", "a=b", `"=1"`, ""}
	if !slices.Equal(notes, want) {
		t.Errorf("%q, want %q", notes, want)
	}
}

func TestTombstonesAreAnsweredOnlyWhenAskedFor(t *testing.T) {
	w := setup(t, "")
	w.load(warehousetest.NewBatch(warehousetest.Contacts()).Put(1, 1, 1).Bury(2, 1, 1, 1))
	if live := get[api.RowPage](w, "/data/contacts"); len(live.Items) != 1 {
		t.Errorf("%d rows are live, want 1", len(live.Items))
	}
	all := get[api.RowPage](w, "/data/contacts?deleted=true").Items
	if len(all) != 2 || all[1]["_deleted_why"] != "merged" || all[1]["_merged_into"] != 1.0 {
		t.Errorf("with tombstones: %v", all)
	}
}

func TestTextAndWholeNumbersArriveExactly(t *testing.T) {
	w := setup(t, "")
	const hostile = "0123 \"quote\" <b> \u2028 😀 \\ \x00 end"
	w.load(warehousetest.NewBatch(warehousetest.Contacts(),
		penstock.Column{Property: "note", Type: penstock.Text}, penstock.Column{Property: "amount", Type: penstock.Number}).
		Put(9007199254740993, 1, 1, hostile, "123456789.000000000000000001"))
	_, text := w.ask("GET", "/data/contacts?fields=id,note,amount", "")
	var page struct {
		Items []struct {
			ID           int64
			Note, Amount string
		}
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Items) != 1 ||
		page.Items[0].ID != 9007199254740993 || page.Items[0].Note != hostile || page.Items[0].Amount != "123456789.000000000000000001" {
		t.Errorf("%v: %s", err, text)
	}
}

func TestALargePageEndsEarlyAndGoesOn(t *testing.T) {
	w := setup(t, "")
	w.contacts(slices.Repeat([]string{strings.Repeat("x", 3<<20)}, 5)...)
	var sizes []int
	for after, first := "", true; first || after != ""; first = false {
		page := get[api.RowPage](w, "/data/contacts?limit=1000&fields=id,note&after="+after)
		sizes = append(sizes, len(page.Items))
		after = page.Next
	}
	if !slices.Equal(sizes, []int{3, 2}) {
		t.Errorf("pages of %v rows, want 3 and 2", sizes)
	}
}

func TestAFirstPageThatFailsIsAProblem(t *testing.T) {
	w := setup(t, "")
	w.contacts("a")
	w.rows = func(r *warehouse.Result) {
		r.Rows = func(yield func([]any, error) bool) { yield(nil, errors.New("the disk is on fire")) }
	}
	for _, accept := range []string{jsonType, linesType, csvType, parquetType, arrowType} {
		whole, text := w.ask("GET", "/data/contacts", "", "Accept", accept)
		w.problem(whole, text, "unavailable")
	}
}

func TestListsArePagedByName(t *testing.T) {
	w := setup(t, "")
	var names []string
	for page := range pagesOf[api.Stream](w, "/data?limit=3") {
		for _, st := range page.Items {
			names = append(names, st.Stream)
		}
	}
	if want := []string{"contacts", "deals", "owners", "pipeline_stages"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func TestRunsAndErrorsArePagedFromTheNewestOn(t *testing.T) {
	w := setup(t, "")
	var runs, troubles []int64
	for page := range pagesOf[api.Run](w, v1+"/runs?limit=2") {
		for _, r := range page.Items {
			runs = append(runs, r.Run)
		}
	}
	for page := range pagesOf[api.Trouble](w, "/error?limit=2&resolved=true") {
		for _, e := range page.Items {
			troubles = append(troubles, e.ID)
		}
	}
	if want := []int64{5, 4, 3, 2, 1}; !slices.Equal(runs, want) || !slices.Equal(troubles, want) {
		t.Errorf("runs %v and errors %v, want %v", runs, troubles, want)
	}
}

// pagesOf follows next to the end.
func pagesOf[T any](w *world, path string) iter.Seq[api.Page[T]] {
	return func(yield func(api.Page[T]) bool) {
		for after := ""; ; {
			page := get[api.Page[T]](w, path+"&after="+url.QueryEscape(after))
			if after = page.Next; !yield(page) || after == "" {
				return
			}
		}
	}
}
