package hubspot_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"

	"pgregory.net/rapid"
)

// A counter counts calls as HubSpot does, at a moment between their sending
// and their answer, in rolling windows with both ends included.
type counter struct {
	mu      sync.Mutex
	limit   int
	span    time.Duration
	told    bool // answers say what is left
	faults  float64
	random  *rand.Rand
	counted []time.Time
	worst   int
}

func (c *counter) answer(*http.Request) (*http.Response, error) {
	c.mu.Lock()
	there := time.Duration(c.random.IntN(400)) * time.Millisecond
	back := time.Duration(c.random.IntN(400)) * time.Millisecond
	fault := c.random.Float64()
	c.mu.Unlock()
	<-time.After(there)
	left := c.count()
	<-time.After(back)
	switch {
	case fault < c.faults/2:
		return nil, io.ErrUnexpectedEOF
	case fault < c.faults:
		return respond(502, `{}`), nil
	case left < 0:
		return respond(429, `{"policyName":"TEN_SECONDLY_ROLLING"}`), nil
	case !c.told:
		return respond(200, `{"total":1,"results":[{"id":"1"}]}`), nil
	}
	return withLeft(respond(200, onePage), c.limit, left), nil
}

// count is how many calls are left after this one; negative when it was one
// too many.
func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.counted = append(c.counted, now)
	n := 0
	for _, t := range c.counted {
		if age := now.Sub(t); age >= 0 && age <= c.span {
			n++
		}
	}
	c.worst = max(c.worst, n)
	return c.limit - n
}

// together runs n calls at once and waits for them.
func together(t *testing.T, n int, call func() error) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Q1, for any latencies, losses and calls of an earlier process.
func TestNoTenSecondsEverSeeMoreCallsThanAllowed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &counter{span: 10 * time.Second, told: true}
		c.limit = rapid.IntRange(2, 40).Draw(rt, "limit")
		if c.faults = rapid.SampledFrom([]float64{0, 0, 0.3}).Draw(rt, "share of failing calls"); c.faults > 0 {
			// When the first ten seconds bring no answer that says what is
			// left, HubSpot's smallest limit is taken for granted.
			c.limit += 98
		}
		c.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		earlier := rapid.SliceOfN(rapid.IntRange(0, 10_000), 0, c.limit-1).Draw(rt, "ages of an earlier process's calls, ms")
		callers := rapid.IntRange(1, 2*c.limit+20).Draw(rt, "callers")
		synctest.Test(t, func(t *testing.T) {
			for _, age := range earlier {
				c.counted = append(c.counted, time.Now().Add(-time.Duration(age)*time.Millisecond))
			}
			client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) { return c.answer(r) })
			together(t, callers, func() error {
				_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
				if hubspot.KindOf(err) == hubspot.Unavailable {
					return nil // six faults in a row
				}
				return err
			})
		})
		if c.worst > c.limit {
			rt.Fatalf("%d calls within ten seconds, of %d", c.worst, c.limit)
		}
	})
}

func TestNoSecondEverSeesMoreThanFourOfFiveSearches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{limit: 5, span: time.Second, random: rand.New(rand.NewPCG(1, 2))}
		shared := hubspot.NewAccountQuota()
		for range 3 { // what an earlier process did a moment ago
			c.count()
		}
		search := func(client *hubspot.Client) func() error {
			return func() error {
				_, err := client.Search(t.Context(), hubspot.SearchRequest{Type: "contacts", Modified: "lastmodifieddate"})
				return err
			}
		}
		from := time.Now()
		var all sync.WaitGroup
		for range 2 { // two credentials of one account
			client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) { return c.answer(r) })
			client.UseAccount(shared)
			all.Go(func() { together(t, 30, search(client)) })
		}
		all.Wait()
		if c.worst > 4 {
			t.Errorf("%d searches within one second", c.worst)
		}
		if took := time.Since(from); took > 30*time.Second {
			t.Errorf("60 searches took %v", took)
		}
	})
}

func TestTheWindowButForBeginnersIsUsedAtOnceAndAgainTenSecondsAfterTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent []time.Duration
		from := time.Now()
		client, _ := setup(t, func(int, *http.Request) (*http.Response, error) {
			mu.Lock()
			left := 189
			for _, at := range sent {
				if time.Since(from)-at < 10*time.Second {
					left--
				}
			}
			sent = append(sent, time.Since(from))
			mu.Unlock()
			<-time.After(time.Second)
			return withLeft(respond(200, onePage), 190, left), nil
		})
		together(t, 374, func() error {
			_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
			return err
		})
		slices.Sort(sent)
		for _, want := range []struct {
			call int
			at   time.Duration
		}{{0, 0}, {1, time.Second}, {186, time.Second}, {187, 11 * time.Second}, {188, 12 * time.Second}, {373, 12 * time.Second}} {
			if at := sent[want.call].Round(100 * time.Millisecond); at != want.at {
				t.Errorf("call %d was sent at %v, want %v", want.call, at, want.at)
			}
		}
	})
}

func TestCallsOfOthersWithTheSameCredentialAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(int, *http.Request) (*http.Response, error) {
			return withLeft(respond(200, onePage), 100, 0), nil
		})
		from := time.Now()
		for range 2 {
			if _, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(from); waited < 10*time.Second || waited > 11*time.Second {
			t.Errorf("the second call waited %v", waited)
		}
		if w := client.Quota().Windows[0]; w.Limit != 100 || w.Ours+w.Others != 100 {
			t.Errorf("the window is %+v", w)
		}
	})
}

func TestAReservedShareIsLeftToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{limit: 40, span: 10 * time.Second, told: true, random: rand.New(rand.NewPCG(3, 4))}
		client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) { return c.answer(r) },
			func(cfg *hubspot.Config) { cfg.Reserve = 0.5 })
		together(t, 70, func() error {
			_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
			return err
		})
		if c.worst != 20 {
			t.Errorf("%d calls within ten seconds, want 20 of 40", c.worst)
		}
	})
}

func TestWaitersGoInOrderOfPriorityAndThenOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		client, _ := setup(t, func(_ int, r *http.Request) (*http.Response, error) {
			order = append(order, r.URL.Query().Get("after"))
			return withLeft(respond(200, onePage), 1, 0), nil
		})
		list := func(ctx context.Context, after string) error {
			_, err := client.List(ctx, hubspot.ListRequest{Type: "contacts", After: after})
			return err
		}
		if err := list(t.Context(), "0"); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		waiter := func(ctx context.Context, priority int, after string, want error) {
			all.Go(func() {
				if err := list(hubspot.WithPriority(ctx, priority), after); !errors.Is(err, want) {
					t.Errorf("%s: %v", after, err)
				}
			})
			synctest.Wait()
		}
		leaving, leave := context.WithCancel(t.Context())
		waiter(t.Context(), 5, "4", nil)
		waiter(t.Context(), 1, "2", nil)
		waiter(leaving, 0, "1", context.Canceled)
		waiter(t.Context(), 1, "3", nil)
		leave()
		all.Wait()
		if want := []string{"0", "2", "3", "4"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		if w := client.Quota().Windows[0]; w.Waiting != 0 || w.Ours > 1 {
			t.Errorf("the window is %+v", w)
		}
	})
}

func TestAWaiterThatLeavesAsItsSlotComesGivesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaving, leave := context.WithCancel(t.Context())
		client, _ := setup(t, func(n int, _ *http.Request) (*http.Response, error) {
			if n == 0 {
				<-time.After(time.Second)
				leave() // the answer admits the others before they notice
			}
			return withLeft(respond(200, onePage), 100, 99-n), nil
		})
		var all sync.WaitGroup
		waiter := func(ctx context.Context) {
			all.Go(func() {
				_, err := client.List(ctx, hubspot.ListRequest{Type: "contacts"})
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		waiter(t.Context())
		for range 90 {
			waiter(leaving)
		}
		all.Wait()
		<-time.After(time.Minute)
		if w := client.Quota().Windows[0]; w.Ours != 0 || w.Others != 0 || w.Waiting != 0 {
			t.Errorf("the window is %+v", w)
		}
	})
}

func TestAFirstCallThatHangsHoldsTheOthersForTenSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(n int, _ *http.Request) (*http.Response, error) {
			if n == 0 {
				<-time.After(time.Minute)
			}
			return respond(200, onePage), nil
		})
		from := time.Now()
		var all sync.WaitGroup
		for _, want := range []time.Duration{time.Minute, 10 * time.Second} {
			all.Go(func() {
				if _, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"}); err != nil {
					t.Error(err)
				}
				if took := time.Since(from).Round(time.Second); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
			synctest.Wait()
		}
		all.Wait()
	})
}
