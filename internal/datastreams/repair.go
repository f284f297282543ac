package datastreams

import (
	"context"
	"errors"
	"fmt"
)

// Repair adds back what somebody has dropped of the connection's tables, in all
// its warehouses, and says what it did. What was dropped is read again.
func (s *Service) Repair(ctx context.Context, connection string) ([]string, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	done, err := c.repair(ctx)
	for _, f := range c.following {
		mended, followerErr := f.repair(ctx)
		for _, what := range mended {
			done = append(done, f.Name+": "+what)
		}
		if followerErr != nil {
			err = errors.Join(err, fmt.Errorf("the follower %s: %w", f.Name, followerErr))
		}
	}
	s.tell()
	return done, err
}

// repair mends the follower between two rounds.
func (f *follower) repair(ctx context.Context) ([]string, error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.c.mu.Lock()
	account := f.c.account.ID
	f.c.mu.Unlock()
	if err := f.claim(ctx, account); err != nil {
		return nil, err
	}
	return f.Store.Repair(ctx)
}

// repair mends the first warehouse. What its lanes knew of it holds no more, so
// it is claimed anew.
func (c *connection) repair(ctx context.Context) ([]string, error) {
	if err := c.loader.lock(ctx); err != nil {
		return nil, err
	}
	defer c.loader.unlock()
	c.mu.Lock()
	account := c.account.ID
	c.mu.Unlock()
	if !c.loader.claimed.Load() {
		if err := c.loader.claimNow(ctx, account); err != nil {
			return nil, err
		}
	}
	done, err := c.Store.Repair(ctx)
	if err != nil || len(done) == 0 {
		return done, err
	}
	return done, c.loader.claimNow(ctx, account)
}
