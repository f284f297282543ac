package hubspotsim_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// A question is a search on ids and dates, in words that the test can answer
// itself.
type question struct {
	afterID          int64
	from, to         time.Time // of the modification
	made             time.Time // created not before
	sort             string
	down             bool
	offset, limit    int
	modified, create string
}

func (q question) body() map[string]any {
	filters := []map[string]string{}
	add := func(name, operator, value, high string) {
		filters = append(filters, map[string]string{"propertyName": name, "operator": operator, "value": value, "highValue": high})
	}
	if q.afterID != 0 {
		add("hs_object_id", "GT", fmt.Sprint(q.afterID), "")
	}
	if !q.from.IsZero() {
		add(q.modified, "BETWEEN", fmt.Sprint(q.from.UnixMilli()), q.to.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	if !q.made.IsZero() {
		add(q.create, "GTE", fmt.Sprint(q.made.UnixMilli()), "")
	}
	direction := map[bool]string{true: "DESCENDING", false: "ASCENDING"}[q.down]
	return map[string]any{
		"filterGroups": []any{map[string]any{"filters": filters}}, "limit": q.limit, "after": fmt.Sprint(q.offset),
		"sorts": []any{map[string]string{"propertyName": q.sort, "direction": direction}},
	}
}

// answer is what the search must find among the objects.
func (q question) answer(objects []hubspotsim.Object) (hits []int64, total int) {
	var found []hubspotsim.Object
	for _, o := range objects {
		if o.ID > q.afterID && (q.from.IsZero() || !o.Updated.Before(q.from) && !o.Updated.After(q.to)) && !o.Created.Before(q.made) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b hubspotsim.Object) int {
		order := cmp.Compare(a.ID, b.ID)
		switch q.sort {
		case q.modified:
			order = cmp.Or(a.Updated.Compare(b.Updated), order)
		case q.create:
			order = cmp.Or(a.Created.Compare(b.Created), order)
		}
		if q.down {
			return -order
		}
		return order
	})
	from := min(q.offset, len(found))
	return ids(found[from:min(from+q.limit, len(found))]), len(found)
}

func TestSearchFindsWhatAScanOfTheTruthFinds(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"deals": 25_000}))
	edit(t, r.account, "deals")
	all := truth(r.account, "deals")
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() hubspotsim.Object { return all[random.IntN(len(all))] }
	for range 150 {
		q := question{modified: "hs_lastmodifieddate", create: "createdate", limit: random.IntN(201), down: random.IntN(2) == 0}
		q.sort = []string{"hs_object_id", q.modified, q.create}[random.IntN(3)]
		if random.IntN(2) == 0 {
			q.afterID = pick().ID
		}
		if random.IntN(3) > 0 {
			q.from, q.to = pick().Updated, pick().Updated
			if random.IntN(4) == 0 {
				q.to = q.from
			}
		}
		if random.IntN(3) == 0 {
			q.made = pick().Created
		}
		q.offset = random.IntN(2) * random.IntN(9_800)
		want, total := q.answer(all)
		got := r.page(200, "POST", "/crm/objects/2026-09/deals/search", jsonOf(t, q.body()))
		if !slices.Equal(got.ids(), want) || got.Total != total {
			t.Fatalf("%+v: total %d, want %d\n got %v\nwant %v", q, got.Total, total, got.ids(), want)
		}
		if more := q.offset+len(want) < total; more != (got.Paging != nil) {
			t.Fatalf("%+v: paging is %v", q, got.Paging)
		}
	}
}

// edit changes a few hundred objects in every way.
func edit(t *testing.T, a *hubspotsim.Account, objectType string) {
	t.Helper()
	all := ids(truth(a, objectType))
	must(t, a.BulkTouch(objectType, 300))
	for i := 1000; i < 1100; i += 5 {
		_, err := a.Merge(objectType, all[i], all[i+1])
		must(t, err, a.Archive(objectType, all[i+2]), a.Erase(objectType, all[i+3]), a.Update(objectType, all[i+4], nil))
		_, err = a.Create(objectType, nil)
		must(t, err)
	}
}

func TestSearchComparesOtherPropertiesByTheirType(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 2000}))
	all := truth(r.account, "contacts")
	must(t, r.account.Update("contacts", all[0].ID, map[string]string{"city": "Weir Nowhere", "num_employees": "1e9"}))
	for body, want := range map[string]int{
		`{"filters":[{"propertyName":"city","operator":"EQ","value":"weir nowhere"}]}`:                   1,
		`{"filters":[{"propertyName":"num_employees","operator":"GT","value":"99999999"}]}`:              1,
		`{"filters":[{"propertyName":"email","operator":"IN","values":["contact-000001@example.com"]}]}`: 1,
		`{"filters":[{"propertyName":"hs_object_id","operator":"IN","values":["1","51","52"]}]}`:         2,
		`{"filters":[{"propertyName":"email","operator":"NOT_HAS_PROPERTY"}]}`:                           0,
		`{"filterGroups":[{"filters":[{"propertyName":"hs_object_id","operator":"EQ","value":"1"}]},` +
			`{"filters":[{"propertyName":"hs_object_id","operator":"EQ","value":"51"}]}]}`: 2,
		`{}`: 2000,
	} {
		if got := r.page(200, "POST", "/crm/v3/objects/contacts/search", body); got.Total != want {
			t.Errorf("%s: %d hits, want %d", body, got.Total, want)
		}
	}
}

func TestSearchTakesEveryConditionOfOrderOnIDs(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"deals": 1500}))
	edit(t, r.account, "deals")
	all := ids(truth(r.account, "deals"))
	low, high := all[100], all[700]
	for operator, want := range map[string][]int64{
		"LT": all[:100], "LTE": all[:101], "GT": all[101:], "GTE": all[100:], "EQ": all[100:101], "BETWEEN": all[100:701],
		"IN": {low, high}, "NOT_IN": slices.DeleteFunc(slices.Clone(all), func(id int64) bool { return id == low || id == high }),
	} {
		for _, direction := range []string{"ASCENDING", "DESCENDING"} {
			f := map[string]any{"propertyName": "hs_object_id", "operator": operator, "value": fmt.Sprint(low), "highValue": fmt.Sprint(high)}
			if strings.HasSuffix(operator, "IN") {
				f["values"] = []string{fmt.Sprint(low), fmt.Sprint(high)}
			}
			expected := slices.Clone(want)
			if direction == "DESCENDING" {
				slices.Reverse(expected)
			}
			got := r.page(200, "POST", "/crm/objects/2026-09/deals/search", jsonOf(t, map[string]any{
				"filters": []any{f}, "sorts": []any{map[string]string{"propertyName": "hs_object_id", "direction": direction}}, "limit": 200,
			}))
			if got.Total != len(want) || !slices.Equal(got.ids(), expected[:min(200, len(expected))]) {
				t.Errorf("%s %s: %d of %d", operator, direction, got.Total, len(want))
			}
		}
	}
}

func TestAnObjectThatMeetsTwoGroupsIsOneHit(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 300}))
	all := ids(truth(r.account, "contacts"))
	must(t, r.account.Update("contacts", all[5], nil))
	body := fmt.Sprintf(`{"filterGroups":[{"filters":[{"propertyName":"hs_object_id","operator":"LTE","value":"%d"}]},`+
		`{"filters":[{"propertyName":"hs_object_id","operator":"GTE","value":"%d"}]}],"sorts":["hs_object_id"],"limit":200}`, all[9], all[3])
	if got := r.page(200, "POST", someSearch, body); got.Total != 300 || !slices.Equal(got.ids(), all[:200]) {
		t.Errorf("%d hits of 300", got.Total)
	}
}

func TestSearchRefusesWhatHubSpotRefuses(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 12_000}))
	six := `{"propertyName":"email","operator":"HAS_PROPERTY"},`
	seven := `{"filters":[` + six + six + six + six + six + six + six[:len(six)-1] + `]}`
	for body, want := range map[string]int{
		`{"limit":201}`:                400,
		`{"limit":200,"after":"9801"}`: 400,
		`{"limit":200,"after":9800}`:   200,
		`{"limit":0}`:                  200,
		seven:                          400,
		`{"filters":[{"propertyName":"nothing","operator":"HAS_PROPERTY"}]}`:                     400,
		`{"filters":[{"propertyName":"lastmodifieddate","operator":"GTE","value":"0"}]}`:         500,
		`{"filters":[{"propertyName":"lastmodifieddate","operator":"GTE","value":"yesterday"}]}`: 400,
		`{"sorts":["createdate","email"]}`:                                                       400,
		`{`:                                                                                      400,
	} {
		if got := r.ask("POST", "/crm/objects/2026-09/contacts/search", body); got.status != want {
			t.Errorf("%s: %d, want %d: %s", body, got.status, want, got.body)
		}
	}
}

func TestMoreThanTenThousandObjectsShareOneMillisecond(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 20_000}))
	must(t, r.account.BulkTouch("contacts", 12_345))
	touched := truth(r.account, "contacts")[0].Updated.UnixMilli()
	body := fmt.Sprintf(`{"filters":[{"propertyName":"lastmodifieddate","operator":"EQ","value":"%d"}]}`, touched)
	if got := r.page(200, "POST", "/crm/objects/2026-09/contacts/search", body); got.Total != 12_345 {
		t.Errorf("%d objects on one millisecond", got.Total)
	}
}

func TestTheSearchIndexIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited(map[string]int{"contacts": 500})
		o.IndexLag = 10 * time.Minute
		r := setup(t, o)
		start := time.Now()
		all := ids(truth(r.account, "contacts"))
		for _, id := range all[:100] {
			must(t, r.account.Update("contacts", id, map[string]string{"city": "somewhere"}))
			_, err := r.account.Create("contacts", nil)
			must(t, err, r.account.Archive("contacts", all[len(all)-1]))
			all = all[:len(all)-1]
		}
		body := fmt.Sprintf(`{"filters":[{"propertyName":"lastmodifieddate","operator":"GTE","value":"%d"}]}`, start.UnixMilli())
		seen := func(body string) int {
			return r.page(200, "POST", "/crm/objects/2026-09/contacts/search", body).Total
		}
		<-time.After(5 * time.Minute)
		if n := seen(body); n < 50 || n > 150 {
			t.Errorf("half-way the index shows %d of 200 changes", n)
		}
		if n := seen(`{}`); n <= 450 || n == 500 {
			t.Errorf("half-way the index knows %d objects", n)
		}
		<-time.After(5 * time.Minute)
		if n := seen(body); n != 200 {
			t.Errorf("after the lag the index shows %d of 200 changes", n)
		}
		if n := seen(`{}`); n != 500 {
			t.Errorf("after the lag the index knows %d objects", n)
		}
	})
}

func TestIDsMayBeComparedAsText(t *testing.T) {
	o := unlimited(map[string]int{"contacts": 200})
	o.TextIDs = true
	got := setup(t, o).page(200, "POST", someSearch,
		`{"filters":[{"propertyName":"hs_object_id","operator":"GT","value":"51"}],"sorts":["hs_object_id"],"limit":3}`)
	if !slices.Equal(got.ids(), []int64{551, 601, 651}) {
		t.Errorf("behind 51 come %v", got.ids())
	}
}

func TestSmallAccountsAreCountedRight(t *testing.T) {
	for n := range 14 {
		r := setup(t, unlimited(map[string]int{"deals": n}))
		for _, o := range truth(r.account, "deals") {
			q := question{modified: "hs_lastmodifieddate", create: "createdate", sort: "createdate", limit: 200, from: o.Updated, to: o.Updated}
			want, total := q.answer(truth(r.account, "deals"))
			got := r.page(200, "POST", "/crm/objects/2026-09/deals/search", jsonOf(t, q.body()))
			if got.Total != total || !slices.Equal(got.ids(), want) {
				t.Errorf("of %d: %d hits %v, want %d %v", n, got.Total, got.ids(), total, want)
			}
		}
		if got := r.page(200, "POST", "/crm/objects/2026-09/deals/search", `{}`); got.Total != n {
			t.Errorf("of %d the search counts %d", n, got.Total)
		}
	}
}
