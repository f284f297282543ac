package datastreams

import (
	"strings"
	"testing"
	"time"

	"penstock"
)

func objects(name string, n int64) size {
	return size{stream: penstock.Stream{Name: name, Family: penstock.Objects}, objects: n}
}

func limits(window, search int, daily int64) penstock.Limits {
	return penstock.Limits{
		Windows: []penstock.Window{
			{Name: "ten-secondly", Span: 10 * time.Second, Share: window}, {Name: "search", Span: time.Second, Share: search},
			{Name: "associations", Span: 10 * time.Second, Share: 100},
		},
		Daily: penstock.Daily{Limit: daily, Reserved: daily / 10},
	}
}

func TestThePlanOfOneStream(t *testing.T) {
	b := basis{every: 5 * time.Minute, listEvery: time.Hour, sweepEvery: 12 * time.Hour}
	for name, c := range map[string]struct {
		size         size
		list, search int64
		perDay       int64 // 288 intervals of two searches, 24 archived lists, two sweeps
	}{
		"nothing":               {objects("a", 0), 2, 0, 576 + 24 + 2*1},
		"one page":              {objects("a", 100), 3, 0, 576 + 24 + 2*2},
		"a page and one":        {objects("a", 101), 4, 0, 576 + 24 + 2*3},
		"too few to share":      {objects("a", 599), 8, 0, 576 + 24 + 2*7},
		"shared with search":    {objects("a", 10_000), 50 + 2, 25 + 1, 576 + 24 + 2*101},
		"may not be read":       {size{objects("a", -1).stream, -1, "forbidden"}, 0, 0, 0},
		"without search, known": {size{penstock.Stream{Name: "a", Whole: true}, 250, ""}, 5, 0, 288 * 5},
	} {
		st, u := b.stream(c.size, 0.5)
		if st.List != c.list || st.Search != c.search || st.PerDay != c.perDay || u.total() != c.perDay {
			t.Errorf("%s: %d by list, %d by search, %d a day, want %d, %d and %d", name, st.List, st.Search, st.PerDay, c.list, c.search, c.perDay)
		}
	}
}

func TestThePlanOfWhatBelongsToObjects(t *testing.T) {
	b := basis{sweepEvery: 12 * time.Hour}
	links, u := b.belonging(belonging{penstock.Stream{Family: penstock.Associations}, 1001})
	if links.Links != 2 || links.List != 0 || u.links != 4 {
		t.Errorf("links: %+v, %+v a day", links, u)
	}
	history, u := b.belonging(belonging{penstock.Stream{Family: penstock.PropertyHistory}, 101})
	if history.Links != 0 || history.List != 3 || u.links != 6 {
		t.Errorf("histories: %+v, %+v a day", history, u)
	}
	b.sweepEvery = 0
	if _, u := b.belonging(belonging{penstock.Stream{}, 1001}); u.total() != 0 {
		t.Errorf("without sweeps: %+v a day", u)
	}
}

// TestTheSlowestLimitDecides has a list of a million objects, which takes 1,000
// calls for 100,000: search beside it halves that where it is as fast.
func TestTheSlowestLimitDecides(t *testing.T) {
	b := basis{every: time.Hour, listEvery: time.Hour, sizes: []size{objects("a", 1_000_000)}, limits: limits(100, 5, 10_000)}
	p := reckon(b)
	if p.Rows != 1_000_000 || p.Seconds < 495 || p.Seconds > 510 || p.Calls < 7500 || p.Calls > 7520 || p.Days != 1 || p.Budget != 9000 {
		t.Errorf("reckoned %+v", p)
	}
	b.limits = limits(100, 1, 1000)
	slower := reckon(b)
	if slower.Seconds < 825 || slower.Seconds > 850 || slower.Days != 11 {
		t.Errorf("with one search a second, and a tenth of the budget: %+v", slower)
	}
	b.belongings = []belonging{{penstock.Stream{Family: penstock.Associations}, 1_000_000}}
	if linked := reckon(b); linked.Seconds != slower.Seconds+100 || linked.Calls != slower.Calls+1000 {
		t.Errorf("with links it takes %d s and %d calls, without %d s and %d", linked.Seconds, linked.Calls, slower.Seconds, slower.Calls)
	}
}

func TestAPlanSaysWhatDoesNotFit(t *testing.T) {
	b := basis{every: 10 * time.Second, listEvery: time.Hour, limits: limits(100, 4, 0)}
	for range 30 {
		b.sizes = append(b.sizes, objects("a", 5))
	}
	b.sizes = append(b.sizes, size{penstock.Stream{Name: "w", Whole: true}, -1, "no search"})
	text := strings.Join(reckon(b).Notes, "\n")
	if !strings.Contains(text, "518400 searches and HubSpot allows 345600") || !strings.Contains(text, "count as empty") || strings.Contains(text, "budget") {
		t.Errorf("it says %q", text)
	}
	b.limits = limits(100, 4, 1000)
	p := reckon(b)
	if text := strings.Join(p.Notes, "\n"); !strings.Contains(text, "the budget is 900") {
		t.Errorf("it says %q", text)
	}
	sum := int64(0)
	for _, u := range p.Uses {
		sum += u.Calls
	}
	if sum != p.PerDay {
		t.Errorf("the uses add up to %d, the day to %d", sum, p.PerDay)
	}
}

func TestValuesAreComparedHoweverTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		kind  penstock.Type
		text  string
		value any
		want  bool
	}{
		{penstock.Text, "a", "a", true}, {penstock.Text, "a", "b", false}, {penstock.Text, "", nil, true}, {penstock.Text, "a", nil, false},
		{penstock.Text, "a\xff", "a\uFFFD", true}, {penstock.Text, "1.0", "1", false},
		{penstock.Number, "7", int64(7), true}, {penstock.Number, "7.50", 7.5, true}, {penstock.Number, "1e3", int64(1000), true},
		{penstock.Number, "0.1", 0.1, true}, {penstock.Number, "9007199254740993", int64(9007199254740992), false},
		{penstock.Number, "1.000000000000000000001", "1.000000000000000000001", true}, {penstock.Number, "many", nil, false},
		{penstock.Bool, "true", true, true}, {penstock.Bool, "true", int64(1), true}, {penstock.Bool, "false", true, false},
		{penstock.Date, "2026-11-21", "2026-11-21", true}, {penstock.Date, "1795219200000", "2026-11-21", true}, {penstock.Date, "2026-11-21", "2026-11-22", false},
		{penstock.DateTime, "2026-11-21T12:00:00.120Z", "2026-11-21T12:00:00.12Z", true},
		{penstock.DateTime, "1795262400000", "2026-11-21T12:00:00Z", true}, {penstock.DateTime, "2026-11-21T12:00:01Z", "2026-11-21T12:00:00Z", false},
	} {
		if got := same(c.kind, c.text, true, c.value); got != c.want {
			t.Errorf("%s %q and %v: %v", c.kind, c.text, c.value, got)
		}
	}
	if !same(penstock.Number, "", false, nil) || same(penstock.Number, "", false, int64(0)) {
		t.Error("no value is not NULL")
	}
}
