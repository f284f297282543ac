package hubspot_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

func TestAListSaysAllInItsURLOrIsNotSent(t *testing.T) {
	client, f := setup(t, always(200, onePage))
	request := hubspot.ListRequest{Type: "2-123", After: "513881705058", Properties: []string{"email", "größe", "a&b"}}
	if _, err := client.List(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	want := "GET /crm/objects/2026-09/2-123?limit=100&archived=false&after=513881705058&properties=email,gr%C3%B6%C3%9Fe,a%26b"
	if f.paths[0] != want {
		t.Errorf("sent %s\nwant %s", f.paths[0], want)
	}

	request.Properties = []string{strings.Repeat("ß", 2000)} // 12,000 bytes once encoded
	comma := hubspot.ListRequest{Type: "contacts", Properties: []string{"one,two"}}
	for _, r := range []hubspot.ListRequest{request, comma} {
		_, err := client.List(t.Context(), r)
		if client.ListFits(r) || hubspot.KindOf(err) != hubspot.TooLong || f.calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, f.calls.Load())
		}
	}
	request.Properties = []string{strings.Repeat("s", 11800)}
	if !client.ListFits(request) {
		t.Error("a URL of less than 12,000 bytes does not fit")
	}
}

func TestABatchReadNamesTheIdsThatHubSpotDidNotFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, always(207, `{"status":"COMPLETE","results":[{"id":"7","properties":{}}],"numErrors":3,"errors":[
			{"status":"error","category":"OBJECT_NOT_FOUND","message":"gone","context":{"ids":["8","9"]}},
			{"status":"error","category":"INTERNAL","context":{"ids":["10"]}},
			{"status":"error","category":"OBJECT_NOT_FOUND","context":{"ids":["11"]}}]}`))
		page, err := client.BatchRead(t.Context(), hubspot.BatchRequest{
			Type: "contacts", IDs: []string{"7", "8", "9", "10", "11", "8"}, Properties: []string{"email"}, Archived: true,
		})
		if err != nil || page.Status != 207 || page.Results != 1 || !slices.Equal(page.Missing, []string{"8", "9", "11"}) {
			t.Errorf("page %+v, %v", page, err)
		}
		if want := "POST /crm/objects/2026-09/contacts/batch/read?archived=true"; f.paths[0] != want {
			t.Errorf("sent %s", f.paths[0])
		}
		if want := `{"inputs":[{"id":"7"},{"id":"8"},{"id":"9"},{"id":"10"},{"id":"11"}],"properties":["email"]}`; f.bodies[0] != want {
			t.Errorf("sent %s", f.bodies[0])
		}
		for _, ids := range [][]string{nil, make([]string, 0)} {
			_, err := client.BatchRead(t.Context(), hubspot.BatchRequest{Type: "contacts", IDs: ids})
			if hubspot.KindOf(err) != hubspot.BadRequest {
				t.Errorf("%v", err)
			}
		}
		if f.calls.Load() != 1 {
			t.Errorf("%d calls", f.calls.Load())
		}
	})
}

func TestASingleReadLooksLikeAPageOfOne(t *testing.T) {
	client, f := setup(t, inTurn(
		respond(200, `{"id":"900","properties":{"email":"contact-000900@example.com"},"archived":false}`),
		respond(404, `{"status":"error","category":"OBJECT_NOT_FOUND"}`)))
	ask := hubspot.ReadRequest{Type: "contacts", ID: "7", Properties: []string{"email"}}
	page, err := client.Read(t.Context(), ask)
	if err != nil || page.Results != 1 || page.Next != "" ||
		string(page.Body) != `{"results":[{"id":"900","properties":{"email":"contact-000900@example.com"},"archived":false}]}` {
		t.Errorf("page %+v, %v", page, err)
	}
	if want := "GET /crm/objects/2026-09/contacts/7?archived=false&properties=email"; f.paths[0] != want {
		t.Errorf("sent %s", f.paths[0])
	}
	if page, err := client.Read(t.Context(), ask); page != nil || hubspot.KindOf(err) != hubspot.NotFound {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestASearchPagesByKeyAndNeverByOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, inTurn(respond(200, `{"total":12345,"results":[
			{"id":"12","properties":{"lastmodifieddate":"2026-02-25T16:23:49.023Z"},"updatedAt":"2026-02-25T16:23:50Z"},
			{"id":"9","properties":{"lastmodifieddate":"1772036629023"}},
			{"id":13,"properties":{"lastmodifieddate":""},"updatedAt":"2026-02-25T16:23:49Z"},
			{"id":"14","properties":{"lastmodifieddate":null}}],"paging":{"next":{"after":"200"}}}`),
			respond(200, `{"total":0,"results":[]}`),
			respond(200, `{"total":0,"results":[],"paging":{"next":{"after":"200"}}}`),
			respond(200, `{"total":5,"results":[]}`)))
		at := time.Date(2026, 2, 25, 16, 23, 49, 23e6, time.UTC)
		ask := hubspot.SearchRequest{Type: "contacts", Modified: "lastmodifieddate", From: time.Unix(0, 0), To: at, AfterID: "8"}
		hits, err := client.Search(t.Context(), ask)
		want := []hubspot.Hit{{ID: "12", Modified: at}, {ID: "9", Modified: at}, {ID: "13", Modified: at.Truncate(time.Second)}, {ID: "14"}}
		if err != nil || hits.Total != 12345 || !hits.More || !reflect.DeepEqual(hits.IDs, want) {
			t.Errorf("hits %+v, %v", hits, err)
		}
		wantBody := `{"filterGroups":[{"filters":[` +
			`{"propertyName":"lastmodifieddate","operator":"BETWEEN","value":"1000","highValue":"1772036629023"},` +
			`{"propertyName":"hs_object_id","operator":"GT","value":"8"}]}],` +
			`"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":["lastmodifieddate","hs_object_id"],"limit":200}`
		if f.bodies[0] != wantBody || f.paths[0] != "POST /crm/objects/2026-09/contacts/search" {
			t.Errorf("sent %s\n%s\nwant\n%s", f.paths[0], f.bodies[0], wantBody)
		}
		for _, more := range []bool{false, true, true} { // an empty answer is the last only without a cursor and with a total of 0
			hits, err = client.Search(t.Context(), hubspot.SearchRequest{Type: "contacts", Modified: "lastmodifieddate"})
			if err != nil || hits.More != more || len(hits.IDs) != 0 {
				t.Errorf("hits %+v, %v", hits, err)
			}
		}
		if !strings.HasPrefix(f.bodies[1], `{"filterGroups":[],"sorts"`) {
			t.Errorf("sent %s", f.bodies[1])
		}
	})
}

func TestATotalIsTheOneThatWasVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, inTurn(
			respond(200, `{"total":99999999999999999999,"results":[]}`),
			respond(200, `{"total":5,"results":[{"id":"1"}],"tot\u0061l":null}`)))
		hits, err := client.Search(t.Context(), hubspot.SearchRequest{Type: "contacts", Modified: hubspot.ModifiedContact})
		if err != nil || hits.Total != 5 || len(hits.IDs) != 1 || f.calls.Load() != 2 {
			t.Errorf("%+v after %d calls, %v", hits, f.calls.Load(), err)
		}
	})
}

func TestPropertiesOfEverySensitivityThatCanBeReadAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) {
			switch r.URL.Query().Get("dataSensitivity") {
			case "non_sensitive":
				return respond(200, `{"results":[{"name":"zip","type":"string","displayOrder":-1,"options":[]},
					{"name":"amount","type":"number","label":7,"calculationFormula":null,"createdAt":"2026-01-01T00:00:00Z"}]}`), nil
			case "sensitive":
				return respond(403, scopesOnTop), nil
			}
			return respond(200, `{"results":[{"name":"secret","type":"enumeration","dataSensitivity":"highly_sensitive",
				"options":[{"label":"Yes","value":true,"displayOrder":0}]},{"name":"zip","type":"string"}]}`), nil
		})
		got, err := client.Properties(t.Context(), "contacts")
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i].Stamp == 0 || got[i].Date.IsZero() {
				t.Errorf("%s is not dated", got[i].Name)
			}
			got[i].Stamp, got[i].Date = 0, time.Time{}
		}
		want := []hubspot.Property{
			{Name: "amount", Type: "number", Label: "7", CreatedAt: "2026-01-01T00:00:00Z"},
			{Name: "secret", Type: "enumeration", DataSensitivity: "highly_sensitive", Options: []hubspot.Option{{Label: "Yes", Value: "true"}}},
			{Name: "zip", Type: "string", DisplayOrder: -1, Options: []hubspot.Option{}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

func TestWithoutTheScopeForOrdinaryPropertiesThereAreNone(t *testing.T) {
	client, _ := setup(t, always(403, scopesOnTop))
	if p, err := client.Properties(t.Context(), "deals"); p != nil || hubspot.KindOf(err) != hubspot.Forbidden {
		t.Errorf("%v, %v", p, err)
	}
}

func TestSmallFamiliesAreReadInTheirVersion(t *testing.T) {
	const (
		owner    = `{"id":"5","email":"owner-5@example.com","type":"PERSON","userId":55,"teams":[{"id":"1","name":"Team","primary":true}],"archived":false}`
		stage    = `{"id":"s","label":"Won","displayOrder":2,"metadata":{"isClosed":"true","probability":1.0},"createdAt":"1970-01-01T00:00:00Z"}`
		pipeline = `{"id":"default","label":"Sales","stages":[` + stage + `]}`
	)
	client, f := setup(t, inTurn(
		respond(200, `{"results":[`+owner+`],"paging":{"next":{"after":"MQ=="}}}`), respond(200, owner),
		respond(200, `{"results":[`+pipeline+`]}`), respond(200, pipeline), respond(200, stage),
		respond(200, `{"results":[{"id":"9","objectTypeId":"2-123","name":"car","labels":{"singular":"Car","plural":"Cars"}}]}`),
		respond(200, `{"name":"zip","archived":true}`), respond(200, newYork),
	), func(cfg *hubspot.Config) {
		cfg.Versions = map[hubspot.Family]string{hubspot.PipelinesFamily: "v3", hubspot.SchemasFamily: "v3"}
	})
	f.answers = leftBehind(f.answers)
	ctx := t.Context()
	owners, err := client.Owners(ctx, "", true)
	if err != nil || owners.Next != "MQ==" || len(owners.Owners) != 1 || owners.Owners[0].UserID != 55 || owners.Stamp != 1 {
		t.Errorf("owners %+v, %v", owners, err)
	}
	one, err := client.Owner(ctx, "5", false)
	if err != nil || !reflect.DeepEqual(one.Owners, owners.Owners) {
		t.Errorf("owner %+v, %v", one, err)
	}
	pipelines, err := client.Pipelines(ctx, "deals")
	if err != nil || len(pipelines.Pipelines) != 1 || pipelines.Pipelines[0].Stages[0].Metadata["probability"] != "1.0" {
		t.Errorf("pipelines %+v, %v", pipelines, err)
	}
	single, err := client.Pipeline(ctx, "deals", "default")
	if err != nil || !reflect.DeepEqual(single.Pipelines, pipelines.Pipelines) {
		t.Errorf("pipeline %+v, %v", single, err)
	}
	won, err := client.Stage(ctx, "deals", "default", "s")
	if err != nil || !reflect.DeepEqual(won.Stage, pipelines.Pipelines[0].Stages[0]) {
		t.Errorf("stage %+v, %v", won, err)
	}
	schemas, err := client.Schemas(ctx)
	if err != nil || len(schemas) != 1 || schemas[0].ObjectTypeID != "2-123" || schemas[0].Labels.Plural != "Cars" {
		t.Errorf("schemas %+v, %v", schemas, err)
	}
	if p, err := client.Property(ctx, "contacts", "zip", true); err != nil || !p.Archived {
		t.Errorf("property %+v, %v", p, err)
	}
	if a, err := client.Account(ctx); err != nil || a.TimeZone != "America/New_York" {
		t.Errorf("account %+v, %v", a, err)
	}
	want := []string{
		"GET /crm/owners/2026-09?archived=true&limit=100", "GET /crm/owners/2026-09/5?archived=false&idProperty=id",
		"GET /crm/v3/pipelines/deals", "GET /crm/v3/pipelines/deals/default", "GET /crm/v3/pipelines/deals/default/stages/s",
		"GET /crm/v3/schemas?archived=false", "GET /crm/properties/2026-09/contacts/zip?archived=true",
		"GET /account-info/2026-09/details",
	}
	if !slices.Equal(f.paths, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(f.paths, "\n"), strings.Join(want, "\n"))
	}
}

// leftBehind makes answers say that plenty is left of the ten-second window.
func leftBehind(a answers) answers {
	return func(n int, r *http.Request) (*http.Response, error) {
		resp, err := a(n, r)
		return withLeft(resp, 190, 100), err
	}
}

func TestObjectTypesAreToldApart(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range hubspot.ObjectTypes() {
		if seen[o.Name] || seen[o.ID] || o.Scope == "" || !strings.HasPrefix(o.ID, "0-") {
			t.Errorf("%+v", o)
		}
		seen[o.Name], seen[o.ID] = true, true
		if contact := o.Name == "contacts"; contact != (o.Modified == hubspot.ModifiedContact) {
			t.Errorf("%s is dated by %s", o.Name, o.Modified)
		}
	}
}
