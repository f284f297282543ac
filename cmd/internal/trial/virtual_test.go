package trial_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
	"penstock/internal/hubspot"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/sqlite"
	"penstock/internal/worker"
)

// How both services are set in virtual time.
const (
	virtualLag = time.Hour
	sweepEach  = time.Hour
)

// errAway is what a process hears whose counterpart is not there.
var errAway = errors.New("nobody answers")

// A pipe is the message bus inside a bubble: it keeps batches until they are
// acked, hands them out from the oldest, and now and then loses one or has one
// twice.
type pipe struct {
	random *rand.Rand
	most   int // batches of a connection that it holds; 0: any number

	mu      sync.Mutex
	service *datastreams.Service // nil while none is up
	queues  map[string]*line     // by connection
	lost    int
	twice   int
	answer  func(context.Context, penstock.Question) (penstock.Answer, bool) // of the worker that is up
}

// A line is one connection's batches. The pipe's mu guards it.
type line struct {
	*pipe
	parcels []*parcel
	at      int
	round   int
	more    chan struct{} // closed when there is something new
}

// parcel is a batch on its way.
type parcel struct {
	batch *penstock.Batch
	acked bool
}

func newPipe(seed uint64) *pipe {
	return &pipe{random: rand.New(rand.NewPCG(seed, 7)), queues: map[string]*line{}}
}

// queue is the connection's; the caller holds mu.
func (p *pipe) queue(connection string) *line {
	q := p.queues[connection]
	if q == nil {
		q = &line{pipe: p, more: make(chan struct{})}
		p.queues[connection] = q
	}
	return q
}

// put stores a batch with a reference of its own to its rows; false when the
// pipe is full.
func (p *pipe) put(b *penstock.Batch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queue(b.Connection)
	if p.most > 0 && q.waiting() >= p.most {
		return false
	}
	times := 1
	if p.random != nil {
		switch n := p.random.IntN(200); {
		case n == 0:
			p.lost++
			return true
		case n < 6:
			p.twice++
			times = 2
		}
	}
	for range times {
		q.parcels = append(q.parcels, &parcel{batch: copied(b)})
	}
	close(q.more)
	q.more = make(chan struct{})
	return true
}

// waiting is how many batches are not acked; the caller holds mu.
func (q *line) waiting() int {
	n := 0
	for _, one := range q.parcels {
		if !one.acked {
			n++
		}
	}
	return n
}

// copied is the batch with a reference of its own to its rows.
func copied(b *penstock.Batch) *penstock.Batch {
	c := *b
	c.Rows = append(c.Rows[:0:0], b.Rows...)
	for _, r := range c.Rows {
		r.Retain()
	}
	return &c
}

// wipe forgets everything, as when the bus's folder is removed.
func (p *pipe) wipe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues {
		q.parcels, q.at = nil, 0
	}
}

// calm lets the pipe lose nothing from now on.
func (p *pipe) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.random = nil
}

func (p *pipe) Announce(context.Context, penstock.Announcement) error { return nil }

func (p *pipe) Down() error { return nil }

// Ask asks the worker that is up.
func (p *pipe) Ask(ctx context.Context, q penstock.Question) (penstock.Answer, error) {
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		return penstock.Answer{}, errAway
	}
	a, ours := answer(ctx, q)
	if !ours {
		return a, errAway
	}
	return a, nil
}

func (p *pipe) Batches(ctx context.Context, connection string) (datastreams.Queue, error) {
	p.mu.Lock()
	q := p.queue(connection)
	p.mu.Unlock()
	return q, q.Rewind(ctx)
}

// Next waits for the oldest batch that was not handed out yet.
func (q *line) Next(ctx context.Context) (datastreams.Delivery, error) {
	for {
		q.mu.Lock()
		for q.at < len(q.parcels) {
			one, round := q.parcels[q.at], q.round
			q.at++
			if one.acked {
				continue
			}
			q.mu.Unlock()
			return datastreams.Delivery{Batch: copied(one.batch), Ack: func() error {
				q.mu.Lock()
				defer q.mu.Unlock()
				one.acked = one.acked || round == q.round
				return nil
			}}, nil
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

// Rewind begins again at the oldest batch that was not acked.
func (q *line) Rewind(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.parcels[:0]
	for _, one := range q.parcels {
		if !one.acked {
			kept = append(kept, one)
		}
	}
	q.parcels, q.at, q.round = kept, 0, q.round+1
	return nil
}

func (q *line) Close() {}

// A phone is how one worker process speaks with data-streams; cut, it is dead
// to the world, as a killed process is.
type phone struct {
	*pipe
	cut atomic.Bool
}

// line is the service, if both ends are up.
func (f *phone) line(ctx context.Context) (*datastreams.Service, error) {
	f.mu.Lock()
	service := f.service
	f.mu.Unlock()
	if !f.cut.Load() && service != nil {
		return service, nil
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return nil, errAway
}

func (f *phone) Watch(ctx context.Context, heard func(penstock.Announcement)) error {
	for ctx.Err() == nil {
		if service, err := f.line(ctx); err == nil {
			heard(service.Look())
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

func (f *phone) Beat(ctx context.Context, b penstock.Beat) (penstock.BeatReply, error) {
	service, err := f.line(ctx)
	if err != nil {
		return penstock.BeatReply{}, err
	}
	return service.Beat(ctx, b), nil
}

func (f *phone) Discover(ctx context.Context, d penstock.Discovery) ([]penstock.Stream, error) {
	service, err := f.line(ctx)
	if err != nil {
		return nil, err
	}
	return service.Discover(ctx, d)
}

func (f *phone) Grant(ctx context.Context, r penstock.GrantRequest) (penstock.Grant, error) {
	service, err := f.line(ctx)
	if err != nil {
		return penstock.Grant{}, err
	}
	return service.Grant(ctx, r), nil
}

func (f *phone) End(ctx context.Context, e penstock.RunEnd) error {
	service, err := f.line(ctx)
	if err != nil {
		return err
	}
	return service.End(ctx, e)
}

// Answer hands questions to the worker until it ends.
func (f *phone) Answer(ctx context.Context, answer func(context.Context, penstock.Question) (penstock.Answer, bool)) error {
	f.mu.Lock()
	f.answer = answer
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.answer = nil
	f.mu.Unlock()
	return nil
}

// Publish waits while the pipe is full.
func (f *phone) Publish(ctx context.Context, b *penstock.Batch) error {
	for !f.cut.Load() {
		if f.put(b) {
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errAway
}

// open seals nothing.
type open struct{}

func (open) PublicKey() string                  { return "key" }
func (open) Open(sealed []byte) (string, error) { return string(sealed), nil }

// weeks is the whole of Penstock inside a bubble, beside a simulated account.
type weeks struct {
	*testing.T
	account *hubspotsim.Account
	client  *http.Client
	dir     string
	source  datastreams.Source
	more    []datastreams.Source                  // of the same account
	through func(warehouse.Store) warehouse.Store // what lies before the warehouse; nil for nothing
	*pipe

	stopServer, stopWorker func()
}

// serve begins a process of data-streams.
func (w *weeks) serve() {
	w.Helper()
	c, err := catalog.Open(w.Context(), filepath.Join(w.dir, "catalog.db"))
	if err != nil {
		w.Fatal(err)
	}
	sources := append([]datastreams.Source{w.source}, w.more...)
	for i := range sources {
		store, err := sqlite.Open(filepath.Join(w.dir, w.file(sources[i].Name)))
		if err != nil {
			w.Fatal(err)
		}
		sources[i].Store = store
		if w.through != nil {
			sources[i].Store = w.through(store)
		}
	}
	service, err := datastreams.New(w.Context(), datastreams.Config{
		Sources: sources, Catalog: c, Bus: w.pipe, Installation: "here",
		Seal: func(_, text string) ([]byte, error) { return []byte(text), nil }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	w.mu.Lock()
	w.service = service
	w.mu.Unlock()
	w.stopServer = func() {
		w.mu.Lock()
		w.service = nil
		w.mu.Unlock()
		cancel()
		errs := []error{<-ended, c.Close()}
		for _, source := range sources {
			errs = append(errs, source.Store.Close())
		}
		if err := errors.Join(errs...); err != nil {
			w.Error(err)
		}
	}
}

// file is the warehouse of a connection.
func (w *weeks) file(connection string) string {
	if connection == w.source.Name {
		return "hubspot.db"
	}
	return connection + ".db"
}

// work begins a worker process.
func (w *weeks) work() {
	end := &phone{pipe: w.pipe}
	one := worker.New(worker.Config{
		Orders: end, Questions: end, Out: end, Identity: open{}, Log: slog.New(slog.DiscardHandler),
		HubSpot: hubspot.Config{Transport: w.client.Transport},
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- one.Run(ctx) }()
	w.stopWorker = func() {
		end.cut.Store(true)
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	}
}
