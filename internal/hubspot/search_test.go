package hubspot_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

func TestARangeOfIdsIsSearchedWithItsRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const body = `{"total":12,"results":[{"id":"950","properties":{"a":{"b":["hs_lastmodifieddate"]},"email":"x","hs_lastmodifieddate":"1772036629023"}},
			{"id":"940","properties":[],"updatedAt":"2026-02-25T16:23:49Z"}]}`
		client, f := setup(t, always(200, body))
		hits, err := client.Search(t.Context(), hubspot.SearchRequest{
			Type: "contacts", Modified: hubspot.Modified, AfterID: "99", BelowID: "1000", Descending: true, Offset: 9_800,
			Properties: []string{"email", "hs_object_id", "email", "zip"},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := `{"filterGroups":[{"filters":[{"propertyName":"hs_object_id","operator":"GT","value":"99"},` +
			`{"propertyName":"hs_object_id","operator":"LT","value":"1000"}]}],` +
			`"sorts":[{"propertyName":"hs_object_id","direction":"DESCENDING"}],` +
			`"properties":["hs_lastmodifieddate","hs_object_id","email","zip"],"limit":200,"after":"9800"}`
		if f.bodies[0] != want {
			t.Errorf("sent %s\nwant %s", f.bodies[0], want)
		}
		at := time.Date(2026, 2, 25, 16, 23, 49, 0, time.UTC)
		if len(hits.IDs) != 2 || hits.IDs[0].Modified != at.Add(23*time.Millisecond) || hits.IDs[1] != (hubspot.Hit{ID: "940", Modified: at}) {
			t.Errorf("hits %+v", hits.IDs)
		}
		p := hits.Page
		if string(p.Body) != body || p.Results != 2 || p.Stamp != hits.Stamp || p.Date != hits.Date || p.Date.IsZero() || p.Status != 200 {
			t.Errorf("page %+v", p)
		}
		if hits.More { // 9,800 were left out
			t.Error("there are more than all")
		}
	})
}

func TestACountAsksForOneHitAndNothingOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, always(200, `{"total":1234567,"results":[{"id":"1","properties":{}}],"paging":{"next":{"after":"1"}}}`))
		hits, err := client.Search(t.Context(), hubspot.SearchRequest{Type: "2-123", BelowID: "500", Limit: 1})
		if err != nil || hits.Total != 1234567 || !hits.More {
			t.Errorf("hits %+v, %v", hits, err)
		}
		if !strings.HasSuffix(f.bodies[0], `"properties":["hs_object_id"],"limit":1}`) {
			t.Errorf("sent %s", f.bodies[0])
		}
	})
}

func TestASearchThatHubSpotWouldRefuseIsNotSent(t *testing.T) {
	client, f := setup(t, always(200, `{"total":0,"results":[]}`))
	now := time.Now()
	for name, r := range map[string]hubspot.SearchRequest{
		"beyond 10,000":           {Offset: 10_000, Limit: 1},
		"across 10,000":           {Offset: 9_801},
		"a negative offset":       {Offset: -1},
		"more than 200":           {Limit: 201},
		"below a word":            {BelowID: "abc"},
		"an empty range":          {AfterID: "100", BelowID: "99"},
		"a window of nothing":     {From: now, To: now},
		"a window without an end": {Modified: hubspot.Modified, From: now},
	} {
		r.Type = "contacts"
		if _, err := client.Search(t.Context(), r); hubspot.KindOf(err) != hubspot.BadRequest || f.calls.Load() != 0 {
			t.Errorf("%s: %v after %d calls", name, err, f.calls.Load())
		}
	}
}

func TestHistoryIsReadByIdFiftyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const body = `{"results":[{"id":"7","properties":{},"propertiesWithHistory":{"city":[{"value":"Brisbane","timestamp":"2023-06-28T13:55:47.572Z","sourceType":"CRM_UI"}]}}],
			"numErrors":1,"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["8"]}}]}`
		client, f := setup(t, always(207, body))
		ask := hubspot.HistoryRequest{Type: "contacts", IDs: []string{"7", "8", "7"}, Properties: []string{"city"}, Archived: true}
		page, err := client.History(t.Context(), ask)
		if err != nil || string(page.Body) != body || page.Results != 1 || len(page.Missing) != 1 || page.Missing[0] != "8" || page.Stamp != 1 {
			t.Errorf("page %+v, %v", page, err)
		}
		want := `{"inputs":[{"id":"7"},{"id":"8"}],"properties":[],"propertiesWithHistory":["city"]}`
		if f.bodies[0] != want || f.paths[0] != "POST /crm/objects/2026-09/contacts/batch/read?archived=true" {
			t.Errorf("sent %s %s", f.paths[0], f.bodies[0])
		}
		many := ask
		many.IDs = strings.Split("1"+strings.Repeat(",1", 50), ",")
		for i := range many.IDs {
			many.IDs[i] += strings.Repeat("0", i)
		}
		of := ask
		of.Properties = nil
		for _, r := range []hubspot.HistoryRequest{many, of, {Type: "contacts", Properties: []string{"city"}}} {
			if _, err := client.History(t.Context(), r); hubspot.KindOf(err) != hubspot.BadRequest || f.calls.Load() != 1 {
				t.Errorf("%v after %d calls", err, f.calls.Load())
			}
		}
	})
}
