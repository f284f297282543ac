package hubspot

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestLowerPrioritiesKeepMoreOfTheDayBack(t *testing.T) {
	for priority, want := range map[int]int{-1: 0, 0: 0, 1: 20, 2: 40, 3: 60, 4: 100, 5: 250, 6: 250, 1 << 40: 250} {
		if got := keptBack(priority, 1000); got != want {
			t.Errorf("priority %d keeps %d of 1000 back, want %d", priority, got, want)
		}
	}
	if got := keptBack(5, 3); got != 0 {
		t.Errorf("%d of 3 calls are kept back", got)
	}
}

func TestOnlyTheLastTwoDaysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewAccountQuota()
		for range 10 {
			if failure := q.daily.spend(0, Label{}); failure != nil {
				t.Fatal(failure)
			}
			<-time.After(24 * time.Hour)
		}
		if calls, spent := len(q.daily.calls), len(q.daily.spent); calls > 2 || spent > 2 {
			t.Errorf("%d days of labels and %d of calls are kept", calls, spent)
		}
	})
}

// Each id asked for has exactly one fate, and nothing else has any.
func FuzzReadAssociations(f *testing.F) {
	f.Add([]byte(`{"results":[{"from":{"id":"1"},"to":[{"toObjectId":7,"associationTypes":[{"typeId":1,"label":"x"}]}],"paging":{"next":{"after":"a"}}}]}`))
	f.Add([]byte(`{"results":[{"from":{"id":2},"to":[]},{"from":{"id":"1"},"to":[{}]},{"from":{"id":"9"}}]}`))
	f.Add([]byte(`{"results":[],"errors":[{"subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND","context":{"fromObjectId":["1",2,"3","9"]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		env, err := readEnvelope(body)
		a := &answer{status: http.StatusMultiStatus, body: body, env: env}
		if err != nil || wholeList(a) != nil {
			return
		}
		asked := []AssociationInput{{ID: "1"}, {ID: "2"}, {ID: "3", After: "a"}}
		page, err := readAssociations(a, asked)
		if err != nil {
			return
		}
		fates := map[string]int{}
		for _, id := range append(page.None, page.Unanswered...) {
			fates[id]++
		}
		for _, l := range page.Linked {
			fates[l.From]++
			for _, link := range l.Links {
				if link.To <= 0 || len(link.Types) == 0 {
					t.Errorf("a link %+v", link)
				}
			}
			if l.From == "3" && l.Next == "a" {
				t.Error("a cursor stands still")
			}
		}
		if len(fates) != len(asked) || fates["1"] != 1 || fates["2"] != 1 || fates["3"] != 1 {
			t.Errorf("fates %v", fates)
		}
	})
}
