package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
	"penstock/internal/worker"
)

const lag = time.Hour

// world is a worker, a simulated account that it reads, and a desk that gives
// it orders. Its time is a bubble's.
type world struct {
	*testing.T
	account *hubspotsim.Account
	wire    *wire
	desk    *desk
	tokens  map[string]string
	cfg     hubspot.Config
	end     func()
}

// inBubble runs a test beside a worker that holds the account.
func inBubble(t *testing.T, o hubspotsim.Options, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.close()
		w.start()
		test(w)
	})
}

// small is an account of a few contacts.
func small(contacts int) hubspotsim.Options {
	return hubspotsim.Options{
		Seed: 7, Unlimited: true, Counts: map[string]int{"contacts": contacts}, Properties: map[string]int{"contacts": 30},
		Latency: 20 * time.Millisecond,
	}
}

func newWorld(t *testing.T, o hubspotsim.Options) *world {
	account, err := hubspotsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, account: account, desk: newDesk(t), tokens: map[string]string{"default": "pat-na1-test"}}
	client, end := account.InProcess()
	w.wire = &wire{next: client.Transport}
	w.end = end
	return w
}

func (w *world) close() {
	w.desk.stop()
	w.end()
}

// start begins a worker process.
func (w *world) start() {
	cfg := w.cfg
	cfg.Transport = w.wire
	work := worker.New(worker.Config{
		Orders: w.desk, Questions: w.desk, Out: w.desk, Identity: plain{}, Tokens: w.tokens, HubSpot: cfg,
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- work.Run(ctx) }()
	w.desk.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
		w.desk.stop = func() {}
	}
	pass(3 * time.Second) // searches count as used up for a second
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// plain seals nothing.
type plain struct{}

func (plain) PublicKey() string                  { return "key" }
func (plain) Open(sealed []byte) (string, error) { return string(sealed), nil }

// wire is the way to HubSpot, on which requests are seen and can be held up.
type wire struct {
	next http.RoundTripper

	mu    sync.Mutex
	seen  []string
	bend  func(*http.Request) *http.Response // nil lets a request through
	token string                             // of the last request
}

// RoundTrip carries a request to the account, or answers it itself.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.seen = append(w.seen, req.Method+" "+req.URL.RequestURI())
	w.token = req.Header.Get("Authorization")
	bend := w.bend
	w.mu.Unlock()
	if bend != nil {
		if answer := bend(req); answer != nil {
			return answer, nil
		}
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
	}
	return w.next.RoundTrip(req)
}

// requests are the requests since the last call, that begin so.
func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *wire) bends(how func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bend = how
}

// desk is data-streams as a worker knows it: a warehouse that takes what is
// admitted, and grants that the test hands out one by one.
type desk struct {
	t     *testing.T
	store *warehousetest.Model
	stop  func()

	mu       sync.Mutex
	conn     penstock.Connection
	hear     func(penstock.Announcement)
	answer   func(context.Context, penstock.Question) (penstock.Answer, bool)
	streams  []penstock.Stream
	allowed  map[string]penstock.Grant // by stream and lane
	current  map[string]string         // grants by stream and lane
	statuses map[string]penstock.RunStatus
	batches  []*penstock.Batch
	spy      func(*penstock.Batch) // sees each batch whole
	hold     chan struct{}         // publishing waits while it is open
	over     map[string]chan penstock.RunEnd
	beats    []penstock.Beat
	reply    penstock.BeatReply
	mute     error // every question fails
	asked    map[string]int
	grants   int
	stamp    int64
}

func newDesk(t *testing.T) *desk {
	d := &desk{
		t: t, store: warehousetest.NewModel(), stop: func() {},
		conn: penstock.Connection{
			Name: "default", BaseURL: "http://localhost", Lag: lag,
			Schedule: penstock.Schedule{On: true, Every: 5 * time.Minute},
		},
		streams: []penstock.Stream{contacts()}, allowed: map[string]penstock.Grant{}, current: map[string]string{},
		statuses: map[string]penstock.RunStatus{}, over: map[string]chan penstock.RunEnd{}, asked: map[string]int{},
		reply: penstock.BeatReply{Lease: 15 * time.Second, Epoch: "first", StampFrom: 100},
	}
	if err := d.store.Claim(t.Context(), warehouse.Claim{Loader: "desk", Installation: "here"}); err != nil {
		t.Fatal(err)
	}
	return d
}

func contacts() penstock.Stream { return warehousetest.Contacts() }

func laneOf(stream string, lane penstock.Lane) string { return stream + "/" + string(lane) }

// Watch announces the connection, and every change of it.
func (d *desk) Watch(ctx context.Context, heard func(penstock.Announcement)) error {
	d.mu.Lock()
	d.hear = heard
	d.mu.Unlock()
	d.announce(func(*penstock.Connection) {})
	<-ctx.Done()
	return nil
}

func (d *desk) announce(change func(*penstock.Connection)) {
	d.mu.Lock()
	change(&d.conn)
	hear, conn := d.hear, d.conn
	d.mu.Unlock()
	hear(penstock.Announcement{Instance: "desk", Connections: []penstock.Connection{conn}})
}

// Answer keeps how the worker answers questions, for the test to ask them.
func (d *desk) Answer(ctx context.Context, answer func(context.Context, penstock.Question) (penstock.Answer, bool)) error {
	d.mu.Lock()
	d.answer = answer
	d.mu.Unlock()
	<-ctx.Done()
	return nil
}

// Beat answers as the test has set.
func (d *desk) Beat(_ context.Context, b penstock.Beat) (penstock.BeatReply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beats = append(d.beats, b)
	if d.mute != nil {
		return penstock.BeatReply{}, d.mute
	}
	reply := d.reply
	reply.StampFrom = max(reply.StampFrom, d.stamp+1) // another process may have begun
	if b.Account.ID == 0 {                            // the credential only
		reply.Refused = ""
	}
	for _, p := range b.Runs {
		st := d.statuses[p.Grant]
		st.Grant = p.Grant
		reply.Runs = append(reply.Runs, st)
	}
	return reply, nil
}

// Discover names the streams that the test has chosen.
func (d *desk) Discover(context.Context, penstock.Discovery) ([]penstock.Stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.streams), d.mute
}

// Grant grants what was allowed, where the warehouse's heads stand.
func (d *desk) Grant(ctx context.Context, r penstock.GrantRequest) (penstock.Grant, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := laneOf(r.Stream.Name, r.Lane)
	d.asked[key]++
	if d.mute != nil {
		return penstock.Grant{}, d.mute
	}
	g, allowed := d.allowed[key]
	if !allowed {
		return penstock.Grant{Refused: "not due yet", Again: time.Hour}, nil
	}
	delete(d.allowed, key)
	d.grants++
	g.Token, g.Run, g.Again, g.Epoch = fmt.Sprintf("grant-%d", d.grants), int64(d.grants), time.Hour, d.reply.Epoch
	if g.Lag == 0 {
		g.Lag = lag
	}
	for _, lane := range []penstock.Lane{r.Lane, penstock.Settled} {
		heads, err := d.store.Heads(ctx, r.Stream.Name, lane)
		if err != nil {
			return g, err
		}
		if lane == r.Lane || r.Lane == penstock.Fresh {
			g.Heads = append(g.Heads, heads...)
		}
	}
	var err error
	if r.Lane == penstock.Named {
		g.Wanted, err = d.store.Wanted(ctx, r.Stream.Name, time.Now(), 1000, "")
	}
	d.current[key] = g.Token
	return g, err
}

// End hears that a run is over.
func (d *desk) End(_ context.Context, e penstock.RunEnd) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mute != nil {
		return d.mute
	}
	st := d.statuses[e.Grant]
	st.Ended = "all of it is committed"
	d.statuses[e.Grant] = st
	for key, grant := range d.current {
		if over := d.over[key]; grant == e.Grant && over != nil {
			over <- e
		}
	}
	return nil
}

// followers are the streams that belong to the objects of others.
func (d *desk) followers() map[string][]string {
	of := map[string][]string{}
	for _, s := range d.streams {
		if s.Of != "" {
			of[s.Of] = append(of[s.Of], s.Name)
		}
	}
	return of
}

// Publish loads the batch at once. A worker's batches are admitted, each as
// the next of its range, and their counts add up (V1).
func (d *desk) Publish(ctx context.Context, b *penstock.Batch) error {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spy != nil {
		d.spy(b)
	}
	current := d.current[laneOf(b.Stream.Name, b.Lane)]
	outcomes, err := d.store.Load(ctx, []warehouse.Item{{Batch: b, Current: current}}, warehouse.Moment{Now: time.Now(), Account: 1, Followers: d.followers()})
	if err != nil {
		return err
	}
	o := outcomes[0]
	if o.Verdict != warehouse.Apply {
		d.t.Errorf("batch %d of %s (%s), %q to %q: %v", b.Seq, b.Stream.Name, b.Lane, b.Before, b.After, o.Verdict)
	}
	if sum := o.Applied.Loaded + o.Applied.Unchanged + o.Applied.Superseded + b.Counts.Rejected; sum != b.Counts.Fetched {
		d.t.Errorf("batch %d of %s (%s): fetched %d, but %+v and %d rejected (V1)", b.Seq, b.Stream.Name, b.Lane, b.Counts.Fetched, o.Applied, b.Counts.Rejected)
	}
	st := d.statuses[b.Grant]
	st.Committed = append(slices.DeleteFunc(slices.Clone(st.Committed), func(m penstock.Mark) bool { return m.Range == b.Range }),
		penstock.Mark{Range: b.Range, Seq: b.Seq})
	d.statuses[b.Grant] = st
	if n := b.Counts.Fetched + b.Counts.Buried; n > penstock.MaxBatchRows {
		d.t.Errorf("batch %d of %s (%s) has %d rows, more than %d", b.Seq, b.Stream.Name, b.Lane, n, penstock.MaxBatchRows)
	}
	kept := *b
	kept.Rows = nil
	d.batches = append(d.batches, &kept)
	d.stamp = max(d.stamp, b.Stamp)
	return nil
}
