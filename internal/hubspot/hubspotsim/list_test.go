package hubspotsim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"penstock/internal/hubspot/hubspotsim"
)

func TestTheListIsTheTruthInIDOrderThoughValuesAreHostile(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 1500})
	o.Hostile = true
	r := setup(t, o)
	before := truth(r.account, "contacts")
	_, err := r.account.Merge("contacts", before[3].ID, before[900].ID)
	must(t, err,
		r.account.Update("contacts", before[5].ID, map[string]string{"city": "", "select": "it's \"x\"\x00"}),
		r.account.Archive("contacts", before[7].ID), r.account.Erase("contacts", before[8].ID),
		r.account.Drift("contacts", before[9].ID, "hs_score", "42"))
	for range 30 {
		_, err := r.account.Create("contacts", map[string]string{"email": "contact-new@example.com"})
		must(t, err)
	}
	want := truth(r.account, "contacts")
	path := "/crm/objects/2026-09/contacts?properties=" + url.QueryEscape(r.every("contacts"))
	r.same(r.list(path), want)
	if !slices.IsSorted(ids(want)) || len(want) != 1500-4+1+30 || r.account.Count("contacts") != len(want) {
		t.Errorf("%d objects in the truth, %d counted", len(want), r.account.Count("contacts"))
	}
}

func TestIDsGrowUnlikeCreationDates(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 500}))
	first := truth(r.account, "contacts")
	if slices.IsSortedFunc(first, func(a, b hubspotsim.Object) int { return a.Created.Compare(b.Created) }) {
		t.Error("creation dates follow the ids")
	}
	if first[0].ID != 1 || first[1].ID != 51 || first[100].ID < 100_000_000_000 {
		t.Errorf("ids are %v", ids(first)[:101])
	}
}

func TestAfterIsTheFirstIDThatMayBeNamed(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"companies": 300}))
	all := ids(truth(r.account, "companies"))
	at := func(after int64, limit int) page {
		return r.page(200, "GET", fmt.Sprintf("/crm/v3/objects/companies?limit=%d&after=%d", limit, after), "")
	}
	for _, i := range []int{0, 1, 29, 30, 250} {
		if got := at(all[i], 2); !slices.Equal(got.ids(), all[i:i+2]) || got.next() != fmt.Sprint(all[i+1]+1) {
			t.Errorf("after %d: %v, next %s", all[i], got.ids(), got.next())
		}
		if got := at(all[i]+1, 2).ids(); !slices.Equal(got, all[i+1:i+3]) {
			t.Errorf("after %d: %v", all[i]+1, got)
		}
	}
	last := at(all[290], 10)
	if last.Paging != nil || len(last.Results) != 10 {
		t.Error("the last page has a successor")
	}
	if link := at(0, 1).Paging.Next.Link; !strings.Contains(link, "invalid") {
		t.Errorf("the link %s leads somewhere", link)
	}
}

func TestAListRefusesWhatHubSpotRefuses(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 10}))
	long := strings.Repeat("x", 17_000)
	for path, want := range map[string]int{
		"/crm/objects/2026-09/contacts?limit=101":                           400,
		"/crm/objects/2026-09/contacts?limit=51&propertiesWithHistory=city": 400,
		"/crm/objects/2026-09/contacts?limit=50&propertiesWithHistory=city": 200,
		"/crm/objects/2026-09/contacts?after=MTA":                           400,
		"/crm/objects/2026-09/butterflies":                                  400,
		"/crm/objects/2027-99/contacts":                                     404,
		"/crm/objects/2026-09/contacts?properties=" + long:                  414,
		"/crm/objects/2026-09/contacts?properties=no_such_property":         200,
		"/crm/v3/objects/0-1/1":                                             200,
		"/crm/v3/objects/0-1/2":                                             404,
	} {
		if got := r.ask("GET", path, ""); got.status != want {
			t.Errorf("%.80s: %d, want %d", path, got.status, want)
		}
	}
}

func TestACustomObjectThatSharesAStandardNameIsReadByItsID(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"tickets": 3, "2-1000002": 5, "car": 7}))
	for name, want := range map[string]int{
		"tickets": 3, "0-5": 3, "2-1000002": 5, "p147000001_tickets": 5, "car": 7, "2-1000001": 7, "p147000001_car": 7,
	} {
		if got := r.page(200, "GET", "/crm/objects/2026-09/"+name+"?limit=100", ""); len(got.Results) != want {
			t.Errorf("%s has %d objects, want %d", name, len(got.Results), want)
		}
	}
}

func TestTheBinHoldsArchivedObjectsUntilTheyAreRestored(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"deals": 400}))
	all := truth(r.account, "deals")
	for _, o := range all[:250] {
		must(t, r.account.Archive("deals", o.ID))
	}
	must(t, r.account.Restore("deals", all[0].ID), r.account.Erase("deals", all[1].ID))
	bin := slices.Collect(r.account.Archived("deals"))
	query := "/crm/objects/2026-09/deals?archived=true&properties=" + r.every("deals")
	r.same(r.list(query), bin)
	if got := ids(bin); len(got) != 248 || got[0] != all[2].ID {
		t.Errorf("%d in the bin", len(got))
	}
	id := fmt.Sprint(all[2].ID)
	r.page(404, "GET", "/crm/objects/2026-09/deals/"+id, "")
	if got := r.page(200, "POST", "/crm/objects/2026-09/deals/batch/read?archived=true", `{"inputs":[{"id":"`+id+`"}]}`); !got.Results[0].Archived {
		t.Error("an archived object does not say so")
	}
	if r.account.Count("deals") != 151 {
		t.Errorf("%d live deals", r.account.Count("deals"))
	}
	restored := truth(r.account, "deals")[0]
	if restored.ID != all[0].ID || !restored.Updated.Equal(all[0].Updated) {
		t.Error("a plain restore changed more than the state")
	}
}

func TestAMergeAnswersUnderTheWinnersNewID(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 100, "companies": 10}))
	all := ids(truth(r.account, "contacts"))
	a, b, c := all[0], all[1], all[2]
	first, err := r.account.Merge("contacts", a, b)
	must(t, err)
	second, err := r.account.Merge("contacts", c, first)
	must(t, err)
	path := "/crm/objects/2026-09/contacts"
	asked := fmt.Sprintf(`{"inputs":[{"id":"%d"},{"id":"%d"},{"id":"%d"},{"id":"77"}],"properties":["hs_merged_object_ids"]}`, a, b, c)
	got := r.page(207, "POST", path+"/batch/read", asked)
	if !slices.Equal(got.ids(), []int64{second}) || len(got.Errors) != 1 || !slices.Equal(got.Errors[0].Context["ids"], []string{"77"}) {
		t.Errorf("batch read answers %+v", got)
	}
	want := fmt.Sprintf("%d;%d;%d;%d", c, a, b, first)
	if ids := got.Results[0].Properties["hs_merged_object_ids"]; ids == nil || *ids != want {
		t.Errorf("merged ids are %v, want %s", ids, want)
	}
	if one := r.page(200, "GET", fmt.Sprint(path, "/", a), ""); one.Category != "" {
		t.Error("the loser's id does not answer")
	}
	for _, o := range r.list(path + "?archived=false") {
		if o.ID == fmt.Sprint(a) || o.ID == fmt.Sprint(first) {
			t.Errorf("the loser %s is still listed", o.ID)
		}
	}
	if gone := r.account.MergedAway("contacts"); len(gone) != 4 || gone[a] != second || gone[first] != second {
		t.Errorf("merged away: %v", gone)
	}
}

func TestAMergeMayKeepThePrimarysID(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 100})
	o.PreservePrimaryID = true
	r := setup(t, o)
	all := ids(truth(r.account, "contacts"))
	winner, err := r.account.Merge("contacts", all[4], all[5])
	must(t, err)
	if winner != all[4] || r.account.Count("contacts") != 99 || len(r.account.MergedAway("contacts")) != 1 {
		t.Errorf("winner %d of %d, %d live", winner, all[4], r.account.Count("contacts"))
	}
}

func TestABatchReadIsScrambledAndRefusesTooMany(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 200}))
	inputs := func(n int, also ...int64) string {
		body := map[string]any{"properties": strings.Split(r.every("contacts"), ",")}
		var list []map[string]string
		for _, id := range append(ids(truth(r.account, "contacts"))[:n], also...) {
			list = append(list, map[string]string{"id": fmt.Sprint(id)})
		}
		body["inputs"] = list
		return jsonOf(t, body)
	}
	path := "/crm/v3/objects/contacts/batch/read"
	got := r.page(200, "POST", path, inputs(100))
	if slices.IsSorted(got.ids()) {
		t.Error("the answer is in the order of ids")
	}
	slices.SortFunc(got.Results, func(a, b object) int { return a.CreatedAt.Compare(b.CreatedAt) })
	want := truth(r.account, "contacts")[:100]
	byID := map[string]object{}
	for _, o := range got.Results {
		byID[o.ID] = o
	}
	var sorted []object
	for _, w := range want {
		sorted = append(sorted, byID[fmt.Sprint(w.ID)])
	}
	r.same(sorted, want)
	r.page(400, "POST", path, inputs(101))
	r.page(400, "POST", path, inputs(2, 1))
	r.page(400, "POST", path, `{"inputs":[]}`)
}

func TestAfterMayBeTheLastIDThatWasNamed(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 250})
	o.ExclusiveAfter = true
	r := setup(t, o)
	r.same(r.list("/crm/objects/2026-09/contacts?properties="+r.every("contacts")), truth(r.account, "contacts"))
	if got := r.page(200, "GET", "/crm/objects/2026-09/contacts?limit=1&after=1", ""); got.ids()[0] != 51 || got.next() != "51" {
		t.Errorf("behind 1 comes %v, next %s", got.ids(), got.next())
	}
}

func TestObjectsAreWrittenOverHTTP(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 10})
	o.ArchiveTouches = true
	r := setup(t, o)
	path := "/crm/objects/2026-09/contacts"
	made := r.ask("POST", path, `{"properties":{"email":"contact-new@example.com"}}`)
	var created object
	must(t, json.Unmarshal(made.body, &created))
	changed := r.ask("PATCH", path+"/"+created.ID, `{"properties":{"city":"x"}}`)
	merged := r.ask("POST", path+"/merge", `{"primaryObjectId":"1","objectIdToMerge":"`+created.ID+`"}`)
	var winner object
	must(t, json.Unmarshal(merged.body, &winner))
	binned := r.ask("DELETE", path+"/"+winner.ID, "")
	unknown := r.ask("PATCH", path+"/1", `{"properties":{"nothing":"x"}}`)
	got := []int{made.status, changed.status, merged.status, binned.status, unknown.status, r.account.Count("contacts")}
	if want := []int{201, 200, 200, 204, 400, 9}; !slices.Equal(got, want) {
		t.Errorf("statuses and count are %v, want %v", got, want)
	}
	if bin := slices.Collect(r.account.Archived("contacts")); len(bin) != 1 || !bin[0].Updated.Equal(bin[0].ArchivedAt) {
		t.Errorf("the bin holds %+v", bin)
	}
	r.page(204, "POST", path+"/gdpr-delete", `{"objectId":"`+winner.ID+`"}`)
	if bin := slices.Collect(r.account.Archived("contacts")); len(bin) != 0 {
		t.Errorf("the bin holds %+v", bin)
	}
}
