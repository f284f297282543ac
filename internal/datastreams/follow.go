package datastreams

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// A Follower is another warehouse of a connection. It is filled from the first
// one's rows: HubSpot is read once, and who follows slowly holds up nobody.
type Follower struct {
	Name  string // its address, without secrets
	Store warehouse.Store
}

// FollowerStatus is how a follower stands.
type FollowerStatus struct {
	Warehouse string `json:"warehouse" doc:"its address, without secrets"`
	State     string `json:"state" enum:"waiting,copying,up to date,down,refused" doc:"in one phrase"`
	Message   string `json:"message,omitempty" doc:"what is wrong, where something is"`
	Behind    int64  `json:"behind" doc:"loads of the first warehouse that it has not taken yet, of all tables"`
}

// The states of a follower.
const (
	followerWaits   = "waiting"
	followerCopies  = "copying"
	followerCurrent = "up to date"
	followerDown    = "down"
	followerRefused = "refused"
)

// followEvery is how often a follower looks for what is new.
const followEvery = 5 * time.Second

// follower is a Follower at work.
type follower struct {
	Follower
	c       *connection
	turn    sync.Mutex // held by a round and by a repair
	claimed bool
	asked   chan chan error // rounds that somebody waits for

	mu     sync.Mutex
	status FollowerStatus
}

func newFollower(c *connection, f Follower) *follower {
	return &follower{Follower: f, c: c, asked: make(chan chan error), status: FollowerStatus{Warehouse: f.Name, State: followerWaits}}
}

// show changes what is told of the follower.
func (f *follower) show(state, message string, behind int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.State, f.status.Message, f.status.Behind = state, message, behind
}

func (f *follower) shown() FollowerStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// run follows until ctx ends, whatever fails on the way. A warehouse that is
// somebody else's is left to them.
func (f *follower) run(ctx context.Context) error {
	refused := error(nil)
	for tries, wait := 0, time.Second; ; {
		var asker chan error
		select {
		case asker = <-f.asked:
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		err := refused
		if err == nil {
			err = f.round(ctx)
		}
		if asker != nil {
			asker <- err
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			tries, wait = 0, followEvery
		case refused == nil && errors.Is(err, errNotOurs):
			refused, wait = err, time.Hour
			f.show(followerRefused, err.Error(), f.shown().Behind)
			f.c.logger().Error("a follower is not loaded any more", "warehouse", f.Name, "error", err)
		case refused == nil:
			f.show(followerDown, err.Error(), f.shown().Behind)
			f.c.logger().Warn("a follower could not be loaded; trying again", "warehouse", f.Name, "error", err)
			wait = min(retryMost, time.Duration(1<<min(tries, 6))*time.Second)
			tries++
		}
	}
}

// errNotOurs says that a follower is somebody else's, or beyond this program.
var errNotOurs = errors.New("the follower is not loaded")

// fate tells what an error of the follower's own warehouse means for it.
func (f *follower) fate(err error) error {
	switch {
	case errors.Is(err, warehouse.ErrReplaced):
		f.claimed = false
	case errors.Is(err, warehouse.ErrFenced), errors.Is(err, warehouse.ErrOtherAccount),
		errors.Is(err, warehouse.ErrOtherInstallation), errors.Is(err, warehouse.ErrNewer):
		return fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return err
}

// followed waits until each follower has taken what the first warehouse holds
// now; an error names those that cannot.
func (c *connection) followed(ctx context.Context) error {
	errs := make([]error, len(c.following))
	var all sync.WaitGroup
	for i, f := range c.following {
		all.Go(func() {
			answer := make(chan error, 1)
			select {
			case f.asked <- answer:
				err := <-answer
				if err == nil && f.shown().State == followerWaits {
					err = errors.New("the first warehouse is away")
				}
				if err != nil {
					errs[i] = fmt.Errorf("the follower %s: %w", f.Name, err)
				}
			case <-ctx.Done():
				errs[i] = ctx.Err()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// round copies what the first warehouse holds now.
func (f *follower) round(ctx context.Context) error {
	f.c.mu.Lock()
	account := f.c.account.ID
	f.c.mu.Unlock()
	if account == 0 || !f.c.loader.claimed.Load() || f.c.loader.down.Load() != nil {
		f.show(followerWaits, "", f.shown().Behind)
		return nil
	}
	f.turn.Lock()
	defer f.turn.Unlock()
	if err := f.claim(ctx, account); err != nil {
		return err
	}
	tables, err := f.c.Store.Tables(ctx)
	if err != nil {
		return f.ofFirst(err)
	}
	// After the tables: what they say was committed is among these commits.
	claims, err := f.c.Store.Claims(ctx)
	if err != nil {
		return f.ofFirst(err)
	}
	if claims.Last() == "" {
		return nil
	}
	places := make([]copied, len(tables))
	behind := int64(0)
	for i, t := range tables {
		if places[i], err = f.place(ctx, t.Stream.Name, claims); err != nil {
			return err
		}
		behind += t.Load - places[i].Load
	}
	for i, t := range tables {
		if behind > 0 {
			f.show(followerCopies, "", behind)
		}
		left := behind - (t.Load - places[i].Load)
		if err := f.table(ctx, t, places[i], account); err != nil {
			return err
		}
		behind = left
	}
	f.show(followerCurrent, "", 0)
	return nil
}

// claim makes this process the follower's only loader; the caller holds turn.
func (f *follower) claim(ctx context.Context, account int64) error {
	if f.claimed {
		return nil
	}
	s := f.c.service
	if err := f.Store.Claim(ctx, warehouse.Claim{Loader: s.instance, Installation: s.cfg.Installation, Account: account}); err != nil {
		return f.fate(err)
	}
	f.claimed = true
	return nil
}

// ofFirst says that it is the first warehouse that fails.
func (f *follower) ofFirst(err error) error {
	return fmt.Errorf("the first warehouse cannot be read: %w", err)
}

// copied is how far a table of the first warehouse has been copied: the rows of
// all loads before Load, and of that one up to Key or, without one, all. The
// claim and the commits tell whether the first warehouse still is the one that
// they were copied from; each time it is not, everything is copied again, in
// another era.
type copied struct {
	Era     int64        `json:"era"`
	Load    int64        `json:"load"`
	Key     penstock.Key `json:"key,omitempty"`
	Claim   string       `json:"claim"`
	Commits int64        `json:"commits"`
	Columns int          `json:"columns"`
	Fresh   int64        `json:"fresh,omitempty"`
	Settled int64        `json:"settled,omitempty"`

	cursor penstock.Cursor // as committed
}

// eraBits are the bits of an order of copies that count loads.
const eraBits = 44

// order is the stamp of a copy: of two, the one of the later era counts, and
// within an era that of the later load.
func (p copied) order(load int64) int64 { return p.Era<<eraBits | load }

// place is how far a table has been copied.
func (f *follower) place(ctx context.Context, stream string, claims warehouse.Claims) (copied, error) {
	p := copied{Era: 1}
	heads, err := f.Store.Heads(ctx, stream, penstock.Follow)
	if err != nil {
		return p, err
	}
	if len(heads) > 0 {
		if err := json.Unmarshal([]byte(heads[0].Cursor), &p); err != nil {
			return p, fmt.Errorf("the place %q of %s cannot be read: %w", heads[0].Cursor, stream, err)
		}
		p.cursor = heads[0].Cursor
		if !claims.Have(p.Claim, p.Commits) {
			f.c.logger().Warn("the first warehouse is not the one that was copied from: its rows are copied again", "warehouse", f.Name, "stream", stream)
			p = copied{Era: p.Era + 1, cursor: p.cursor}
		}
	}
	p.Claim, p.Commits = claims.Last(), claims.Commits
	return p, nil
}

// batchesAtOnce is how many batches a transaction of a follower takes.
const batchesAtOnce = 10

// table copies what a table holds beyond the place.
func (f *follower) table(ctx context.Context, t warehouse.TableState, p copied, account int64) error {
	current := p.Load == t.Load && p.Key == nil && p.Columns == len(t.Columns) && p.Fresh == t.FreshAt && p.Settled == t.SettledAt
	if current {
		return nil
	}
	to := copying{f: f, table: t, place: p, grant: rand.Text()}
	for over := false; !over; {
		var items []warehouse.Item
		var err error
		for len(items) < batchesAtOnce && !over && err == nil {
			var b *penstock.Batch
			if b, over, err = to.next(ctx); err == nil {
				items = append(items, warehouse.Item{Batch: b, Current: to.grant})
			}
		}
		if err == nil {
			err = f.load(ctx, items, account)
		}
		for _, item := range items {
			item.Batch.Release()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errNotTaken says that the follower's place is not where it was a moment ago.
var errNotTaken = errors.New("the follower is not where it was: its place is read again")

func (f *follower) load(ctx context.Context, items []warehouse.Item, account int64) error {
	outcomes, err := f.Store.Load(ctx, items, warehouse.Moment{Now: time.Now(), Account: account})
	if err != nil {
		return f.fate(err)
	}
	for _, o := range outcomes {
		if o.Verdict != warehouse.Apply {
			return errNotTaken
		}
	}
	return nil
}
