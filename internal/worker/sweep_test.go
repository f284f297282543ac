package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot/hubspotsim"
)

func TestTheArchivedListIsReadAndProvesWhatItDoesNotName(t *testing.T) {
	inBubble(t, small(400), func(w *world) {
		w.done(penstock.Backfill)
		ids := w.ids()
		for _, id := range ids[:150] {
			w.try(w.account.Archive("contacts", id))
		}
		w.done(penstock.Archive)
		w.isWhole()
		if at := w.cursor(penstock.Archive); at != "" {
			w.Errorf("the next sweep would begin at %q", at)
		}
		w.try(w.account.Restore("contacts", ids[7]))
		pass(time.Minute)
		w.taken()
		w.done(penstock.Archive)
		wants, err := w.desk.store.Wanted(w.Context(), "contacts", time.Now(), 10, "")
		if err != nil || len(wants) != 1 || wants[0].Key != fmt.Sprint(ids[7]) || wants[0].Reason != penstock.WantUnlisted {
			w.Fatalf("wanted: %+v, %v", wants, err)
		}
		var ends []*penstock.Inventory
		for _, b := range w.taken() {
			if b.Inventory != nil {
				ends = append(ends, b.Inventory)
			}
		}
		if len(ends) == 0 || len(ends[0].From) != 0 || len(ends[len(ends)-1].To) != 0 {
			w.Errorf("the stretches %+v leave something out", ends)
		}
		w.done(penstock.Named)
		w.isWhole()
	})
}

func TestASweepFindsWhatNothingElseTells(t *testing.T) {
	inBubble(t, small(400), func(w *world) {
		w.done(penstock.Backfill)
		ids := w.ids()
		w.try(w.account.Archive("contacts", ids[3]))
		w.try(w.account.Archive("contacts", ids[399]))
		w.try(w.account.Update("contacts", ids[5], map[string]string{"email": "moved@example.com"}))
		pass(time.Minute)
		w.taken()
		w.done(penstock.Sweep)
		wants, err := w.desk.store.Wanted(w.Context(), "contacts", time.Now(), 10, "")
		got := map[string]string{}
		for _, want := range wants {
			got[want.Key] = want.Reason
		}
		if err != nil || len(got) != 3 || got[fmt.Sprint(ids[3])] != penstock.WantAbsent || got[fmt.Sprint(ids[399])] != penstock.WantAbsent {
			w.Fatalf("wanted: %+v, %v", wants, err)
		}
		w.done(penstock.Named)
		w.isWhole()
		place, err := cursor.ParsePass(w.cursor(penstock.Sweep))
		if err != nil || place.Swept == 0 || place.After != "" {
			w.Errorf("the sweep stands at %+v, %v", place, err)
		}
	})
}

func TestASweepOfWhatIsEqualWantsAndWritesNothing(t *testing.T) {
	inBubble(t, small(300), func(w *world) {
		w.done(penstock.Backfill)
		tables, err := w.desk.store.Tables(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		load := tables[0].Load
		w.done(penstock.Sweep)
		tables, err = w.desk.store.Tables(w.Context())
		if err != nil || tables[0].Load != load || tables[0].Wanted != 0 {
			w.Errorf("load %d was %d, %d wanted, %v", tables[0].Load, load, tables[0].Wanted, err)
		}
	})
}

func TestARunOfASweepEndsAfterSomePagesAndTheNextGoesOn(t *testing.T) {
	inBubble(t, small(12_500), func(w *world) {
		w.done(penstock.Backfill)
		w.wire.requests()
		w.done(penstock.Sweep)
		first := counted(w.wire.requests(), "/objects/")
		place, err := cursor.ParsePass(w.cursor(penstock.Sweep))
		if err != nil || place.After == "" || place.Began == 0 || first != 100 {
			w.Fatalf("after %d pages the sweep stands at %+v, %v", first, place, err)
		}
		w.try(w.account.Archive("contacts", w.ids()[12_499]))
		w.done(penstock.Sweep)
		if n := counted(w.wire.requests(), "/objects/"); n > 28 {
			w.Errorf("%d pages more for the 2,500 objects left", n)
		}
		tables, err := w.desk.store.Tables(w.Context())
		if err != nil || tables[0].Wanted != 1 {
			w.Errorf("%d wanted, %v", tables[0].Wanted, err)
		}
		if place, err = cursor.ParsePass(w.cursor(penstock.Sweep)); err != nil || place.Swept == 0 {
			w.Errorf("the sweep stands at %+v, %v", place, err)
		}
	})
}

func TestAListThatOnlySeemsToEndIsNotBelieved(t *testing.T) {
	inBubble(t, small(900), func(w *world) {
		pages := 0
		w.wire.bends(w.bent(func(body string) string {
			switch pages++; pages {
			case 2: // some objects, and no cursor
				return w.cut(body)
			case 5: // nothing at all
				return `{"results":[]}`
			}
			return body
		}))
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestCursorsThatAreNoIDsAreFollowedAndMayNotRepeat(t *testing.T) {
	inBubble(t, small(350), func(w *world) {
		asked := 0
		w.wire.bends(w.opaque(func() string { asked++; return "page-" + string(rune('b'+asked%2)) }))
		e := w.run(contacts(), penstock.Backfill, penstock.Grant{})
		if e.Outcome != penstock.Failed || e.Trouble.Kind != "bad answer" {
			w.Errorf("ended as %+v, %+v; want it to see that it goes in circles", e, e.Trouble)
		}
	})
}

// whole is a stream that is read whole.
func whole(f penstock.Family) penstock.Stream {
	return penstock.Stream{Name: string(f), Family: f, Whole: true}
}

// withFamilies is an account with all small families beside contacts and deals.
func withFamilies(t *testing.T, test func(w *world)) {
	o := small(10)
	o.Properties["deals"] = 12
	bubble(t, o, func(w *world) {
		w.set(func(d *desk) {
			d.streams = append(d.streams, penstock.Stream{Name: "deals", Family: penstock.Objects, ObjectType: "0-3"})
			for _, f := range []penstock.Family{
				penstock.Owners, penstock.Pipelines, penstock.PipelineStages, penstock.Properties, penstock.PropertyOptions,
			} {
				d.streams = append(d.streams, whole(f))
			}
		})
	}, test)
}

func TestSmallFamiliesAreReadWholeWithAnInventoryOfEachSection(t *testing.T) {
	withFamilies(t, func(w *world) {
		read := func(f penstock.Family) []*penstock.Batch {
			w.taken()
			if e := w.run(whole(f), penstock.Sweep, penstock.Grant{}); e.Outcome != penstock.Done {
				w.Fatalf("%s ended as %+v, %+v", f, e, e.Trouble)
			}
			return w.taken()
		}
		if batches := read(penstock.Owners); len(batches) != 1 || batches[0].Inventory == nil {
			w.Errorf("owners: %d batches", len(batches))
		}
		if got := w.table("owners", "id"); len(got) != len(w.account.Owners()) {
			w.Errorf("%d owners of %d, the archived ones too", len(got), len(w.account.Owners()))
		}
		batches := read(penstock.Properties)
		if len(batches) != 2 || batches[0].Inventory.From[0] != "contacts" || batches[1].Inventory.From[0] != "deals" {
			w.Errorf("properties come as %d batches, want a section for each type", len(batches))
		}
		want := len(w.account.Properties("contacts")) + len(w.account.Properties("deals"))
		if got := w.table("properties", "name"); len(got) != want {
			w.Errorf("%d properties of %d", len(got), want)
		}
		read(penstock.PropertyOptions)
		read(penstock.Pipelines)
		read(penstock.PipelineStages)
		stages := 0
		for _, p := range w.account.Pipelines("deals") {
			stages += len(p.Stages)
		}
		if got := w.table("pipeline_stages", "id"); len(got) != stages || stages == 0 {
			w.Errorf("%d stages of %d", len(got), stages)
		}
	})
}

func TestWhatLeavesASmallFamilyIsAskedForByItself(t *testing.T) {
	withFamilies(t, func(w *world) {
		properties := whole(penstock.Properties)
		w.run(properties, penstock.Sweep, penstock.Grant{})
		w.try(w.account.AddProperty("deals", hubspotsim.Property{Name: "passing", Type: "string"}))
		pass(2 * time.Minute)
		w.run(properties, penstock.Sweep, penstock.Grant{})
		w.try(w.account.RemoveProperty("deals", "passing"))
		pass(2 * time.Minute)
		w.run(properties, penstock.Sweep, penstock.Grant{})
		wants, err := w.desk.store.Wanted(w.Context(), "properties", time.Now(), 10, "")
		if err != nil || len(wants) != 1 || wants[0].Key != `["deals","passing"]` {
			w.Fatalf("wanted: %+v, %v", wants, err)
		}
		if e := w.run(properties, penstock.Named, penstock.Grant{}); e.Outcome != penstock.Done {
			w.Fatalf("ended as %+v, %+v", e, e.Trouble)
		}
		if got := w.table("properties", "name", "_deleted_why"); !slices.Contains(got, "passing archived") {
			w.Errorf("the property that left stands as %q", got)
		}
	})
}

func TestAStreamThatMayNotBeReadIsSkippedWithTheScopeItNeeds(t *testing.T) {
	inBubble(t, small(20), func(w *world) {
		w.account.Forbid("contacts", "crm.objects.contacts.read")
		e := w.run(contacts(), penstock.Backfill, penstock.Grant{})
		if e.Outcome != penstock.Skipped || !strings.Contains(e.Trouble.Remedy, "crm.objects.contacts.read") {
			w.Errorf("ended as %+v, %+v", e, e.Trouble)
		}
		w.account.Allow("contacts")
		w.done(penstock.Backfill)
		w.isWhole()
	})
}

func TestATypeThatTheAccountDoesNotHaveIsSkipped(t *testing.T) {
	bubble(t, small(10), func(w *world) {
		w.set(func(d *desk) {
			d.streams = append(d.streams, penstock.Stream{Name: "ghosts", Family: penstock.Objects, ObjectType: "2-404"})
		})
	}, func(w *world) {
		e := w.run(penstock.Stream{Name: "ghosts", Family: penstock.Objects, ObjectType: "2-404"}, penstock.Backfill, penstock.Grant{})
		if e.Outcome != penstock.Skipped || e.Trouble.Kind != "not enabled" {
			w.Errorf("ended as %+v, %+v", e, e.Trouble)
		}
	})
}

func TestListsThatStandStillHoldNobodyUp(t *testing.T) {
	var streams []penstock.Stream
	for i, name := range []string{"companies", "deals", "tickets", "products", "line_items", "notes", "tasks", "calls"} {
		kind := []string{"0-2", "0-3", "0-5", "0-7", "0-8", "0-46", "0-27", "0-48"}[i]
		streams = append(streams, penstock.Stream{Name: name, Family: penstock.Objects, ObjectType: kind})
	}
	bubble(t, small(50), func(w *world) {
		w.set(func(d *desk) { d.streams = append(d.streams, streams...) })
	}, func(w *world) {
		w.done(penstock.Backfill)
		free := make(chan struct{})
		w.wire.bends(w.holding("archived=true", free)) // as the last in the queue for the quota
		for _, s := range streams {
			w.begin(s, penstock.Archive, penstock.Grant{})
		}
		pass(time.Minute)
		w.try(w.account.BulkTouch("contacts", 10))
		pass(time.Minute)
		began := time.Now()
		w.done(penstock.Fresh)
		if took := time.Since(began); took > time.Minute {
			w.Errorf("the fresh lane waited %s for archived lists", took)
		}
		w.isWhole()
		close(free)
	})
}
