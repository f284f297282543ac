package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/hubspot"
)

// The runs that may be open at once on one connection: each holds a batch in
// memory. Lanes that follow changes never wait for backfills.
const (
	backfillsAtOnce = 3
	othersAtOnce    = 6
)

// holder keeps one connection: its lease, its client, its keepers.
type holder struct {
	w    *Worker
	name string
	log  *slog.Logger

	mu       sync.Mutex
	instance string
	conn     penstock.Connection
	wake     chan struct{}            // closed when every keeper is to ask again
	wanted   map[string]chan struct{} // by stream: when its named lane is
	runs     map[string]*run          // by grant, also those over whose commits are awaited
	memories map[string]*memory       // by stream
	tables   map[string]uint64        // by stream: the columns that were published last, hashed
	epoch    string
	token    string

	streams map[string]penstock.Stream // the object streams by name
	found   []penstock.Found

	client  *hubspot.Client
	account hubspot.Account
	lease   time.Duration // without an answer for so long, another may hold the account
	quota   *hubspot.AccountQuota
	stamp   atomic.Int64
	clock   clock
	lists   definitions
	pipes   pipes

	backfills chan struct{}
	others    chan struct{}
}

func newHolder(w *Worker, name string) *holder {
	return &holder{
		w: w, name: name, log: w.cfg.Log.With("connection", name),
		wake: make(chan struct{}), wanted: map[string]chan struct{}{},
		runs: map[string]*run{}, memories: map[string]*memory{},
		backfills: make(chan struct{}, backfillsAtOnce), others: make(chan struct{}, othersAtOnce),
	}
}

// wakeAll has every keeper ask again; the caller holds mu.
func (h *holder) wakeAll() {
	close(h.wake)
	h.wake = make(chan struct{})
}

// run holds the connection until ctx ends. Whenever the lease is lost it
// begins anew.
func (h *holder) run(ctx context.Context) error {
	for wait, last := retryFirst, ""; ctx.Err() == nil; {
		err := h.hold(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if text := fmt.Sprint(err); text != last {
			h.log.Info("the connection is not read for now; trying again and again", "reason", err)
			last, wait = text, retryFirst
		}
		sleep(ctx, wait)
		// HubSpot is given time; data-streams is asked as often as it announces.
		if wait = min(retryMost, 2*wait); hubspot.KindOf(err) == "" {
			wait = retryFirst
		}
	}
	return nil
}

// hold is one lease from its beginning to its loss.
func (h *holder) hold(ctx context.Context) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	streams, err := h.discover(ctx)
	if err != nil {
		return h.complain(ctx, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.beats(ctx) })
	group.Go(func() error { return h.lookAgain(ctx) })
	for _, stream := range streams {
		for _, lane := range stream.Lanes() {
			group.Go(func() error { return h.keep(ctx, stream, lane) })
		}
	}
	return group.Wait()
}

// begin gets the credential, finds out whose account it opens and takes its
// lease.
func (h *holder) begin(ctx context.Context) error {
	reply, err := h.w.cfg.Orders.Beat(ctx, h.beat())
	if err != nil {
		return err
	}
	if reply.Refused != "" {
		return errors.New(reply.Refused)
	}
	if err := h.open(reply.Secret); err != nil {
		return h.complain(ctx, err)
	}
	h.stamp.Store(0)
	if h.account, err = h.client.Account(ctx); err != nil {
		return h.complain(ctx, err)
	}
	h.quota = h.w.quota(h.account.PortalID)
	h.client.UseAccount(h.quota)
	h.clock.saw(h.account.Date)
	h.stamp.Store(0)
	reply, err = h.w.cfg.Orders.Beat(ctx, h.beat())
	if err != nil {
		return err
	}
	if reply.Refused != "" {
		return errors.New(reply.Refused)
	}
	h.mu.Lock()
	h.runs = map[string]*run{} // of a lease that was lost: their silence ends them
	h.mu.Unlock()
	h.lease = max(reply.Lease, time.Second)
	h.stamp.Store(max(reply.StampFrom, h.stamp.Load()))
	h.quota.Restore(reply.Spent.Day, int(reply.Spent.Calls))
	h.answered(reply)
	return nil
}

// open makes the client, or gives it the token of now.
func (h *holder) open(secret []byte) error {
	token, own := h.w.cfg.Tokens[h.name]
	if len(secret) > 0 {
		var err error
		if token, err = h.w.cfg.Identity.Open(secret); err != nil {
			return err
		}
	} else if !own {
		return fmt.Errorf("there is no token for connection %q: set HUBSPOT_ACCESS_TOKEN, or token_file in penstock.yaml", h.name)
	}
	h.mu.Lock()
	base := h.conn.BaseURL
	same := token == h.token
	h.token = token
	h.mu.Unlock()
	if h.client != nil {
		if !same {
			h.client.SetToken(token)
		}
		return nil
	}
	cfg := h.w.cfg.HubSpot
	cfg.BaseURL, cfg.Token, cfg.Stamp = base, token, h.nextStamp
	client, err := hubspot.New(cfg)
	if err != nil {
		return err
	}
	h.client = client
	return nil
}

// nextStamp is the order of observation, one a call. data-streams keeps a
// million of them free above the last it heard of, more than HubSpot permits
// calls in a day, so that the account's next worker begins above them all.
func (h *holder) nextStamp() int64 { return h.stamp.Add(1) }

// complain tells data-streams what keeps the connection from being read.
func (h *holder) complain(ctx context.Context, err error) error {
	b := h.beat()
	b.Trouble = troubleOf(err)
	if _, beatErr := h.w.cfg.Orders.Beat(ctx, b); beatErr != nil {
		return errors.Join(err, beatErr)
	}
	return err
}

func (h *holder) beat() penstock.Beat {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := penstock.Beat{
		Worker: h.w.name, PublicKey: h.w.cfg.Identity.PublicKey(), Connection: h.name,
		Stamp: h.stamp.Load(), Found: h.found,
		Account: penstock.Account{
			ID: h.account.PortalID, TimeZone: h.account.TimeZone, Kind: h.account.Type,
		},
	}
	if h.quota != nil {
		day := h.quota.Today()
		b.Spent = penstock.Spent{Day: day, Calls: int64(h.quota.Spent(day)), Limit: int64(h.client.Quota().Daily.Limit)}
	}
	for _, r := range h.runs {
		b.Runs = append(b.Runs, r.progress())
	}
	return b
}

// beats keeps the lease; it ends when the lease is lost.
func (h *holder) beats(ctx context.Context) error {
	last := time.Now()
	ticker := time.NewTicker(h.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		asking, cancel := context.WithTimeout(ctx, h.lease/3)
		reply, err := h.w.cfg.Orders.Beat(asking, h.beat())
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && time.Since(last) > h.lease*2/3:
			return fmt.Errorf("data-streams does not answer: %w", err)
		case err != nil:
			continue
		case reply.Refused != "":
			return errors.New(reply.Refused)
		}
		last = time.Now()
		if err := h.open(reply.Secret); err != nil {
			return h.complain(ctx, err)
		}
		h.answered(reply)
	}
}

// answered takes what data-streams says of the runs.
func (h *holder) answered(reply penstock.BeatReply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch != reply.Epoch {
		// Not the warehouse it was: what was committed then may be gone.
		h.epoch = reply.Epoch
		h.memories = map[string]*memory{}
		h.tables = map[string]uint64{}
		h.wakeAll()
	}
	for _, st := range reply.Runs {
		r := h.runs[st.Grant]
		if r == nil {
			continue
		}
		h.remember(r, st.Committed)
		if st.Stop {
			r.stop.Store(true)
		}
		if st.Ended != "" {
			delete(h.runs, st.Grant)
			r.cancel(errRunOver)
		}
	}
	for _, stream := range reply.Wanted {
		select {
		case h.wantedOf(stream) <- struct{}{}:
		default:
		}
	}
}

// wantedOf is how the stream's named lane is woken; the caller holds mu.
func (h *holder) wantedOf(stream string) chan struct{} {
	c := h.wanted[stream]
	if c == nil {
		c = make(chan struct{}, 1)
		h.wanted[stream] = c
	}
	return c
}

// newTable tells whether the table's columns are others than were published
// last: then the warehouse is to hear of them even when no row comes.
func (h *holder) newTable(t penstock.Table) bool {
	sum := fnv.New64a()
	for _, c := range t.Columns {
		fmt.Fprintf(sum, "%q %q,", c.Property, c.Type)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, ok := h.tables[t.Stream.Name]; ok && known == sum.Sum64() {
		return false
	}
	if h.tables == nil {
		h.tables = map[string]uint64{}
	}
	h.tables[t.Stream.Name] = sum.Sum64()
	return true
}

func (h *holder) forgetTable(stream string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tables, stream)
}

// discover finds the account's object types and learns their streams' names.
func (h *holder) discover(ctx context.Context) ([]penstock.Stream, error) {
	found, err := h.look(ctx)
	if err != nil {
		return nil, err
	}
	streams, err := h.w.cfg.Orders.Discover(ctx, penstock.Discovery{
		Connection: h.name, Account: penstock.Account{ID: h.account.PortalID}, Found: found,
	})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found, h.streams = found, map[string]penstock.Stream{}
	for _, s := range streams {
		if s.Family == penstock.Objects {
			h.streams[s.Name] = s
		}
	}
	return streams, nil
}

// look lists the object types that every account knows, and this one's own.
func (h *holder) look(ctx context.Context) ([]penstock.Found, error) {
	var found []penstock.Found
	for _, t := range hubspot.ObjectTypes() {
		found = append(found, penstock.Found{Name: t.Name, ObjectType: t.ID, Whole: !t.Search})
	}
	schemas, err := h.client.Schemas(ctx)
	if err != nil && hubspot.KindOf(err) != hubspot.Forbidden {
		return nil, err
	}
	for _, s := range schemas {
		found = append(found, penstock.Found{Name: s.Name, ObjectType: s.ObjectTypeID})
	}
	slices.SortStableFunc(found, func(a, b penstock.Found) int { return strings.Compare(a.ObjectType, b.ObjectType) })
	return found, nil
}

// lookEvery is how often the account is asked for new object types.
const lookEvery = time.Hour

// errNewTypes ends the lease, to begin it anew with the types of now.
var errNewTypes = errors.New("the account's object types have changed")

// lookAgain ends the lease when the account has other object types.
func (h *holder) lookAgain(ctx context.Context) error {
	for sleep(ctx, lookEvery) {
		found, err := h.look(ctx)
		if err != nil {
			h.log.Debug("the object types could not be read; the known ones stay", "error", err)
			continue
		}
		h.mu.Lock()
		same := slices.Equal(found, h.found)
		h.mu.Unlock()
		if !same {
			return errNewTypes
		}
	}
	return nil
}

// clock is HubSpot's, as its answers' dates tell it; between answers it goes
// on as time passes here, and it is never ahead.
type clock struct {
	mu   sync.Mutex
	date time.Time
	at   time.Time
}

func (c *clock) saw(date time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.date.IsZero() || date.After(c.date.Add(now.Sub(c.at))) {
		c.date, c.at = date, now
	}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.date.Add(time.Since(c.at))
}
