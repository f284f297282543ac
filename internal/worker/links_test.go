package worker_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func staff() penstock.Stream {
	return penstock.Stream{Name: "companies_contacts", Family: penstock.Associations, ObjectType: "0-2", ToType: "0-1", Of: "companies"}
}

// linking is an account whose companies are linked with contacts, a few a page.
func linking(t *testing.T, contacts, page int, test func(w *world)) {
	o := small(contacts)
	o.Counts["companies"], o.LinkPage = 8, page
	bubble(t, o, func(w *world) {
		w.set(func(d *desk) { d.streams = append(d.streams, staff()) })
	}, test)
}

func (w *world) companies() []int64 {
	var ids []int64
	for o := range w.account.Truth("companies") {
		ids = append(ids, o.ID)
	}
	return ids
}

func (w *world) unlink(company, contact int64) {
	w.Helper()
	w.try(w.account.Unlink(hubspotsim.End{Type: "companies", ID: company}, hubspotsim.End{Type: "contacts", ID: contact}, 0))
}

// staffOf are the contacts of a company.
func (w *world) staffOf(company int64) []int64 {
	var ids []int64
	for l := range w.account.TrueLinks("companies", "contacts") {
		if l.From == company && !slices.Contains(ids, l.To) {
			ids = append(ids, l.To)
		}
	}
	return ids
}

// sweeps reads a stream's belongings of the objects.
func (w *world) sweeps(s penstock.Stream, last bool, ids ...int64) penstock.RunEnd {
	w.Helper()
	g := penstock.Grant{Last: last}
	for _, id := range ids {
		g.Keys = append(g.Keys, strconv.FormatInt(id, 10))
	}
	return w.run(s, penstock.Sweep, g)
}

// ends fails the test unless the run ended so.
func (w *world) ends(e penstock.RunEnd, as penstock.Outcome) {
	w.Helper()
	if e.Outcome != as {
		w.Fatalf("ended as %s: %+v", e.Outcome, e.Trouble)
	}
}

// linksAreTrue checks that the live rows are the account's links.
func (w *world) linksAreTrue() {
	w.Helper()
	var want, got []string
	for l := range w.account.TrueLinks("companies", "contacts") {
		label := any(nil)
		if l.Label != "" {
			label = l.Label
		}
		want = append(want, strings.TrimSuffix(fmt.Sprintln(l.From, l.To, l.TypeID, nil, l.Category, label), "\n"))
	}
	for _, line := range w.table("companies_contacts", "from_id", "to_id", "type_id", "_deleted_why", "category", "label") {
		if !strings.Contains(line, "gone") {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("%d rows, %d links; missing %v, too many %v", len(got), len(want), without(want, got), without(got, want))
	}
}

func (w *world) wantedOf(s penstock.Stream) []penstock.Want {
	w.Helper()
	wants, err := w.desk.store.Wanted(w.Context(), s.Name, time.Now(), 1000, "")
	w.try(err)
	return wants
}

// named are the objects that the batches' inventories name, in order.
func (w *world) named() []string {
	var ids []string
	for _, b := range w.taken() {
		if b.Inventory != nil {
			ids = append(ids, b.Inventory.Of...)
		}
	}
	slices.Sort(ids)
	return ids
}

// bentLinks changes the account's answers about links; it sees the question.
func (w *world) bentLinks(how func(question, answer string) string) {
	w.wire.bends(func(req *http.Request) *http.Response {
		if !strings.HasPrefix(req.URL.Path, "/crm/associations") && !strings.Contains(req.URL.Path, "/associations/") {
			return nil
		}
		question := w.sent(req)
		resp, err := w.wire.next.RoundTrip(req)
		if err != nil {
			return answer(req, 502, "{}")
		}
		body, err := io.ReadAll(resp.Body)
		w.try(err)
		return answer(req, resp.StatusCode, how(question, string(body)))
	})
}

func TestASweepReadsAllLinksAndComesToItsEnd(t *testing.T) {
	linking(t, 300, 25, func(w *world) {
		all := w.companies()
		w.ends(w.sweeps(staff(), false, all[:5]...), penstock.Done)
		place, err := cursor.ParsePass(w.headOf(staff(), penstock.Sweep))
		if err != nil || place.After != fmt.Sprint(all[4]) || place.Began == 0 || place.Swept != 0 {
			w.Errorf("half a sweep stands at %+v, %v", place, err)
		}
		w.ends(w.sweeps(staff(), true, all[5:]...), penstock.Done)
		w.linksAreTrue()
		if got := w.named(); len(got) != len(all) {
			w.Errorf("the inventories name %v", got)
		}
		if place, err = cursor.ParsePass(w.headOf(staff(), penstock.Sweep)); err != nil || place.Swept == 0 || place.After != "" {
			w.Errorf("the sweep stands at %+v, %v", place, err)
		}
		tables, err := w.desk.store.Tables(w.Context())
		w.try(err)
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		again, err := w.desk.store.Tables(w.Context())
		if err != nil || again[0].Load != tables[0].Load {
			w.Errorf("what is equal was written again: load %d was %d, %v", again[0].Load, tables[0].Load, err)
		}
	})
}

func (w *world) headOf(s penstock.Stream, lane penstock.Lane) penstock.Cursor {
	w.Helper()
	heads, err := w.desk.store.Heads(w.Context(), s.Name, lane)
	if err != nil || len(heads) != 1 {
		w.Fatalf("heads of %s: %+v, %v", s.Name, heads, err)
	}
	return heads[0].Cursor
}

func TestOfAnObjectWithManyLinksOnlyTheRemovedAreBuried(t *testing.T) {
	linking(t, 2_500, 500, func(w *world) {
		all := w.companies()
		for _, id := range w.ids() {
			w.try(w.account.Link(hubspotsim.End{Type: "companies", ID: all[0]}, hubspotsim.End{Type: "contacts", ID: id}, 0))
		}
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.linksAreTrue()
		for _, at := range []int{3, 700, 1_999, 2_499} {
			w.unlink(all[0], w.ids()[at])
		}
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.linksAreTrue()
		gone := slices.DeleteFunc(w.table("companies_contacts", "_deleted_why"), func(why string) bool { return why != "gone" })
		if len(gone) < 4 {
			w.Errorf("%d rows are gone", len(gone))
		}
	})
}

func TestAnObjectWithoutLinksLosesAllItHad(t *testing.T) {
	linking(t, 60, 100, func(w *world) {
		all := w.companies()
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		for _, contact := range w.staffOf(all[2]) {
			w.unlink(all[2], contact)
		}
		w.try(w.account.Archive("companies", all[3]))
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.linksAreTrue()
	})
}

// withoutMore leaves a company out of answers about its further pages.
func (w *world) withoutMore(company int64, when func() bool) {
	w.bentLinks(func(question, answer string) string {
		if strings.Contains(question, `"after"`) && when() {
			return strings.ReplaceAll(answer, fmt.Sprintf(`"id":"%d"`, company), `"id":"1"`)
		}
		return answer
	})
}

func TestAnObjectNotReadToItsEndIsWantedAndNotBuried(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		all := w.companies()
		hub, first := all[0], w.staffOf(all[0])
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.taken()
		w.unlink(hub, first[len(first)-1])
		w.withoutMore(hub, func() bool { return true })
		before := len(w.table("companies_contacts", "to_id"))
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		if got := w.named(); slices.Contains(got, fmt.Sprint(hub)) || len(got) != len(all)-1 {
			w.Errorf("the inventories name %v, with the hub that was not read", got)
		}
		wants := w.wantedOf(staff())
		if len(wants) != 1 || wants[0].Key != fmt.Sprint(hub) || wants[0].Reason != penstock.WantDoubt {
			w.Fatalf("wanted: %+v", wants)
		}
		w.ends(w.run(staff(), penstock.Named, penstock.Grant{}), penstock.Done)
		gone := slices.DeleteFunc(w.table("companies_contacts", "_deleted_why"), func(why string) bool { return why != "gone" })
		if len(gone) != 0 || before != len(w.table("companies_contacts", "to_id")) || len(w.wantedOf(staff())) != 1 {
			w.Errorf("%d rows gone, wanted: %+v", len(gone), w.wantedOf(staff()))
		}
		w.wire.bends(nil)
		w.ends(w.run(staff(), penstock.Named, penstock.Grant{}), penstock.Done)
		w.linksAreTrue()
		if wants := w.wantedOf(staff()); len(wants) != 0 {
			w.Errorf("still wanted: %+v", wants)
		}
	})
}

// The object's first page is published and its reading begins again: a link
// that is removed meanwhile must go, though the row in hand is newer than the
// first answer about the others.
func TestALinkRemovedWhileItsObjectIsReadAgainIsBuried(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		all := w.companies()
		hub, first := all[0], w.staffOf(all[0])[0]
		broken := false
		w.withoutMore(hub, func() bool {
			if !broken {
				w.unlink(hub, first)
				broken = true
				return true
			}
			return false
		})
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.linksAreTrue()
	})
}

// wants makes objects wanted of a stream.
func (w *world) wants(s penstock.Stream, ids ...int64) {
	w.Helper()
	r := warehousetest.Range{Lane: penstock.Fresh, Grant: "wanting"}
	b := warehousetest.NewBatch(s)
	for _, id := range ids {
		b.Want(strconv.FormatInt(id, 10), 1)
	}
	b.Batch.After = "wanting"
	_, err := w.desk.store.Load(w.Context(), []warehouse.Item{{Batch: r.Next(b), Current: "wanting"}}, moment())
	w.try(err)
}

// The last of many objects is read in the call that brings the end of the
// first one's links. Between the two calls another lane saw a link of the last,
// which has gone since: it must not be kept because the first one's reading is
// older.
func TestAnObjectsInventoryIsAsOldAsItsOwnReading(t *testing.T) {
	o := small(1_100)
	o.Counts["companies"], o.LinkPage = 8, 5
	s := penstock.Stream{Name: "contacts_companies", Family: penstock.Associations, ObjectType: "0-1", ToType: "0-2", Of: "contacts"}
	bubble(t, o, func(w *world) { w.set(func(d *desk) { d.streams = append(d.streams, s) }) }, func(w *world) {
		contacts, companies := w.ids(), w.companies()
		last := hubspotsim.End{Type: "contacts", ID: contacts[1_099]}
		for _, id := range companies[:7] {
			w.try(w.account.Link(hubspotsim.End{Type: "contacts", ID: contacts[0]}, hubspotsim.End{Type: "companies", ID: id}, 0))
		}
		seen := hubspotsim.End{Type: "companies", ID: companies[5]}
		w.try(w.account.Link(last, seen, 0))
		w.ends(w.sweeps(s, false, companies[0]), penstock.Done) // none: the limits are known now
		asked, free := 0, make(chan struct{})
		w.bentLinks(func(_, answer string) string {
			if asked++; asked == 1 {
				<-free
			}
			return answer
		})
		var g penstock.Grant
		for _, id := range contacts {
			g.Keys = append(g.Keys, strconv.FormatInt(id, 10))
		}
		over := w.begin(s, penstock.Sweep, g)
		pass(time.Second)
		w.wants(s, last.ID)
		w.ends(w.run(s, penstock.Named, penstock.Grant{}), penstock.Done)
		w.try(w.account.Unlink(last, seen, 0))
		close(free)
		w.ends(<-over, penstock.Done)
		lines := w.table(s.Name, "from_id", "to_id", "_deleted_why")
		if gone := fmt.Sprintln(last.ID, seen.ID, "gone"); !slices.Contains(lines, strings.TrimSpace(gone)) {
			w.Errorf("the link that was removed is not gone")
		}
	})
}

func TestASweepThatFailsGoesOnBeforeTheFirstObjectItHasNotRead(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		all := w.companies()
		w.wire.bends(func(req *http.Request) *http.Response {
			if strings.Contains(req.URL.Path, "associations") && strings.Contains(w.sent(req), `"after"`) {
				return answer(req, 502, "{}")
			}
			return nil
		})
		w.ends(w.sweeps(staff(), true, all[1], all[0], all[2]), penstock.Failed)
		place, err := cursor.ParsePass(w.headOf(staff(), penstock.Sweep))
		if err != nil || place.After != fmt.Sprint(all[1]) {
			w.Errorf("the sweep stands at %+v, %v", place, err)
		}
		if got := w.named(); len(got) != 2 {
			w.Errorf("the inventories name %v", got)
		}
		w.wire.bends(nil)
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.linksAreTrue()
	})
}

func TestWhatAFailingRunHasReadIsPublished(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		w.wire.bends(func(req *http.Request) *http.Response {
			if strings.Contains(req.URL.Path, "associations") && strings.Contains(w.sent(req), `"after"`) {
				return answer(req, 502, "{}")
			}
			return nil
		})
		w.ends(w.sweeps(staff(), true, w.companies()[0]), penstock.Failed)
		if rows := w.table(staff().Name, "to_id"); len(rows) < 45 {
			w.Errorf("%d rows of a page of 45 objects", len(rows))
		}
	})
}

func TestLinksWhosePagesGoInCirclesAreGivenUp(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		token, asked := regexp.MustCompile(`"after":"[^"]*"`), 0
		w.bentLinks(func(_, answer string) string {
			asked++
			return token.ReplaceAllString(answer, fmt.Sprintf(`"after":"page-%d"`, asked%2)) // which begins anew
		})
		w.ends(w.sweeps(staff(), true, w.companies()...), penstock.Done)
		if wants := w.wantedOf(staff()); len(wants) != 1 || wants[0].Reason != penstock.WantDoubt || asked > 20 {
			w.Errorf("after %d calls wanted: %+v", asked, wants)
		}
	})
}

func TestALinkThatCannotBeReadIsARejectAndBuriesNothing(t *testing.T) {
	linking(t, 60, 100, func(w *world) {
		all := w.companies()
		w.ends(w.sweeps(staff(), true, all...), penstock.Done)
		w.taken()
		contact := w.staffOf(all[1])[0]
		w.bentLinks(func(_, answer string) string {
			return strings.ReplaceAll(answer, fmt.Sprintf(`"toObjectId":%d,`, contact), `"toObjectId":"?",`)
		})
		w.wants(staff(), all[1])
		w.ends(w.run(staff(), penstock.Named, penstock.Grant{}), penstock.Done)
		w.linksAreTrue()
		if got, wants := w.named(), w.wantedOf(staff()); len(got)+len(wants) != 0 {
			w.Errorf("the inventories name %v; wanted: %+v", got, wants)
		}
		rejects, _, err := w.desk.store.Rejects(w.Context(), staff().Name, "", 10)
		if err != nil || len(rejects) != 1 || rejects[0].Key != fmt.Sprint(all[1]) || !strings.Contains(rejects[0].Original, `"toObjectId":"?"`) {
			w.Errorf("rejects: %+v, %v", rejects, err)
		}
	})
}

func TestLinksOfAChangedObjectAreRead(t *testing.T) {
	o := small(30)
	o.Counts["companies"] = 5
	s := penstock.Stream{Name: "contacts_companies", Family: penstock.Associations, ObjectType: "0-1", ToType: "0-2", Of: "contacts"}
	bubble(t, o, func(w *world) { w.set(func(d *desk) { d.streams = append(d.streams, s) }) }, func(w *world) {
		w.done(penstock.Backfill)
		w.try(w.account.BulkTouch("contacts", 4))
		pass(time.Minute)
		w.done(penstock.Fresh)
		if n := len(w.wantedOf(s)); n != 4 {
			w.Fatalf("%d wanted", n)
		}
		w.ends(w.run(s, penstock.Named, penstock.Grant{}), penstock.Done)
		if wants := w.wantedOf(s); len(wants) != 0 {
			w.Errorf("still wanted: %+v", wants)
		}
	})
}

func TestLinksThatMayNotBeReadOrCannotBeAreSkipped(t *testing.T) {
	linking(t, 10, 100, func(w *world) {
		for status, kind := range map[int]string{403: "forbidden", 400: "not enabled", 404: "not enabled"} {
			w.wire.bends(func(req *http.Request) *http.Response {
				if !strings.Contains(req.URL.Path, "associations") {
					return nil
				}
				return answer(req, status, `{"status":"error","category":"ANY","message":"no"}`)
			})
			e := w.sweeps(staff(), true, w.companies()...)
			if e.Outcome != penstock.Skipped || e.Trouble.Kind != kind {
				w.Errorf("a %d ended as %+v, %+v", status, e, e.Trouble)
			}
		}
	})
}

// TestALinkRemovedWhileASmallObjectIsReadAgainIsGone begins an object again whose
// first reading is still in hand: what that has read must not pass for what the
// second names.
func TestALinkRemovedWhileASmallObjectIsReadAgainIsGone(t *testing.T) {
	linking(t, 300, 45, func(w *world) {
		hub := w.companies()[0]
		first := w.staffOf(hub)[0]
		broken := false
		w.withoutMore(hub, func() bool {
			if !broken {
				w.unlink(hub, first)
				broken = true
				return true
			}
			return false
		})
		w.wants(staff(), hub)
		w.ends(w.run(staff(), penstock.Named, penstock.Grant{}), penstock.Done)
		for _, row := range w.table("companies_contacts", "from_id", "to_id", "_deleted_why") {
			if strings.HasPrefix(row, fmt.Sprint(hub, " ", first, " ")) && !strings.Contains(row, "gone") {
				w.Errorf("the link that was removed stands as %q", row)
			}
		}
	})
}
