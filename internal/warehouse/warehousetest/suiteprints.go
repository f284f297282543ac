package warehousetest

import (
	"errors"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// bad are the rows of a stream that fail their print, found in pages of two.
func (b *bench) bad(stream string) []string {
	b.Helper()
	all := []string{}
	for after := penstock.Key(nil); ; {
		bad, next, err := b.store.Check(b.Context(), stream, after, 2)
		if err != nil {
			b.Fatalf("check: %v", err)
		}
		if all = append(all, bad...); next == nil {
			return all
		}
		after = next
	}
}

// tamper alters a contact, or adds it.
func (b *bench) tamper(id string, insert bool, set map[string]any) {
	b.alter(Tampering{Stream: "contacts", Key: penstock.Key{id}, Insert: insert, Set: set})
}

// verify has the store want what verify finds.
func (b *bench) verify(stream string, keys ...string) {
	b.Helper()
	var wants []penstock.Want
	for _, key := range keys {
		wants = append(wants, penstock.Want{Key: key, Reason: penstock.WantVerify, Stamp: 2})
	}
	if err := b.store.Want(b.Context(), wants, stream); err != nil {
		b.Fatalf("want: %v", err)
	}
}

// alterations are what somebody may do to the contact 1.
func alterations() []map[string]any {
	return []map[string]any{
		{"v": "by hand"}, {"v": nil}, {"_created_at": "yesterday"}, {"_created_at": moment(at(0))},
		{"_updated_at": moment(at(9e6))}, {"_updated_at": "tomorrow"}, {"_updated_at": nil},
		{"_stamp": int64(99)}, {"_deleted_at": moment(at(3))}, {"_merged_into": int64(9)}, {"_print": int64(5)}, {"_print": nil},
		{"_deleted": true}, {"_deleted": true, "_deleted_why": "archived"}, {"_deleted": true, "_deleted_why": "erased"},
	}
}

// prints are the tests of rows that somebody else has changed.
var prints = []promise{
	{"ARowHoldsItsPrintHoweverItCame", func(b *bench) {
		all := []penstock.Column{
			text("v"), number("n"), {Property: "b", Type: penstock.Bool}, {Property: "d", Type: penstock.Date},
			{Property: "dt", Type: penstock.DateTime},
		}
		b.load(NewBatch(Contacts(), all...).Put(1, at(1), 1, "A", "1", true, int64(5), at(1)).Put(2, at(1), 1, "A", "1.5", false).
			Put(3, at(1), 1, "A", "12345678901234567890").Put(4, at(1), 1).Put(5, at(1), 1, "A").Bury(6, at(1), 1, 1))
		b.same("bad at first", b.bad("contacts"))
		b.load(contact().Put(1, at(2), 2, "B").Put(2, at(1), 2, nil).Fill(3, at(1), 2, "F"),
			NewBatch(Contacts()).Bury(4, at(2), 2, 1), contact().Missing(5, at(2), 2), contact().Missing(5, at(2+hour), 3))
		b.load(NewBatch(Contacts(), text("w")).Fill(1, at(2), 4, "W"))
		b.same("bad afterwards", b.bad("contacts"))
		b.load(link([3]int64{1, 5, 1}, [3]int64{1, 6, 1}))
		b.load(link().Of(2, "1"))
		b.same("bad links", b.bad("contacts_companies"))
	}},
	{"WhateverIsAlteredFailsThePrintAndIsRepairedByTheNextRead", func(b *bench) {
		hubspot := func(stamp int64) *Builder {
			return contact().Add(Row{ID: 1, Via: penstock.ByID, Updated: at(1), Created: at(-9), Stamp: stamp, Values: []any{"A"}})
		}
		b.load(hubspot(1).Put(2, at(1), 1, "A"))
		fields := []string{"id", "v", "_created_at", "_updated_at", "_deleted", "_deleted_at", "_deleted_why", "_merged_into"}
		want := b.table("contacts", fields...)
		for i, set := range alterations() {
			b.tamper("1", false, set)
			b.same(fmt.Sprint(set, " fails"), b.bad("contacts"), "1")
			b.verify("contacts", "1")
			b.same(fmt.Sprint(set, " still fails"), b.bad("contacts"), "1")
			b.load(hubspot(int64(3 + i)))
			b.same(fmt.Sprint(set, " repaired"), b.table("contacts", fields...), want...)
			b.same(fmt.Sprint(set, " holds"), b.bad("contacts"))
			b.same(fmt.Sprint(set, " answered"), b.wanted(9*hour))
		}
	}},
	{"AnAlteredColumnThatAReadDoesNotNameStaysAltered", func(b *bench) {
		both := func(stamp int64) *Builder {
			return NewBatch(Contacts(), text("v"), text("w")).Put(1, at(1), stamp, "A", "A")
		}
		b.load(both(1))
		b.tamper("1", false, map[string]any{"w": "by hand"})
		b.load(contact().Put(1, at(2), 2, "B"), contact().Fill(1, at(2), 3, "C"))
		b.same("bad", b.bad("contacts"), "1")
	}},
	{"AFillOfADistrustedRowHasItRead", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		b.tamper("1", false, map[string]any{"v": "by hand"})
		b.verify("contacts", "1")
		b.load(contact().Fill(1, at(1), 5, "B"))
		b.same("wanted", b.wanted(0xFFFF*hour), "1@5 "+penstock.WantFill)
		b.same("bad", b.bad("contacts"), "1")
	}},
	{"V3AnInventedRowIsGoneAfterTwoAnswers", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		b.tamper("2", true, map[string]any{"v": "by hand", "_deleted": false, "_updated_at": moment(at(9e6))})
		b.same("bad", b.bad("contacts"), "2")
		b.verify("contacts", "2")
		b.load(contact().Missing(2, at(10), 3))
		b.same("after one answer", b.table("contacts", "id", "_deleted_why"), "1 -", "2 -")
		b.load(contact().Missing(2, at(10+hour), 4))
		b.same("after two", b.table("contacts", "id", "_deleted_why", "_deleted_at"), "1 - -", "2 gone @10")
		b.same("bad in the end", b.bad("contacts"))
		b.same("wanted", b.wanted(9*hour))
	}},
	{"AnInventedRowThatHubSpotHasBecomesHubSpots", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		b.tamper("2", true, map[string]any{"v": "B", "_deleted": false, "_updated_at": moment(at(5)), "_stamp": int64(99)})
		b.load(contact().Put(2, at(1), 2, "C")) // without being asked for
		b.same("rows", b.contacts(), "1 A @1 - - -", "2 C @1 - - -")
		b.same("bad", b.bad("contacts"))
	}},
	{"WhatWasInventedOfAnObjectIsGoneWithTheNextAnswerAboutIt", func(b *bench) {
		b.load(link([3]int64{1, 5, 1}))
		version := Row{Key: penstock.Key{"1", "email", "a", "1"}, Stamp: 1, Values: []any{"A"}}
		b.load(NewBatch(History(), text("v")).Add(version))
		b.alter(Tampering{Stream: "contacts_companies", Key: penstock.Key{"1", "6", "1"}, Insert: true})
		b.alter(Tampering{Stream: "contacts_history", Key: penstock.Key{"1", "email", "b", "1"}, Insert: true})
		b.alter(Tampering{Stream: "contacts_history", Key: version.Key, Set: map[string]any{"v": "by hand"}})
		b.same("bad links", b.bad("contacts_companies"), `["1","6","1"]`)
		b.same("bad history", b.bad("contacts_history"), `["1","email","a","1"]`, `["1","email","b","1"]`)
		b.verify("contacts_companies", "1")
		b.verify("contacts_history", "1")
		b.load(link([3]int64{1, 5, 3}).Of(3, "1"))
		version.Stamp = 3
		b.load(NewBatch(History(), text("v")).Add(version).Of(3, "1"))
		b.same("links", b.table("contacts_companies", "to_id", "_deleted_why"), "5 -", "6 gone")
		b.same("history", b.table("contacts_history", "at", "v", "_deleted_why"), "a A -", "b - gone")
		b.same("bad in the end", append(b.bad("contacts_companies"), b.bad("contacts_history")...))
	}},
	{"ADeletedRowIsMissedByItsCountAndComesBack", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A"))
		b.alter(Tampering{Stream: "contacts", Key: penstock.Key{"2"}, Delete: true})
		b.same("bad", b.bad("contacts"))
		if n, err := b.store.Count(b.Context(), "contacts", []penstock.Span{{}}); err != nil || n[0] != 1 {
			b.Errorf("%d rows are counted, %v", n, err)
		}
		b.verify("contacts", "2")
		b.load(contact().Put(2, at(1), 2, "A"))
		b.same("rows", b.contacts(), "1 A @1 - - -", "2 A @1 - - -")
	}},
	{"AWantFromOutsideABatchIsOneLikeOthers", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Want("1", 5))
		b.verify("contacts", "1", "2") // older than the one of the batch
		later := time.Now().Add(9 * time.Hour)
		wants, err := b.store.Wanted(b.Context(), "contacts", later, 9, "")
		if err != nil || len(wants) != 2 || wants[0].Stamp != 5 || wants[1] != (penstock.Want{Key: "2", Reason: penstock.WantVerify, Stamp: 2}) {
			b.Errorf("wanted %+v, %v", wants, err)
		}
		b.load(contact().Put(2, at(1), 2, "A"))
		for stream, key := range map[string]string{"contacts": "x", "deals": "1"} {
			err := b.store.Want(b.Context(), []penstock.Want{{Key: "7", Stamp: 1}, {Key: key, Stamp: 1}}, stream)
			if err == nil || stream == "deals" && !errors.Is(err, warehouse.ErrNoTable) {
				b.Errorf("%s of %s is wanted: %v", key, stream, err)
			}
		}
		b.same("wanted", b.wanted(9*hour), "1@5 "+penstock.WantDoubt)
	}},
}
