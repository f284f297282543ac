package datastreams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock"
)

// The errors of questions about HubSpot.
var (
	// ErrNoWorker says that no worker holds the account, or that its answer was lost.
	ErrNoWorker = errors.New("no worker that reads the HubSpot account answered")
	// ErrNoStream says that the account has no such stream.
	ErrNoStream = errors.New("there is no such stream")
	// ErrNotObjects says that a stream holds no objects that can be asked for by id.
	ErrNotObjects = errors.New("only objects such as contacts can be asked for by id")
)

// lookWithin is how long a worker that has just begun may take to look at the
// account.
const lookWithin = 30 * time.Second

// How long a worker may take to get hold of the account, and to say that it
// has: without a call to HubSpot it answers at once.
const (
	holdWithin  = 10 * time.Second
	knockWithin = time.Second
)

// ask asks the worker that holds the connection's account. Whether one does is
// asked before, again and again for a while: a question that is heard by nobody
// but workers that are about to hold it would wait for its deadline.
func (c *connection) ask(ctx context.Context, q penstock.Question) (penstock.Answer, error) {
	for began := time.Now(); ; {
		knocking, cancel := context.WithTimeout(ctx, knockWithin)
		_, err := c.service.cfg.Bus.Ask(knocking, penstock.Question{Connection: c.Name})
		cancel()
		if err == nil {
			break
		}
		if time.Since(began) > holdWithin || !sleep(ctx, tickEvery) {
			return penstock.Answer{}, fmt.Errorf("%w: %w", ErrNoWorker, err)
		}
	}
	q.Connection = c.Name
	a, err := c.service.cfg.Bus.Ask(ctx, q)
	switch {
	case err != nil && ctx.Err() == nil:
		return a, fmt.Errorf("%w: %w", ErrNoWorker, err)
	case err != nil:
		return a, err
	case a.Trouble != nil:
		return a, a.Trouble
	}
	return a, nil
}

// looked are the account's streams, once a worker has looked at it.
func (c *connection) looked(ctx context.Context) ([]penstock.Stream, error) {
	for began := time.Now(); ; {
		c.mu.Lock()
		streams, refused := slices.Clone(c.streams), c.refused
		c.mu.Unlock()
		switch {
		case len(streams) > 0:
			return streams, nil
		case refused != "":
			return nil, fmt.Errorf("%w: %s", ErrNoWorker, refused)
		case time.Since(began) > lookWithin:
			return nil, fmt.Errorf("%w: it has not looked at the account within %s", ErrNoWorker, lookWithin)
		case !sleep(ctx, tickEvery):
			return nil, ctx.Err()
		}
	}
}

// stream is the one of the name: as a worker found it, else as the warehouse
// holds it.
func (c *connection) stream(ctx context.Context, name string) (penstock.Stream, error) {
	c.mu.Lock()
	known := slices.Clone(c.streams)
	c.mu.Unlock()
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return penstock.Stream{}, fmt.Errorf("the warehouse does not answer: %w", err)
	}
	for _, t := range tables {
		known = append(known, t.Stream)
	}
	named := func(s penstock.Stream) bool { return strings.EqualFold(s.Name, name) }
	i := slices.IndexFunc(known, named)
	if i < 0 {
		if known, err = c.looked(ctx); err != nil {
			return penstock.Stream{}, err
		}
		if i = slices.IndexFunc(known, named); i < 0 {
			return penstock.Stream{}, fmt.Errorf("%w: %q", ErrNoStream, name)
		}
	}
	if known[i].Family != penstock.Objects {
		return known[i], fmt.Errorf("%w, and not %s", ErrNotObjects, name)
	}
	return known[i], nil
}

// Probe tries what is assumed of HubSpot on the chosen stream with the most
// rows, and tells what was learnt of how late the search index is.
func (s *Service) Probe(ctx context.Context, connection string) ([]penstock.Finding, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	streams, err := c.looked(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("the warehouse does not answer: %w", err)
	}
	rows := map[string]int64{}
	for _, t := range tables {
		rows[t.Stream.Name] = t.Rows
	}
	best := penstock.Stream{}
	for _, stream := range streams {
		if stream.Family != penstock.Objects || stream.Whole || !c.Chosen(stream.Name) {
			continue
		}
		if best.Name == "" || rows[stream.Name] > rows[best.Name] {
			best = stream
		}
	}
	late, err := c.lateness(ctx)
	if err != nil || best.Name == "" {
		return []penstock.Finding{late}, err
	}
	a, err := c.ask(ctx, penstock.Question{Stream: best, For: penstock.ForProbe, Probe: true})
	return append(a.Findings, late), err
}

// lateness is what the fresh lanes have shown of the search index.
func (c *connection) lateness(ctx context.Context) (penstock.Finding, error) {
	learnt, _, err := c.service.cfg.Catalog.Lateness(ctx, c.Name)
	if err != nil {
		return penstock.Finding{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found := penstock.Finding{Assumed: fmt.Sprintf("the search index is at most %s late", c.Lag), Result: penstock.Unknown,
		Text: "nothing has been followed yet that could show it"}
	for id, l := range c.lanes {
		if id.lane == penstock.Fresh && !l.doneAt.IsZero() {
			found.Result, found.Text = penstock.Holds, "no change was found later than that"
		}
	}
	if learnt > 0 {
		found.Result = penstock.DoesNotHold
		found.Text = fmt.Sprintf("a change was found later than was thought; the lag was raised to %s", learnt)
	}
	return found, nil
}
