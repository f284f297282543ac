package warehousetest

import "penstock"

// A history is the shortest one that would break a rule of what may replace
// what, and what must stand after it.
type history struct {
	name    string
	batches []*Builder
	rows    []string      // id, value, date, why deleted, when, merged into
	wanted  []string      // due after three hours
	lane    penstock.Lane // Named when empty
}

func (h history) check(b *bench, together bool) {
	if h.lane != "" {
		b.run.Lane = h.lane
	}
	if together {
		b.load(h.batches...)
	} else {
		for _, builder := range h.batches {
			b.load(builder)
		}
	}
	b.same("rows", b.contacts(), h.rows...)
	b.same("wanted", b.wanted(3*hour), h.wanted...)
}

// archived is a row of the recycle bin.
func archived(updated, stamp, deleted int64, value string) Row {
	return Row{
		ID: 1, Updated: at(updated), Stamp: stamp, Deleted: at(deleted), Why: penstock.Archived, Values: []any{value},
	}
}

// seen is a live row as a kind of answer holds it.
func seen(via penstock.Via, updated, stamp int64, value string) Row {
	return Row{ID: 1, Via: via, Updated: at(updated), Stamp: stamp, Values: []any{value}}
}

func erased(stamp int64) Row {
	return Row{ID: 1, Op: penstock.Bury, Updated: at(5), Stamp: stamp, Deleted: at(5), Why: penstock.Erased}
}

var versions = []history{
	{
		name:    "ALaterDateWinsWhateverTheStamps",
		batches: []*Builder{contact().Put(1, at(2), 5, "new"), contact().Put(1, at(1), 9, "old")},
		rows:    []string{"1 new @2 - - -"},
	}, {
		name:    "ATieOfDatesGoesToTheLaterStamp",
		batches: []*Builder{contact().Put(1, at(1), 5, "later"), contact().Put(1, at(1), 3, "earlier")},
		rows:    []string{"1 later @1 - - -"},
	}, {
		name:    "OfTheSameAnswerTheLastWins",
		batches: []*Builder{contact().Put(1, at(1), 5, "first").Put(1, at(1), 5, "last")},
		rows:    []string{"1 last @1 - - -"},
	}, {
		name: "AnUnchangedObservationCountsForTies",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Put(1, at(1), 5, "A"), contact().Put(1, at(1), 3, "B"),
		},
		rows: []string{"1 A @1 - - -"},
	}, {
		name: "AStampOfAnOlderVersionDoesNotCountForTheNewOne",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Put(1, at(1), 9, "A"),
			contact().Put(1, at(2), 3, "B"), contact().Put(1, at(2), 4, "C"),
		},
		rows: []string{"1 C @2 - - -"},
	}, {
		name: "ASearchHitNeverWinsATie",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "read"), contact().Add(seen(penstock.BySearch, 1, 2, "hit")),
		},
		rows: []string{"1 read @1 - - -"},
	}, {
		name: "ASearchHitOfALaterDateIsWritten",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "read"), contact().Add(seen(penstock.BySearch, 2, 2, "hit")),
		},
		rows: []string{"1 hit @2 - - -"},
	}, {
		name: "AReadWinsTheTieWithASearchHit",
		batches: []*Builder{
			contact().Add(seen(penstock.BySearch, 1, 2, "hit")), contact().Add(seen(penstock.ByID, 1, 3, "read")),
		},
		rows: []string{"1 read @1 - - -"},
	}, {
		name: "DatesClampedToOneMomentAreOrderedByStamp",
		batches: []*Builder{
			contact().Put(1, at(7), 1, "A"), contact().Put(1, at(7), 2, "B"), contact().Put(1, at(7), 1, "A"),
		},
		rows: []string{"1 B @7 - - -"},
	},
}

var tombstones = []history{
	{
		name: "AnArchivedRowIsRestoredWithoutANewDate",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Add(archived(1, 2, 9, "A")),
			contact().Add(seen(penstock.ByList, 1, 3, "A")),
		},
		rows: []string{"1 A @1 - - -"},
	}, {
		name: "ALiveAnswerFromBeforeTheArchivingComesLate",
		batches: []*Builder{
			contact().Add(archived(1, 5, 9, "A")), contact().Add(seen(penstock.ByList, 1, 4, "A")),
		},
		rows: []string{"1 A @1 archived @9 -"},
	}, {
		name: "ASearchHitLiftsNoTombstone",
		batches: []*Builder{
			contact().Add(archived(1, 2, 9, "A")), contact().Add(seen(penstock.BySearch, 5, 6, "hit")),
		},
		rows: []string{"1 A @1 archived @9 -"},
	}, {
		name: "ErasedIsFinalForLists",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Add(erased(2)), contact().Put(1, at(9), 9, "B"),
		},
		rows: []string{"1 A @5 erased @5 -"},
	}, {
		name: "ErasedIsFinalForTombstones",
		batches: []*Builder{
			contact().Add(erased(2)), contact().Bury(1, at(9), 9, 7), contact().Add(archived(9, 10, 9, "B")),
		},
		rows: []string{"1 - @5 erased @5 -"},
	}, {
		name: "AnErasedIdThatIsReadLiveIsWrittenAgain",
		batches: []*Builder{
			contact().Add(erased(2)), contact().Add(seen(penstock.ByID, 9, 9, "B")),
		},
		rows: []string{"1 B @9 - - -"},
	},
}

var merges = []history{
	{
		name:    "ALoserThatWasNeverHeldGetsATombstone",
		batches: []*Builder{contact().Put(9, at(4), 1, "winner").Bury(1, at(4), 1, 9)},
		rows:    []string{"1 - @4 merged - 9", "9 winner @4 - - -"},
	}, {
		name: "ALateAnswerWithTheLoserDoesNotBringItBack",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "loser"), contact().Put(9, at(4), 3, "winner").Bury(1, at(4), 3, 9),
			contact().Put(1, at(1), 2, "loser"),
		},
		rows: []string{"1 loser @4 merged - 9", "9 winner @4 - - -"},
	}, {
		name: "AChainOfMergesNamesEachWinner",
		batches: []*Builder{
			contact().Put(2, at(2), 2, "second").Bury(1, at(2), 2, 2),
			contact().Put(3, at(3), 3, "third").Bury(2, at(3), 3, 3),
		},
		rows: []string{"1 - @2 merged - 2", "2 second @3 merged - 3", "3 third @3 - - -"},
	}, {
		name: "TheSameTombstoneAgainIsOnlyObserved",
		batches: []*Builder{
			contact().Bury(1, at(2), 2, 9), contact().Bury(1, at(2), 5, 9), contact().Put(1, at(2), 4, "late"),
		},
		rows: []string{"1 - @2 merged - 9"},
	},
}

var absences = []history{
	{
		name: "MissingTwiceAnHourApartIsGone",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 2), contact().Missing(1, at(10+hour), 3),
		},
		rows: []string{"1 A @1 gone @10 -"},
	}, {
		name: "MissingOnceIsADoubt",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 2),
		},
		rows:   []string{"1 A @1 - - -"},
		wanted: []string{"1@2 " + penstock.WantDoubt},
	}, {
		name: "MissingTwiceWithinTheHourIsADoubt",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 2), contact().Missing(1, at(9+hour), 3),
		},
		rows:   []string{"1 A @1 - - -"},
		wanted: []string{"1@2 " + penstock.WantDoubt},
	}, {
		name: "ALiveAnswerBetweenEndsTheDoubt",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 2), contact().Put(1, at(1), 3, "A"),
			contact().Missing(1, at(10+hour), 4),
		},
		rows:   []string{"1 A @1 - - -"},
		wanted: []string{"1@4 " + penstock.WantDoubt},
	}, {
		name: "AnAnswerFromBeforeTheDoubtLeavesIt",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 3), contact().Put(1, at(1), 2, "A"),
		},
		rows:   []string{"1 A @1 - - -"},
		wanted: []string{"1@3 " + penstock.WantDoubt},
	}, {
		name: "AnArchivedRowMissingTwiceIsGoneSinceItWasArchived",
		batches: []*Builder{
			contact().Add(archived(1, 1, 9, "A")), contact().Missing(1, at(10), 2), contact().Missing(1, at(10+hour), 3),
		},
		rows: []string{"1 A @1 gone @9 -"},
	}, {
		name: "AMissingAnswerFromBeforeTheLastObservationCountsNothing",
		batches: []*Builder{
			contact().Put(1, at(1), 5, "A"), contact().Missing(1, at(10), 2), contact().Missing(1, at(10+hour), 3),
		},
		rows: []string{"1 A @1 - - -"},
	}, {
		name: "ALaterLiveReadLiftsGone",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Missing(1, at(10), 2), contact().Missing(1, at(10+hour), 3),
			contact().Add(seen(penstock.ByID, 1, 4, "A")),
		},
		rows: []string{"1 A @1 - - -"},
	}, {
		name:    "AMissingIdThatWasNeverHeldIsNothing",
		batches: []*Builder{contact().Want("1", 1), contact().Missing(1, at(10), 2)},
		rows:    []string{},
	},
}

var fills = []history{
	{
		name:    "AFillAtTheSameDateIsWritten",
		batches: []*Builder{contact().Put(1, at(1), 1, nil), contact().Fill(1, at(1), 2, "filled")},
		rows:    []string{"1 filled @1 - - -"},
	}, {
		name:    "AFillAtAnotherDateIsWanted",
		batches: []*Builder{contact().Put(1, at(1), 1, "A"), contact().Fill(1, at(2), 2, "filled")},
		rows:    []string{"1 A @1 - - -"},
		wanted:  []string{"1@2 " + penstock.WantFill},
	}, {
		name:    "AFillFromBeforeTheLastWholeReadIsWanted",
		batches: []*Builder{contact().Put(1, at(1), 5, "A"), contact().Fill(1, at(1), 2, "filled")},
		rows:    []string{"1 A @1 - - -"},
		wanted:  []string{"1@2 " + penstock.WantFill},
	}, {
		name:    "AFillOfARowThatIsNotThereIsWanted",
		batches: []*Builder{contact().Fill(1, at(1), 2, "filled")},
		rows:    []string{},
		wanted:  []string{"1@2 " + penstock.WantFill},
	}, {
		name: "AFillRaisesNoVersion",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), contact().Fill(1, at(1), 9, "filled"), contact().Put(1, at(1), 5, "whole"),
		},
		rows: []string{"1 whole @1 - - -"},
	}, {
		name: "AColumnThatIsNotNamedKeepsItsValue",
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), NewBatch(Contacts(), text("w")).Put(1, at(2), 2, "W"),
		},
		rows: []string{"1 A @2 - - -"},
	},
}

// bare is a row as the sweep compares it: without any property.
func bare(rows ...Row) *Builder {
	b := NewBatch(Contacts())
	for _, r := range rows {
		r.Op = penstock.Fill
		b.Add(r)
	}
	return b
}

// listed is a live contact 1 as a list without properties holds it.
func listed(updated, stamp int64) Row { return Row{ID: 1, Updated: at(updated), Stamp: stamp} }

var sweeps = []history{
	{
		name:    "ASweepOverAnUnchangedRowWantsNothing",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Put(1, at(1), 1, "A"), bare(listed(1, 5)).Inventory(0, 0, 5)},
		rows:    []string{"1 A @1 - - -"},
	}, {
		name:    "ASweepThatSeesAnotherDateWantsTheRow",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Put(1, at(1), 1, "A"), bare(listed(2, 5)).Inventory(0, 0, 5)},
		rows:    []string{"1 A @1 - - -"},
		wanted:  []string{"1@5 " + penstock.WantDiffers},
	}, {
		name:    "ASweepThatSeesANewRowWantsIt",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Page(), bare(listed(1, 5)).Inventory(0, 0, 5)},
		rows:    []string{},
		wanted:  []string{"1@5 " + penstock.WantDiffers},
	}, {
		name:    "ASweepThatSeesATombstoneLiveWantsTheRow",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Add(archived(1, 2, 9, "A")), bare(listed(1, 5))},
		rows:    []string{"1 A @1 archived @9 -"},
		wanted:  []string{"1@5 " + penstock.WantDiffers},
	}, {
		name:    "ASweepFromBeforeALaterVersionHasNothingToSay",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Put(1, at(2), 6, "B"), bare(listed(1, 5)).Inventory(0, 0, 5)},
		rows:    []string{"1 B @2 - - -"},
	}, {
		name:    "ASweepFromBeforeTheArchivingHasNothingToSay",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Add(archived(1, 6, 9, "A")), bare(listed(1, 5))},
		rows:    []string{"1 A @1 archived @9 -"},
	}, {
		name:    "ASweepThatSeesALaterDateWantsTheRowWheneverItComes",
		lane:    penstock.Sweep,
		batches: []*Builder{contact().Put(1, at(1), 6, "A"), bare(listed(2, 5))},
		rows:    []string{"1 A @1 - - -"},
		wanted:  []string{"1@5 " + penstock.WantDiffers},
	}, {
		name: "ASweepRaisesNoVersion",
		lane: penstock.Sweep,
		batches: []*Builder{
			contact().Put(1, at(1), 1, "A"), bare(listed(1, 9)), contact().Put(1, at(1), 5, "B"),
		},
		rows: []string{"1 B @1 - - -"},
	}, {
		name: "ASweepAnswersNoWant",
		lane: penstock.Sweep,
		batches: []*Builder{
			contact().Put(1, at(1), 6, "A"), contact().Want("1", 2), bare(listed(1, 5)), bare(listed(1, 7)),
		},
		rows:   []string{"1 A @1 - - -"},
		wanted: []string{"1@2 " + penstock.WantDoubt},
	},
}
