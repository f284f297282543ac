package warehouse_test

import (
	"testing"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/warehouse"
)

func TestAdmissionTable(t *testing.T) {
	head := penstock.Head{Stream: "contacts", Lane: penstock.Named, Grant: "g", Seq: 3, Cursor: "c3"}
	split := penstock.Head{Stream: "contacts", Lane: penstock.Named, Range: 5, Grant: "g", Cursor: "c"}
	batch := func(grant string, seq uint64, before penstock.Cursor) *penstock.Batch {
		return &penstock.Batch{Grant: grant, Seq: seq, Before: before}
	}
	for name, c := range map[string]struct {
		current string
		head    penstock.Head
		batch   *penstock.Batch
		want    warehouse.Verdict
	}{
		"W4: of a run that is over":                   {"h", head, batch("g", 4, "c3"), warehouse.Zombie},
		"W4: of no run, while there is none":          {"", head, batch("", 4, "c3"), warehouse.Zombie},
		"W2: the one before again":                    {"g", head, batch("g", 3, "c2"), warehouse.Repeat},
		"W2: an early one again":                      {"g", head, batch("g", 1, ""), warehouse.Repeat},
		"the next":                                    {"g", head, batch("g", 4, "c3"), warehouse.Apply},
		"W3: the one after the next":                  {"g", head, batch("g", 5, "c4"), warehouse.Gap},
		"W3: the next, from another place":            {"g", head, batch("g", 4, "c9"), warehouse.Gap},
		"the first of a new run":                      {"h", head, batch("h", 1, "c3"), warehouse.Apply},
		"W3: the second of a new run":                 {"h", head, batch("h", 2, "c3"), warehouse.Gap},
		"W3: a new run that began at a lost head":     {"h", head, batch("h", 1, "c5"), warehouse.Gap},
		"the first of all":                            {"g", penstock.Head{}, batch("g", 1, ""), warehouse.Apply},
		"W3: in the middle of a run, after a restore": {"g", penstock.Head{}, batch("g", 4, "c3"), warehouse.Gap},
		"W3: the first of a range, before its split":  {"g", penstock.Head{}, &penstock.Batch{Grant: "g", Range: 5, Seq: 1}, warehouse.Gap},
		"the first of a range after its split":        {"g", split, &penstock.Batch{Grant: "g", Range: 5, Seq: 1, Before: "c"}, warehouse.Apply},
		"W3: the same from another place":             {"g", split, &penstock.Batch{Grant: "g", Range: 5, Seq: 1}, warehouse.Gap},
	} {
		if got := warehouse.Admit(c.current, c.head, c.batch); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestW2AndW3WhateverArrivesABatchTakesEffectOnceAndInOrder delivers the
// batches of a run in any order and any number of times, as a bus may.
func TestW2AndW3WhateverArrivesABatchTakesEffectOnceAndInOrder(t *testing.T) {
	cursor := func(n int) penstock.Cursor { return penstock.Cursor(rune('a' + n)) }
	rapid.Check(t, func(t *rapid.T) {
		head := penstock.Head{Cursor: cursor(0)}
		applied := 0
		for _, n := range rapid.SliceOf(rapid.IntRange(1, 5)).Draw(t, "arrivals") {
			b := &penstock.Batch{Grant: "g", Seq: uint64(n), Before: cursor(n - 1), After: cursor(n), Stamp: int64(n)}
			verdict := warehouse.Admit("g", head, b)
			want := map[bool]warehouse.Verdict{true: warehouse.Repeat, false: warehouse.Gap}[n <= applied]
			if n == applied+1 {
				want = warehouse.Apply
			}
			if verdict != want {
				t.Fatalf("batch %d after %d: %v, want %v", n, applied, verdict, want)
			}
			if verdict == warehouse.Apply {
				applied++
				head = warehouse.HeadAfter(head, b)
			}
			if head.Cursor != cursor(applied) || head.Stamp != int64(applied) {
				t.Fatalf("the head is %+v after batch %d", head, applied)
			}
		}
	})
}
