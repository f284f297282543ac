package postgres

import (
	"context"
	"errors"
	"sync"
)

const readerCount = 3 // each for lookups and for scans

// readers are the sessions that only read. They see whole transactions and
// never wait for the loader.
type readers struct {
	address *address
	places  chan struct{} // one for each session there may be

	mu     sync.Mutex
	free   []*conn
	closed bool
}

var errClosed = errors.New("the warehouse is closed")

func newReaders(a *address) *readers {
	return &readers{address: a, places: make(chan struct{}, readerCount)}
}

func (r *readers) take(ctx context.Context) (*conn, error) {
	select {
	case r.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r.mu.Lock()
	var c *conn
	if n := len(r.free); n > 0 {
		c, r.free = r.free[n-1], r.free[:n-1]
	}
	closed := r.closed
	r.mu.Unlock()
	var err error
	switch {
	case closed:
		err = errClosed
	case c == nil:
		c, err = connect(ctx, r.address)
	default:
		c.ctx = ctx
	}
	if err != nil {
		<-r.places
	}
	return c, err
}

// put gives a session back. One that broke takes the others that nobody uses
// with it: the server has most likely been away.
func (r *readers) put(c *conn) error {
	defer func() { <-r.places }()
	return closeAll(r.keep(c))
}

// keep returns the sessions that are to be closed.
func (r *readers) keep(c *conn) (stale []*conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.idle() && !r.closed {
		r.free = append(r.free, c)
		return nil
	}
	stale, r.free = append(r.free, c), nil
	return stale
}

func closeAll(sessions []*conn) error {
	var err error
	for _, c := range sessions {
		err = errors.Join(err, c.close())
	}
	return err
}

func (r *readers) close() error {
	r.mu.Lock()
	free := r.free
	r.closed, r.free = true, nil
	r.mu.Unlock()
	return closeAll(free)
}

// read runs f in one snapshot. A schema that nobody has claimed yet has
// nothing to read: f is not called.
func (r *readers) read(ctx context.Context, f func(*conn) error) (err error) {
	c, claimed, err := r.begin(ctx)
	if c == nil {
		return err
	}
	defer func() {
		if !c.pg.IsBusy() {
			err = errors.Join(err, c.rollback())
		}
		err = errors.Join(err, r.put(c))
	}()
	if err == nil && claimed {
		err = f(c)
	}
	return explain(ctx, err, r.address)
}

// begin takes a session and begins a transaction in it, in another one if it
// turns out to be broken, as all are after the server was away.
func (r *readers) begin(ctx context.Context) (c *conn, claimed bool, err error) {
	for range readerCount + 1 {
		if c, err = r.take(ctx); err != nil {
			return nil, false, err
		}
		c.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		err = c.query("SELECT to_regclass($1) IS NOT NULL", func(found row) error {
			claimed = found.bool(0)
			return nil
		}, quote(r.address.schema)+"._penstock_meta")
		if err == nil || !c.pg.IsClosed() || ctx.Err() != nil {
			return c, claimed, err
		}
		err = explain(ctx, errors.Join(err, r.put(c)), r.address)
	}
	return nil, false, err
}
