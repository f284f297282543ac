package hubspot_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

// noLinks is how HubSpot says that records have no links.
func noLinks(ids ...string) string {
	return fmt.Sprintf(`{"status":"error","category":"OBJECT_NOT_FOUND","subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND",
		"message":"No company is associated with contact.",
		"context":{"fromObjectId":["%s"],"fromObjectType":["contact"],"toObjectType":["company"]}}`, strings.Join(ids, `","`))
}

const linked = `{"from":{"id":"501"},"to":[{"toObjectId":29022297485,"associationTypes":[
	{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"},{"category":"HUBSPOT_DEFINED","typeId":279,"label":null}]}]}`

func contactsWith(ids ...string) hubspot.AssociationRequest {
	r := hubspot.AssociationRequest{From: "contacts", To: "companies"}
	for _, id := range ids {
		r.Inputs = append(r.Inputs, hubspot.AssociationInput{ID: id})
	}
	return r
}

func TestLinksAreReadWithTheirTypesAndTheIdsThatHaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, always(207, `{"status":"COMPLETE","results":[
			{"from":{"id":502},"to":[{"toObjectId":"7","associationTypes":[{"category":"USER_DEFINED","typeId":"36","label":"größter \"Kunde\""}]},
				{"toObjectId":8,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":5}]},
				{"toObjectId":7,"associationTypes":[{"category":"USER_DEFINED","typeId":36,"label":"größter \"Kunde\""},{"category":"WORK","typeId":36}]}],
			 "paging":{"next":{"after":"MC0yLTg=","link":"https://elsewhere.example/"}}},`+linked+`],
			"numErrors":2,"errors":[`+noLinks("503")+`,`+noLinks("504", "505")+`]}`))
		ask := contactsWith("501", "502", "503", "503", "504", "505")
		ask.Inputs[1].After = "MC0yLTc="
		page, err := client.Associations(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		want := &hubspot.AssociationPage{
			Linked: []hubspot.Linked{
				{From: "502", Next: "MC0yLTg=", Links: []hubspot.Link{
					{To: 7, Types: []hubspot.AssociationType{{Category: "USER_DEFINED", ID: 36, Label: `größter "Kunde"`}, {Category: "WORK", ID: 36}}},
					{To: 8, Types: []hubspot.AssociationType{{Category: "HUBSPOT_DEFINED", ID: 5}}}}},
				{From: "501", Links: []hubspot.Link{{To: 29022297485, Types: []hubspot.AssociationType{
					{Category: "HUBSPOT_DEFINED", ID: 1, Label: "Primary"}, {Category: "HUBSPOT_DEFINED", ID: 279}}}}},
			},
			None: []string{"503", "504", "505"},
			Date: page.Date, Stamp: 1,
		}
		if !reflect.DeepEqual(page, want) || page.Date.IsZero() {
			t.Errorf("got  %+v\nwant %+v", page, want)
		}
		if want := "POST /crm/associations/2026-09/contacts/companies/batch/read"; f.paths[0] != want {
			t.Errorf("sent %s", f.paths[0])
		}
		if want := `{"inputs":[{"id":"501"},{"id":"502","after":"MC0yLTc="},{"id":"503"},{"id":"504"},{"id":"505"}]}`; f.bodies[0] != want {
			t.Errorf("sent %s", f.bodies[0])
		}
	})
}

// What is not HubSpot's clear word about an id leaves it unanswered: taken for
// none, it would remove links that exist.
func TestWhatWasNotReadNeverLooksLikeNone(t *testing.T) {
	const empty = `{"from":{"id":"501"},"to":[]}`
	for name, test := range map[string]struct {
		body  string
		after string
	}{
		"silence":                   {body: `{"results":[]}`},
		"fewer errors than counted": {body: `{"results":[],"numErrors":1,"errors":[]}`},
		"no errors":                 {body: `{"results":[],"numErrors":1,"errors":null}`},
		"another error": {body: `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","subCategory":"crm.associations.OTHER",
			"context":{"fromObjectId":["501"]}}]}`},
		"an error without a sub-category": {body: `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"fromObjectId":["501"]}}]}`},
		"none, of nobody":                 {body: `{"results":[],"errors":[{"subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND"}]}`},
		"none, of another":                {body: `{"results":[],"errors":[` + noLinks("502") + `]}`},
		"none and another error": {body: `{"results":[],"errors":[` + noLinks("501") +
			`,{"category":"INTERNAL","context":{"fromObjectId":["501"]}}]}`},
		"none and links":           {body: `{"results":[` + linked + `],"errors":[` + noLinks("501") + `]}`},
		"links and an error":       {body: `{"results":[` + linked + `],"errors":[{"category":"INTERNAL","context":{"fromObjectId":["501"]}}]}`},
		"none after a former page": {body: `{"results":[],"errors":[` + noLinks("501") + `]}`, after: "MC0yLTc="},
		"links twice":              {body: `{"results":[` + linked + `,` + linked + `]}`},
		"links and nothing":        {body: `{"results":[` + linked + `,` + empty + `]}`},
		"links of another":         {body: strings.ReplaceAll(`{"results":[`+linked+`]}`, "501", "502")},
		"links of nobody":          {body: `{"results":[{"to":[]}]}`},
		"links that are no list":   {body: `{"results":[{"from":{"id":"501"},"to":{}}]}`},
		"no links member":          {body: `{"results":[{"from":{"id":"501"}}]}`},
		"a cursor that is unread":  {body: `{"results":[{"from":{"id":"501"},"to":[],"paging":{"next":{}}}]}`},
		"a cursor that stands still": {body: `{"results":[{"from":{"id":"501"},"to":[],"paging":{"next":{"after":"MC0yLTc="}}}]}`,
			after: "MC0yLTc="},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, always(207, test.body))
				ask := contactsWith("501")
				ask.Inputs[0].After = test.after
				page, err := client.Associations(t.Context(), ask)
				if err != nil || !slices.Equal(page.Unanswered, []string{"501"}) || page.None != nil || page.Linked != nil || f.calls.Load() != 1 {
					t.Errorf("%+v after %d calls, %v", page, f.calls.Load(), err)
				}
			})
		})
	}
}

func TestAHostileAnswerAboutLinksHealsByRetry(t *testing.T) {
	whole := `{"results":[` + linked + `]}`
	for name, answer := range map[string]*http.Response{
		"cut short":             respond(200, whole[:40]),
		"empty":                 respond(200, ``),
		"HTML":                  respond(200, `<html>Just a moment</html>`, "Content-Type", "text/html"),
		"no results":            respond(200, `{"status":"COMPLETE"}`),
		"an error with 200":     respond(200, `{"status":"error","results":[]}`),
		"a result is no object": respond(200, `{"results":[501]}`),
		"errors are no list":    respond(207, `{"results":[],"errors":{"subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND"}}`),
		"an error is no object": respond(207, `{"results":[],"errors":["501"]}`),
		"paged as a whole":      respond(200, `{"results":[],"paging":{"next":{"after":"2"}}}`),
		"the window is full":    respond(429, `{"policyName":"TEN_SECONDLY_ROLLING"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, inTurn(answer, respond(200, whole)))
				page, err := client.Associations(t.Context(), contactsWith("501"))
				if err != nil || len(page.Linked) != 1 || page.Unanswered != nil || page.Stamp != 2 || f.calls.Load() != 2 {
					t.Errorf("%+v after %d calls, %v", page, f.calls.Load(), err)
				}
			})
		})
	}
}

func TestALinkThatCannotBeReadIsRejectedAndItsNeighboursAreNot(t *testing.T) {
	const types = `,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":5}]}`
	for name, link := range map[string]string{
		"zero":             `{"toObjectId":0` + types,
		"negative":         `{"toObjectId":-5` + types,
		"more than 64 bit": `{"toObjectId":9223372036854775808` + types,
		"a fraction":       `{"toObjectId":1.5` + types,
		"an exponent":      `{"toObjectId":2.9e10` + types,
		"a word":           `{"toObjectId":"abc"` + types,
		"null":             `{"toObjectId":null` + types,
		"no id":            `{"id":"7"` + types,
		"no types":         `{"toObjectId":7}`,
		"an empty list":    `{"toObjectId":7,"associationTypes":[]}`,
		"a type of no id":  `{"toObjectId":7,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":5},{"label":"x"}]}`,
		"no object":        `7`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const good = `{"toObjectId":9223372036854775807` + types
				client, _ := setup(t, always(200, `{"results":[{"from":{"id":"501"},"to":[`+good+`,`+link+`]}]}`))
				page, err := client.Associations(t.Context(), contactsWith("501"))
				if err != nil || len(page.Linked) != 1 || len(page.Linked[0].Links) != 1 || !slices.Equal(page.Linked[0].Rejected, []string{link}) {
					t.Errorf("%+v, %v", page, err)
				}
			})
		})
	}
}

func TestAReadOfLinksThatHubSpotWouldRefuseIsNotSent(t *testing.T) {
	client, f := setup(t, always(200, `{"results":[]}`))
	many := make([]string, 1001)
	for i := range many {
		many[i] = strconv.Itoa(i + 1)
	}
	twoPlaces := contactsWith("1", "1")
	twoPlaces.Inputs[1].After = "MC0yLTc="
	for _, r := range []hubspot.AssociationRequest{contactsWith(), contactsWith(many...), contactsWith(""), twoPlaces} {
		if _, err := client.Associations(t.Context(), r); hubspot.KindOf(err) != hubspot.BadRequest || f.calls.Load() != 0 {
			t.Errorf("%v after %d calls", err, f.calls.Load())
		}
	}
}

func TestLabelsAreReadInTheirDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, inTurn(
			respond(200, `{"results":[{"category":"HUBSPOT_DEFINED","label":"Primary"}]}`),
			respond(200, `{"results":[{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"},{"category":"USER_DEFINED","typeId":36,"label":null}]}`)),
			func(cfg *hubspot.Config) {
				cfg.Versions = map[hubspot.Family]string{hubspot.AssociationsFamily: "v4"}
			})
		page, err := client.AssociationLabels(t.Context(), "contacts", "2-123")
		want := []hubspot.AssociationType{{Category: "HUBSPOT_DEFINED", ID: 1, Label: "Primary"}, {Category: "USER_DEFINED", ID: 36}}
		if err != nil || !reflect.DeepEqual(page.Types, want) || page.Date.IsZero() || page.Stamp != 2 {
			t.Errorf("%+v, %v", page, err)
		}
		if want := "GET /crm/v4/associations/contacts/2-123/labels"; f.paths[0] != want {
			t.Errorf("sent %s", f.paths[0])
		}
		if d := client.Quota().Daily; d.Spent != 2 {
			t.Errorf("the budget is %+v", d)
		}
	})
}

func TestWhatIsLeftOfAnotherWindowIsNotBelievedOfTheLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(int, *http.Request) (*http.Response, error) {
			return withLeft(respond(200, `{"results":[]}`), 190, 0), nil
		})
		for range 2 {
			if _, err := client.AssociationLabels(t.Context(), "contacts", "companies"); err != nil {
				t.Fatal(err)
			}
		}
		if w := client.Quota().Windows[2]; w.Limit != 100 || w.Ours != 2 || w.Others != 0 {
			t.Errorf("the window is %+v", w)
		}
	})
}

// Q1, for reads of links, also after a process that used its window up.
func TestReadsOfLinksHaveAWindowOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{limit: 100, span: 10 * time.Second, random: rand.New(rand.NewPCG(5, 6))}
		for range 100 {
			c.count()
		}
		c.worst = 0
		client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/associations/") {
				return c.answer(r)
			}
			return withLeft(respond(200, onePage), 100, 0), nil
		})
		if e := list(t, client); e != nil { // the ten-second window is full from now on
			t.Fatal(e)
		}
		from := time.Now()
		together(t, 250, func() error {
			_, err := client.Associations(t.Context(), contactsWith("1"))
			return err
		})
		if c.worst > 100 {
			t.Errorf("%d reads of links within ten seconds", c.worst)
		}
		if took := time.Since(from); took < 30*time.Second || took > 35*time.Second {
			t.Errorf("250 reads took %v", took)
		}
		q := client.Quota()
		if w := q.Windows[2]; w.Name != "associations" || w.Limit != 100 || w.Ours != 50 || q.Daily.Spent != 251 {
			t.Errorf("the quota is %+v", q)
		}
	})
}
