package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/sqlite"
	"penstock/internal/warehouse/warehousetest"
)

// put writes contacts with a value.
func (w *world) put(value string, ids ...int64) {
	w.Helper()
	w.version++
	batch := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "note", Type: penstock.Text})
	for _, id := range ids {
		batch.Put(id, moment().UnixMilli()+w.version, w.version, value)
	}
	w.load(batch)
}

// bury deletes a contact.
func (w *world) bury(id int64) {
	w.Helper()
	w.version++
	w.load(warehousetest.NewBatch(warehousetest.Contacts()).Bury(id, moment().UnixMilli()+w.version, w.version, 1))
}

// changed are all rows loaded since, each as id and value, and the token to go
// on with.
func (w *world) changed(since string, limit int, between func(page int)) ([]string, string) {
	w.Helper()
	var rows []string
	token := ""
	for after, page := "", 1; page == 1 || after != ""; page++ {
		answer := get[api.RowPage](w, fmt.Sprintf("/data/contacts?fields=note,id,_deleted&limit=%d&changed_since=%s&after=%s", limit, since, after))
		for _, item := range answer.Items {
			state := item["note"]
			if item["_deleted"] == true {
				state = "deleted"
			}
			rows = append(rows, fmt.Sprint(item["id"], " ", state))
		}
		if token != "" && answer.Changes != token {
			w.Errorf("page %d gives another token", page)
		}
		after, token = answer.Next, answer.Changes
		between(page)
	}
	return rows, token
}

func nothing(int) {}

func TestChangesHoldEveryRowThatWasLoadedSinceOnce(t *testing.T) {
	w := setup(t, "")
	w.put("a", 1, 2, 3, 4)
	for _, begin := range []string{"", "0"} {
		if rows, _ := w.changed(begin, 3, nothing); !slices.Equal(rows, []string{"1 a", "2 a", "3 a", "4 a"}) {
			t.Errorf("from the beginning (%q): %q", begin, rows)
		}
	}
	_, token := w.changed("0", 3, nothing)
	if rows, again := w.changed(token, 3, nothing); len(rows) != 0 || again != token {
		t.Errorf("nothing was loaded since, but %q", rows)
	}
	w.put("b", 9, 2)
	w.bury(3)
	w.put("c", 2)
	rows, next := w.changed(token, 1, nothing)
	if want := []string{"9 b", "3 deleted", "2 c"}; !slices.Equal(rows, want) {
		t.Errorf("%q, want %q in the order of load", rows, want)
	}
	if rows, _ := w.changed(next, 1, nothing); len(rows) != 0 {
		t.Errorf("%q come twice", rows)
	}
}

func TestPagesOfChangesEndWhereTheFirstBegan(t *testing.T) {
	w := setup(t, "")
	w.put("a", 1, 2, 3, 4, 5, 6)
	rows, token := w.changed("0", 2, func(page int) {
		if page < 9 { // more pages than there are: a listing that grows would not end soon
			w.put(fmt.Sprint("later ", page), 1, 6, 100+int64(page))
		}
	})
	if want := []string{"1 a", "2 a", "3 a", "4 a", "5 a"}; !slices.Equal(rows, want) {
		t.Errorf("%q, want %q: what changed meanwhile is for the next time", rows, want)
	}
	rows, _ = w.changed(token, 2, nothing)
	if want := []string{"101 later 1", "102 later 2", "1 later 3", "6 later 3", "103 later 3"}; !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
}

func TestAListingAndItsChangesMissNothing(t *testing.T) {
	w := setup(t, "")
	w.put("a", 10, 20, 30, 40)
	held := map[string]string{}
	take := func(rows []string) {
		for _, row := range rows {
			id, value, _ := strings.Cut(row, " ")
			held[id] = value
		}
	}
	token := ""
	for after, page := "", 1; page == 1 || after != ""; page++ {
		answer := get[api.RowPage](w, "/data/contacts?fields=id,note&limit=2&after="+after)
		for _, item := range answer.Items {
			take([]string{fmt.Sprint(item["id"], " ", item["note"])})
		}
		if page == 1 {
			w.put("b", 10, 5, 50) // read already, before the place, and after it
			w.bury(20)
		}
		after, token = answer.Next, answer.Changes
	}
	rows, _ := w.changed(token, 2, nothing)
	take(rows)
	want := map[string]string{"5": "b", "10": "b", "20": "deleted", "30": "a", "40": "a", "50": "b"}
	if fmt.Sprint(held) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", held, want)
	}
}

func TestEveryFormatGivesTheSameToken(t *testing.T) {
	w := setup(t, "")
	w.put("a", 1, 2)
	token := get[api.RowPage](w, "/data/contacts").Changes
	for _, accept := range []string{linesType, csvType, parquetType, arrowType} {
		for _, query := range []string{"", "?changed_since=0", "?limit=1"} {
			response, text := w.ask("GET", "/data/contacts"+query, "", "Accept", accept)
			if got := response.Header.Get("Penstock-Changes"); response.StatusCode != http.StatusOK || got != token {
				t.Errorf("%s%s gives the token %q, want %q: %s", accept, query, got, token, text)
			}
		}
	}
	w.put("b", 2)
	if _, text := w.ask("GET", "/data/contacts?fields=id&changed_since="+token, "", "Accept", linesType); text != "{\"id\":2}\n" {
		t.Errorf("changes as lines: %q", text)
	}
}

func TestATokenIsOfOneStreamAndKind(t *testing.T) {
	w := setup(t, "")
	w.deals()
	w.put("a", 1, 2, 3)
	contacts, deals := get[api.RowPage](w, "/data/contacts?limit=1"), get[api.RowPage](w, "/data/deals?limit=1")
	changes := get[api.RowPage](w, "/data/contacts?limit=1&changed_since=0")
	for _, query := range []string{
		"?changed_since=" + deals.Changes, "?changed_since=" + contacts.Next, "?changed_since=1", "?changed_since=x",
		"?after=" + changes.Next, "?after=" + contacts.Changes, "?changed_since=0&after=" + contacts.Next, "?after=" + deals.Next,
	} {
		response, text := w.ask("GET", "/data/contacts"+query, "")
		w.problem(response, text, "bad-token")
	}
}

func TestATokenOfAWarehouseThatWasRestoredIsGone(t *testing.T) {
	w := setup(t, "")
	w.put("a", 1, 2)
	early := get[api.RowPage](w, "/data/contacts?limit=1")
	backup := filepath.Join(t.TempDir(), "backup.db")
	w.backUp(backup)
	w.put("b", 1)
	w.put("c", 2)
	late := get[api.RowPage](w, "/data/contacts?limit=1")
	changing := get[api.RowPage](w, "/data/contacts?limit=1&changed_since=0")
	w.restore(backup)
	lost := func(when string, queries ...string) {
		t.Helper()
		for _, query := range queries {
			response, text := w.ask("GET", "/data/contacts?"+query, "")
			w.problem(response, text, "changes-lost")
			if response.StatusCode != http.StatusGone || !strings.Contains(text, "changed_since=0") {
				t.Errorf("%s: %s is answered with %s %s", when, query, response.Status, text)
			}
		}
	}
	all := []string{"changed_since=" + late.Changes, "after=" + late.Next, "changed_since=0&after=" + changing.Next}
	lost("ahead of the table", all...)
	w.at = moment().Add(time.Hour)
	w.put("d", 1)
	lost("still ahead", all...)
	w.put("e", 2)
	lost("a load of that number, but another", all...)
	w.put("f", 3)
	lost("behind the table", all...)
	rows, _ := w.changed(early.Changes, 9, nothing)
	if want := []string{"1 d", "2 e", "3 f"}; !slices.Equal(rows, want) {
		t.Errorf("a token from before the backup: %q, want %q", rows, want)
	}
}

// backUp copies the warehouse.
func (w *world) backUp(to string) {
	w.Helper()
	if err := w.store.Close(); err != nil { // all of it is in one file then
		w.Fatal(err)
	}
	text, err := os.ReadFile(w.path)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.reopen()
}

// restore puts a copy in the warehouse's place.
func (w *world) restore(from string) {
	w.Helper()
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(w.path, text, 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.reopen()
}

func (w *world) reopen() {
	w.Helper()
	store, err := sqlite.Open(w.path)
	if err != nil {
		w.Fatal(err)
	}
	w.store = store
}

func TestAnAnswerKeepsTheColumnsItBeganWith(t *testing.T) {
	w := setup(t, "")
	w.contacts(many(2500)...)
	grown := false
	w.rows = func(*warehouse.Result) {
		if !grown {
			grown = true
			w.load(warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "late", Type: penstock.Text}).Put(9999, 1, 1, "x"))
		}
	}
	_, text := w.ask("GET", "/data/contacts", "", "Accept", linesType)
	lines := slices.Collect(strings.Lines(text))
	for _, line := range []string{lines[0], lines[len(lines)-1]} {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil || strings.Contains(line, `"late"`) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(lines) != 2501 {
		t.Errorf("%d lines, want 2501", len(lines))
	}
}

func TestChangesTakeFilters(t *testing.T) {
	w := setup(t, "")
	w.put("a", 1, 2)
	token := get[api.RowPage](w, "/data/contacts").Changes
	w.put("b", 1)
	w.put("c", 2)
	query := url.Values{"changed_since": {token}, "filter[note][eq]": {"c"}, "fields": {"id"}}
	if page := get[api.RowPage](w, "/data/contacts?"+query.Encode()); len(page.Items) != 1 || page.Items[0]["id"] != 2.0 {
		t.Errorf("%v, want the second", page.Items)
	}
}
