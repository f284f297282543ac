package warehousetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// link begins a batch of links, each from_id, to_id and the stamp at which it
// was seen.
func link(links ...[3]int64) *Builder {
	b := NewBatch(Links())
	for _, l := range links {
		b.Add(Row{Key: penstock.Key{fmt.Sprint(l[0]), fmt.Sprint(l[1]), "1"}, Stamp: l[2]})
	}
	return b
}

func (b *bench) links() []string {
	b.Helper()
	return b.table("contacts_companies", "from_id", "to_id", "_deleted_why", "_deleted_at", "_stamp")
}

// followed has links and history follow contacts.
func (b *bench) followed() {
	b.at.Followers = map[string][]string{"contacts": {"contacts_companies", "contacts_history"}, "owners": {"nobody"}}
}

// links are the tests of streams whose rows belong to the objects of another.
var links = []promise{
	{"KeysOfIntegersAndTextsAreInOrderAndComeBack", func(b *bench) {
		b.load(link([3]int64{10, 2, 1}, [3]int64{2, 10, 1}, [3]int64{2, 9, 1}))
		b.same("links", b.table("contacts_companies", "from_id", "to_id", "type_id"), "2 9 1", "2 10 1", "10 2 1")
		version := func(id, at, n string) Row { return Row{Key: penstock.Key{id, "email", at, n}, Stamp: 1} }
		b.load(NewBatch(History()).Add(version("10", "a", "1"), version("9", "b", "10"), version("9", "b", "9")))
		b.same("history", b.table("contacts_history", "id", "at", "n"), "9 b 9", "9 b 10", "10 a 1")
		result, err := b.store.Rows(b.Context(), warehouse.Query{
			Stream: "contacts_history", After: penstock.Key{"9", "email", "b", "9"}, Fields: []string{"n"},
		})
		if err != nil {
			b.Fatal(err)
		}
		var rest []string
		for row, err := range result.Rows {
			if err != nil {
				b.Fatal(err)
			}
			rest = append(rest, fmt.Sprintf("%T %v", row[0], row[0]))
		}
		b.same("the rest", rest, "int64 10", "int64 1")
		bad := warehouse.Query{Stream: "contacts_history", After: penstock.Key{"x"}}
		if _, err := b.store.Rows(b.Context(), bad); err == nil {
			b.Error("rows after a key that is no integer are listed")
		}
		if applied := b.load(link([3]int64{10, 2, 3}))[0]; applied.Unchanged != 1 {
			b.Errorf("a link seen again: %+v", applied)
		}
		tables, err := b.store.Tables(b.Context())
		if err != nil || len(tables) != 2 || !reflect.DeepEqual(tables[0].Stream, Links()) || !reflect.DeepEqual(tables[1].Stream, History()) {
			b.Errorf("described as %+v, %v", tables, err)
		}
	}},
	{"V3AnInventoryOfObjectsBuriesWhatItDoesNotName", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}, [3]int64{1, 6, 1}, [3]int64{1, 7, 9}, [3]int64{2, 5, 1}))
		b.at.Now = time.UnixMilli(at(60))
		if applied := b.load(link([3]int64{1, 5, 3}).Of(3, "1", "8"))[0]; applied.Buried != 1 {
			b.Errorf("applied %+v, want one buried", applied)
		}
		b.same("links", b.links(), "1 5 - - 1", "1 6 gone @60 3", "1 7 - - 9", "2 5 - - 1")
		if d := b.described(); d.Rows != 3 || d.Deleted != 1 || d.Load != 2 {
			b.Errorf("described as %+v", d)
		}
	}},
	{"LinksToAnotherTypeAreRefusedInTheSameTable", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}))
		other := Links()
		other.ToType = "0-3"
		batch := b.runOf(link()).Next(NewBatch(other))
		if _, err := b.store.Load(b.Context(), []warehouse.Item{item(batch)}, b.at); !errors.Is(err, warehouse.ErrBatch) {
			b.Errorf("load: %v", err)
		}
	}},
	{"V3AnInventoryOfObjectsWithoutRowsBuriesAll", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}))
		b.load(link().Of(3, "1"))
		b.same("links", b.links(), "1 5 gone @0 3")
	}},
	{"AnOlderInventoryThatComesLateBuriesNothing", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}))
		b.load(link([3]int64{1, 5, 6}).Of(6, "1")) // seen again, unchanged
		b.load(link([3]int64{1, 6, 6}))
		b.load(link().Of(5, "1"))
		b.same("links", b.links(), "1 5 - - 1", "1 6 - - 6")
	}},
	{"ALinkFromBeforeItsBurialDoesNotComeBack", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}))
		b.load(link().Of(5, "1"))
		b.load(link([3]int64{1, 5, 4}))
		b.same("links", b.links(), "1 5 gone @0 5")
		b.load(link([3]int64{1, 5, 6}))
		b.same("links", b.links(), "1 5 - - 6")
	}},
	{"HistoryIsNeverBuriedByAnInventory", func(b *bench) {
		b.load(NewBatch(History()).Add(Row{Key: penstock.Key{"1", "email", "a", "1"}, Stamp: 1}).Want("1", 2).Want("2", 2))
		b.load(NewBatch(History()).Of(3, "1"))
		b.same("history", b.table("contacts_history", "id", "_deleted_why"), "1 -")
		b.same("wanted", b.wantedOf("contacts_history", 0), "2@2 "+penstock.WantDoubt)
	}},
	{"AWrittenObjectIsWantedByItsFollowers", func(b *bench) {
		b.followed()
		b.load(contact().Put(1, at(1), 1, "A").Bury(2, at(1), 2, 1))
		want := []string{"1@1 " + penstock.WantChanged, "2@2 " + penstock.WantChanged}
		b.same("links wanted", b.wantedOf("contacts_companies", 0), want...)
		b.same("history wanted", b.wantedOf("contacts_history", 0), want...)
		b.load(contact().Put(1, at(1), 3, "A").Bury(2, at(1), 4, 1).Put(1, at(0), 5, "old").
			Add(seen(penstock.BySearch, 0, 6, "hit")).Missing(1, at(9), 7)) // nothing is written
		b.load(NewBatch(Contacts(), text("v")).Fill(1, at(1), 8, "calculated"))
		b.same("links wanted still", b.wantedOf("contacts_companies", 0), want...)
		b.load(contact().Missing(1, at(9+hour), 9))
		b.same("links wanted of the gone", b.wantedOf("contacts_companies", 0), "1@9 "+penstock.WantChanged, want[1])
		b.same("others wanted", b.wantedOf("nobody", 0))
	}},
	{"OfABackfillsObjectsFollowersWantWhatItReplaces", func(b *bench) {
		b.followed()
		b.run = backfill("grant", 0, "")
		b.load(contact().Put(1, at(1), 1, "A"))
		b.same("links wanted", b.wantedOf("contacts_companies", 0))
		b.load(contact().Put(1, at(2), 2, "B").Put(2, at(2), 2, "new"))
		b.same("links wanted after a change", b.wantedOf("contacts_companies", 0), "1@2 "+penstock.WantChanged)
	}},
	{"AnInventoryOfAnObjectAnswersItsWant", func(b *bench) {
		b.followed()
		// The want is there before the table is, and in the same transaction.
		b.load(contact().Put(1, at(1), 5, "A").Put(2, at(1), 5, "A").Put(3, at(1), 5, "A"),
			link([3]int64{1, 7, 6}).Of(6, "1"))
		want := []string{"2@5 " + penstock.WantChanged, "3@5 " + penstock.WantChanged}
		b.same("wanted", b.wantedOf("contacts_companies", 0), want...)
		b.load(link([3]int64{2, 7, 4}).Of(4, "2")) // read before the change
		b.same("wanted", b.wantedOf("contacts_companies", 0), want...)
		b.load(link().Of(5, "2"))
		b.same("wanted", b.wantedOf("contacts_companies", 0), want[1])
		b.same("wanted of the other", b.wantedOf("contacts_history", 0), "1@5 "+penstock.WantChanged, want[0], want[1])
		b.load(NewBatch(History()).Of(5, "1", "2", "3"))
		b.same("wanted of the other", b.wantedOf("contacts_history", 0))
	}},
}
