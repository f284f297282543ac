package cursor_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"penstock/internal/cursor"
)

// taken is what a page of a walk is expected to do.
type taken struct {
	ids   []string
	total int
	done  bool
	stuck bool
	last  string
}

func TestAWalkEndsWithAnEmptyPageWhoseTotalIsZero(t *testing.T) {
	for _, c := range []struct {
		name  string
		from  string
		pages []taken
	}{
		{"nothing", "", []taken{{nil, 0, true, false, ""}}},
		{"a short page is not the end", "", []taken{
			{[]string{"3"}, 2, false, false, "3"},
			{[]string{"8"}, 1, false, false, "8"},
			{nil, 0, true, false, "8"},
		}},
		{"an empty page though some are left", "5", []taken{
			{nil, 4, false, true, "5"},
			{[]string{"6"}, 4, false, false, "6"},
		}},
		{"the page before comes again, and then the right one", "", []taken{
			{[]string{"1", "2"}, 4, false, false, "2"},
			{[]string{"1", "2"}, 4, false, true, "2"},
			{[]string{"3", "4"}, 2, false, false, "4"},
			{nil, 0, true, false, "4"},
		}},
		{"an id twice on a page", "", []taken{{[]string{"1", "1"}, 2, false, true, ""}}},
		{"the id to begin after", "9", []taken{{[]string{"9", "10"}, 2, false, true, "9"}}},
		{"an account that compares ids as text", "", []taken{
			{[]string{"10", "9"}, 3, false, false, "9"},
			{[]string{"95"}, 1, false, false, "95"},
			{nil, 0, true, false, "95"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := cursor.From(c.from)
			for i, p := range c.pages {
				done, err := w.Take(p.ids, p.total)
				if done != p.done || errors.Is(err, cursor.ErrNoProgress) != p.stuck || w.Last() != p.last {
					t.Fatalf("page %d %v of %d: done %v, %v, last %q; want %+v", i, p.ids, p.total, done, err, w.Last(), p)
				}
			}
		})
	}
}

func TestAWalkThatNeverFallsIsGivenUp(t *testing.T) {
	w := cursor.From("")
	for id := 1; id < 100; id++ {
		if _, err := w.Take([]string{strconv.Itoa(id)}, 50); err != nil {
			if id < 10 {
				t.Errorf("given up after %d pages: objects that enter meanwhile are no trouble", id)
			}
			return
		}
	}
	t.Error("a hundred pages of one hit each, and still 50 are said to be left")
}

// TestAWalkSeesEveryHitThatStays checks the key to page by: whatever enters
// or leaves the window meanwhile, what stays is seen once.
func TestAWalkSeesEveryHitThatStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index := rapid.SliceOfNDistinct(rapid.IntRange(1, 999), 0, 80, rapid.ID).Draw(t, "index")
		slices.Sort(index)
		stays := slices.Clone(index)
		w, seen := cursor.From(""), map[int]int{}
		for pages := 0; pages < 400; pages++ {
			last := 0
			if w.Last() != "" {
				last, _ = strconv.Atoi(w.Last()) // the walk was given numbers
			}
			var left []int
			for _, id := range index {
				if id > last {
					left = append(left, id)
				}
			}
			page := left[:min(len(left), rapid.IntRange(1, 20).Draw(t, "page"))]
			ids := make([]string, len(page))
			for i, id := range page {
				ids[i], seen[id] = strconv.Itoa(id), seen[id]+1
			}
			done, err := w.Take(ids, len(left))
			if err != nil {
				t.Fatal(err)
			}
			if done {
				break
			}
			if len(index) > 0 && rapid.Bool().Draw(t, "one leaves") {
				at := rapid.IntRange(0, len(index)-1).Draw(t, "which")
				stays = slices.DeleteFunc(stays, func(id int) bool { return id == index[at] })
				index = slices.Delete(index, at, at+1)
			}
		}
		for _, id := range stays {
			if seen[id] != 1 {
				t.Fatalf("%d stayed in the window and was seen %d times", id, seen[id])
			}
		}
	})
}

func TestAnIDIsAPositiveInteger(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "9223372036854775807": true, "9223372036854775808": false,
		"": false, "0": false, "-1": false, "1.5": false, "abc": false, " 1": false,
	} {
		if _, ok := cursor.ID(text); ok != want {
			t.Errorf("ID(%q) is %v", text, ok)
		}
	}
}

func TestAWatchCountsOnlyWhatAnEarlierPassHadAskedFor(t *testing.T) {
	var w cursor.Watch
	w.Shown(100)
	if late := w.Worst(); late != 0 {
		t.Errorf("before the first pass: %d ms late", late)
	}
	w.Passed(1000, 5000)
	for _, modified := range []int64{4000, 2500, 4900, 5000, 6000} {
		w.Shown(modified)
	}
	if late := w.Worst(); late != 2500 {
		t.Errorf("%d ms late, want 2500: what was modified at 2500 was missing at 5000", late)
	}
	if late := w.Worst(); late != 0 {
		t.Errorf("%d ms late once more", late)
	}
	w.Shown(999)
	if late := w.Worst(); late != 0 {
		t.Errorf("%d ms late by what was modified before the pass's stretch", late)
	}
}
