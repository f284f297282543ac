package worker_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
)

func past() penstock.Stream {
	return penstock.Stream{
		Name: "contacts_history", Family: penstock.PropertyHistory, ObjectType: "0-1", Of: "contacts",
		Properties: []string{"email", "firstname", "lastname"},
	}
}

// remembering is an account of contacts whose properties' history is read.
func remembering(t *testing.T, contacts int, test func(w *world)) {
	bubble(t, small(contacts), func(w *world) {
		w.set(func(d *desk) { d.streams = append(d.streams, past()) })
	}, test)
}

// historyIsTrue checks that the rows of the contacts are what they have been.
func (w *world) historyIsTrue(ids ...int64) {
	w.Helper()
	var want []string
	for _, id := range ids {
		for _, name := range past().Properties {
			for _, v := range w.account.TrueHistory("contacts", id, name) {
				value := any(nil)
				if v.Value != "" {
					value = v.Value
				}
				want = append(want, strings.TrimSpace(fmt.Sprintln(id, name, v.At.Format("2006-01-02T15:04:05.000Z"), value, v.SourceType)))
			}
		}
	}
	got := w.table(past().Name, "id", "property", "at", "value", "source_type")
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		w.Errorf("%d rows, %d versions; missing %v, too many %v", len(got), len(want), without(want, got), without(got, want))
	}
}

func TestASweepReadsAllHistory(t *testing.T) {
	remembering(t, 600, func(w *world) {
		ids := w.ids()
		w.try(w.account.Update("contacts", ids[1], map[string]string{"email": "a@example.com"}))
		w.try(w.account.Update("contacts", ids[1], map[string]string{"email": "b@example.com"})) // in the same millisecond
		pass(time.Second)
		w.try(w.account.Update("contacts", ids[1], map[string]string{"email": ""}))
		w.try(w.account.Archive("contacts", ids[2]))
		w.ends(w.sweeps(past(), false, ids[:400]...), penstock.Done)
		place, err := cursor.ParsePass(w.headOf(past(), penstock.Sweep))
		if err != nil || place.After != fmt.Sprint(ids[399]) || place.Swept != 0 {
			w.Errorf("part of a sweep stands at %+v, %v", place, err)
		}
		w.ends(w.sweeps(past(), true, ids[400:]...), penstock.Done)
		w.historyIsTrue(ids...)
		if got := w.named(); len(got) != len(ids) {
			w.Errorf("the inventories name %d of %d", len(got), len(ids))
		}
		if place, err = cursor.ParsePass(w.headOf(past(), penstock.Sweep)); err != nil || place.Swept == 0 {
			w.Errorf("the sweep stands at %+v, %v", place, err)
		}
		tables, err := w.desk.store.Tables(w.Context())
		w.try(err)
		w.ends(w.sweeps(past(), true, ids...), penstock.Done)
		again, err := w.desk.store.Tables(w.Context())
		if err != nil || again[0].Load != tables[0].Load {
			w.Errorf("what is equal was written again: load %d was %d, %v", again[0].Load, tables[0].Load, err)
		}
	})
}

func TestAWantedHistoryIsAnsweredWhateverHasBecomeOfItsObject(t *testing.T) {
	remembering(t, 20, func(w *world) {
		ids := w.ids()
		winner, err := w.account.Merge("contacts", ids[0], ids[1])
		w.try(err)
		w.try(w.account.Erase("contacts", ids[2]))
		w.try(w.account.Archive("contacts", ids[3]))
		w.wants(past(), ids[0], ids[2], ids[3], ids[4], winner, 1)
		began := time.Now()
		w.ends(w.run(past(), penstock.Named, penstock.Grant{}), penstock.Done)
		if took := time.Since(began); took > 2*time.Second {
			w.Errorf("it took %s: what HubSpot has answered is not asked for again", took)
		}
		if wants := w.wantedOf(past()); len(wants) != 0 {
			w.Errorf("still wanted: %+v", wants)
		}
		w.historyIsTrue(winner, ids[3], ids[4])
	})
}

func TestAHistoryOfWhichHubSpotSaysNothingIsNotTakenAsRead(t *testing.T) {
	remembering(t, 20, func(w *world) {
		silent := fmt.Sprint(w.ids()[3])
		w.wire.bends(func(req *http.Request) *http.Response {
			if !strings.HasSuffix(req.URL.Path, "/batch/read") {
				return nil
			}
			resp, err := w.wire.next.RoundTrip(req)
			w.try(err)
			body, err := io.ReadAll(resp.Body)
			w.try(err)
			return answer(req, 200, strings.ReplaceAll(string(body), `"id":"`+silent+`"`, `"id":"999"`))
		})
		w.wants(past(), w.ids()[3:5]...)
		w.ends(w.run(past(), penstock.Named, penstock.Grant{}), penstock.Done)
		if wants := w.wantedOf(past()); len(wants) != 1 || wants[0].Key != silent {
			w.Errorf("wanted: %+v", wants)
		}
		w.ends(w.sweeps(past(), true, w.ids()...), penstock.Done)
		if wants := w.wantedOf(past()); len(wants) != 1 || wants[0].Reason != penstock.WantDoubt {
			w.Errorf("wanted: %+v", wants)
		}
	})
}

// Thousands of versions of one object take several batches, and its inventory
// comes with the last.
func TestALongHistoryIsManyBatches(t *testing.T) {
	remembering(t, 5, func(w *world) {
		id := w.ids()[0]
		for i := range 2_300 {
			w.try(w.account.Update("contacts", id, map[string]string{"email": strconv.Itoa(i) + "@example.com"}))
			<-time.After(time.Millisecond)
		}
		w.ends(w.sweeps(past(), true, w.ids()...), penstock.Done)
		w.historyIsTrue(w.ids()...)
		batches := w.taken()
		for i, b := range batches {
			if last := i == len(batches)-1; (b.Inventory != nil) != last {
				w.Errorf("batch %d of %d has the inventory %+v", i+1, len(batches), b.Inventory)
			}
		}
	})
}

func TestHistoryThatMayNotBeReadIsSkipped(t *testing.T) {
	remembering(t, 5, func(w *world) {
		w.account.Forbid("contacts", "crm.objects.contacts.read")
		w.ends(w.sweeps(past(), true, w.ids()...), penstock.Skipped)
	})
}
