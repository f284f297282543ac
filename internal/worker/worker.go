// Package worker is the service that reads HubSpot: it keeps the lanes of
// every stream, turns pages into batches and publishes them.
//
// It takes orders over messages only, keeps nothing durable and may be killed
// at any instruction: what data-streams has committed is where it goes on. It
// does not know how messages travel or where rows end.
package worker

import (
	"context"
	"crypto/rand"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/hubspot"
)

// The clockwork of a worker.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
)

// Orders is how a worker learns what to do and says how it goes.
type Orders interface {
	Watch(ctx context.Context, heard func(penstock.Announcement)) error
	Beat(ctx context.Context, b penstock.Beat) (penstock.BeatReply, error)
	Discover(ctx context.Context, d penstock.Discovery) ([]penstock.Stream, error)
	Grant(ctx context.Context, r penstock.GrantRequest) (penstock.Grant, error)
	End(ctx context.Context, e penstock.RunEnd) error
}

// Questions are what data-streams asks of the worker that holds an account.
type Questions interface {
	// Answer has answer called with each until ctx ends; where it returns
	// false the question is another worker's.
	Answer(ctx context.Context, answer func(context.Context, penstock.Question) (penstock.Answer, bool)) error
}

// A Publisher takes batches. It waits while the bus is full, and returns once
// the batch is safe there.
type Publisher interface {
	Publish(ctx context.Context, b *penstock.Batch) error
}

// An Identity opens credentials that were sealed to its public key.
type Identity interface {
	PublicKey() string
	Open(sealed []byte) (string, error)
}

// A Config is what a Worker is made of.
type Config struct {
	Orders    Orders
	Questions Questions
	Out       Publisher
	Identity  Identity
	Tokens    map[string]string // by connection: credentials of the worker's own, instead of data-streams'
	HubSpot   hubspot.Config    // how to read HubSpot; base URL, token and stamps are filled in
	Log       *slog.Logger
}

// A Worker reads the accounts that data-streams announces and leaves to it.
type Worker struct {
	cfg  Config
	name string

	credentials *hubspot.Credentials

	mu       sync.Mutex
	holders  map[string]*holder
	accounts map[int64]*account
}

// account is what the connections of one HubSpot account share: its limits,
// and the order of observation, so that no stamp below the lowest that a run
// was granted at can come of another connection's run (W5).
type account struct {
	quota *hubspot.AccountQuota
	stamp atomic.Int64
}

// New makes a worker.
func New(cfg Config) *Worker {
	return &Worker{
		cfg: cfg, name: rand.Text(),
		credentials: hubspot.NewCredentials(), holders: map[string]*holder{}, accounts: map[int64]*account{},
	}
}

// Run works until ctx ends; then batches in hand are published and runs end
// where they stand.
func (w *Worker) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	heard := make(chan struct{}, 1)
	group.Go(func() error { return w.sayWaiting(ctx, heard) })
	group.Go(func() error { return w.cfg.Questions.Answer(ctx, w.answer) })
	group.Go(func() error {
		return w.cfg.Orders.Watch(ctx, func(a penstock.Announcement) {
			select {
			case heard <- struct{}{}:
			default:
			}
			for _, c := range a.Connections {
				if h, new := w.holder(c.Name); new {
					h.heard(a.Instance, c)
					group.Go(func() error { return h.run(ctx) })
				} else {
					h.heard(a.Instance, c)
				}
			}
		})
	})
	return group.Wait()
}

// silentFor is how long nothing may be heard of data-streams before it is said.
const silentFor = 5 * time.Second

// sayWaiting says, once for each silence, that data-streams is not there.
func (w *Worker) sayWaiting(ctx context.Context, heard <-chan struct{}) error {
	for silent := false; ; {
		select {
		case <-heard:
			if silent {
				w.cfg.Log.Info("data-streams is there")
			}
			silent = false
		case <-time.After(silentFor):
			if !silent {
				w.cfg.Log.Warn("waiting for data-streams: it is not heard on the message server")
			}
			silent = true
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Worker) holder(connection string) (h *holder, new bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h = w.holders[connection]
	if h == nil {
		h, new = newHolder(w, connection), true
		w.holders[connection] = h
	}
	return h, new
}

// account is shared by all connections that read it.
func (w *Worker) account(id int64) *account {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.accounts[id]
	if a == nil {
		a = &account{quota: hubspot.NewAccountQuota()}
		w.accounts[id] = a
	}
	return a
}

// heard takes the state that data-streams wants. A change wakes the keepers.
func (h *holder) heard(instance string, c penstock.Connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.instance == instance && reflect.DeepEqual(h.conn, c) {
		return
	}
	h.instance, h.conn = instance, c
	if !c.Schedule.On && c.Once == "" {
		for _, r := range h.runs {
			r.stop.Store(true)
		}
	}
	h.wakeAll()
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
