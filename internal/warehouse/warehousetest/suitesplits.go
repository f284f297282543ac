package warehousetest

import (
	"errors"
	"slices"

	"penstock"
	"penstock/internal/warehouse"
)

// item is a batch of the lane's current run.
func item(b *penstock.Batch) warehouse.Item { return warehouse.Item{Batch: b, Current: b.Grant} }

// backfill is a range of the backfill that begins at a cursor.
func backfill(grant string, first int64, cursor penstock.Cursor) *Range {
	return &Range{Lane: penstock.Backfill, Grant: grant, First: first, Cursor: cursor}
}

// backfillAfter is a range that goes on where another stands.
func backfillAfter(r *Range) *Range {
	next := *r
	return &next
}

// splits are the tests of ranges that are cut off others (W3).
var splits = []promise{
	{"W3ASplitMakesARangeAndBothGoOn", func(b *bench) {
		whole, rest := backfill("grant", 0, ""), backfill("grant", 1000, "half")
		split := item(whole.Next(contact().Put(1, at(1), 1, "A").Split(1000, "half")))
		b.all(warehouse.Apply, b.verdicts(split)...)
		b.same("heads", b.heads(penstock.Backfill), `0 "grant" 1 "grant/1"`, `1000 "grant" 0 "half"`)
		second := item(whole.Next(contact().Put(2, at(1), 2, "A")))
		first := item(rest.Next(contact().Put(1001, at(1), 3, "A")))
		b.all(warehouse.Apply, b.verdicts(first, second, item(rest.Next(contact())))...)
		b.all(warehouse.Repeat, b.verdicts(split)...)
		b.same("heads", b.heads(penstock.Backfill), `0 "grant" 2 "grant/2"`, `1000 "grant" 2 "grant/2"`)
		b.same("rows", b.contacts(), "1 A @1 - - -", "2 A @1 - - -", "1001 A @1 - - -")
	}},
	{"W3ABatchOfARangeBeforeItsSplitIsAGap", func(b *bench) {
		whole, rest := backfill("grant", 0, ""), backfill("grant", 1000, "half")
		first := item(rest.Next(contact().Put(1001, at(1), 2, "A")))
		fromNothing := item(backfill("grant", 1000, "").Next(contact().Put(1001, at(1), 2, "A")))
		b.all(warehouse.Gap, b.verdicts(first, fromNothing)...)
		b.same("heads", b.heads(penstock.Backfill))
		split := item(whole.Next(contact().Split(1000, "half")))
		b.all(warehouse.Apply, b.verdicts(split, first)...)
	}},
	{"W3ASplitStandsAfterADeath", func(b *bench) {
		whole, rest := backfill("grant", 0, ""), backfill("grant", 1000, "half")
		split := item(whole.Next(contact().Split(1000, "half")))
		b.all(warehouse.Apply, b.verdicts(split)...)
		b.store = b.opened()
		b.claim(b.store, "after the death")
		got := b.verdicts(split, item(rest.Next(contact().Put(1001, at(1), 2, "A"))))
		if want := []warehouse.Verdict{warehouse.Repeat, warehouse.Apply}; !slices.Equal(got, want) {
			b.Errorf("verdicts %v, want %v", got, want)
		}
	}},
	{"W3ANewRunGoesOnInEachRange", func(b *bench) {
		b.all(warehouse.Apply, b.verdicts(item(backfill("grant", 0, "").Next(contact().Split(1000, "half"))))...)
		whole, rest := backfill("next", 0, "grant/1"), backfill("next", 1000, "half")
		b.all(warehouse.Apply, b.verdicts(item(rest.Next(contact())), item(whole.Next(contact())))...)
		b.same("heads", b.heads(penstock.Backfill), `0 "next" 1 "next/1"`, `1000 "next" 1 "next/1"`)
	}},
	{"W3ASplitReplacesARangeOfAFormerRunOnly", func(b *bench) {
		whole, rest := backfill("grant", 0, ""), backfill("grant", 1000, "half")
		b.all(warehouse.Apply, b.verdicts(item(whole.Next(contact().Split(1000, "half"))), item(rest.Next(contact())))...)
		for name, bad := range map[string]*penstock.Batch{
			"onto a range that this run reads": backfillAfter(whole).Next(contact().Split(1000, "again")),
			"onto itself":                      backfill("next", 0, whole.Cursor).Next(contact().Split(0, "again")),
		} {
			_, err := b.store.Load(b.Context(), []warehouse.Item{item(bad)}, b.at)
			if !errors.Is(err, warehouse.ErrBatch) {
				b.Errorf("a split %s: %v", name, err)
			}
		}
		again := backfill("next", 0, whole.Cursor)
		b.all(warehouse.Apply, b.verdicts(item(again.Next(contact().Split(1000, "again"))))...)
		b.same("heads", b.heads(penstock.Backfill), `0 "next" 1 "next/1"`, `1000 "next" 0 "again"`)
	}},
	{"W3ARestartForgetsAllRanges", func(b *bench) {
		b.all(warehouse.Apply, b.verdicts(item(backfill("grant", 0, "").Next(contact().Split(1000, "half"))))...)
		if err := b.store.Restart(b.Context(), "contacts"); err != nil {
			b.Fatal(err)
		}
		b.same("heads", b.heads(penstock.Backfill))
		b.all(warehouse.Gap, b.verdicts(item(backfill("next", 1000, "half").Next(contact())))...)
		b.all(warehouse.Apply, b.verdicts(item(backfill("next", 0, "").Next(contact())))...)
	}},
}

// all fails unless every verdict is the wanted one.
func (b *bench) all(want warehouse.Verdict, got ...warehouse.Verdict) {
	b.Helper()
	for i, v := range got {
		if v != want {
			b.Errorf("batch %d: %v, want %v", i, v, want)
		}
	}
}
