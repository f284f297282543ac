package cursor_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/cursor"
)

// reading is a settled lane that reads windows, with what it has read whole.
type reading struct {
	committed penstock.Cursor // survives a crash
	begin     int64           // where the very first window began
	clock     int64
	windows   []cursor.Window // closed, in order
}

// open goes on from the committed cursor, as each run does.
func (r *reading) open(t *rapid.T) (cursor.Window, bool) {
	w, err := cursor.ParseWindow(r.committed)
	if err != nil {
		t.Fatal(err)
	}
	return w.Open(r.clock)
}

// page reads a part of the window; the window stays what it was.
func (r *reading) page(t *rapid.T) {
	w, some := r.open(t)
	if !some {
		return
	}
	before := w
	w = w.At(rapid.StringMatching(`[1-9][0-9]{0,18}`).Draw(t, "id"))
	if w.From != before.From || w.To != before.To {
		t.Fatalf("a page turned %+v into %+v", before, w)
	}
	r.committed = w.Cursor()
}

// close reads the window to its end.
func (r *reading) close(t *rapid.T) {
	w, some := r.open(t)
	if !some {
		return
	}
	r.windows = append(r.windows, w)
	r.committed = w.Closed().Cursor()
}

func TestWindowsLeaveNoGapAndOverlapInOneMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := rapid.Int64Range(0, 1<<41).Draw(t, "begin")
		r := &reading{begin: begin, clock: begin, committed: cursor.Window{From: begin}.Cursor()}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) { r.clock += rapid.Int64Range(0, 5000).Draw(t, "ms") },
			"a page":      r.page,
			"to the end":  r.close,
			"a crash":     func(t *rapid.T) { r.open(t) }, // what was not committed is forgotten
			"":            r.check,
		})
	})
}

func (r *reading) check(t *rapid.T) {
	from := r.begin
	for _, w := range r.windows {
		if w.From != from || w.To <= w.From {
			t.Fatalf("the window %+v does not begin at %d, or is empty", w, from)
		}
		if w.To > r.clock {
			t.Fatalf("the window %+v ends after %d, of which the index is not sure", w, r.clock)
		}
		from = w.To // both ends are included: this millisecond is read twice, and no other
	}
}

func TestAWindowUnderWayKeepsItsEndThoughTimePasses(t *testing.T) {
	w, some := cursor.Window{From: 100}.Open(200)
	if !some {
		t.Fatal("nothing to read between 100 and 200")
	}
	again, err := cursor.ParseWindow(w.At("77").Cursor())
	if err != nil {
		t.Fatal(err)
	}
	got, some := again.Open(900)
	if want := (cursor.Window{From: 100, To: 200, ID: "77"}); !some || got != want {
		t.Errorf("opened %+v, %v; want %+v: ids up to 77 were read of that window only", got, some, want)
	}
}

func TestThereIsNothingToReadBeforeTheIndexIsSure(t *testing.T) {
	for _, to := range []int64{0, 99, 100} {
		if w, some := (cursor.Window{From: 100}).Open(to); some {
			t.Errorf("Open(%d) gave %+v", to, w)
		}
	}
}

func TestGoingBackBeginsTheWindowAnewAndNeverBeforeTheEpoch(t *testing.T) {
	under := cursor.Window{From: 1000, To: 2000, ID: "9"}
	if got, want := under.Back(400), (cursor.Window{From: 600}); got != want {
		t.Errorf("back by 400: %+v, want %+v", got, want)
	}
	if got, want := under.Back(4000), (cursor.Window{}); got != want {
		t.Errorf("back by 4000: %+v, want %+v", got, want)
	}
}

func TestAWindowHasABeginningOrIsAnError(t *testing.T) {
	for _, c := range []penstock.Cursor{"", "{", `{"from":"soon"}`, "7"} {
		if w, err := cursor.ParseWindow(c); err == nil {
			t.Errorf("ParseWindow(%q) = %+v", c, w)
		}
	}
}

func TestAPassEndsOnlyWhereTheListDoes(t *testing.T) {
	for _, c := range []struct {
		name string
		at   cursor.Pass
		next string
		want cursor.Pass
	}{
		{"a page", cursor.Pass{}, "101", cursor.Pass{After: "101"}},
		{"the last page", cursor.Pass{After: "101"}, "", cursor.Pass{Done: true}},
		{"the last page of the archived list", cursor.Pass{After: "101", Archived: true}, "", cursor.Pass{Archived: true, Done: true}},
		{"a page of values", cursor.Pass{Done: true, Fill: []string{"a"}}, "7", cursor.Pass{After: "7", Done: true, Fill: []string{"a"}}},
		{"the last values", cursor.Pass{After: "7", Done: true, Fill: []string{"a"}}, "", cursor.Pass{Done: true, Filled: []string{"a"}}},
		{"a page before the range's end", cursor.Pass{After: "7", Below: "20"}, "19", cursor.Pass{After: "19", Below: "20"}},
		{"the page at the range's end", cursor.Pass{After: "7", Below: "20"}, "20", cursor.Pass{Below: "20", Done: true}},
	} {
		if got := c.at.To(c.next); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestTheBeginningIsTheEmptyCursor(t *testing.T) {
	p, err := cursor.ParsePass("")
	if err != nil || !reflect.DeepEqual(p, cursor.Pass{}) || p.Cursor() != "" {
		t.Errorf("the empty cursor is %+v (%q), %v", p, p.Cursor(), err)
	}
}

func FuzzParsePass(f *testing.F) {
	for _, seed := range []string{"", `{"after":"17"}`, `{"archived":true,"done":true}`, `{"fill":["a"],"done":true}`, "null", "[]", `{"after":7}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := cursor.ParsePass(penstock.Cursor(text))
		if err != nil {
			return
		}
		again, err := cursor.ParsePass(p.Cursor())
		if err != nil || again.After != p.After || again.Archived != p.Archived || again.Done != p.Done || len(again.Fill) != len(p.Fill) {
			t.Errorf("%q is %+v, which is written as %q and read as %+v, %v", text, p, p.Cursor(), again, err)
		}
	})
}

func FuzzParseWindow(f *testing.F) {
	for _, seed := range []string{`{"from":1}`, `{"from":1,"to":2,"id":"3"}`, "null", "{}", `{"from":1e3}`, `{"from":-1,"more":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := cursor.ParseWindow(penstock.Cursor(text))
		if err != nil {
			return
		}
		again, err := cursor.ParseWindow(w.Cursor())
		if err != nil || again != w {
			t.Errorf("%q is %+v, which is read as %+v, %v", text, w, again, err)
		}
		if !json.Valid([]byte(w.Cursor())) {
			t.Errorf("the cursor %q is not JSON", w.Cursor())
		}
	})
}
