package warehousetest

import (
	"errors"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// counts are the tests of what verify asks.
var counts = []promise{
	{"LiveRowsAreCountedByIDAndByModification", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(5, at(2), 1, "A").Put(9, at(3), 1, "A").Bury(6, at(2), 1, 1).
			Add(Row{ID: 7, Stamp: 1}))
		counts, err := b.store.Count(b.Context(), "contacts", []penstock.Span{{From: 1, To: 5}, {From: 5, To: 9}, {From: 5}, {To: 9}, {From: 10}})
		b.same("by id", []string{fmt.Sprint(counts, err)}, "[1 2 3 3 0] <nil>")
		counts, err = b.store.Count(b.Context(), "contacts", []penstock.Span{
			{Since: at(1), Until: at(2)}, {Since: at(2), Until: at(3)}, {Since: at(2)}, {Since: at(3) + 1, Until: at(9)}, {},
			{To: 5, Since: at(1), Until: at(2)}, {From: 5, Since: at(1), Until: at(2)}, {From: 5, Until: at(2)}, {From: 2, To: 9},
		})
		b.same("by modification", []string{fmt.Sprint(counts, err)}, "[2 2 2 0 4 1 1 1 2] <nil>")
		ids, err := b.store.IDs(b.Context(), "contacts", 5, 9, 9)
		b.same("ids", []string{fmt.Sprint(ids, err)}, "[5 7] <nil>")
		ids, err = b.store.IDs(b.Context(), "contacts", 1, 0, 2)
		b.same("first ids", []string{fmt.Sprint(ids, err)}, "[1 5] <nil>")
		b.load(NewBatch(Owners()).Add(Row{Key: penstock.Key{"o"}, Stamp: 1}))
		if _, err := b.store.Count(b.Context(), "owners", nil); !errors.Is(err, warehouse.ErrNoIDs) {
			b.Errorf("owners are counted by id: %v", err)
		}
		if _, err := b.store.IDs(b.Context(), "owners", 1, 0, 1); !errors.Is(err, warehouse.ErrNoIDs) {
			b.Errorf("owners are listed by id: %v", err)
		}
	}},
	{"WhatHasNoTableCannotBeVerified", func(b *bench) {
		_, _, check := b.store.Check(b.Context(), "deals", nil, 1)
		_, count := b.store.Count(b.Context(), "deals", nil)
		_, ids := b.store.IDs(b.Context(), "deals", 1, 0, 1)
		_, erased := b.store.Erase(b.Context(), "deals", time.UnixMilli(1), time.UnixMilli(1))
		for _, err := range []error{check, count, ids, erased} {
			if !errors.Is(err, warehouse.ErrNoTable) {
				b.Errorf("an unknown table: %v", err)
			}
		}
	}},
	{"LinksThatNobodyHasMakeNoTable", func(b *bench) {
		b.load(link().Want("1", 1).Want("2", 1), link().Page().Of(5, "1"))
		if tables, err := b.store.Tables(b.Context()); err != nil || len(tables) != 0 {
			b.Errorf("the tables are %v, %v", tables, err)
		}
		b.same("wanted", b.wantedOf("contacts_companies", 0), "2@1 "+penstock.WantDoubt)
		heads, err := b.store.Heads(b.Context(), "contacts_companies", penstock.Named)
		if err != nil || len(heads) != 1 || heads[0].Seq != 2 {
			b.Errorf("the heads are %+v, %v", heads, err)
		}
		b.load(link([3]int64{2, 5, 6}).Of(6, "2"))
		b.same("links", b.links(), "2 5 - - 6")
		b.same("wanted in the end", b.wantedOf("contacts_companies", 0))
	}},
	{"ARejectOfAnObjectGoesWhenItHasBeenRead", func(b *bench) {
		b.load(link().Reject("1", "", "{}").Reject("2", "", "{}").Reject("3", "", "{}"))
		b.load(link().Reject("2", "", "[]").Of(5, "1", "2"))
		b.same("rejects", b.rejects(), `contacts_companies 2 ""=[]`, `contacts_companies 3 ""={}`)
		b.load(NewBatch(History()).Reject("2", "", "{}"))
		b.load(NewBatch(History()).Of(5, "2"))
		b.same("rejects", b.rejects(), `contacts_companies 2 ""=[]`, `contacts_companies 3 ""={}`)
	}},
	{"WhatHubSpotsArchiveHasDroppedIsNotWanted", func(b *bench) {
		day := 24 * hour
		old := func(id, deleted int64) Row {
			return Row{ID: id, Updated: at(1), Stamp: 1, Deleted: deleted, Why: penstock.Archived}
		}
		b.load(contact().Add(old(1, at(-90*day)), old(2, at(-90*day)-1), old(3, 0)))
		list := contact().Inventory(0, 0, 7)
		list.Batch.Inventory.Archived = true
		b.load(list)
		b.same("wanted", b.wanted(0), "1@7 "+penstock.WantUnlisted, "3@7 "+penstock.WantUnlisted)
	}},
}

// gone makes a contact gone since the tenth second.
func (b *bench) gone(id int64) {
	b.load(contact().Missing(id, at(10), 8).Missing(id, at(10+hour), 8))
}

// erase erases what is gone since before a moment and counts it.
func (b *bench) erase(before, want int64) {
	b.Helper()
	n, err := b.store.Erase(b.Context(), "contacts", time.UnixMilli(at(before)), time.UnixMilli(at(20)))
	if err != nil || n != want {
		b.Errorf("erased %d rows, %v; want %d", n, err, want)
	}
}

// erasures are the tests of what is taken for good.
var erasures = []promise{
	{"WhatIsGoneForLongIsErased", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "B").Reject("1", "v", "secret").Reject("2", "w", "kept").
			Add(Row{ID: 3, Updated: at(1), Stamp: 1, Why: penstock.Archived, Deleted: at(1), Values: []any{"C"}}))
		b.gone(1)
		b.erase(10, 0)
		b.same("not yet", b.contacts(), "1 A @1 gone @10 -", "2 B @1 - - -", "3 C @1 archived @1 -")
		b.erase(11, 1)
		b.erase(11, 0)
		b.same("rows", b.contacts(), "1 - @1 erased @10 -", "2 B @1 - - -", "3 C @1 archived @1 -")
		b.same("when", b.table("contacts", "id", "_synced_at", "_load"), "1 @20 3", "2 @0 1", "3 @0 1")
		b.same("rejects", b.rejects(), `contacts 2 "w"=kept`)
		b.same("bad", b.bad("contacts"))
		if d := b.described(); d.Rows != 1 || d.Deleted != 2 || d.Load != 3 {
			b.Errorf("described as %+v", d)
		}
		b.load(contact().Put(1, at(9), 9, "D"))
		b.same("erased is final", b.contacts()[:1], "1 - @1 erased @10 -")
	}},
	{"WhatBelongsToAnErasedObjectGoesWithIt", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "B"))
		version := func(id, at string) Row {
			return Row{Key: penstock.Key{id, "email", at, "1"}, Stamp: 1, Values: []any{"old"}}
		}
		b.load(NewBatch(History(), text("v")).Add(version("1", "a"), version("1", "b"), version("2", "a")).
			Reject("1", "", "secret").Reject(`["1","email","c","1"]`, "v", "secret").Reject(`["11","email","c","1"]`, "v", "kept"))
		b.load(link([3]int64{1, 5, 1}, [3]int64{1, 6, 1}, [3]int64{2, 5, 1}).Reject("1", "", "secret"))
		b.load(link([3]int64{1, 6, 2}).Of(2, "1"))
		b.gone(1)
		b.erase(11, 1)
		b.same("history", b.table("contacts_history", "id", "at", "v", "_deleted", "_deleted_why", "_deleted_at", "_load"),
			"1 a - true erased @20 2", "1 b - true erased @20 2", "2 a old false - - 1")
		b.same("links", b.links(), "1 5 gone @0 2", "1 6 gone @20 1", "2 5 - - 1")
		b.same("rejects", b.rejects(), `contacts_history ["11","email","c","1"] "v"=kept`)
		b.same("bad", append(b.bad("contacts_history"), b.bad("contacts_companies")...))
	}},
	{"ARowThatFailsItsPrintIsNotErased", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		b.tamper("1", false, map[string]any{"_deleted": true, "_deleted_why": "gone", "_deleted_at": moment(at(1))})
		b.erase(99, 0)
		b.same("rows", b.contacts(), "1 A @1 gone @1 -")
	}},
	{"AnErasedRowIsWrittenAgainOnlyWhenItsIDIsReadLive", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		b.gone(1)
		b.erase(11, 1)
		b.tamper("1", false, map[string]any{"v": "by hand"})
		b.verify("contacts", "1")
		b.load(contact().Put(1, at(9), 9, "list"))
		b.same("a list", b.contacts(), "1 by hand @1 erased @10 -")
		b.load(contact().Add(seen(penstock.ByID, 9, 10, "B")))
		b.same("a read", b.contacts(), "1 B @9 - - -")
	}},
}
