package worker

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/shape"
)

// inFlight is a backfill in a bubble, beside an account with a ten-second
// window of which so many calls are asked for at once: what is beyond it waits.
func inFlight(t *testing.T, window, asked int, test func(b *backfill)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		account, err := hubspotsim.New(hubspotsim.Options{Window: window, Latency: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		transport, end := account.InProcess()
		defer end()
		client, err := hubspot.New(hubspot.Config{
			Transport: transport.Transport, Token: "pat-na1-test", BaseURL: "http://localhost", Stamp: func() int64 { return 1 },
		})
		if err != nil {
			t.Fatal(err)
		}
		var calls errgroup.Group
		for range asked {
			calls.Go(func() error {
				_, err := client.Owners(t.Context(), "", false)
				return err
			})
		}
		<-time.After(time.Second) // the first call learns the limit, the others follow
		synctest.Wait()
		test(&backfill{
			run: &run{h: &holder{client: client}}, began: time.Now(), refused: map[*run]int64{}, searching: map[*run]bool{},
		})
		if err := calls.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestListsGetAsManyReadersAsUseTheirWindowUpInAQuarterOfItsSpan(t *testing.T) {
	for _, c := range []struct {
		window, readers int
		answer          time.Duration
	}{
		{100, 1, 0}, // nobody knows how fast answers come
		{100, 1, 20 * time.Millisecond},
		{100, 5, 100 * time.Millisecond},
		{100, 7, 150 * time.Millisecond},
		{100, listReaders, 400 * time.Millisecond},
		{190, 2, 20 * time.Millisecond},
		{190, 4, 50 * time.Millisecond},
		{190, 8, 100 * time.Millisecond},
		{1000, 3, 20 * time.Millisecond}, // no more than this machine can work for meanwhile
		{1000, listReaders, 10 * time.Second},
	} {
		inFlight(t, c.window, 1, func(b *backfill) {
			b.answer = c.answer
			if full, readers := b.window(); full || readers != c.readers {
				t.Errorf("window %d, answers in %s: %d readers, full %v; want %d readers", c.window, c.answer, readers, full, c.readers)
			}
		})
	}
}

func TestAWindowIsFullOnceCallsWaitLongForIt(t *testing.T) {
	for asked, want := range map[int]bool{1: false, 15: false, 40: true} {
		inFlight(t, 20, asked, func(b *backfill) {
			if full, _ := b.window(); full != want {
				t.Errorf("%d calls of 20: full %v", asked, full)
			}
		})
	}
	inFlight(t, 20, 40, func(b *backfill) { // the window opens for the first of them ten seconds after its answer
		before, _ := b.window()
		<-time.After(8500 * time.Millisecond)
		if after, _ := b.window(); !before || after {
			t.Errorf("full: %v, and %v half a second before it opens", before, after)
		}
	})
}

// ranged are active ranges with so many objects left each.
func (b *backfill) ranged(left ...int64) []*run {
	for _, n := range left {
		r := &run{root: b.run}
		r.left.Store(n)
		r.after.Store(1000)
		b.active = append(b.active, r)
	}
	return b.active
}

func TestWhatListsWillHaveSoonIsNotSearched(t *testing.T) {
	for _, c := range []struct {
		left []int64
		each time.Duration // that an object took so far
		soon bool
	}{
		{[]int64{0}, 0, true},
		{[]int64{1999}, 0, true}, // nineteen pages of ten a second
		{[]int64{2000}, 0, false},
		{[]int64{1000, 1000}, 0, false}, // ranges share the window
		{[]int64{1999, -5000}, 0, true},
		{[]int64{2000, -5000}, 0, false}, // a range that had more than was thought lends nothing to others
		{[]int64{199}, 10 * time.Millisecond, true},
		{[]int64{200}, 10 * time.Millisecond, false}, // allowed at once, but this machine is slower
	} {
		inFlight(t, 100, 1, func(b *backfill) {
			b.ranged(c.left...)
			b.began = time.Now().Add(-1000 * c.each)
			b.run.read.Store(1000)
			if soon := b.soonListed(); soon != c.soon {
				t.Errorf("%v left, %s each: soon %v", c.left, c.each, soon)
			}
		})
	}
}

func TestARangeWaitsForItsListUnlessThatIsOpenOrItIsNotListed(t *testing.T) {
	for name, c := range map[string]struct {
		asked int
		set   func(*backfill, *run)
		waits bool
	}{
		"full":              {40, func(*backfill, *run) {}, true},
		"open":              {1, func(*backfill, *run) {}, false},
		"read by search":    {40, func(b *backfill, r *run) { b.searching[r] = true }, false},
		"not begun":         {40, func(_ *backfill, r *run) { r.after.Store(0) }, false},
		"refused here":      {40, func(b *backfill, r *run) { b.refused[r] = 1000 }, false},
		"refused, moved on": {40, func(b *backfill, r *run) { b.refused[r] = 999 }, true},
	} {
		inFlight(t, 20, c.asked, func(b *backfill) {
			r := b.ranged(5000)[0]
			c.set(b, r)
			if waits := b.waits(r); waits != c.waits {
				t.Errorf("%s: waits %v", name, waits)
			}
		})
	}
}

func TestOnlyHitsInFallingOrderAreAllThereIsBetweenThem(t *testing.T) {
	for _, c := range []struct {
		ids     []string
		falling bool
	}{
		{nil, true},
		{[]string{"7"}, true},
		{[]string{"100", "99", "7"}, true}, // as numbers, not as text
		{[]string{"7", "99", "100"}, false},
		{[]string{"9", "7", "8"}, false},
		{[]string{"9", "9"}, false},
		{[]string{"9", "seven", "5"}, false},
		{[]string{fmt.Sprint(math.MaxInt64)}, false}, // no id of HubSpot's, and nothing could follow it
	} {
		hits := make([]hubspot.Hit, len(c.ids))
		for i, id := range c.ids {
			hits[i].ID = id
		}
		if got := falling(hits); got != c.falling {
			t.Errorf("%v: falling %v", c.ids, got)
		}
	}
}

// hits is an answer to a search, the highest id first.
func hits(ids ...int64) *hubspot.Hits {
	h := &hubspot.Hits{Total: len(ids), Page: &hubspot.Page{Date: time.Now(), Results: len(ids), Status: 200}}
	body := ""
	for i, id := range ids {
		h.IDs = append(h.IDs, hubspot.Hit{ID: fmt.Sprint(id)})
		if i > 0 {
			body += ","
		}
		body += fmt.Sprintf(`{"id":"%d","properties":{},"createdAt":"2020-01-01T00:00:00Z","updatedAt":"2020-01-01T00:00:00Z","archived":false}`, id)
	}
	h.Page.Body = []byte(`{"results":[` + body + `]}`)
	return h
}

func TestARangeBeginsBehindWhatTheAnswerThatNamedItHolds(t *testing.T) {
	place := cursor.Pass{After: "49", Below: "100"}
	whole := place
	whole.After = "80"
	damaged := hits(80, 50)
	damaged.Page.Body = []byte(`{"results":[`)
	for name, c := range map[string]struct {
		head *hubspot.Hits
		want cursor.Pass
		rows int
		left int64
	}{
		"nothing known": {nil, place, 0, 10},
		"some":          {hits(80, 60, 50), whole, 3, 7},
		"all":           {hits(99, 50), place.To(""), 2, 8},
		"damaged":       {damaged, place, 0, 10},
	} {
		stream := penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}
		r := &run{h: &holder{}, stream: stream, builder: shape.NewBuilder(penstock.Table{Stream: stream})}
		r.root = r
		r.left.Store(10)
		got := r.begun(place, c.head)
		if got.Cursor() != c.want.Cursor() || r.builder.Rows() != c.rows || r.left.Load() != c.left {
			t.Errorf("%s: begins at %+v with %d rows, %d left; want %+v, %d, %d", name, got, r.builder.Rows(), r.left.Load(), c.want, c.rows, c.left)
		}
		if name == "some" && r.after.Load() != 80 {
			t.Errorf("the reader stands at %d", r.after.Load())
		}
	}
}

func TestTheLargestRangeIsSplitListsFirst(t *testing.T) {
	for name, c := range map[string]struct {
		left         []int64
		list, search int // which range is split; -1: none
	}{
		"too small":            {[]int64{leastForList - 1, 900, leastToSearch}, -1, 0},
		"lists go first":       {[]int64{5000, 9000}, 1, -1},
		"enough lists for all": {[]int64{900, 5000, 2000, 3000, 4000}, -1, 1},
	} {
		inFlight(t, 100, 1, func(b *backfill) {
			b.known, b.search, b.answer = true, true, 100*time.Millisecond // five readers are enough
			b.run.read.Store(1)
			b.began = time.Now().Add(-time.Hour) // so slowly that nothing is soon
			ranges := b.ranged(c.left...)
			for _, r := range ranges {
				r.hungry.Store(true)
			}
			at := func(r *run) int { return slices.Index(ranges, r) }
			if list, search := at(b.largest(penstock.ByList)), at(b.largest(penstock.BySearch)); list != c.list || search != c.search {
				t.Errorf("%s: a list reader splits %d, a search reader %d; want %d and %d", name, list, search, c.list, c.search)
			}
		})
	}
}
