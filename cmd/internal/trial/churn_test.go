package trial_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// edits a minute, each by the account itself and by mix.
const edits = 100

// churn changes the account until stop is called, one kind of change after the
// other, while the account edits itself besides.
func (w *world) churn() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.account.Churn(ctx, edits) }()
	go func() { done <- w.mix(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			w.t.Error(err)
		}
	})
}

// mix creates, archives, restores, merges, changes and erases contacts in turn.
func (w *world) mix(ctx context.Context) error {
	var ids []int64
	for o := range w.account.Truth("contacts") {
		if ids = append(ids, o.ID); len(ids) == 600 {
			break
		}
	}
	ticker := time.NewTicker(time.Minute / edits)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := w.change(n, ids[n%len(ids)], ids[(n+300)%len(ids)]); err != nil && !errors.Is(err, hubspotsim.ErrNotFound) {
			return err
		}
	}
}

func (w *world) change(n int, id, other int64) (err error) {
	switch n % 6 {
	case 0:
		_, err = w.account.Create("contacts", map[string]string{"email": fmt.Sprintf("contact-new-%06d@example.com", n)})
	case 1:
		err = w.account.Archive("contacts", id)
	case 2:
		for o := range w.account.Archived("contacts") {
			return w.account.Restore("contacts", o.ID)
		}
	case 3:
		_, err = w.account.Merge("contacts", id, other)
	case 4:
		err = w.account.Update("contacts", id, map[string]string{"email": fmt.Sprintf("contact-%06d@example.com", n)})
	case 5:
		if n%60 == 5 { // few: each stays wanted for an hour, until HubSpot has not found it twice
			err = w.account.Erase("contacts", id)
		}
	}
	return err
}

// settle waits until the search index knows everything and the lag has passed,
// has everything read, and then waits for sweeps of every stream that began
// after the changes had stopped, and until nothing is wanted any more.
func (w *world) settle() {
	w.t.Helper()
	quiet := time.Now()
	<-time.After(w.lag + 2*time.Second)
	w.catchUp()
	left := ""
	for end := time.Now().Add(settleMost); time.Now().Before(end); <-time.After(250 * time.Millisecond) {
		if left = w.unsettled(quiet); left == "" {
			return
		}
	}
	w.t.Fatalf("not settled within %s: %s", settleMost, left)
}

// settleMost is how long the last sweeps may take.
const settleMost = 2 * time.Minute

// unsettled names a stream that is not known to be as the account was, or
// later: HubSpot's clock has whole seconds, so a sweep within the same one may
// have begun before. What was erased stays wanted: that it is gone shows an
// hour after it was not found for the first time.
func (w *world) unsettled(quiet time.Time) string {
	var page struct {
		Items []struct {
			Stream  string    `json:"stream"`
			State   string    `json:"state"`
			Wanted  int       `json:"wanted"`
			SweptAt time.Time `json:"swept_at"`
		} `json:"items"`
	}
	if err := json.Unmarshal(w.ask("GET", "/v1/connections/default/streams?limit=1000", nil, 20*time.Second), &page); err != nil {
		w.t.Fatal(err)
	}
	swept := map[string]bool{}
	for _, s := range page.Items {
		if s.State != "not chosen" && s.Wanted > len(w.account.Erased(s.Stream)) {
			return fmt.Sprintf("%s has %d wanted", s.Stream, s.Wanted)
		}
		swept[s.Stream] = s.SweptAt.After(quiet.Add(time.Second))
	}
	for _, name := range append(types(), append(pairs(), "deals_history")...) {
		if !swept[name] {
			return name + " has not been swept since"
		}
	}
	return ""
}
