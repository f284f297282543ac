package datastreams_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// fill loads contacts 1 to n by the backfill.
func (k *worker) fill(n int64) {
	k.Helper()
	r := k.granted(warehousetest.Contacts(), penstock.Backfill)
	b := contacts()
	for id := int64(1); id <= n; id++ {
		b.Put(id, 1000, k.stamp, "v")
	}
	b.Batch.After, b.Batch.Begin = cursor.Pass{Done: true}.Cursor(), cursor.Window{From: 1000}.Cursor()
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
	k.live(time.Second)
	k.ask(warehousetest.Contacts(), penstock.Backfill) // finds it complete
}

// sweep reads a list that names the contacts from first on.
func (k *worker) sweep(first, last int64) {
	k.Helper()
	k.stamp += 10
	r := k.granted(warehousetest.Contacts(), penstock.Sweep)
	b := contacts().Inventory(0, 0, k.stamp)
	for id := first; id <= last; id++ {
		b.Fill(id, 1000, k.stamp, "v")
	}
	b.Batch.After = cursor.Pass{Swept: time.Now().UnixMilli()}.Cursor()
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
	k.live(3 * time.Second)
}

func sweeping(t *testing.T, test func(w *world, k *worker)) {
	inWorld(t, func(w *world) {
		w.alter = func(cfg *datastreams.Config) { cfg.Sources[0].Sweep = datastreams.DefaultSweep() }
	}, func(w *world) { test(w, w.worker("a")) })
}

func TestV5ASweepThatMissesMuchStopsAndAsks(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		k.fill(900)
		k.sweep(102, 900) // 101 are missing: more than 100, and more than one in twenty
		if open := w.troubles(true); len(open) != 1 || open[0].Kind != "sweep_stopped" || open[0].Heals {
			t.Fatalf("troubles: %+v", open)
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Named); g.Token != "" {
			t.Fatalf("%d keys were granted though somebody must be asked first (V5)", len(g.Wanted))
		}
		k.live(13 * time.Hour)
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" {
			t.Error("another sweep was granted meanwhile")
		}
		if err := w.service.ConfirmSweep(w.Context(), "default", "deals"); err == nil {
			t.Error("a sweep that does not wait was confirmed")
		}
		if err := w.service.ConfirmSweep(w.Context(), "default", "contacts"); err != nil {
			t.Fatal(err)
		}
		w.restart() // the answer is not forgotten
		k = w.worker("a")
		k.live(3 * time.Second)
		named := k.granted(warehousetest.Contacts(), penstock.Named)
		if len(named.grant.Wanted) != 101 {
			t.Errorf("%d keys are read, want 101", len(named.grant.Wanted))
		}
		if open := w.troubles(true); len(open) != 0 {
			t.Errorf("troubles after the answer: %+v", open)
		}
	})
}

func TestV5ASweepThatMissesLittleGoesOn(t *testing.T) {
	for _, c := range []struct{ rows, missing int64 }{
		{300, 100},  // a third, but only a hundred
		{2500, 120}, // more than a hundred, but fewer than one in twenty
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			sweeping(t, func(w *world, k *worker) {
				k.fill(c.rows)
				k.sweep(c.missing+1, c.rows)
				named := k.granted(warehousetest.Contacts(), penstock.Named)
				if n := int64(len(named.grant.Wanted)); n != c.missing {
					t.Errorf("%d keys are read, want %d", n, c.missing)
				}
			})
		})
	}
}

func TestWhileASweepIsHeldOtherKeysAreRead(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		k.fill(900)
		k.sweep(200, 900)
		fresh := k.granted(warehousetest.Contacts(), penstock.Fresh)
		k.bus.queue.publish(&message{batch: fresh.next(contacts().Put(901, 1000, k.stamp, "v").Want("950", k.stamp))})
		synctest.Wait()
		fresh.tell(penstock.Done)
		k.live(3 * time.Second)
		named := k.granted(warehousetest.Contacts(), penstock.Named)
		if got := named.grant.Wanted; len(got) != 1 || got[0].Key != "950" {
			t.Errorf("wanted: %+v", got)
		}
	})
}

// named are the names of the streams that belong to others.
func named(streams []penstock.Stream) []string {
	var names []string
	for _, s := range streams {
		if s.Of != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestLinksAreReadOnceThereAreObjectsAtBothEnds(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		if reply := k.live(3 * time.Second); len(reply.Streams) != 0 {
			t.Errorf("before anything was read there are %v", named(reply.Streams))
		}
		k.fill(25)
		if got := named(k.live(3 * time.Second).Streams); !slices.Equal(got, []string{"contacts_contacts"}) {
			t.Errorf("with contacts alone there are %v", got)
		}
		deals := k.granted(penstock.Stream{Name: "deals", Family: penstock.Objects, ObjectType: "0-3"}, penstock.Backfill)
		b := warehousetest.NewBatch(penstock.Stream{Name: "deals", Family: penstock.Objects, ObjectType: "0-3"}).Put(7, 1000, k.stamp)
		b.Batch.Begin = cursor.Window{From: 1000}.Cursor()
		k.bus.queue.publish(&message{batch: deals.next(b)})
		synctest.Wait()
		reply := k.live(3 * time.Second)
		if got := named(reply.Streams); !slices.Equal(got, []string{"contacts_contacts", "contacts_deals", "deals_deals"}) {
			t.Errorf("with contacts and a deal there are %v", got)
		}
		pair := reply.Streams[slices.IndexFunc(reply.Streams, func(s penstock.Stream) bool { return s.Name == "contacts_deals" })]
		sweep := k.granted(pair, penstock.Sweep)
		if g := sweep.grant; len(g.Keys) != 25 || g.Keys[0] != "1" || !g.Last || pair.ObjectType != "0-1" || pair.ToType != "0-3" {
			t.Errorf("%+v reads %d objects from %v, last %v", pair, len(g.Keys), g.Keys, g.Last)
		}
		if g := k.ask(penstock.Stream{Name: "contacts_nobody", Family: penstock.Associations, Of: "contacts"}, penstock.Sweep); g.Token != "" {
			t.Error("a stream was granted that there is not")
		}
	})
}

func TestOnlyTheChosenPairsAndHistoriesAreRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.alter = func(cfg *datastreams.Config) {
			cfg.Sources[0].Streams = []string{"contacts", "contacts_contacts"}
			cfg.Sources[0].History = map[string][]string{"contacts": {"email"}, "deals": {"amount"}}
		}
	}, func(w *world) {
		k := w.worker("a")
		k.fill(5)
		reply := k.live(3 * time.Second)
		if got := named(reply.Streams); !slices.Equal(got, []string{"contacts_contacts", "contacts_history"}) {
			t.Errorf("there are %v", got)
		}
	})
}

func TestV5HoldsRightAfterARestart(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		k.fill(900)
		k.sweep(102, 900)
		w.restart()
		k = w.worker("a")
		if g := k.ask(warehousetest.Contacts(), penstock.Named); g.Token != "" {
			t.Errorf("%d keys were granted before anybody was asked (V5)", len(g.Wanted))
		}
	})
}

func TestV5HoldsFromTheBatchThatMissesTooMuch(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		k.fill(900)
		k.stamp += 10
		r := k.granted(warehousetest.Contacts(), penstock.Sweep)
		b := contacts().Inventory(0, 0, k.stamp)
		for id := int64(500); id <= 900; id++ {
			b.Fill(id, 1000, k.stamp, "v")
		}
		b.Batch.After = cursor.Pass{Began: 1, After: "901"}.Cursor()
		k.bus.queue.publish(&message{batch: r.next(b)})
		pass(500 * time.Millisecond) // sooner than anybody looks
		k.beat()
		if g := k.ask(warehousetest.Contacts(), penstock.Named); g.Token != "" {
			t.Errorf("%d keys were granted before anybody was asked (V5)", len(g.Wanted))
		}
	})
}

// TestV5HoldsThoughASweepMissesPageByPage has each page miss most of what it
// should name, and each key that is missed asked for at once and not found.
func TestV5HoldsThoughASweepMissesPageByPage(t *testing.T) {
	sweeping(t, func(w *world, k *worker) {
		const rows = 8000
		k.fill(rows)
		asked := 0
		r := k.granted(warehousetest.Contacts(), penstock.Sweep)
		for first := int64(1); first <= rows; first += 100 {
			k.stamp += 10
			b := contacts().Inventory(first, first+100, k.stamp)
			for id := first + 60; id < first+100; id++ {
				b.Fill(id, 1000, k.stamp, "v")
			}
			b.Batch.After = cursor.Pass{Began: 1, After: "1"}.Cursor()
			k.bus.queue.publish(&message{batch: r.next(b)})
			k.live(time.Second)
			asked += k.notFound()
		}
		if asked > rows/20+100 || len(w.troubles(true)) != 1 {
			t.Errorf("%d of %d were asked for; troubles %+v", asked, rows, w.troubles(true))
		}
	})
}

// notFound does a run of the named lane, if there is one, in which HubSpot
// knows none of the contacts; it returns how many.
func (k *worker) notFound() int {
	k.Helper()
	g := k.ask(warehousetest.Contacts(), penstock.Named)
	if g.Token == "" {
		return 0
	}
	r := &granted{k: k, grant: g, rng: &warehousetest.Range{Lane: penstock.Named, Grant: g.Token}}
	for _, h := range g.Heads {
		r.rng.Cursor = h.Cursor
	}
	k.runs = append(k.runs, r)
	k.stamp++
	b := contacts()
	for _, want := range g.Wanted {
		id, err := strconv.ParseInt(want.Key, 10, 64)
		if err != nil {
			k.Fatal(err)
		}
		b.Missing(id, time.Now().UnixMilli(), k.stamp)
	}
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
	k.live(time.Second)
	return len(g.Wanted)
}

func TestWhatIsLoadedRightAfterARestartIsFollowed(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		k.fill(3)
		k.live(3 * time.Second)
		run := k.granted(warehousetest.Contacts(), penstock.Archive)
		m := &message{batch: run.next(contacts().Put(2, 5000, k.stamp+5, "changed"))}
		w.end()
		w.start()
		k.bus.queue.publish(m) // nobody has looked at the account since
		pass(3 * time.Second)
		_, all, err := w.store.Due(w.Context(), time.Now())
		if err != nil || all["contacts_contacts"][penstock.WantChanged] != 1 {
			t.Errorf("wanted are %v, %v", all, err)
		}
	})
}
