package datastreams_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/warehouse/warehousetest"
)

// stored is the schedule that survives.
func (w *world) stored() penstock.Schedule {
	w.Helper()
	s, _, err := w.catalog.Schedule(w.Context(), "default")
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func same(a, b penstock.Schedule) bool {
	return a.On == b.On && a.Every == b.Every && a.Since.Equal(b.Since)
}

func TestD1AScheduleIsStoredBeforeItIsAnnounced(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bus.mu.Lock()
		w.bus.announce = func(a penstock.Announcement) {
			if s := a.Connections[0].Schedule; !same(s, w.stored()) {
				w.Errorf("announced %+v while %+v was stored", s, w.stored())
			}
		}
		w.bus.mu.Unlock()
		for _, every := range []time.Duration{time.Minute, 90 * time.Second, 0} {
			if _, err := w.service.Start(w.Context(), "default", every); err != nil {
				w.Fatal(err)
			}
			synctest.Wait()
		}
		if _, err := w.service.Stop(w.Context(), "default"); err != nil {
			w.Fatal(err)
		}
		synctest.Wait()
		heard := w.bus.announced()
		last := heard[len(heard)-1]
		if last.On || last.Every != 90*time.Second {
			w.Errorf("announced last: %+v", last)
		}
		pass(time.Minute)
		if more := len(w.bus.announced()) - len(heard); more < 20 {
			w.Errorf("announced %d times in a minute: a lost message would matter", more)
		}
		w.restart()
		if s := w.service.Look().Connections[0].Schedule; !same(s, last) {
			w.Errorf("after a restart: %+v, want %+v", s, last)
		}
	})
}

func TestD1WhatIsAnnouncedIsWhatWasStoredLast(t *testing.T) {
	inBubble(t, func(w *world) {
		var asking sync.WaitGroup
		for i := range 50 {
			asking.Go(func() {
				if _, err := w.service.Start(w.Context(), "default", penstock.MinEvery+time.Duration(i)*time.Second); err != nil {
					w.Error(err)
				}
			})
		}
		asking.Wait()
		if now := w.service.Look().Connections[0].Schedule; now.Every != w.stored().Every {
			w.Errorf("announced %s, stored %s", now.Every, w.stored().Every)
		}
	})
}

func TestStartingTwiceIsStartingOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		if _, err := w.service.Stop(w.Context(), "default"); err != nil {
			w.Fatal(err)
		}
		pass(time.Second)
		first, err := w.service.Start(w.Context(), "default", time.Minute)
		if err != nil {
			w.Fatal(err)
		}
		pass(time.Second)
		second, err := w.service.Start(w.Context(), "default", 2*time.Minute)
		if err != nil || !second.Since.Equal(first.Since) || second.Every != 2*time.Minute {
			w.Errorf("the second start gave %+v, %v; the first %+v", second, err, first)
		}
		for _, every := range []time.Duration{time.Second, -time.Minute, 31 * 24 * time.Hour} {
			if _, err := w.service.Start(w.Context(), "default", every); err == nil {
				w.Errorf("an interval of %s was taken", every)
			}
		}
		if _, err := w.service.Start(w.Context(), "nobody", 0); err == nil {
			w.Error("a connection that does not exist was started")
		}
	})
}

func TestStoppingLetsTheBatchInHandCommit(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		if _, err := w.service.Stop(w.Context(), "default"); err != nil {
			w.Fatal(err)
		}
		if st := r.status(k.beat()); !st.Stop || st.Ended != "" {
			w.Errorf("the run hears %+v, want that it is to stop", st)
		}
		r.publish(2)
		r.tell(penstock.Stopped)
		settle()
		if w.committed(penstock.Backfill) != 2 {
			w.Errorf("committed %d of 2", w.committed(penstock.Backfill))
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
			w.Error("granted while stopped")
		}
		if _, err := w.service.Start(w.Context(), "default", 0); err != nil {
			w.Fatal(err)
		}
		if again := k.granted(warehousetest.Contacts(), penstock.Backfill); again.rng.Cursor != w.heads("contacts", penstock.Backfill)[0].Cursor {
			w.Errorf("it goes on at %q", again.rng.Cursor)
		}
	})
}

func TestABackfillBeginsAgainAndItsRowsStay(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		r.publish(1)
		settle()
		if err := w.service.Backfill(w.Context(), "default", "contacts"); err != nil {
			w.Fatal(err)
		}
		r.publish(2)
		settle()
		if st := r.status(k.beat()); st.Ended == "" {
			w.Errorf("the run in hand stands as %+v", st)
		}
		k.live(5 * time.Second)
		again := k.granted(warehousetest.Contacts(), penstock.Backfill)
		if again.rng.Cursor != "" {
			w.Errorf("it begins at %q", again.rng.Cursor)
		}
		again.publish(3)
		settle()
		if tables, err := w.store.Tables(w.Context()); err != nil || tables[0].Rows != 2 {
			w.Errorf("tables %+v, %v; want contacts 1 and 3", tables, err)
		}
		for _, stream := range []string{"owners", "nothing"} {
			if err := w.service.Backfill(w.Context(), "default", stream); err == nil {
				w.Errorf("a backfill of %s was begun", stream)
			}
		}
	})
}

func TestNamesOfStreamsAreChosenOnceAndKept(t *testing.T) {
	inBubble(t, func(w *world) {
		discover := func(found ...penstock.Found) []string {
			streams, err := w.service.Discover(w.Context(), penstock.Discovery{Connection: "default", Found: found})
			if err != nil {
				w.Fatal(err)
			}
			var names []string
			for _, s := range streams[5:] { // after the families
				names = append(names, s.Name)
			}
			return names
		}
		standard := penstock.Found{Name: "tickets", ObjectType: "0-5"}
		custom := []penstock.Found{
			{Name: "Tickets", ObjectType: "2-7"}, {Name: "tickets", ObjectType: "2-8"}, {Name: "owners", ObjectType: "2-9"},
			{Name: "2nd car!", ObjectType: "2-10"}, {Name: "日本", ObjectType: "2-11"},
		}
		want := []string{"tickets", "custom_tickets", "custom_tickets_2_8", "custom_owners", "custom_2nd_car", "custom_"}
		if got := discover(append([]penstock.Found{standard}, custom...)...); !slices.Equal(got, want) {
			w.Errorf("named %q, want %q", got, want)
		}
		w.restart()
		renamed := slices.Clone(custom)
		slices.Reverse(renamed)
		renamed[0].Name = "cars"
		slices.Reverse(want[1:])
		if got := discover(append([]penstock.Found{standard}, renamed...)...); !slices.Equal(got, want) {
			w.Errorf("after a restart and a new name: %q, want %q", got, want)
		}
	})
}
