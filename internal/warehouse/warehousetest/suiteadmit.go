package warehousetest

import (
	"errors"
	"slices"

	"penstock"
	"penstock/internal/warehouse"
)

// admission are the tests of W1 to W4.
var admission = []promise{
	{"W2ABatchTakesEffectOnce", func(b *bench) {
		first := b.run.Next(contact().Put(1, at(1), 1, "A"))
		second := b.run.Next(contact().Put(2, at(1), 2, "B"))
		item := func(batch *penstock.Batch) warehouse.Item { return warehouse.Item{Batch: batch, Current: "grant"} }
		want := []warehouse.Verdict{warehouse.Apply, warehouse.Repeat, warehouse.Apply, warehouse.Repeat}
		if got := b.verdicts(item(first), item(first), item(second), item(first)); !slices.Equal(got, want) {
			b.Errorf("verdicts %v, want %v", got, want)
		}
		if got := b.verdicts(item(second)); got[0] != warehouse.Repeat {
			b.Errorf("the batch once more: %v, want a repeat", got[0])
		}
		b.same("rows", b.contacts(), "1 A @1 - - -", "2 B @1 - - -")
		b.same("heads", b.heads(penstock.Named), `0 "grant" 2 "grant/2"`)
	}},
	{"W3ABatchBeforeItsTurnIsAGap", func(b *bench) {
		b.run.Next(contact().Put(1, at(1), 1, "lost"))
		second := b.run.Next(contact().Put(2, at(1), 2, "B"))
		if got := b.verdicts(warehouse.Item{Batch: second, Current: "grant"}); got[0] != warehouse.Gap {
			b.Errorf("verdict %v, want a gap", got[0])
		}
		b.same("heads", b.heads(penstock.Named))
	}},
	{"W4OnlyTheCurrentGrantIsAdmitted", func(b *bench) {
		zombie := b.run.Next(contact().Put(1, at(1), 1, "zombie"))
		nobody := (&Range{Lane: penstock.Named}).Next(contact().Put(1, at(1), 1, "nobody"))
		got := b.verdicts(warehouse.Item{Batch: zombie, Current: "another"}, warehouse.Item{Batch: nobody})
		if want := []warehouse.Verdict{warehouse.Zombie, warehouse.Zombie}; !slices.Equal(got, want) {
			b.Errorf("verdicts %v, want %v", got, want)
		}
		b.same("heads", b.heads(penstock.Named))
	}},
	{"W4ANewGrantBeginsWhereTheHeadIs", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		next := &Range{Lane: penstock.Named, Grant: "next"}
		lost := next.Next(contact().Put(1, at(2), 2, "from another place"))
		if got := b.verdicts(warehouse.Item{Batch: lost, Current: "next"}); got[0] != warehouse.Gap {
			b.Errorf("a first batch from another cursor: %v, want a gap", got[0])
		}
		b.run = &Range{Lane: penstock.Named, Grant: "next", Cursor: "grant/1"}
		b.load(contact().Put(1, at(2), 2, "B"))
		b.same("rows", b.contacts(), "1 B @2 - - -")
	}},
	{"W1NothingOfALoadThatFailsStands", nothingStands},
	{"AWarehouseThatGoesOnHoldsWhatItHeld", func(b *bench) {
		claims := func() warehouse.Claims {
			c, err := b.store.Claims(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			return c
		}
		b.load(contact().Put(1, at(1), 1, "A"))
		then := claims()
		if then.Last() == "" || then.Commits == 0 {
			b.Errorf("after a load the claims are %+v", then)
		}
		b.load(contact().Put(1, at(2), 2, "B"))
		if now := claims(); now.Commits <= then.Commits || now.Last() != then.Last() || !now.Have(then.Last(), then.Commits) {
			b.Errorf("after another load the claims are %+v, before %+v", now, then)
		}
		b.claim(b.store, "another")
		b.load(contact().Put(1, at(3), 3, "C"))
		if now := claims(); now.Last() == then.Last() || !now.Have(then.Last(), then.Commits) {
			b.Errorf("after another claim the claims are %+v, before %+v", now, then)
		}
	}},
}

func nothingStands(b *bench) {
	b.load(contact().Put(1, at(1), 1, "A"))
	good := b.run.Next(NewBatch(Contacts(), text("v"), text("new")).Put(1, at(2), 2, "B", "x").Put(2, at(2), 2, "B", "x").
		Want("5", 2).Reject("6", "", "{}"))
	bad := b.run.Next(contact().Put(3, at(2), 3, "C").Add(Row{Op: 77, ID: 4}))
	_, err := b.store.Load(b.Context(), []warehouse.Item{{Batch: good, Current: "grant"}, {Batch: bad, Current: "grant"}}, now())
	if err == nil {
		b.Fatal("a batch with an unknown operation was loaded")
	}
	b.same("rows", b.contacts(), "1 A @1 - - -")
	b.same("heads", b.heads(penstock.Named), `0 "grant" 1 "grant/1"`)
	b.same("wanted", b.wanted(0))
	b.same("rejects", b.rejects())
	if columns := b.described().Columns; len(columns) != 1 {
		b.Errorf("columns %v, want v alone", columns)
	}
	if got := b.verdicts(warehouse.Item{Batch: good, Current: "grant"}); got[0] != warehouse.Apply {
		b.Errorf("the good batch alone: %v", got[0])
	}
	b.same("rows", b.contacts(), "1 B @2 - - -", "2 B @2 - - -")
}

// claims are the tests of who may load.
var claims = []promise{
	{"W4ASecondClaimFencesTheFirst", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		second := b.opened()
		b.claim(second, "second")
		batch := b.run.Next(contact().Put(1, at(2), 2, "B"))
		items := []warehouse.Item{{Batch: batch, Current: "grant"}}
		if _, err := b.store.Load(b.Context(), items, now()); !errors.Is(err, warehouse.ErrFenced) {
			b.Errorf("the first still loads: %v", err)
		}
		if err := b.store.Restart(b.Context(), "contacts"); !errors.Is(err, warehouse.ErrFenced) {
			b.Errorf("the first still restarts: %v", err)
		}
		if _, err := second.Load(b.Context(), items, now()); err != nil {
			b.Errorf("the second: %v", err)
		}
		b.same("rows", b.contacts(), "1 B @2 - - -")
	}},
	{"NobodyLoadsWithoutAClaim", func(b *bench) {
		items := []warehouse.Item{{Batch: b.run.Next(contact()), Current: "grant"}}
		if _, err := b.opened().Load(b.Context(), items, now()); err == nil {
			b.Error("an unclaimed warehouse was loaded")
		}
	}},
	{"V4AnotherAccountIsRefused", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"))
		err := b.opened().Claim(b.Context(), warehouse.Claim{Loader: "x", Installation: "here", Account: 5})
		if !errors.Is(err, warehouse.ErrOtherAccount) {
			b.Errorf("claimed for another account: %v", err)
		}
		other := now()
		other.Account = 5
		items := []warehouse.Item{{Batch: b.run.Next(contact().Put(1, at(2), 2, "B")), Current: "grant"}}
		if _, err := b.store.Load(b.Context(), items, other); !errors.Is(err, warehouse.ErrOtherAccount) {
			b.Errorf("loaded another account: %v", err)
		}
		if _, err := b.store.Load(b.Context(), items, now()); err != nil {
			b.Errorf("the refused claim fenced the loader: %v", err)
		}
	}},
	{"V4AnotherInstallationIsRefused", func(b *bench) {
		err := b.opened().Claim(b.Context(), warehouse.Claim{Loader: "x", Installation: "elsewhere", Account: account})
		if !errors.Is(err, warehouse.ErrOtherInstallation) {
			b.Errorf("claimed by another installation: %v", err)
		}
	}},
	{"AnEmptyWarehouseCanBeRead", func(b *bench) {
		if tables, err := b.store.Tables(b.Context()); len(tables) != 0 || err != nil {
			b.Errorf("tables %v, %v", tables, err)
		}
		if stamp, err := b.store.Stamp(b.Context()); stamp != 0 || err != nil {
			b.Errorf("stamp %d, %v", stamp, err)
		}
		b.same("wanted", b.wanted(0))
		b.same("rejects", b.rejects())
		b.same("heads", b.heads(penstock.Settled))
	}},
}
