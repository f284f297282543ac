package hubspotsim_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func TestAMillionContactsCostNoMoreMemoryThanAThousand(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := setup(t, unlimited(map[string]int{"contacts": 1_000_000}))
	for after := int64(1); after < 400_000_000_000; after *= 3 {
		r.page(200, "GET", fmt.Sprint("/crm/objects/2026-09/contacts?limit=100&after=", after), "")
	}
	if p := r.page(200, "POST", someSearch, `{"limit":1}`); p.Total != 1_000_000 {
		t.Errorf("total %d", p.Total)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("a million contacts hold %d bytes", grown)
	}
	runtime.KeepAlive(r)
}

func TestTheSameSeedIsTheSameAccount(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 50})
	o.Hostile = true
	one, two := setup(t, o), setup(t, o)
	other := o
	other.Seed++
	path := "/crm/objects/2026-09/contacts?limit=50&properties=city,jobtitle,phone"
	if a, b := one.ask("GET", path, ""), two.ask("GET", path, ""); !bytes.Equal(a.body, b.body) {
		t.Error("one seed, two accounts")
	}
	if a, b := one.ask("GET", path, ""), setup(t, other).ask("GET", path, ""); bytes.Equal(a.body, b.body) {
		t.Error("two seeds, one account")
	}
}

func TestPropertiesComeAndGo(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 100}))
	values := func(name string) (n int, known bool) {
		for _, o := range r.list("/crm/objects/2026-09/contacts?properties=" + name) {
			v, there := o.Properties[name]
			known = known || there
			if v != nil {
				n++
			}
		}
		return n, known
	}
	must(t, r.account.AddProperty("contacts", hubspotsim.Property{Name: "shoe_size", Type: "number", Filled: true}))
	if n, known := values("shoe_size"); n == 0 || n == 100 || !known {
		t.Errorf("%d values of a new property", n)
	}
	before := truth(r.account, "contacts")[0]
	must(t, r.account.Drift("contacts", before.ID, "shoe_size", "41"))
	if after := truth(r.account, "contacts")[0]; after.Properties["shoe_size"] != "41" || !after.Updated.Equal(before.Updated) {
		t.Errorf("drift made %+v", after)
	}
	must(t, r.account.RemoveProperty("contacts", "shoe_size"))
	if _, known := values("shoe_size"); known {
		t.Error("a removed property still answers")
	}
	r.page(404, "GET", "/crm/properties/2026-09/contacts/shoe_size", "")
	r.page(200, "GET", "/crm/properties/2026-09/contacts/shoe_size?archived=true", "")
	must(t, r.account.AddProperty("contacts", hubspotsim.Property{Name: "shoe_size", Type: "number"}))
	if n, _ := values("shoe_size"); n != 1 {
		t.Errorf("%d values of a property that came back, want the one that was set", n)
	}
}

func TestPropertyListsAreKeptApartBySensitivity(t *testing.T) {
	o := unlimited(nil)
	o.Properties = map[string]int{"contacts": 100}
	r := setup(t, o)
	total := 0
	for _, sensitivity := range []string{"non_sensitive", "sensitive", "highly_sensitive"} {
		n := len(r.page(200, "GET", "/crm/properties/2026-09/contacts?dataSensitivity="+sensitivity, "").Results)
		if n == 0 {
			t.Errorf("no %s property", sensitivity)
		}
		total += n
	}
	if total != 100 || len(r.account.Properties("contacts")) != 100 {
		t.Errorf("%d properties", total)
	}
}

// linkPage is an answer of the associations API.
type linkPage struct {
	Results []struct {
		From struct{ ID string }
		To   []struct {
			ToObjectID int64 `json:"toObjectId"`
		}
		Paging *struct{ Next struct{ After string } }
	}
	NumErrors int
}

func (r *reader) links(from, to string, id int64, after string) linkPage {
	r.t.Helper()
	got := r.ask("POST", "/crm/associations/2026-09/"+from+"/"+to+"/batch/read",
		fmt.Sprintf(`{"inputs":[{"id":"%d","after":"%s"}]}`, id, after))
	var p linkPage
	must(r.t, json.Unmarshal(got.body, &p))
	return p
}

func TestBothSidesOfAnAssociationAgree(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 8000, "companies": 30}))
	contacts, companies := ids(truth(r.account, "contacts")), ids(truth(r.account, "companies"))
	winner, err := r.account.Merge("contacts", contacts[0], contacts[1])
	must(t, err, r.account.Archive("contacts", contacts[2]), r.account.Archive("companies", companies[4]),
		r.account.Associate(contacts[5], companies[9], true), r.account.Associate(winner, companies[0], false))
	want := r.account.Links()
	got := map[int64][]int64{}
	hub := 0
	for _, company := range companies {
		for after := ""; ; hub++ {
			p := r.links("companies", "contacts", company, after)
			if len(p.Results) == 0 {
				break
			}
			for _, to := range p.Results[0].To {
				got[to.ToObjectID] = append(got[to.ToObjectID], company)
			}
			if p.Results[0].Paging == nil {
				break
			}
			after = p.Results[0].Paging.Next.After
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || hub == 0 || !slices.Contains(got[contacts[5]], companies[9]) {
		t.Errorf("%d pages beyond the first; the two sides differ: %d contacts, want %d", hub, len(got), len(want))
	}
	if p := r.links("contacts", "companies", contacts[0], ""); len(p.Results) != 0 || p.NumErrors != 1 {
		t.Error("a merged contact still has associations")
	}
}

func TestCountersAndTruthAreServedToOtherProcesses(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 1200})
	o.Token = "secret"
	r := setup(t, o)
	all := truth(r.account, "contacts")
	must(t, r.account.Archive("contacts", all[3].ID))
	winner, err := r.account.Merge("contacts", all[4].ID, all[5].ID)
	must(t, err)
	r.list("/crm/objects/2026-09/contacts?")
	var c hubspotsim.Counters
	must(t, json.Unmarshal(r.ask("GET", "/_sim/counters", "").body, &c))
	if c.Requests["list"] != 12 || c.Objects["contacts"] != 1198 || c.PeakWindow != 12 {
		t.Errorf("counters are %+v", c)
	}
	r.same(r.lines("/_sim/truth/contacts"), truth(r.account, "contacts"))
	r.same(r.lines("/_sim/truth/contacts?archived=true"), slices.Collect(r.account.Archived("contacts")))
	if got := string(r.ask("GET", "/_sim/merged/contacts", "").body); !strings.Contains(got, fmt.Sprintf(`"%d":"%d"`, all[4].ID, winner)) {
		t.Errorf("merged: %s", got)
	}
}

func (r *reader) lines(path string) []object {
	r.t.Helper()
	var all []object
	scanner := bufio.NewScanner(bytes.NewReader(r.ask("GET", path, "").body))
	for scanner.Scan() {
		var o object
		must(r.t, json.Unmarshal(scanner.Bytes(), &o))
		all = append(all, o)
	}
	return all
}

func TestAnUnknownTypeInTheOptionsIsRefused(t *testing.T) {
	if _, err := hubspotsim.New(hubspotsim.Options{Counts: map[string]int{"butterflies": 1}}); err == nil {
		t.Error("butterflies are taken")
	}
	if _, err := hubspotsim.New(hubspotsim.Options{TimeZone: "Mars/Olympus"}); err == nil {
		t.Error("Martian time is taken")
	}
}

func TestDefaultPipelinesAreDated1970(t *testing.T) {
	r := setup(t, unlimited(nil))
	p := r.account.Pipelines("deals")[0]
	if !p.CreatedAt.Equal(time.Unix(0, 0)) || len(p.Stages) == 0 {
		t.Errorf("%+v", p)
	}
	for path, want := range map[string]int{
		"/crm/pipelines/2026-09/deals": 200, "/crm/v3/pipelines/deals/default": 200, "/crm/v3/pipelines/deals/none": 404,
		"/crm/v3/pipelines/deals/default/stages": 200, "/crm/v3/pipelines/deals/default/stages/closedwon": 200,
		"/account-info/v3/details": 200, "/account-info/2026-09/api-usage/daily/private-apps": 200,
		"/crm/limits/2026-09/records": 200, "/crm/owners/2026-09?archived=true": 200, "/crm/owners/2026-09/88842095": 200,
		"/crm-object-schemas/2026-09/schemas": 200, "/crm/v3/schemas/car": 200, "/crm/v4/associations/contacts/companies/labels": 200,
	} {
		if got := r.ask("GET", path, ""); got.status != want || !json.Valid(got.body) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
