package warehousetest

import (
	"fmt"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// columns are the recorded columns of contacts, and what is to be filled.
func (b *bench) columns() string {
	b.Helper()
	var words []string
	d := b.described()
	for _, c := range d.Columns {
		state := map[bool]string{true: "filled", false: "lacking"}[c.Filled]
		if c.Absent {
			state = "absent"
		}
		words = append(words, c.Name+"="+state)
	}
	return fmt.Sprint(strings.Join(words, " "), " ", warehouse.Unfilled(d.Columns))
}

// stands fails unless the columns are as wanted.
func (b *bench) stands(after, want string) {
	b.Helper()
	if got := b.columns(); got != want {
		b.Errorf("%s: %s, want %s", after, got, want)
	}
}

func filled(properties ...string) *Builder {
	b := contact()
	b.Batch.Filled = properties
	return b
}

// comings are the tests of properties that come, go and come back.
var comings = []promise{
	{"AColumnThatComesAfterTheBackfillBeganIsNotFilledUntilItIs", func(b *bench) {
		b.run = backfill("grant", 0, "")
		b.load(contact().Put(1, at(1), 1, "A"))
		b.load(NewBatch(Contacts(), text("v"), text("w")).Put(2, at(1), 2, "A", "A"))
		b.stands("after the second batch", "v=filled w=lacking [w]")
		b.load(filled("w"))
		b.stands("after the filling", "v=filled w=filled []")
	}},
	{"AColumnThatGoesAndComesBackIsFilledAgain", func(b *bench) {
		both := func(id, stamp int64) *Builder {
			return NewBatch(Contacts(), text("v"), text("w")).Put(id, at(1), stamp, "A", "A")
		}
		b.run = backfill("grant", 0, "")
		b.load(both(1, 1))
		b.load(contact().Put(1, at(2), 2, "B"))
		b.stands("w went", "v=filled w=absent []")
		b.load(filled("w"))
		b.stands("a filling that ends late", "v=filled w=absent []")
		b.load(both(2, 3))
		b.stands("w came back", "v=filled w=lacking [w]")
		b.load(filled("w"))
		b.stands("after the filling", "v=filled w=filled []")
		b.load(contact().Page(), both(3, 4))
		b.stands("w went and came within a transaction", "v=filled w=lacking [w]")
	}},
	{"ATypeThatChangesAndChangesBackIsFilledAgain", func(b *bench) {
		b.run = backfill("grant", 0, "")
		b.load(NewBatch(Contacts(), text("v")).Put(1, at(1), 1, "A"))
		b.load(NewBatch(Contacts(), number("v")).Put(2, at(1), 2, "5"))
		b.stands("another type", "v=absent v__number=lacking [v]")
		b.load(filled("v"))
		b.stands("after the filling", "v=absent v__number=filled []")
		b.load(NewBatch(Contacts(), text("v")).Put(3, at(1), 3, "A"))
		b.stands("the first type", "v=lacking v__number=absent [v]")
	}},
	{"AColumnThatComesBackBeforeTheBackfillIsFilledByIt", func(b *bench) {
		both := func(stamp int64) *Builder {
			return NewBatch(Contacts(), text("v"), text("w")).Put(1, at(1), stamp, "A", "A")
		}
		b.load(both(1))
		b.load(contact().Put(1, at(2), 2, "B"))
		b.load(both(3))
		b.stands("w came back", "v=filled w=filled []")
	}},
	{"RowsThatNameSomeColumnsSayNothingOfTheOthers", func(b *bench) {
		b.run = backfill("grant", 0, "")
		b.load(NewBatch(Contacts(), text("v"), text("w")).Put(1, at(1), 1, "A", "A"))
		b.load(NewBatch(Contacts()).Fill(1, at(1), 2).Bury(2, at(1), 2, 1))
		b.load(NewBatch(Contacts()).Bury(3, at(1), 2, 1).Missing(4, at(1), 2))
		b.load(NewBatch(Contacts()))
		b.stands("after fills and tombstones", "v=filled w=filled []")
	}},
	{"AColumnThatOnlyAFillNamesIsAbsent", func(b *bench) {
		b.run = backfill("grant", 0, "")
		b.load(contact().Put(1, at(1), 1, "A"))
		b.load(contact().Put(1, at(1), 2, "A"), NewBatch(Contacts(), text("w")).Fill(1, at(1), 3, "W"), contact().Put(1, at(1), 4, "A"))
		b.stands("after a whole row without it", "v=filled w=absent []")
	}},
	{"AWantForANewColumnIsAnsweredOrTheColumnFilledAgain", func(b *bench) {
		both := func(id, updated, stamp int64, v string) *Builder {
			return NewBatch(Contacts(), text("v"), text("w")).Put(id, at(updated), stamp, v, "new")
		}
		b.run = backfill("grant", 0, "")
		b.load(contact().Put(1, at(1), 1, "A"))
		b.load(both(2, 1, 2, "A"))
		b.load(NewBatch(Contacts(), text("w")).Fill(1, at(2), 3, "new")) // the row has changed meanwhile
		b.same("wanted", b.wanted(0), "1@3 "+penstock.WantFill)
		b.load(contact().Put(1, at(2), 4, "B")) // read by a run that did not know w
		b.load(both(2, 1, 5, "A"))
		b.stands("w is back", "v=filled w=lacking [w]")
		b.load(both(1, 2, 6, "B"))
		b.same("answered", b.wanted(0))
		b.same("rows", b.table("contacts", "id", "v", "w"), "1 B new", "2 A new")
	}},
	{"ColumnsOfOtherFamiliesAreNeverFilled", func(b *bench) {
		owner := func(stamp int64, columns ...penstock.Column) *Builder {
			return NewBatch(Owners(), columns...).Add(Row{Key: penstock.Key{"o"}, Stamp: stamp})
		}
		b.load(owner(1, text("v")))
		b.load(owner(2, text("w")))
		b.stands("another column", "v=filled w=filled []")
	}},
	{"AFillWritesTheRowOnlyWhenItChangesACell", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A").Put(2, at(1), 1, "A"))
		applied := b.load(contact().Fill(1, at(1), 2, "calculated").Fill(2, at(1), 2, "A"))[0]
		if applied != (penstock.Applied{Loaded: 1, Unchanged: 1}) {
			b.Errorf("applied %+v", applied)
		}
		b.same("rows", b.table("contacts", "id", "v", "_load", "_stamp"), "1 calculated 2 1", "2 A 1 1")
	}},
}
