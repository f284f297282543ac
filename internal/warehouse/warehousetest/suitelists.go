package warehousetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// lists are the tests of what is kept beside the rows.
var lists = []promise{
	{"V2ARejectGoesWhenItsValueLoads", func(b *bench) {
		amount := func() *Builder { return NewBatch(Contacts(), number("amount"), text("v")) }
		b.load(amount().Put(1, at(1), 1, nil, "A").Reject("1", "amount", "many").Reject("1", "v2", "else").
			Put(2, at(1), 1, nil, "A").Reject("2", "amount", "few"))
		b.load(amount().Put(1, at(2), 2, "5", "A").Put(2, at(0), 2, "3", "A"))
		b.same("rejects", b.rejects(), `contacts 1 "v2"=else`, `contacts 2 "amount"=few`)
		b.load(amount().Put(2, at(1), 3, nil, "A").Reject("2", "amount", "few indeed"))
		b.same("rejects", b.rejects(), `contacts 1 "v2"=else`, `contacts 2 "amount"=few indeed`)
		b.load(amount().Put(2, at(0), 4, nil, "A").Reject("2", "amount", "of an old version"))
		b.same("rejects", b.rejects(), `contacts 1 "v2"=else`, `contacts 2 "amount"=few indeed`)
		b.load(NewBatch(Contacts(), text("v")).Put(2, at(3), 5, "B"))
		b.same("rejects", b.rejects(), `contacts 1 "v2"=else`, `contacts 2 "amount"=few indeed`)
		if n := b.described().Rejects; n != 2 {
			b.Errorf("%d rejects counted, want 2", n)
		}
		for stream, want := range map[string]int{"contacts": 2, "deals": 0, "": 2} {
			if rejects, next, err := b.store.Rejects(b.Context(), stream, "", 9); len(rejects) != want || next != "" || err != nil {
				b.Errorf("rejects of %q: %v, %q, %v; want %d", stream, rejects, next, err, want)
			}
		}
	}},
	{"V2ARejectedObjectGoesWhenItLoads", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Reject("2", "", `{"id":2}`).Reject("x", "", `{"id":"x"}`))
		b.same("rejects", b.rejects(), `contacts 2 ""={"id":2}`, `contacts x ""={"id":"x"}`)
		b.load(contact().Put(2, at(1), 2, "B"))
		b.same("rejects", b.rejects(), `contacts x ""={"id":"x"}`)
	}},
	{"AnInventoryWantsWhatItDoesNotName", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A").Put(3, at(1), 1, "A").Put(4, at(1), 1, "A").
			Put(9, at(1), 1, "A").Add(archived(1, 2, 1, "A")))
		b.load(contact().Put(4, at(1), 6, "A")) // observed later than the list, though unchanged
		applied := b.load(contact().Put(2, at(0), 5, "an old version").Inventory(1, 9, 5))
		b.same("wanted", b.wanted(0), "3@5 "+penstock.WantAbsent)
		if applied[0].Wanted != 1 {
			b.Errorf("%d wanted, want 1", applied[0].Wanted)
		}
		list := contact().Inventory(0, 0, 7)
		list.Batch.Inventory.Archived = true
		b.load(list)
		b.same("wanted", b.wanted(0), "1@7 "+penstock.WantUnlisted, "3@5 "+penstock.WantAbsent)
	}},
	{"AnInventoryOfSeveralKeyColumnsComparesThemInOrder", func(b *bench) {
		stage := func(key ...string) Row { return Row{Key: key, Stamp: 1} }
		b.load(NewBatch(Stages()).Add(stage("0-3", "p", "2"), stage("0-3", "q", "1"), stage("0-5", "a", "1")))
		list := NewBatch(Stages())
		list.Batch.Inventory = &penstock.Inventory{
			From: penstock.Key{"0-3", "p", "3"}, To: penstock.Key{"0-5", "a", "1"}, Stamp: 2,
		}
		b.load(list)
		wants, err := b.store.Wanted(b.Context(), "pipeline_stages", now().Now, 10, "")
		if err != nil || len(wants) != 1 || wants[0].Key != `["0-3","q","1"]` {
			b.Errorf("wanted %v, %v; want the second stage", wants, err)
		}
	}},
	{"AWantStaysUntilALaterRowAnswersIt", func(b *bench) {
		b.load(contact().Want("1", 5).Want("2", 5).Want("3", 5))
		b.load(contact().Want("1", 4).Want("2", 7))
		b.load(contact().Put(1, at(1), 5, "A").Put(2, at(1), 6, "A").Bury(3, at(1), 4, 9))
		b.same("wanted", b.wanted(0), "2@7 "+penstock.WantDoubt, "3@5 "+penstock.WantDoubt)
		b.load(contact().Put(2, at(0), 7, "superseded").Bury(3, at(1), 6, 9))
		b.same("wanted", b.wanted(0))
	}},
	{"V3ADoubtIsDueAgainOnOurClockAndGoneOnHubSpots", func(b *bench) {
		// HubSpot's clock is two hours ahead for 1, two hours behind for 2.
		missing := func(seconds, stamp int64) *Builder {
			return contact().Missing(1, at(seconds+2*hour), stamp).Missing(2, at(seconds-2*hour), stamp)
		}
		both := []string{"1@2 " + penstock.WantDoubt, "2@2 " + penstock.WantDoubt}
		b.load(contact().Put(1, at(0)-9*hour*1000, 1, "A").Put(2, at(0)-9*hour*1000, 1, "A"))
		b.load(missing(0, 2))
		b.same("due before the hour", b.wanted(hour-1))
		b.same("due after the hour", b.wanted(hour), both...)
		b.at.Now = time.UnixMilli(at(hour))
		b.load(missing(hour-1, 3)) // a second less on HubSpot's clock
		b.same("rows", b.table("contacts", "id", "_deleted_why"), "1 -", "2 -")
		b.same("due before another hour", b.wanted(2*hour-1))
		b.same("due after another hour", b.wanted(2*hour), both...)
		b.at.Now = time.UnixMilli(at(2 * hour))
		if applied := b.load(missing(hour, 4)); applied[0] != (penstock.Applied{Buried: 2}) {
			b.Errorf("both are gone: %+v (V1)", applied[0])
		}
		b.same("rows", b.table("contacts", "id", "_deleted_why", "_deleted_at"),
			fmt.Sprintf("1 gone @%d", 2*hour), fmt.Sprintf("2 gone @%d", -2*hour))
		b.same("wanted", b.wanted(9*hour))
	}},
	{"AWantedKeyThatNoRowCanHaveIsRefused", func(b *bench) {
		for _, bad := range []*Builder{
			contact().Want("x", 1), contact().Want("01", 1), contact().Want("9223372036854775808", 1),
			NewBatch(Stages()).Want(`["a","b"]`, 1), NewBatch(Links()).Want(`["1","2","3"]`, 1), NewBatch(Links()).Of(1, "x"),
			contact().Inventory(0, 0, 1).inventoryFrom("x"), NewBatch(Links()).Inventory(0, 0, 1).inventoryFrom("1", "x"),
		} {
			run := Range{Lane: penstock.Named, Grant: "grant"}
			_, err := b.store.Load(b.Context(), []warehouse.Item{item(run.Next(bad))}, b.at)
			if !errors.Is(err, warehouse.ErrBatch) {
				b.Errorf("%+v %+v: %v", bad.Batch.Wanted, bad.Batch.Inventory, err)
			}
		}
	}},
	{"WantsAreCountedByReason", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A").Want("8", 1).Want("9", 1))
		b.load(contact().Put(1, at(1), 2, "A").Inventory(0, 0, 2))
		b.load(contact().Missing(2, at(9), 3))
		due, all, err := b.store.Due(b.Context(), b.at.Now)
		want := map[string]map[string]int64{"contacts": {penstock.WantDoubt: 2, penstock.WantAbsent: 0}}
		if err != nil || !reflect.DeepEqual(due, want) {
			b.Errorf("due are %v, %v; want %v", due, err, want)
		}
		want["contacts"][penstock.WantAbsent] = 1 // it was asked for, but is absent still (V5)
		if !reflect.DeepEqual(all, want) {
			b.Errorf("wanted are %v; want %v", all, want)
		}
		wants, err := b.store.Wanted(b.Context(), "contacts", b.at.Now.Add(2*time.Hour), 10, penstock.WantDoubt)
		if err != nil || len(wants) != 1 || wants[0].Key != "2" {
			b.Errorf("but the doubts %+v are wanted, %v", wants, err)
		}
	}},
	{"ASearchHitAnswersNoWant", func(b *bench) {
		b.load(contact().Put(1, at(5), 1, "A").Want("1", 2).Want("7", 2))
		b.load(NewBatch(Contacts(), text("v")).Add(
			Row{Via: penstock.BySearch, ID: 1, Updated: at(4), Stamp: 3, Values: []any{"old"}},
			Row{Via: penstock.BySearch, ID: 7, Updated: at(4), Stamp: 3, Values: []any{"new"}},
		))
		b.same("rows", b.table("contacts", "id", "v"), "1 A", "7 new")
		b.same("wanted", b.wanted(9), "1@2 "+penstock.WantDoubt, "7@2 "+penstock.WantDoubt)
	}},
	{"UndatedRowsAreOrderedByStampAlone", func(b *bench) {
		owner := func(updated, stamp int64, v string) *Builder {
			row := Row{Key: penstock.Key{"o"}, Updated: updated, Stamp: stamp, Values: []any{v}}
			return NewBatch(Owners(), text("v")).Add(row)
		}
		b.load(owner(at(9), 5, "A"))
		b.load(owner(at(9), 4, "earlier"))
		b.same("rows", b.table("owners", "id", "v"), "o A")
		b.load(owner(at(1), 6, "later"))
		b.same("rows", b.table("owners", "id", "v"), "o later")
	}},
	{"TheStampSurvivesARestartOfTheBackfill", func(b *bench) {
		b.run = backfill("grant", 0, "")
		b.load(contact().Put(1, at(1), 30, "A").Split(500, ""))
		b.run = backfill("grant", 500, "")
		b.load(contact().Put(501, at(1), 530, "A"))
		if err := b.store.Restart(b.Context(), "contacts"); err != nil {
			b.Fatal(err)
		}
		b.same("heads", b.heads(penstock.Backfill))
		if stamp, err := b.store.Stamp(b.Context()); stamp != 530 || err != nil {
			b.Errorf("stamp %d, %v; want 530", stamp, err)
		}
		b.same("rows", b.contacts(), "1 A @1 - - -", "501 A @1 - - -")
	}},
	{"TheBackfillSetsTheSettledCursorOnce", func(b *bench) {
		begin := contact().Put(1, at(1), 1, "A")
		begin.Batch.Begin, begin.Batch.FreshAt, begin.Batch.SettledAt = "T0", at(1), at(2)
		b.load(begin)
		b.same("settled", b.heads(penstock.Settled), `0 "" 0 "T0"`)
		begin.Batch.Begin, begin.Batch.FreshAt, begin.Batch.SettledAt = "T9", at(3), 0
		b.load(begin)
		b.same("settled", b.heads(penstock.Settled), `0 "" 0 "T0"`)
		if d := b.described(); d.FreshAt != at(3) || d.SettledAt != at(2) {
			b.Errorf("fresh at %d, settled at %d", d.FreshAt, d.SettledAt)
		}
		b.run = &Range{Lane: penstock.Settled, Grant: "settled", Cursor: "T0"}
		b.load(contact())
	}},
}

// inventoryFrom gives the inventory a first key of any kind.
func (b *Builder) inventoryFrom(key ...string) *Builder {
	b.Batch.Inventory.From = key
	return b
}
