package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
// memory. Lanes that follow changes wait neither for backfills nor for lists of
// archived objects nor for sweeps, which come last for the quota and may stand
// still for long.
const (
	backfillsAtOnce = 3
	archivesAtOnce  = 2
	sweepsAtOnce    = 2
	linksAtOnce     = 3 // sweeps of links and histories, whose first is their first load
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
	more     chan []penstock.Stream   // that belong to others, as data-streams last named them
	wake     chan struct{}            // closed when every keeper is to ask again
	wanted   map[string]chan struct{} // by stream: when its named lane is
	runs     map[string]*run          // by grant, also those over whose commits are awaited
	memories map[string]*memory       // by stream
	tables   map[string]published     // by stream
	epoch    string

	streams map[string]penstock.Stream // the object streams by name
	found   []penstock.Found

	client  *hubspot.Client
	token   string // the one that client uses
	hashKey []byte // of hashed columns; guarded by mu
	account hubspot.Account
	known   bool                    // the account is the token's of now
	lease   time.Duration           // without an answer for so long, another may hold the account
	shared  atomic.Pointer[account] // with the account's other connections; the holder's own until its account is known
	clock   clock
	lists   definitions
	pipes   pipes

	backfills chan struct{}
	archives  chan struct{}
	sweeps    chan struct{}
	links     chan struct{}
	others    chan struct{}

	holding   context.Context // while the account is held
	questions chan struct{}
}

func newHolder(w *Worker, name string) *holder {
	h := &holder{
		w: w, name: name, log: w.cfg.Log.With("connection", name),
		wake: make(chan struct{}), more: make(chan []penstock.Stream, 1), wanted: map[string]chan struct{}{},
		runs: map[string]*run{}, memories: map[string]*memory{},
		backfills: make(chan struct{}, backfillsAtOnce), archives: make(chan struct{}, archivesAtOnce), sweeps: make(chan struct{}, sweepsAtOnce),
		links:  make(chan struct{}, linksAtOnce),
		others: make(chan struct{}, othersAtOnce), questions: make(chan struct{}, questionsAtOnce),
	}
	h.shared.Store(&account{quota: hubspot.NewAccountQuota()})
	return h
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
		began := time.Now()
		err := h.hold(ctx)
		if ctx.Err() != nil {
			return nil
		}
		// HubSpot's texts differ each time: they name the request.
		text := string(hubspot.KindOf(err))
		if text == "" {
			text = fmt.Sprint(err)
		}
		if text != last || time.Since(began) > retryMost {
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
	ctx, lost := context.WithCancel(ctx)
	defer lost()
	if err := h.begin(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	h.holding = ctx
	h.mu.Unlock()
	streams, err := h.discover(ctx)
	if err != nil {
		return h.complain(ctx, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.beats(ctx) })
	group.Go(func() error { return h.lookAgain(ctx) })
	kept := map[string]bool{}
	keep := func(stream penstock.Stream) {
		if kept[stream.Name] {
			return
		}
		kept[stream.Name] = true
		for _, lane := range stream.Lanes() {
			group.Go(func() error { return h.keep(ctx, stream, lane) })
		}
	}
	for _, stream := range streams {
		keep(stream)
	}
	group.Go(func() error {
		for {
			select {
			case more := <-h.more:
				for _, stream := range more {
					keep(stream)
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

// begin gets the credential, finds out whose account it opens and takes its
// lease.
func (h *holder) begin(ctx context.Context) error {
	first := h.beat()
	first.Account, first.Runs = penstock.Account{}, nil
	reply, err := h.w.cfg.Orders.Beat(ctx, first)
	if err != nil {
		return err
	}
	if reply.Refused != "" {
		return errors.New(reply.Refused)
	}
	if err := errors.Join(h.open(reply.Secret), h.openHashKey(reply.HashKey)); err != nil {
		return h.complain(ctx, err)
	}
	if err := h.identify(ctx); err != nil {
		return h.complain(ctx, err)
	}
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
	h.restore(reply.Spent)
	h.answered(reply)
	return nil
}

// restore takes the day's calls of the account's former holders.
func (h *holder) restore(spent penstock.Spent) {
	quota := h.shared.Load().quota
	quota.Restore(spent.Day, int(spent.Calls))
	calls := map[hubspot.Label]int{}
	for _, by := range spent.By {
		calls[hubspot.Label{Stream: by.Stream, Lane: string(by.Lane)}] = int(by.Calls)
	}
	quota.RestoreCalls(spent.Day, calls)
}

// callsOf are the day's calls by what they were for.
func callsOf(quota *hubspot.AccountQuota) []penstock.LaneCalls {
	var by []penstock.LaneCalls
	for label, calls := range quota.Calls() {
		by = append(by, penstock.LaneCalls{Stream: label.Stream, Lane: penstock.Lane(label.Lane), Calls: int64(calls)})
	}
	slices.SortFunc(by, func(a, b penstock.LaneCalls) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(string(a.Lane), string(b.Lane)))
	})
	return by
}

// identify finds out whose account the token opens. A worker that waits for
// another to leave the account asks once, and not each time: the calls of the
// day are the account's.
func (h *holder) identify(ctx context.Context) error {
	if h.known {
		return nil
	}
	account, err := h.client.Account(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.account, h.known = account, true
	h.mu.Unlock()
	h.shared.Store(h.w.account(account.PortalID))
	h.client.UseAccount(h.shared.Load().quota)
	h.clock.saw(account.Date)
	return nil
}

// open makes the client, or gives it the token of now.
func (h *holder) open(secret []byte) error {
	token, err := h.tokenOf(secret)
	if err != nil {
		return err
	}
	if h.client == nil {
		if h.client, err = h.newClient(token); err != nil {
			return err
		}
	} else if token != h.token {
		h.client.SetToken(token)
		h.known = false
	}
	h.token = token
	return nil
}

// openHashKey takes the key of hashed columns, which never changes.
func (h *holder) openHashKey(sealed []byte) error {
	if len(sealed) == 0 {
		return nil
	}
	key, err := h.w.cfg.Identity.Open(sealed)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hashKey = []byte(key)
	return nil
}

// tokenOf is the token that data-streams sealed, or the worker's own.
func (h *holder) tokenOf(secret []byte) (string, error) {
	if len(secret) > 0 {
		return h.w.cfg.Identity.Open(secret)
	}
	token, own := h.w.cfg.Tokens[h.name]
	if !own {
		return "", fmt.Errorf("%w for connection %q", errNoToken, h.name)
	}
	return token, nil
}

func (h *holder) newClient(token string) (*hubspot.Client, error) {
	cfg := h.w.cfg.HubSpot
	h.mu.Lock()
	cfg.BaseURL = h.conn.BaseURL
	h.mu.Unlock()
	cfg.Token, cfg.Stamp, cfg.Credentials = token, h.nextStamp, h.w.credentials
	return hubspot.New(cfg)
}

// renew goes on with a token that has replaced the one in use, once it is known
// to open the same account: with another's, runs in hand would mix two (V4).
func (h *holder) renew(ctx context.Context, secret []byte) error {
	token, err := h.tokenOf(secret)
	if err != nil || token == h.token {
		return err
	}
	probe, err := h.newClient(token)
	if err != nil {
		return err
	}
	defer probe.Close()
	probe.UseAccount(h.shared.Load().quota)
	asking, cancel := context.WithTimeout(ctx, h.lease/3)
	defer cancel()
	account, err := probe.Account(asking)
	switch {
	case hubspot.KindOf(err) == hubspot.Unauthorized:
		return err
	case err != nil:
		h.log.Warn("the new token could not be tried yet; the old one stays in use", "error", err)
		return nil
	case account.PortalID != h.account.PortalID:
		return errOtherToken
	}
	h.client.SetToken(token)
	h.token = token
	return nil
}

// nextStamp is the order of observation, one a call. data-streams keeps a
// million of them free above the last it heard of, more than HubSpot permits
// calls in a day, so that the account's next worker begins above them all.
func (h *holder) nextStamp() int64 { return h.shared.Load().stamp.Add(1) }

// above has the stamps go on above from. They never go back, whatever lease is
// lost and won.
func (h *holder) above(from int64) {
	stamp := &h.shared.Load().stamp
	for now := stamp.Load(); now < from; now = stamp.Load() {
		stamp.CompareAndSwap(now, from)
	}
}

// complain tells data-streams what keeps the connection from being read.
func (h *holder) complain(ctx context.Context, err error) error {
	h.known = false
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
	shared := h.shared.Load()
	b := penstock.Beat{
		Worker: h.w.name, PublicKey: h.w.cfg.Identity.PublicKey(), Connection: h.name,
		Stamp: shared.stamp.Load(), Found: h.found,
		Account: penstock.Account{
			ID: h.account.PortalID, TimeZone: h.account.TimeZone, Kind: h.account.Type,
		},
	}
	if h.account.PortalID != 0 {
		day := shared.quota.Today()
		b.Spent = penstock.Spent{
			Day: day, Calls: int64(shared.quota.Spent(day)), Limit: int64(h.client.Quota().Daily.Limit),
			By: callsOf(shared.quota),
		}
	}
	for _, r := range h.runs {
		b.Runs = append(b.Runs, r.progress())
	}
	return b
}

// beats keeps the lease; it ends when the lease is lost.
func (h *holder) beats(ctx context.Context) error {
	last := time.Now() // when a question was sent that was answered
	ticker := time.NewTicker(h.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		asked := time.Now()
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
		last = asked
		if err := h.renew(ctx, reply.Secret); err != nil {
			return h.complain(ctx, err)
		}
		h.answered(reply)
	}
}

// answered takes what data-streams says of the runs.
func (h *holder) answered(reply penstock.BeatReply) {
	h.above(reply.StampFrom)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch != reply.Epoch {
		// Not the warehouse it was: what was committed then may be gone.
		h.epoch = reply.Epoch
		h.memories = map[string]*memory{}
		h.tables = map[string]published{}
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
	select {
	case <-h.more: // older news
	default:
	}
	h.more <- reply.Streams
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
