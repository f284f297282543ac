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

// past is an object with histories, as it comes.
type past struct {
	ID                    int64 `json:"id,string"`
	UpdatedAt             time.Time
	PropertiesWithHistory map[string][]struct {
		Value, SourceType, SourceID string
		Timestamp                   time.Time
		UpdatedByUserID             int64
	}
}

func (p past) revisions(name string) (list []hubspotsim.Revision) {
	for _, x := range p.PropertiesWithHistory[name] {
		list = append(list, hubspotsim.Revision{Value: x.Value, At: x.Timestamp, SourceType: x.SourceType, SourceID: x.SourceID, UserID: x.UpdatedByUserID})
	}
	return list
}

func TestHistoriesAreTheSameHoweverTheyAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited(map[string]int{"contacts": 120})
		o.Hostile = true
		r := setup(t, o)
		all := ids(truth(r.account, "contacts"))
		for i := range 5 {
			<-time.After(time.Minute)
			must(t, r.account.Update("contacts", all[0], map[string]string{"city": fmt.Sprint("city ", i/2), "phone": ""}),
				r.account.Drift("contacts", all[0], "hs_score", fmt.Sprint(1000+i)))
		}
		made, err := r.account.Create("contacts", map[string]string{"city": "new"})
		must(t, err)
		winner, err := r.account.Merge("contacts", all[1], all[2])
		must(t, err, r.account.Archive("contacts", all[3]), r.account.Erase("contacts", all[4]))
		names := []string{"city", "phone", "hs_score", "email", "hs_object_id", "lastmodifieddate", "hs_calc_1"}
		query := "propertiesWithHistory=" + strings.Join(names, ",")
		path := "/crm/objects/2026-09/contacts"
		found, silent := 0, map[string]int{}
		check := func(objects []past) {
			for _, o := range objects {
				for _, name := range names {
					want, got := r.account.TrueHistory("contacts", o.ID, name), o.revisions(name)
					if !slices.Equal(got, want) || !slices.IsSortedFunc(got, func(x, y hubspotsim.Revision) int { return y.At.Compare(x.At) }) {
						t.Fatalf("%d %s:\n got %+v\nwant %+v", o.ID, name, got, want)
					}
					for _, x := range got {
						found++
						silent[fmt.Sprint(x.SourceID == "", x.UserID == 0)]++
					}
				}
			}
		}
		var page struct{ Results []past }
		must(t, json.Unmarshal(r.ask("GET", path+"?limit=50&"+query, "").body, &page))
		check(page.Results)
		must(t, json.Unmarshal(r.ask("GET", path+"?archived=true&limit=50&"+query, "").body, &page))
		check(page.Results)
		var one past
		must(t, json.Unmarshal(r.ask("GET", fmt.Sprint(path, "/", made, "?", query), "").body, &one))
		check([]past{one})
		body := fmt.Sprintf(`{"inputs":[{"id":"%d"},{"id":"%d"},{"id":"%d"}],"propertiesWithHistory":["city","phone","hs_score","email","hs_object_id","lastmodifieddate","hs_calc_1"]}`, all[0], winner, made)
		must(t, json.Unmarshal(r.ask("POST", path+"/batch/read", body).body, &page))
		check(page.Results)
		if found == 0 || len(silent) != 3 {
			t.Errorf("%d versions; of their sources: %v", found, silent)
		}
		if h := r.account.TrueHistory("contacts", all[4], "email"); h != nil {
			t.Errorf("an erased contact has a history: %+v", h)
		}
		if c := r.account.Counters(); c.Requests["history"] != 4 || c.Requests["list"] != 1 {
			t.Errorf("counters are %+v", c.Requests)
		}
	})
}

func TestEachChangeOfAValueIsAVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, unlimited(map[string]int{"companies": 10}))
		o := truth(r.account, "companies")[0]
		var want []string
		for i := range 4 {
			<-time.After(time.Second)
			must(t, r.account.Update("companies", o.ID, map[string]string{"name": fmt.Sprint("n", i/2)}))
		}
		want = []string{"n1", "n0", o.Properties["name"]}
		var got []string
		history := r.account.TrueHistory("companies", o.ID, "name")
		for _, x := range history {
			got = append(got, x.Value)
		}
		if !slices.Equal(got, want) || !history[2].At.Equal(o.Created) {
			t.Errorf("%+v, want %v", history, want)
		}
	})
}

func TestHistoriesAreReadFiftyAtATime(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 60}))
	var inputs []input
	for _, id := range ids(truth(r.account, "contacts"))[:51] {
		inputs = append(inputs, input{ID: fmt.Sprint(id)})
	}
	ask := func(n int) int {
		return r.ask("POST", "/crm/v3/objects/contacts/batch/read",
			jsonOf(t, map[string]any{"inputs": inputs[:n], "propertiesWithHistory": []string{"city"}})).status
	}
	if ask(50) != 200 || ask(51) != 400 {
		t.Error("the cap is not 50")
	}
}

func TestCalculatedValuesDriftWithoutANewerModificationDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited(map[string]int{"deals": 300})
		o.IndexLag = time.Hour
		r := setup(t, o)
		created, err := r.account.Create("deals", nil)
		must(t, err)
		<-time.After(2 * time.Hour)
		before := truth(r.account, "deals")
		must(t, r.account.Recalculate("deals", before[0].ID), r.account.Drift("deals", before[1].ID, "hs_calc_3", "-7"))
		if truth(r.account, "deals")[1].Properties["hs_calc_3"] != "-7" {
			t.Error("a value that was set is not there")
		}
		must(t, r.account.DriftAll("deals"))
		after := truth(r.account, "deals")
		moved := map[string]int{}
		for i, o := range after {
			if !o.Updated.Equal(before[i].Updated) {
				t.Fatalf("%d was touched", o.ID)
			}
			for _, name := range []string{"hs_calc_0", "hs_calc_1", "hs_calc_2", "hs_calc_3"} {
				if value, ok := o.Properties[name]; ok && value == before[i].Properties[name] {
					t.Fatalf("%s of %d did not move", name, o.ID)
				} else if ok {
					moved[name]++
				}
			}
		}
		if len(moved) != 4 || moved["hs_calc_0"] == len(after) || after[len(after)-1].ID < created {
			t.Errorf("moved: %v of %d", moved, len(after))
		}
		path := "/crm/objects/2026-09/deals"
		r.same(r.list(path+"?properties="+r.every("deals")), after)
		body := `{"limit":200,"sorts":["hs_object_id"],"properties":["hs_calc_1"]}`
		hits := r.page(200, "POST", path+"/search", body).Results
		old := 0
		for i, hit := range hits {
			if v := hit.Properties["hs_calc_1"]; v != nil && *v == before[i].Properties["hs_calc_1"] {
				old++
			}
		}
		<-time.After(2 * time.Hour)
		for i, hit := range r.page(200, "POST", path+"/search", body).Results {
			if v := hit.Properties["hs_calc_1"]; v != nil && *v != after[i].Properties["hs_calc_1"] {
				t.Fatal("search never learns of a drift")
			}
		}
		if old == 0 {
			t.Error("search is not late")
		}
		if r.account.Update("deals", before[0].ID, map[string]string{"hs_calc_0": "1"}) == nil {
			t.Error("a calculated property can be written")
		}
	})
}

func TestPropertiesSayInSeveralWaysThatTheyAreCalculated(t *testing.T) {
	r := setup(t, unlimited(nil))
	var p struct {
		Results []struct {
			Name, FieldType, CalculationFormula string
			Calculated                          bool
		}
	}
	must(t, json.Unmarshal(r.ask("GET", "/crm/properties/2026-09/companies", "").body, &p))
	got := map[string]string{}
	for _, x := range p.Results {
		if strings.HasPrefix(x.Name, "hs_calc_") {
			got[x.Name] = fmt.Sprint(x.FieldType, " ", x.Calculated, " ", x.CalculationFormula != "")
		}
	}
	want := map[string]string{"hs_calc_0": "calculation_read_time false false", "hs_calc_1": "calculation_rollup false false",
		"hs_calc_2": "number false true", "hs_calc_3": "number true false"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
}

func TestAnErasedObjectIsNowhere(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 50, "companies": 5}))
	a, path := r.account, "/crm/objects/2026-09/contacts"
	all := ids(truth(a, "contacts"))
	winner, err := a.Merge("contacts", all[0], all[1])
	must(t, err, a.Archive("contacts", all[2]))
	for _, id := range []int64{winner, all[2], all[3]} {
		r.page(204, "POST", path+"/gdpr-delete", fmt.Sprintf(`{"objectId":"%d"}`, id))
		r.page(404, "POST", path+"/gdpr-delete", fmt.Sprintf(`{"objectId":"%d"}`, id))
	}
	for _, id := range []int64{winner, all[0], all[1], all[2], all[3]} {
		for _, archived := range []string{"true", "false"} {
			p := r.page(207, "POST", path+"/batch/read?archived="+archived, fmt.Sprintf(`{"inputs":[{"id":"%d"}]}`, id))
			if len(p.Results) != 0 || p.Errors[0].Category != "OBJECT_NOT_FOUND" {
				t.Errorf("%d archived=%s: %+v", id, archived, p)
			}
			r.page(404, "GET", fmt.Sprint(path, "/", id, "?archived=", archived), "")
		}
		if p := r.page(200, "POST", someSearch, fmt.Sprintf(`{"filters":[{"propertyName":"hs_object_id","operator":"EQ","value":"%d"}]}`, id)); p.Total != 0 {
			t.Errorf("search finds %d", id)
		}
	}
	if len(r.list(path+"?archived=true")) != 0 || len(r.list(path+"?archived=false")) != 46 || a.Restore("contacts", all[2]) == nil {
		t.Error("an erased contact is listed or comes back")
	}
	if got := string(r.ask("GET", "/_sim/erased/contacts", "").body); strings.Count(got, ",") != 2 {
		t.Errorf("erased: %s", got)
	}
	want := []int64{winner, all[2], all[3]}
	slices.Sort(want)
	if got := a.Erased("contacts"); !slices.Equal(got, want) {
		t.Errorf("erased: %v, want %v", got, want)
	}
}

func TestChurnMakesEveryKindOfChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, unlimited(map[string]int{"contacts": 300, "companies": 40, "deals": 60}))
		ctx, stop := contextFor(t)
		before := map[hubspotsim.TrueLink]bool{}
		for _, l := range trueLinks(r.account, "contacts", "companies") {
			before[l] = true
		}
		calculated, companies := truth(r.account, "contacts"), ids(truth(r.account, "companies"))
		contacts := ids(calculated)
		done := make(chan error)
		go func() { done <- r.account.Churn(ctx, 600) }()
		<-time.After(3 * time.Minute)
		stop()
		must(t, <-done)
		came, drifted := 0, 0
		for _, l := range trueLinks(r.account, "contacts", "companies") {
			if !before[l] && slices.Contains(contacts, l.From) && slices.Contains(companies, l.To) {
				came++ // not by a merge
			}
			delete(before, l)
		}
		after := truth(r.account, "contacts")
		for _, o := range calculated {
			for _, now := range after {
				if now.ID == o.ID && now.Properties["hs_calc_1"] != o.Properties["hs_calc_1"] {
					drifted++
				}
			}
		}
		if came == 0 || len(before) == 0 || drifted == 0 {
			t.Errorf("%d associations came, %d went, %d values drifted", came, len(before), drifted)
		}
	})
}
