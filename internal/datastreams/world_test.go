package datastreams_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

const (
	account = int64(4711)
	lease   = 15 * time.Second
)

// world is a service with a warehouse and a bus that do as they are told. Its
// time is a bubble's.
type world struct {
	*testing.T
	store   *store
	bus     *bus
	path    string // of the catalog
	catalog *catalog.Catalog
	service *datastreams.Service
	alter   func(*datastreams.Config)
	token   func() (string, error)
	refused func() bool
	end     func()
}

// inBubble runs a test in a world whose service is up.
func inBubble(t *testing.T, test func(w *world)) { inWorld(t, func(*world) {}, test) }

// inWorld does so after the world was set up.
func inWorld(t *testing.T, set, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		set(w)
		w.start()
		defer func() { w.end() }()
		test(w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: &store{Store: warehousetest.NewModel()}, path: filepath.Join(t.TempDir(), "catalog.db")}
	w.bus = &bus{queue: &queue{more: make(chan struct{})}}
	w.end = func() {}
	return w
}

// start begins a process of data-streams with the catalog that is there.
func (w *world) start() {
	w.Helper()
	c, err := catalog.Open(w.Context(), w.path)
	if err != nil {
		w.Fatal(err)
	}
	w.catalog = c
	cfg := datastreams.Config{
		Sources: []datastreams.Source{{
			Connection: penstock.Connection{
				Name: "default", Lag: time.Hour,
				Schedule: penstock.Schedule{On: true, Every: 5 * time.Minute},
			},
			Store: w.store, Token: w.token, Refused: w.refused,
		}},
		Catalog: c, Bus: w.bus, Installation: "here", Log: slog.New(slog.DiscardHandler),
		Seal: func(key, text string) ([]byte, error) { return []byte(key + ":" + text), nil },
	}
	if w.alter != nil {
		w.alter(&cfg)
	}
	if w.service, err = datastreams.New(w.Context(), cfg); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	w.end = func() {
		cancel()
		if err := errors.Join(<-ended, c.Close()); err != nil {
			w.Error(err)
		}
		w.end = func() {}
	}
	synctest.Wait()
}

// restart ends the process and begins the next.
func (w *world) restart() {
	w.Helper()
	w.end()
	w.start()
}

// copyCatalog keeps the catalog as it is, or puts a kept one back; no process
// may be up.
func (w *world) copyCatalog(from, to string) {
	w.Helper()
	for _, tail := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(from + tail)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.Remove(to + tail); err != nil && !errors.Is(err, os.ErrNotExist) {
				w.Fatal(err)
			}
			continue
		}
		if err == nil {
			err = os.WriteFile(to+tail, content, 0o600)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *world) heads(stream string, lane penstock.Lane) []penstock.Head {
	w.Helper()
	heads, err := w.store.Heads(w.Context(), stream, lane)
	if err != nil {
		w.Fatal(err)
	}
	return heads
}

// committed is the sequence that a lane of contacts has reached; 0 for none.
func (w *world) committed(lane penstock.Lane) uint64 {
	w.Helper()
	if heads := w.heads("contacts", lane); len(heads) > 0 {
		return heads[0].Seq
	}
	return 0
}

func (w *world) runs() []catalog.Run {
	w.Helper()
	runs, err := w.service.Runs(w.Context(), catalog.RunQuery{Connection: "default"})
	if err != nil {
		w.Fatal(err)
	}
	return runs
}

// troubles are what is wrong, open or not.
func (w *world) troubles(open bool) []catalog.Trouble {
	w.Helper()
	all, err := w.service.Troubles(w.Context(), catalog.TroubleQuery{Connection: "default", Open: open})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// store is a warehouse that fails as it is told.
type store struct {
	warehouse.Store

	mu       sync.Mutex
	before   []error // of the next loads, which then do nothing
	after    []error // of the next loads, which have committed then
	refuse   func(*penstock.Batch) bool
	claims   []error // of the next claims
	replaced bool    // until it is claimed
	hang     chan struct{}
	dark     error // of each look at the tables
	moments  []warehouse.Moment
}

// shift takes the first error off a list.
func shift(list *[]error) error {
	if len(*list) == 0 {
		return nil
	}
	err := (*list)[0]
	*list = (*list)[1:]
	return err
}

// fails sets what becomes of the next loads and claims.
func (s *store) fails(set func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set()
}

// Claim claims, once the failures that were ordered are used up.
func (s *store) Claim(ctx context.Context, c warehouse.Claim) error {
	s.mu.Lock()
	err := shift(&s.claims)
	if err == nil {
		s.replaced = false
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Claim(ctx, c)
}

// Tables fails as long as ordered.
func (s *store) Tables(ctx context.Context) ([]warehouse.TableState, error) {
	s.mu.Lock()
	err := s.dark
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Store.Tables(ctx)
}

// Load loads, or fails as ordered.
func (s *store) Load(ctx context.Context, items []warehouse.Item, at warehouse.Moment) ([]warehouse.Outcome, error) {
	s.mu.Lock()
	before, after, replaced, hang, refuse := shift(&s.before), error(nil), s.replaced, s.hang, s.refuse
	s.moments = append(s.moments, at)
	if before == nil && !replaced {
		after = shift(&s.after)
	}
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	switch {
	case before != nil:
		return nil, before
	case replaced:
		return nil, warehouse.ErrReplaced
	}
	for _, item := range items {
		if refuse != nil && refuse(item.Batch) {
			return nil, warehouse.ErrBatch
		}
	}
	outcomes, err := s.Store.Load(ctx, items, at)
	return outcomes, errors.Join(err, after)
}

// bus is the messages between data-streams and its workers.
type bus struct {
	queue *queue

	mu       sync.Mutex
	heard    []penstock.Announcement
	announce func(penstock.Announcement)
	asked    []penstock.Question
	answer   func(penstock.Question) (penstock.Answer, error)
}

func (b *bus) Announce(_ context.Context, a penstock.Announcement) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, a)
	if b.announce != nil {
		b.announce(a)
	}
	return nil
}

// announced are the schedules that were announced so far.
func (b *bus) announced() []penstock.Schedule {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []penstock.Schedule
	for _, a := range b.heard {
		all = append(all, a.Connections[0].Schedule)
	}
	return all
}

func (b *bus) Batches(ctx context.Context, _ string) (datastreams.Queue, error) {
	return b.queue, b.queue.Rewind(ctx)
}

// Ask answers as the test has set; unless it has, nobody does.
func (b *bus) Ask(_ context.Context, q penstock.Question) (penstock.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, q)
	if b.answer == nil {
		return penstock.Answer{}, errors.New("nobody answers")
	}
	return b.answer(q)
}

func (b *bus) Down() error { return nil }

// message is a batch on the bus.
type message struct {
	batch  *penstock.Batch
	err    error
	grant  string
	acks   int
	hidden bool // lost between server and reader until the reader begins again
	lost   bool
}

// queue keeps messages in the order they were published until they are acked.
type queue struct {
	mu       sync.Mutex
	messages []*message
	at       int
	round    int
	rewinds  int
	more     chan struct{} // closed when there is something new
	onRewind func()
}

func (q *queue) publish(m *message) *message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, m)
	close(q.more)
	q.more = make(chan struct{})
	return m
}

// Next waits for the next message that is neither acked nor lost.
func (q *queue) Next(ctx context.Context) (datastreams.Delivery, error) {
	for {
		q.mu.Lock()
		for q.at < len(q.messages) {
			m := q.messages[q.at]
			q.at++
			if m.acks == 0 && !m.hidden && !m.lost {
				d := q.delivery(m)
				q.mu.Unlock()
				return d, nil
			}
		}
		more := q.more
		q.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return datastreams.Delivery{}, ctx.Err()
		}
	}
}

// delivery hands out a copy: whoever gets it releases its rows.
func (q *queue) delivery(m *message) datastreams.Delivery {
	round := q.round
	d := datastreams.Delivery{Err: m.err, Grant: m.grant, Ack: func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if round == q.round {
			m.acks++
		}
		return nil
	}}
	if m.batch != nil {
		b := *m.batch
		b.Rows = slices.Clone(b.Rows)
		for _, r := range b.Rows {
			r.Retain()
		}
		d.Batch = &b
	}
	return d
}

// Rewind begins again at the oldest message.
func (q *queue) Rewind(context.Context) error {
	q.mu.Lock()
	q.at, q.round, q.rewinds = 0, q.round+1, q.rewinds+1
	for _, m := range q.messages {
		m.hidden = false
	}
	hook := q.onRewind
	q.mu.Unlock()
	if hook != nil {
		hook()
	}
	return nil
}

func (q *queue) Close() {}

// acks are how often each message was acked.
func (q *queue) acks() []int {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := make([]int, len(q.messages))
	for i, m := range q.messages {
		counts[i] = m.acks
	}
	return counts
}

// begun is how often the queue was begun again after it was first read.
func (q *queue) begun() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rewinds - 1
}
