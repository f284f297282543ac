package datastreams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock"
)

// stampBlock is how many stamps are kept free above the highest that a worker
// has told. The ceiling is stored before the lease is given, so the next
// holder's stamps are higher than any that was used.
const stampBlock = 1_000_000

// refusedToken is the kind of a worker's trouble with a token.
const refusedToken = "unauthorized"

// lease says which worker reads an account.
type lease struct {
	worker string
	until  time.Time
	told   int64 // the highest stamp that its holder has told of
	used   int64 // no stamp above it was used as far as is known
	from   int64 // the holder uses none below
	to     int64
	before penstock.Spent // by former holders of the day
	spent  penstock.Spent
}

// leases are the accounts' leases, by account id. They are short and kept in
// memory; the catalog remembers the holder, so that a restart of data-streams
// gives no account to two workers.
type leases struct {
	mu   sync.Mutex
	held map[int64]lease
}

func (l *leases) holds(account int64, worker string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[account]
	return account != 0 && held.worker == worker && time.Now().Before(held.until)
}

// taken tells whether another worker holds the account's lease.
func (l *leases) taken(account int64, worker string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[account]
	return held.worker != "" && held.worker != worker && time.Now().Before(held.until)
}

func (l *leases) told(account int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[account].told
}

// Beat answers a worker's heartbeat: the credential, the account's lease with
// its stamps, and what became of the runs.
func (s *Service) Beat(ctx context.Context, b penstock.Beat) penstock.BeatReply {
	c := s.connections[b.Connection]
	if c == nil {
		return penstock.BeatReply{Refused: errNoConnection(b.Connection).Error()}
	}
	var reply penstock.BeatReply
	b.Trouble = c.spurned(b.Trouble)
	if err := c.credential(b.PublicKey, &reply); err != nil {
		reply.Refused = err.Error()
		c.refuseFor(ctx, err)
		return reply
	}
	c.heard(ctx, b)
	if b.Account.ID == 0 {
		if c.takenFrom(b.Worker) {
			reply.Refused, reply.Secret = "the account is read by another worker", nil
		}
		return reply
	}
	if err := c.admitAccount(ctx, b.Account); err != nil {
		reply.Refused = err.Error()
		return reply
	}
	if err := s.lease(ctx, c, b, &reply); err != nil {
		reply.Refused = err.Error()
		return reply
	}
	c.mended(ctx, b)
	if err := c.relearn(ctx, b); err != nil {
		c.logger().Warn("the account's streams are not known yet", "error", err)
	}
	for _, p := range b.Runs {
		if p.End == nil {
			continue
		}
		if err := s.End(ctx, *p.End); err != nil {
			c.logger().Warn("the end of a run was not taken", "error", err)
		}
	}
	c.progress(b, &reply)
	return reply
}

// takenFrom tells whether another worker reads the connection's account, so
// that this one does not even ask HubSpot whose it is.
func (c *connection) takenFrom(worker string) bool {
	c.mu.Lock()
	account := c.account.ID
	c.mu.Unlock()
	return c.service.leases.taken(account, worker)
}

// relearn takes the object types from a heartbeat where this process has not
// heard them: its predecessor had.
func (c *connection) relearn(ctx context.Context, b penstock.Beat) error {
	c.mu.Lock()
	known := len(c.streams) > 0
	c.mu.Unlock()
	if known || len(b.Found) == 0 {
		return nil
	}
	_, err := c.service.Discover(ctx, penstock.Discovery{Connection: b.Connection, Account: b.Account, Found: b.Found})
	return err
}

// credential seals the connection's token and its key to the worker.
func (c *connection) credential(publicKey string, reply *penstock.BeatReply) (err error) {
	if publicKey == "" {
		return nil
	}
	if len(c.HashKey) > 0 {
		if reply.HashKey, err = c.service.cfg.Seal(publicKey, string(c.HashKey)); err != nil {
			return err
		}
	}
	if c.Token == nil {
		return nil
	}
	token, err := c.Token()
	if err != nil {
		return err
	}
	reply.Secret, err = c.service.cfg.Seal(publicKey, token)
	return err
}

// spurned has a token replaced that HubSpot refused before its time, and is the
// trouble as it then is: one that heals, if another token comes.
func (c *connection) spurned(t *penstock.Trouble) *penstock.Trouble {
	if t == nil || t.Kind != refusedToken || c.Refused == nil || !c.Refused() {
		return t
	}
	healing := *t
	healing.Heals, healing.Remedy = true, "nothing is lost: another access token is asked for"
	return &healing
}

// refuseFor shows why there is no token to hand out. A credential that heals by
// itself fails no catch-up: that has a patience of its own.
func (c *connection) refuseFor(ctx context.Context, err error) {
	var t *penstock.Trouble
	switch {
	case !errors.As(err, &t):
		c.refuse(ctx, penstock.Trouble{Kind: "credential", Message: err.Error(), Heals: true,
			Remedy: "give the connection a token that can be read"})
	case t.Heals:
		c.show(ctx, *t)
	default:
		c.refuse(ctx, *t)
	}
}

// heard notes that a worker speaks of the connection, and its trouble.
func (c *connection) heard(ctx context.Context, b penstock.Beat) {
	c.mu.Lock()
	c.worker, c.seen = b.Worker, time.Now()
	c.mu.Unlock()
	if b.Trouble != nil {
		c.refuse(ctx, *b.Trouble)
	}
}

// mended notes that the worker that holds the account has nothing to complain
// of any more.
func (c *connection) mended(ctx context.Context, b penstock.Beat) {
	c.mu.Lock()
	was := b.Trouble == nil && c.loader.down.Load() == nil && (c.refused != "" || !c.wasRead) // an earlier process may have left one
	if was {
		c.refused, c.wasRead = "", true
	}
	c.mu.Unlock()
	if was {
		c.resolve(ctx, laneID{})
	}
}

// refuse shows what keeps the whole connection from being read, and ends the
// catch-up that cannot succeed.
func (c *connection) refuse(ctx context.Context, t penstock.Trouble) {
	c.show(ctx, t)
	c.failCatchup(t)
}

// show shows once what keeps the whole connection from being read.
func (c *connection) show(ctx context.Context, t penstock.Trouble) {
	c.mu.Lock()
	known := c.refused == t.Message
	c.refused = t.Message
	c.mu.Unlock()
	if !known {
		c.report(ctx, laneID{}, t)
	}
}

// admitAccount keeps another account out of the warehouse (V4).
func (c *connection) admitAccount(ctx context.Context, account penstock.Account) error {
	c.mu.Lock()
	known := c.account
	c.mu.Unlock()
	if known.ID == account.ID {
		return nil
	}
	if known.ID != 0 {
		t := penstock.Trouble{
			Kind: "other_account",
			Message: fmt.Sprintf("the token belongs to HubSpot account %d, but connection %q reads account %d",
				account.ID, c.Name, known.ID),
			Remedy: "use a token of the first account, or add a second connection with a warehouse of its own to penstock.yaml",
		}
		c.refuse(ctx, t)
		return &t
	}
	if err := c.loader.lock(ctx); err != nil {
		return err
	}
	defer c.loader.unlock()
	if err := c.loader.claimNow(ctx, account.ID); err != nil {
		c.loader.failed(ctx, err)
		if t := c.loader.down.Load(); !t.Heals {
			c.refuse(ctx, *t)
		}
		return err
	}
	if err := c.service.cfg.Catalog.SetAccount(ctx, c.Name, account); err != nil {
		return err
	}
	c.mu.Lock()
	c.account = account
	c.mu.Unlock()
	return nil
}

// lease gives the account to the worker, keeps it for it, or says who has it.
func (s *Service) lease(ctx context.Context, c *connection, b penstock.Beat, reply *penstock.BeatReply) error {
	l := &s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	held, err := s.holder(ctx, b.Account.ID)
	if err != nil {
		return err
	}
	if held.worker != b.Worker {
		if held.worker != "" && time.Now().Before(held.until) {
			return fmt.Errorf("account %d is read by another worker", b.Account.ID)
		}
		if !c.loader.claimed.Load() {
			return errors.New("the warehouse has not told yet which stamps it holds")
		}
		if held, err = s.newHolder(ctx, b); err != nil {
			return err
		}
	}
	held.until = time.Now().Add(s.cfg.Lease)
	held.told = max(held.told, b.Stamp)
	held.used = max(held.used, held.told)
	if held.used > held.to-stampBlock/2 {
		held.to = held.used + stampBlock
		if err := s.cfg.Catalog.RaiseCeiling(ctx, b.Account.ID, held.to); err != nil {
			return err
		}
	}
	if err := s.keepSpent(ctx, b, &held); err != nil {
		return err
	}
	l.held[b.Account.ID] = held
	reply.StampFrom, reply.Spent = held.from, held.before
	reply.Lease = s.cfg.Lease
	return nil
}

// raiseStamps has the account's workers use stamps above top only: a warehouse
// may know newer ones than the catalog, which may be an older copy.
func (s *Service) raiseStamps(ctx context.Context, account, top int64) error {
	l := &s.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.cfg.Catalog.RaiseCeiling(ctx, account, top+stampBlock); err != nil {
		return err
	}
	if held, known := l.held[account]; known && held.used < top {
		held.from, held.used = top+1, top
		l.held[account] = held
	}
	return nil
}

// holder is the account's lease. After a restart the remembered worker counts
// as its holder for as long as a lease lasts; its stamps go on above all that
// anybody was allowed, because the catalog may be an older copy.
func (s *Service) holder(ctx context.Context, account int64) (lease, error) {
	held, known := s.leases.held[account]
	if known {
		return held, nil
	}
	worker, err := s.cfg.Catalog.Lease(ctx, account)
	if err != nil || worker == "" {
		return lease{}, err
	}
	held = lease{worker: worker, until: time.Now().Add(s.cfg.Lease)}
	if held.used, err = s.cfg.Catalog.Ceiling(ctx, account); err != nil {
		return lease{}, err
	}
	held.from, held.to = held.used+1, held.used
	held.spent, err = s.cfg.Catalog.Spent(ctx, account)
	s.leases.held[account] = held
	return held, err
}

// newHolder begins a lease above every stamp that was ever given out.
func (s *Service) newHolder(ctx context.Context, b penstock.Beat) (lease, error) {
	if err := s.cfg.Catalog.SetLease(ctx, b.Account.ID, b.Worker); err != nil {
		return lease{}, err
	}
	ceiling, err := s.cfg.Catalog.Ceiling(ctx, b.Account.ID)
	if err != nil {
		return lease{}, err
	}
	held := lease{worker: b.Worker, from: max(ceiling, b.Stamp) + 1}
	held.used, held.to = held.from-1, held.from-1
	held.before, err = s.cfg.Catalog.Spent(ctx, b.Account.ID)
	held.spent = held.before
	return held, err
}

// keepSpent stores the day's calls, so that a restart does not forget them
// (Q1). The worker counts on from what the reply tells it.
func (s *Service) keepSpent(ctx context.Context, b penstock.Beat, held *lease) error {
	if b.Spent.Day == "" || (b.Spent.Day == held.spent.Day && b.Spent.Calls <= held.spent.Calls) {
		return nil
	}
	held.spent = b.Spent
	return s.cfg.Catalog.SetSpent(ctx, b.Account.ID, b.Spent)
}

// progress takes note of the worker's runs and says how they stand here.
func (c *connection) progress(b penstock.Beat, reply *penstock.BeatReply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply.Epoch = c.epoch
	for _, p := range b.Runs {
		r := c.runs[p.Grant]
		if r == nil {
			reply.Runs = append(reply.Runs, penstock.RunStatus{
				Grant: p.Grant, Committed: c.ended.of(p.Grant), Ended: "the run is over here",
			})
			continue
		}
		r.beat, r.read, r.total = time.Now(), p.Read, p.Total
		for _, m := range p.Published {
			if m.Seq > r.published[m.Range] {
				r.published[m.Range] = m.Seq
				r.moved, r.passed = time.Now(), false
			}
		}
		stop := !c.running() && !c.catchup.covers(r.stream) && !(c.verifying > 0 && r.laneID.lane == penstock.Named)
		reply.Runs = append(reply.Runs, penstock.RunStatus{Grant: p.Grant, Committed: marks(r.committed), Stop: stop})
	}
	for _, r := range c.related {
		reply.Streams = append(reply.Streams, r.stream)
	}
	for _, l := range c.lanes {
		if l.due {
			reply.Wanted = append(reply.Wanted, l.stream)
		}
	}
}
