package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

const v1 = "/v1/connections/default"

// An exchange is a request with the status and either a part of the answer or the
// kind of problem.
type exchange struct {
	method, path, body string
	status             int
	want               string
	problem            string
}

var exchanges = []exchange{
	{"POST", "/start", "", 200, `{"connection":"default","on":true,"every":"5m0s","since":"2026-11-21T12:00:00Z"}`, ""},
	{"GET", "/start", "", 200, `"on":true`, ""},
	{"HEAD", "/start", "", 405, "", ""},
	{"POST", "/start?connection=other", "", 404, "", "unknown-connection"},
	{"POST", "/start?every=5", "", 422, "", "invalid-request"},
	{"POST", "/start/90s", "", 200, `"every":"1m30s"`, ""},
	{"GET", "/start/15", "", 200, `"every":"15m0s"`, ""},
	{"DELETE", "/start", "", 405, "", "method-not-allowed"},
	{"POST", "/start/", "", 404, "", "not-found"},
	{"POST", "/stop", "", 200, `"on":false`, ""},
	{"GET", "/stop", "", 200, `"on":false`, ""},
	{"POST", "/stop?connection=other", "", 404, "", "unknown-connection"},

	{"GET", "/data", "", 200, `{"stream":"contacts","state":"current","rows":3,"deleted":0,"rejects":0,"wanted":0,"fresh_at":"2026-11-21T12:00:00Z","settled_at":"2026-11-21T11:00:00Z","href":"/data/contacts"}`, ""},
	{"GET", "/data?limit=0", "", 422, "", "invalid-request"},
	{"GET", "/data?limit=1001", "", 422, "", "invalid-request"},
	{"GET", "/data?limit=many", "", 422, "", "invalid-request"},
	{"GET", "/data?after=nothing", "", 400, "", "bad-token"},
	{"GET", "/data?connection=other", "", 404, "", "unknown-connection"},
	{"POST", "/data", "", 405, "", "method-not-allowed"},
	{"GET", "/data/contacts?fields=note,id&limit=1", "", 200, `{"columns":["note","id"],"items":[{"note":"a","id":1}],"next":"`, ""},
	{"GET", "/data/contacts?fields=note", "", 200, `"items":[{"note":"a"},` + "\n" + `{"note":"b"},`, ""},
	{"GET", "/data/contacts?fields=nothing", "", 400, "", "unknown-field"},
	{"GET", "/data/contacts?feilds=note", "", 422, "", "invalid-request"},
	{"GET", "/data/contacts?after=!", "", 400, "", "bad-token"},
	{"GET", "/data/contacts?after=WyJyb3dzIG9mIGNvbnRhY3RzIiwiYSJd", "", 400, "", "bad-token"},
	{"GET", "/data/contacts?after=WyJyb3dzIG9mIG93bmVycyIsIjEiXQ", "", 400, "", "bad-token"},
	{"GET", "/data/contacts?limit=1001", "", 422, "", "invalid-request"},
	{"GET", "/data/contacts?deleted=perhaps", "", 422, "", "invalid-request"},
	{"GET", "/data/deals", "", 404, "", "not-loaded-yet"},
	{"GET", "/data/nothing", "", 404, "", "unknown-stream"},
	{"GET", "/data/Contacts", "", 404, "", "unknown-stream"},
	{"GET", "/data/contacts?connection=other", "", 404, "", "unknown-connection"},

	{"GET", "/error?limit=1", "", 200, `{"items":[{"id":5,"stream":"deals","lane":"fresh","kind":"forbidden","message":"deals may not be read","remedy":"add a scope","heals":false,"since":"2026-11-21T12:00:00Z","last":"2026-11-21T12:00:00Z","count":3}],"next":"5"}`, ""},
	{"GET", "/error?resolved=true", "", 200, `"resolved":"2026-11-21T12:00:00Z"`, ""},
	{"GET", "/error?after=x", "", 400, "", "bad-token"},
	{"GET", "/error?after=-1", "", 400, "", "bad-token"},
	{"GET", "/error?connection=other", "", 404, "", "unknown-connection"},

	{"GET", "/v1/connections", "", 200, `"name":"default","account":4711,"state":"up to date","schedule":{"connection":"default","on":true,"every":"5m0s","since":"2026-11-21T12:00:00Z"},"lag":"1h0m0s","round":"1.2s","calls":{"day":"2026-11-21","spent":17,"limit":250000},"worker_age":"2s"`, ""},
	{"GET", v1, "", 200, `"account":4711`, ""},
	{"GET", "/v1/connections/other", "", 404, "", "unknown-connection"},
	{"GET", v1 + "/schedule", "", 200, `"every":"5m0s"`, ""},
	{"GET", "/v1/connections/other/schedule", "", 404, "", "unknown-connection"},
	{"PUT", v1 + "/schedule", `{"on":true,"every":"15m"}`, 200, `"every":"15m0s"`, ""},
	{"PUT", v1 + "/schedule", `{"on":true}`, 200, `"on":true`, ""},
	{"PUT", v1 + "/schedule", `{"on":false}`, 200, `"on":false`, ""},
	{"PUT", v1 + "/schedule", `{"on":false,"every":"15m"}`, 422, "", "invalid-request"},
	{"PUT", v1 + "/schedule", `{"on":true,"every":"1s"}`, 422, "", "bad-interval"},
	{"PUT", v1 + "/schedule", `{"every":"15m"}`, 422, "", "invalid-request"},
	{"PUT", v1 + "/schedule", `{"on":true,"evry":"15m"}`, 422, "", "invalid-request"},
	{"PUT", v1 + "/schedule", `{"on":true}{}`, 400, "", "invalid-request"},
	{"PUT", v1 + "/schedule", ``, 400, "", "invalid-request"},
	{"PUT", v1 + "/schedule", `{"on":true,"every":"` + strings.Repeat("9", 1<<20) + `"}`, 413, "", "invalid-request"},
	{"PUT", "/v1/connections/other/schedule", `{"on":true}`, 404, "", "unknown-connection"},
	{"GET", v1 + "/streams?limit=2", "", 200, `"next":"deals"`, ""},
	{"GET", v1 + "/runs?stream=contacts&lane=fresh&before=3&limit=1", "", 200, `{"items":[{"run":2,"stream":"contacts","lane":"fresh","outcome":"done"`, ""},
	{"GET", v1 + "/runs?lane=nothing", "", 422, "", "invalid-request"},
	{"GET", v1 + "/runs?before=0", "", 422, "", "invalid-request"},
	{"GET", v1 + "/runs?after=x", "", 400, "", "bad-token"},
	{"GET", "/v1/connections/other/runs", "", 404, "", "unknown-connection"},
	{"GET", v1 + "/rows/contacts?fields=id", "", 200, `{"id":3}`, ""},
	{"GET", v1 + "/errors", "", 200, `"id":2`, ""},
	{"GET", v1 + "/streams/contacts/explain/7", "", 200, `"stream":"contacts","id":7,"summary":"The row is equal`, ""},
	{"GET", v1 + "/streams/nothing/explain/7", "", 404, "", "unknown-stream"},
	{"GET", v1 + "/streams/owners/explain/7", "", 409, "", "no-objects"},
	{"GET", v1 + "/streams/contacts/explain/0", "", 422, "", "invalid-request"},
	{"GET", "/v1/connections/other/streams/contacts/explain/7", "", 404, "", "unknown-connection"},
	{"GET", "/v1/plan", "", 200, `"connection":"default"`, ""},
	{"GET", "/v1/plan?connection=other", "", 404, "", "unknown-connection"},
	{"GET", "/v1/quota", "", 200, `"by":[{"stream":"contacts","lane":"fresh","calls":17}],"limit":250000,"left":249983`, ""},
	{"GET", "/v1/quota?connection=other", "", 404, "", "unknown-connection"},
	{"POST", "/v1/connections/default/verifications", `{"streams":["contacts"],"every_object":true}`, 200, `"equal":false`, ""},
	{"POST", "/v1/connections/default/verifications", "", 200, `"missing":2`, ""},
	{"POST", "/v1/connections/default/verifications", `{"streams":["nothing"]}`, 502, "", "not-verified"},
	{"POST", "/v1/connections/other/verifications", "", 404, "", "unknown-connection"},
	{"GET", "/v1/connections/default/verifications?limit=2", "", 200, `"id":3`, ""},
	{"GET", "/v1/connections/other/verifications", "", 404, "", "unknown-connection"},
	{"GET", v1 + "/probes", "", 200, `{"findings":[{"assumed":"a","result":"holds","text":"t"}]}`, ""},
	{"POST", v1 + "/repair", "", 200, `{"done":["added the column v to the table contacts, empty"]}`, ""},
	{"POST", v1 + "/sweep/confirm", `{"stream":"contacts"}`, 200, `{"stream":"contacts"}`, ""},
	{"POST", v1 + "/sweep/confirm", `{"stream":"deals"}`, 409, "", "not-held"},
	{"POST", v1 + "/sweep/confirm", `{"stream":"nothing"}`, 404, "", "unknown-stream"},
	{"POST", v1 + "/sweep/confirm", `{}`, 422, "", "invalid-request"},
	{"GET", "/v1/connections/other/errors", "", 404, "", "unknown-connection"},
	{"GET", v1 + "/rejects", "", 200, `{"items":[]}`, ""},
	{"GET", v1 + "/rejects?after=x", "", 400, "", "bad-token"},
	{"GET", "/v1/connections/other/rejects", "", 404, "", "unknown-connection"},
	{"POST", v1 + "/backfills", `{"stream":"contacts"}`, 202, `{"stream":"contacts"}`, ""},
	{"POST", v1 + "/backfills", `{"stream":"nothing"}`, 404, "", "unknown-stream"},
	{"POST", v1 + "/backfills", `{"stream":"owners"}`, 409, "", "no-backfill"},
	{"POST", v1 + "/backfills", `{}`, 422, "", "invalid-request"},
	{"POST", v1 + "/catchups", `{"streams":["contacts"]}`, 200, `"connection":"default","streams":["contacts"],"took":"`, ""},
	{"POST", v1 + "/catchups", `{}`, 200, `"streams":[]`, ""},
	{"POST", v1 + "/catchups", ``, 200, `"streams":[]`, ""},
	{"POST", v1 + "/catchups", `{"streams":["deals"]}`, 502, "", "not-caught-up"},
	{"POST", v1 + "/catchups", `{"streams":["deals","nothing"]}`, 409, "", "not-caught-up"},
	{"POST", v1 + "/catchups", `{"streams":[1]}`, 422, "", "invalid-request"},
	{"POST", "/v1/connections/other/catchups", `{}`, 404, "", "unknown-connection"},

	{"GET", "/healthz", "", 200, `{"status":"alive","version":"1.2.3"}`, ""},
	{"GET", "/readyz", "", 200, `{"status":"ready","version":"1.2.3"}`, ""},
	{"GET", "/", "", 200, "POST /start", ""},
	{"GET", "/docs", "", 404, "", "not-found"},
}

func TestEveryRouteAnswersGoodInputAndRefusesBadInput(t *testing.T) {
	w := setup(t, "")
	w.contacts("a", "b", "c")
	w.catchUp = func(_ context.Context, streams []string) error {
		if slices.Contains(streams, "nothing") || slices.Contains(streams, "deals") {
			return errors.New("not caught up: of " + strings.Join(streams, ","))
		}
		return nil
	}
	for _, x := range exchanges {
		response, text := w.ask(x.method, x.path, x.body)
		if response.StatusCode != x.status || !strings.Contains(text, x.want) {
			t.Errorf("%s %s %.80s: %s %s, want %d %s", x.method, x.path, x.body, response.Status, text, x.status, x.want)
		}
		if x.problem != "" {
			w.problem(response, text, x.problem)
		}
		if response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be kept in a cache", x.method, x.path)
		}
	}
}

func TestABodyThatIsNotJSONIsRefused(t *testing.T) {
	w := setup(t, "")
	response, text := w.ask("POST", v1+"/backfills", "stream=contacts", "Content-Type", "application/x-www-form-urlencoded")
	w.problem(response, text, "invalid-request")
	if response.StatusCode != http.StatusUnsupportedMediaType || len(w.commands) != 0 {
		t.Errorf("%s, and %v was done", response.Status, w.commands)
	}
}

func TestOnlyPossibleIntervalsStart(t *testing.T) {
	w := setup(t, "")
	for _, interval := range []string{
		"0", "-1", "-5m", "0s", "9s", "9.999s", "1ns", "43201", "721h", "2592001s", "1000000h", "NaN", "nan", "Inf", "soon",
		"5%20", "%205", "5m%00", "1e3", "1.5", "0x10", "5,5", "5%2F3", "%E0%A5%AB", "..%2Fstop", "5m;stop", "'5'",
		"99999999999999999999999999", "9223372036854775807", "153722867280912931", "9223372036854775807ns", strings.Repeat("9", 5000),
	} {
		response, text := w.ask("POST", "/start/"+interval, "")
		w.problem(response, text, "bad-interval")
		if len(text) > 1000 {
			t.Errorf("/start/%.20s: the answer has %d bytes", interval, len(text))
		}
	}
	if len(w.commands) != 0 {
		t.Fatalf("these were done: %v", w.commands)
	}
	for _, interval := range []string{"1", "43200", "10s", "720h", "90s", "0.5h", "1h30m"} {
		if response, text := w.ask("POST", "/start/"+interval, ""); response.StatusCode != http.StatusOK {
			t.Errorf("/start/%s: %s %s", interval, response.Status, text)
		}
	}
	want := []string{"1m0s", "720h0m0s", "10s", "720h0m0s", "1m30s", "30m0s", "1h30m0s"}
	for i, command := range w.commands {
		if command != "start default "+want[i] {
			t.Errorf("%s, want an interval of %s", command, want[i])
		}
	}
}

func TestAStoreThatFailsIsAProblemThatSaysSo(t *testing.T) {
	w := setup(t, "")
	w.contacts("a")
	w.down = errors.New("the disk is on fire")
	for _, path := range []string{"/start", "/stop", "/data", "/data/contacts", "/data/nothing", "/error", v1 + "/runs", v1 + "/streams"} {
		response, text := w.ask("GET", path, "")
		w.problem(response, text, "unavailable")
		if !strings.Contains(text, "the disk is on fire") {
			t.Errorf("GET %s does not say why: %s", path, text)
		}
	}
}

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	w := setup(t, "")
	w.reasons = []string{"default: no worker was heard lately"}
	response, text := w.ask("GET", "/readyz", "")
	w.problem(response, text, "not-ready")
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"reasons":["default: no worker was heard lately"]`) {
		t.Errorf("%s %s", response.Status, text)
	}
	if response, _ := w.ask("GET", "/healthz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("a process that is not ready is taken for dead: %s", response.Status)
	}
}

func TestTheDescriptionHasEveryRouteWithSummaryAndDescription(t *testing.T) {
	w := setup(t, "")
	type operation struct {
		Summary, Description string
		Tags                 []string
		Parameters           []struct{ Name, Description string }
		Responses            map[string]json.RawMessage
	}
	doc := get[struct {
		OpenAPI string
		Paths   map[string]map[string]operation
	}](w, "/openapi.json")
	var found []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			found = append(found, strings.ToUpper(method)+" "+path)
			if op.Summary == "" || op.Description == "" || len(op.Tags) != 1 || len(op.Responses) < 2 {
				t.Errorf("%s %s is not described: %+v", method, path, op)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Name)
				}
			}
		}
	}
	slices.Sort(found)
	one := "/v1/connections/{connection}"
	want := []string{
		"GET /data", "GET /data/{stream}", "GET /error", "GET /healthz", "GET /readyz", "GET /start", "GET /start/{interval}", "GET /stop",
		"GET /v1/connections", "GET " + one, "GET " + one + "/errors", "GET " + one + "/probes", "GET " + one + "/rejects", "GET " + one + "/rows/{stream}",
		"GET " + one + "/runs", "GET " + one + "/schedule", "GET " + one + "/streams",
		"GET " + one + "/streams/{stream}/explain/{id}", "GET " + one + "/verifications", "GET /v1/plan", "GET /v1/quota",
		"POST /start", "POST /start/{interval}", "POST /stop", "POST " + one + "/backfills", "POST " + one + "/catchups", "POST " + one + "/repair", "POST " + one + "/sweep/confirm", "POST " + one + "/verifications", "PUT " + one + "/schedule",
	}
	if !slices.Equal(found, want) || doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s describes\n%q, want\n%q", doc.OpenAPI, found, want)
	}
}

func TestMetricsTellHowThingsStand(t *testing.T) {
	w := setup(t, "")
	_, text := w.ask("GET", "/metrics", "")
	for _, want := range []string{
		`penstock_rows{connection="default",stream="contacts"} 3`,
		`penstock_fresh_age_seconds{connection="default",stream="contacts"} `,
		`penstock_settled_age_seconds{connection="default",stream="contacts"} `,
		`penstock_recent_runs{connection="default",outcome="done"} 5`,
		`penstock_recent_runs{connection="default",outcome="failed"} 0`,
		`penstock_open_errors{connection="default"} 4`,
		`penstock_hubspot_calls_spent{connection="default"} 17`,
		`penstock_warehouse_up{connection="default"} 1`,
		`penstock_catalog_up{connection="default"} 1`,
		`penstock_worker_age_seconds{connection="default"} 2`,
		`penstock_build_info{version="1.2.3"} 1`,
		"go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	w.down = errors.New("gone")
	_, text = w.ask("GET", "/metrics", "")
	for _, want := range []string{`penstock_warehouse_up{connection="default"} 0`, `penstock_catalog_up{connection="default"} 0`} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("with failing stores: no %s in\n%s", want, text)
		}
	}
}

func TestRejectsArePaged(t *testing.T) {
	w := setup(t, "")
	w.load(warehousetest.NewBatch(warehousetest.Contacts()).Put(1, 1, 1).Reject("1", "birthday", "soon").Reject("2", "", "{}").Reject("3", "size", "big"))
	var seen []string
	for after := ""; ; {
		page := get[struct {
			Items []struct{ Key, Property, Original string }
			Next  string
		}](w, v1+"/rejects?limit=1&stream=contacts&after="+after)
		for _, r := range page.Items {
			seen = append(seen, r.Key+" "+r.Property+" "+r.Original)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if want := []string{"1 birthday soon", "2  {}", "3 size big"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}

func TestThatNoWorkerAnswersIsToldApartFromWhatHubSpotRefuses(t *testing.T) {
	w := setup(t, "")
	for kind, down := range map[string]error{
		"no-worker":   fmt.Errorf("%w: gone", datastreams.ErrNoWorker),
		"unavailable": &penstock.Trouble{Kind: "forbidden", Message: "contacts may not be read", Remedy: "grant the scope"},
	} {
		w.down = down
		for _, path := range []string{v1 + "/streams/contacts/explain/7", "/v1/plan", v1 + "/probes"} {
			response, text := w.ask("GET", path, "")
			w.problem(response, text, kind)
			if kind == "unavailable" && !strings.Contains(text, "grant the scope") {
				t.Errorf("GET %s does not say what to do: %s", path, text)
			}
		}
	}
}

func TestAStreamTellsHowLongAChangeThatNothingTellsOfMayGoUnseen(t *testing.T) {
	w := setup(t, "")
	w.streams[0].SweptAt, w.streams[0].Within = moment(), 24*time.Hour
	if _, text := w.ask("GET", "/data", ""); !strings.Contains(text, `"swept_at":"2026-11-21T12:00:00Z","within":"24h0m0s"`) {
		t.Errorf("it is not told: %s", text)
	}
}
