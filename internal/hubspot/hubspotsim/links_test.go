package hubspotsim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// linkedTo is an answer of the associations API with all it says.
type linkedTo struct {
	Results []struct {
		From struct {
			ID int64 `json:"id,string"`
		}
		To []struct {
			ToObjectID       int64
			AssociationTypes []struct {
				Category string
				TypeID   int
				Label    *string
			}
		}
		Paging *struct{ Next struct{ After string } }
	}
	Errors []struct {
		Category, SubCategory, Message string
		Context                        map[string][]string
	}
}

type input struct {
	ID    string `json:"id"`
	After string `json:"after,omitempty"`
}

func (r *reader) linksOf(from, to string, inputs []input) linkedTo {
	r.t.Helper()
	got := r.ask("POST", "/crm/associations/2026-09/"+from+"/"+to+"/batch/read", jsonOf(r.t, map[string]any{"inputs": inputs}))
	var p linkedTo
	must(r.t, got.err, json.Unmarshal(got.body, &p))
	if want := map[bool]int{true: 207, false: 200}[len(p.Errors) > 0]; got.status != want {
		r.t.Errorf("%d errors with status %d", len(p.Errors), got.status)
	}
	return p
}

// readLinks reads every association of the objects, page by page, in the
// order of the truth.
func (r *reader) readLinks(from, to string, all []int64) []hubspotsim.TrueLink {
	r.t.Helper()
	var inputs []input
	for _, id := range all {
		inputs = append(inputs, input{ID: fmt.Sprint(id)})
	}
	var found []hubspotsim.TrueLink
	for len(inputs) > 0 {
		n := min(1000, len(inputs))
		answer := r.linksOf(from, to, inputs[:n])
		inputs = inputs[n:]
		for _, one := range answer.Results {
			for _, other := range one.To {
				for _, k := range other.AssociationTypes {
					l := hubspotsim.TrueLink{From: one.From.ID, To: other.ToObjectID,
						LinkType: hubspotsim.LinkType{Category: k.Category, TypeID: k.TypeID}}
					if k.Label != nil {
						l.Label = *k.Label
					}
					found = append(found, l)
				}
			}
			if one.Paging != nil {
				inputs = append(inputs, input{fmt.Sprint(one.From.ID), one.Paging.Next.After})
			}
		}
	}
	slices.SortStableFunc(found, func(x, y hubspotsim.TrueLink) int { return int(min(1, max(-1, x.From-y.From))) })
	return found
}

func end(objectType string, id int64) hubspotsim.End {
	return hubspotsim.End{Type: objectType, ID: id}
}

func trueLinks(a *hubspotsim.Account, from, to string) []hubspotsim.TrueLink {
	return slices.Collect(a.TrueLinks(from, to))
}

// kinds are the numbers of the ways in which two objects are associated.
func kinds(links []hubspotsim.TrueLink, from, to int64) []int {
	var all []int
	for _, l := range links {
		if l.From == from && l.To == to {
			all = append(all, l.TypeID)
		}
	}
	slices.Sort(all)
	return all
}

func TestAssociationsAreReadPageByPageWithTheLabelsOfTheirDirection(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 700, "companies": 30, "deals": 90, "tickets": 40, "notes": 50})
	o.LinkPage = 7
	r := setup(t, o)
	contacts, companies := ids(truth(r.account, "contacts")), ids(truth(r.account, "companies"))
	for i := range 60 { // more than an answer names, some known from the seed
		must(t, r.account.Link(end("contacts", contacts[i]), end("companies", companies[29]), []int{0, 5001, 5003}[i%3]))
		must(t, r.account.Unlink(end("companies", companies[i%29]), end("contacts", contacts[i]), []int{0, 280, 2}[i%3]))
	}
	for _, pair := range [][2]string{{"contacts", "companies"}, {"deals", "companies"}, {"deals", "contacts"}, {"tickets", "contacts"}, {"notes", "0-1"}} {
		for range 2 {
			want := trueLinks(r.account, pair[0], pair[1])
			if got := r.readLinks(pair[0], pair[1], ids(truth(r.account, pair[0]))); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%v: %d associations are read, want %d", pair, len(got), len(want))
			}
			pair[0], pair[1] = pair[1], pair[0]
		}
	}
	there, back := trueLinks(r.account, "contacts", "companies"), trueLinks(r.account, "companies", "contacts")
	most := 0
	for _, l := range there {
		want := map[int]hubspotsim.LinkType{
			1: {"HUBSPOT_DEFINED", 2, "Primary"}, 279: {"HUBSPOT_DEFINED", 280, ""},
			5001: {"USER_DEFINED", 5002, "Billed company"}, 5003: {"USER_DEFINED", 5004, "Decided by"},
		}[l.TypeID]
		if !slices.Contains(back, hubspotsim.TrueLink{From: l.To, To: l.From, LinkType: want}) {
			t.Fatalf("%+v has no other side", l)
		}
		most = max(most, len(kinds(there, l.From, l.To)))
	}
	if lines := strings.Count(string(r.ask("GET", "/_sim/links/contacts/companies", "").body), "\n"); lines != len(there) {
		t.Errorf("%d lines of truth, want %d", lines, len(there))
	}
	if len(there) != len(back) || most != 4 {
		t.Errorf("%d there, %d back, at most %d kinds at once", len(there), len(back), most)
	}
}

func TestAnObjectWithoutAssociationsIsAnErrorOfItsOwn(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 20, "companies": 3}))
	id := truth(r.account, "contacts")[1].ID
	for _, l := range trueLinks(r.account, "contacts", "companies") {
		if l.From == id {
			must(t, r.account.Unlink(end("contacts", l.From), end("companies", l.To), 0))
		}
	}
	got := r.linksOf("contacts", "companies", []input{{ID: fmt.Sprint(id)}})
	if len(got.Results) != 0 || len(got.Errors) != 1 {
		t.Fatalf("%+v", got)
	}
	e := got.Errors[0]
	if e.Category != "OBJECT_NOT_FOUND" || e.SubCategory != "crm.associations.NO_ASSOCIATIONS_FOUND" ||
		e.Message != fmt.Sprintf("No company is associated with contact %d.", id) ||
		fmt.Sprint(e.Context) != fmt.Sprintf("map[fromObjectId:[%d] fromObjectType:[contact] toObjectType:[company]]", id) {
		t.Errorf("%+v", e)
	}
}

func TestAssociationsFollowWhatBecomesOfTheirEnds(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 40, "companies": 8}))
	a := r.account
	contacts, companies := ids(truth(a, "contacts")), ids(truth(a, "companies"))
	one, two, bin, gone := contacts[0], contacts[1], contacts[2], contacts[3]
	for _, id := range companies {
		must(t, a.Unlink(end("companies", id), end("contacts", one), 0), a.Unlink(end("companies", id), end("contacts", two), 0))
	}
	before := truth(a, "contacts")
	must(t, a.Link(end("contacts", one), end("companies", companies[0]), 1), a.Link(end("contacts", two), end("companies", companies[1]), 1),
		a.Link(end("contacts", two), end("companies", companies[2]), 5001), a.Link(end("contacts", two), end("companies", companies[3]), 0),
		a.Link(end("contacts", bin), end("companies", companies[7]), 5003), a.Link(end("companies", companies[6]), end("contacts", gone), 280))
	for i, o := range truth(a, "contacts") {
		if !o.Updated.Equal(before[i].Updated) {
			t.Fatal("an association touched the modification date")
		}
	}
	of := func(id int64) (n int) {
		for _, l := range append(trueLinks(a, "companies", "contacts"), trueLinks(a, "contacts", "companies")...) {
			if l.From == id || l.To == id {
				n++
			}
		}
		return n
	}
	held := of(bin)
	must(t, a.Archive("contacts", bin), a.Archive("companies", companies[3]), a.Erase("contacts", gone))
	if of(bin) != 0 || of(gone) != 0 || len(r.linksOf("contacts", "companies", []input{{ID: fmt.Sprint(bin)}, {ID: fmt.Sprint(gone)}}).Errors) != 2 {
		t.Error("associations of an archived or erased object are answered")
	}
	winner, err := a.Merge("contacts", one, two)
	must(t, err, a.Restore("contacts", bin), a.Restore("companies", companies[3]))
	if of(bin) != held {
		t.Errorf("a restored contact has %d associations of %d", of(bin), held)
	}
	links := trueLinks(a, "contacts", "companies")
	got := fmt.Sprint(kinds(links, winner, companies[0]), kinds(links, winner, companies[1]), kinds(links, winner, companies[2]),
		kinds(links, winner, companies[3]), of(one), of(two))
	if want := "[1 279] [279] [279 5001] [279] 0 0"; got != want {
		t.Errorf("after the merge: %s, want %s", got, want)
	}
}

func TestAnObjectHasOnePrimaryAssociation(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 10, "companies": 3}))
	contact, companies := truth(r.account, "contacts")[0].ID, ids(truth(r.account, "companies"))
	must(t, r.account.Link(end("contacts", contact), end("companies", companies[1]), 1), r.account.Link(end("companies", companies[2]), end("contacts", contact), 2))
	links := trueLinks(r.account, "contacts", "companies")
	if got := fmt.Sprint(kinds(links, contact, companies[1]), kinds(links, contact, companies[2])); got != "[279] [1 279]" {
		t.Error(got)
	}
	if err := r.account.Link(end("contacts", contact), end("companies", companies[1]), 2); err == nil {
		t.Error("the number of the other direction is taken")
	}
	if err := r.account.Link(end("contacts", contact), end("deals", 1), 0); err == nil {
		t.Error("a deal that never was is associated")
	}
}

func TestAssociationsAreMadeOverHTTP(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 10, "companies": 3}))
	contact, company := truth(r.account, "contacts")[0].ID, truth(r.account, "companies")[1].ID
	path := fmt.Sprintf("/crm/v4/objects/contacts/%d/associations/companies/%d", contact, company)
	r.page(201, "PUT", path, `[{"associationCategory":"USER_DEFINED","associationTypeId":5001},{"associationTypeId":5003}]`)
	if got := kinds(trueLinks(r.account, "contacts", "companies"), contact, company); !slices.Equal(got, []int{279, 5001, 5003}) {
		t.Error(got)
	}
	r.page(204, "DELETE", path, "")
	r.page(400, "PUT", path, `[{"associationTypeId":77}]`)
	if got := kinds(trueLinks(r.account, "contacts", "companies"), contact, company); len(got) != 0 {
		t.Error(got)
	}
	r.page(201, "PUT", fmt.Sprintf("/crm/v4/objects/contacts/%d/associations/default/companies/%d", contact, company), "")
	if got := kinds(trueLinks(r.account, "contacts", "companies"), contact, company); !slices.Equal(got, []int{279}) {
		t.Error(got)
	}
}

func TestAssociationReadsHaveAWindowOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, hubspotsim.Options{Window: 1, AssociationWindow: 3, DailyLimit: 5, Counts: map[string]int{"contacts": 5, "companies": 2}})
		path := "/crm/associations/2026-09/contacts/companies"
		for range 2 {
			got := r.ask("POST", path+"/batch/read", `{"inputs":[{"id":"9"}]}`)
			if got.status != 207 || got.header.Get("X-HubSpot-RateLimit-Remaining") != "" || got.header.Get("X-HubSpot-RateLimit-Daily-Remaining") == "" {
				t.Errorf("%d %v", got.status, got.header)
			}
		}
		r.page(200, "GET", path+"/labels", "")
		r.page(200, "GET", someList, "")
		r.page(429, "GET", path+"/labels", "")
		<-time.After(10 * time.Second)
		r.page(200, "GET", path+"/labels", "")
		if p := r.page(429, "GET", path+"/labels", ""); p.PolicyName != "DAILY" {
			t.Errorf("the sixth of five calls a day: %+v", p)
		}
		if c := r.account.Counters(); c.PeakAssociations != 4 || c.PeakWindow != 1 || c.Requests["associations"] != 2 || c.Requests["labels"] != 4 {
			t.Errorf("counters are %+v", c)
		}
	})
}
