package hubspotsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

func TestEveryFaultHitsAndHealsByItself(t *testing.T) {
	for _, kind := range hubspotsim.AllFaults() {
		synctest.Test(t, func(t *testing.T) {
			o := unlimited(map[string]int{"contacts": 300})
			o.Faults = hubspotsim.Faults{Rate: 1, Kinds: []string{kind}, Row: 2}
			r := setup(t, o)
			sound := setup(t, unlimited(map[string]int{"contacts": 300}))
			for _, q := range [][3]string{
				{"GET", "/crm/objects/2026-09/contacts?limit=100", ""},
				{"POST", "/crm/objects/2026-09/contacts/search", `{"limit":100,"after":"100"}`},
				{"POST", "/crm/objects/2026-09/contacts/batch/read", `{"inputs":[{"id":"1"},{"id":"51"}]}`},
			} {
				want := sound.ask(q[0], q[1], q[2])
				hits := 0
				for range 3 {
					start := time.Now()
					if got := r.ask(q[0], q[1], q[2]); !alike(got, want) || time.Since(start) > time.Second {
						hits++
					}
				}
				if last := r.ask(q[0], q[1], q[2]); hits > 2 || hits == 0 && slices.Contains(strings.Fields(faultsFor(q[1])), kind) {
					t.Errorf("%s hit %s %d times of 3, then %d", kind, q[1], hits, last.status)
				}
			}
			if n := r.account.Counters(); n.Faults[kind] == 0 || n.Limited != 0 {
				t.Errorf("%s: counters are %+v", kind, n)
			}
		})
	}
}

// faultsFor names the faults that must show on the path, besides the usual.
func faultsFor(path string) string {
	if strings.HasSuffix(path, "batch/read") {
		return "500 502 503 504 524 401 423 477 429 html void type short cut reset slow fewer extra"
	}
	return "500 502 503 504 524 401 423 477 429 html void type short cut reset slow few blank repeat back"
}

// alike tells whether two answers are the same but for their dates.
func alike(got, want answer) bool {
	if got.err != nil || got.status != want.status || got.header.Get("Content-Type") != want.header.Get("Content-Type") {
		return false
	}
	cut := func(b []byte) string { head, _, _ := strings.Cut(string(b), `,"startedAt"`); return head }
	return cut(got.body) == cut(want.body)
}

func TestFaultsAreReadFromAFlag(t *testing.T) {
	got, err := hubspotsim.ParseFaults("rate=0.05,kinds=500+html,seed=7,row=3,stall=1s")
	must(t, err)
	if got.Rate != 0.05 || !slices.Equal(got.Kinds, []string{"500", "html"}) || got.Seed != 7 || got.Row != 3 || got.Stall != time.Second {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"rate=2", "rate=x", "kinds=sunshine", "speed=1", "rate=NaN"} {
		if _, err := hubspotsim.ParseFaults(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAResetConnectionIsAnErrorOverTheNetworkToo(t *testing.T) {
	for _, kind := range []string{"reset", "cut", "short"} {
		o := unlimited(map[string]int{"contacts": 300})
		o.Faults = hubspotsim.Faults{Rate: 1, Kinds: []string{kind}, Row: 1}
		r := setup(t, o)
		server := httptest.NewServer(r.account)
		r.client = &http.Client{Transport: rewrite{server}}
		got := r.ask("GET", "/crm/objects/2026-09/contacts?limit=100", "")
		if broken := got.err == nil && json.Valid(got.body); broken || kind != "short" && got.err == nil {
			t.Errorf("%s: the first answer is whole: %v", kind, got.err)
		}
		if p := r.page(200, "GET", "/crm/objects/2026-09/contacts?limit=100", ""); len(p.Results) != 100 {
			t.Errorf("%s: the second answer has %d objects", kind, len(p.Results))
		}
		server.Close()
	}
}

// rewrite sends every request to a server.
type rewrite struct{ server *httptest.Server }

func (w rewrite) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = strings.TrimPrefix(w.server.URL, "http://")
	return w.server.Client().Transport.RoundTrip(r)
}

func TestLastingTroubleStaysUntilItIsTakenAway(t *testing.T) {
	r := setup(t, unlimited(map[string]int{"contacts": 300, "deals": 10}))
	all := ids(truth(r.account, "contacts"))
	first, second := "/crm/objects/2026-09/contacts?limit=100", "/crm/objects/2026-09/contacts?limit=100&after=5000"

	r.account.BreakAt("contacts", all[100])
	r.page(200, "GET", first, "")
	r.page(500, "GET", second, "")
	r.page(500, "GET", second, "")
	r.account.Mend()
	r.page(200, "GET", second, "")

	r.account.Forbid("deals", "crm.objects.deals.read")
	got := r.page(403, "POST", "/crm/objects/2026-09/0-3/search", `{}`)
	if got.Category != "MISSING_SCOPES" || !slices.Equal(got.Errors[0].Context["requiredGranularScopes"], []string{"crm.objects.deals.read"}) {
		t.Errorf("%+v", got)
	}
	r.page(200, "GET", first, "")
	r.account.Allow("0-3")
	r.page(200, "POST", "/crm/objects/2026-09/0-3/search", `{}`)

	r.account.RefuseToken(true)
	if p := r.page(401, "GET", first, ""); p.Category != "INVALID_AUTHENTICATION" {
		t.Errorf("%+v", p)
	}
	r.account.RefuseToken(false)
	r.page(200, "GET", first, "")
}

func TestAnotherTokenIsRefused(t *testing.T) {
	o := unlimited(nil)
	o.Token = "another"
	setup(t, o).page(401, "GET", someList, "")
}

func TestTheAccountServesWhileItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := setup(t, unlimited(map[string]int{"contacts": 400, "companies": 50}))
		before := truth(r.account, "contacts")
		ctx, stop := contextFor(t)
		var churning sync.WaitGroup
		churning.Go(func() { must(t, r.account.Churn(ctx, 6000)) })
		for range 20 {
			<-time.After(time.Second)
			if got := r.list("/crm/objects/2026-09/contacts?properties=email"); len(got) < 300 {
				t.Errorf("%d contacts are left", len(got))
			}
			r.page(200, "POST", someSearch, `{"limit":200}`)
		}
		stop()
		churning.Wait()
		after := truth(r.account, "contacts")
		r.same(r.list("/crm/objects/2026-09/contacts?properties="+r.every("contacts")), after)
		if slices.Equal(ids(before), ids(after)) || len(r.account.MergedAway("contacts")) == 0 {
			t.Error("20 s of 100 edits a second left no trace")
		}
	})
}
