package datastreams

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock"
)

// Discover takes what a worker found in the account and names its streams. A
// custom object's name is chosen once by its object type and kept.
func (s *Service) Discover(ctx context.Context, d penstock.Discovery) ([]penstock.Stream, error) {
	c := s.connections[d.Connection]
	if c == nil {
		return nil, errNoConnection(d.Connection)
	}
	names, err := s.cfg.Catalog.StreamNames(ctx, d.Connection)
	if err != nil {
		return nil, err
	}
	streams := families()
	taken := map[string]bool{}
	for _, f := range streams {
		taken[f.Name] = true
	}
	for _, name := range names {
		taken[name] = true
	}
	for _, f := range d.Found {
		name, chosen := names[f.ObjectType]
		if !chosen {
			name = streamName(f, taken)
			if err := s.cfg.Catalog.NameStream(ctx, d.Connection, f.ObjectType, name); err != nil {
				return nil, err
			}
		}
		taken[name] = true
		streams = append(streams, penstock.Stream{
			Name: name, Family: penstock.Objects, ObjectType: f.ObjectType, Whole: f.Whole,
		})
	}
	c.nameUnknown(ctx, streams)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.discovered = streams
	c.news.Store(true)
	c.list()
	return slices.Clone(c.streams), nil
}

// nameUnknown shows which chosen streams the account does not have: nothing
// would be read for them, and nobody would notice.
func (c *connection) nameUnknown(ctx context.Context, streams []penstock.Stream) {
	known := map[string]bool{}
	for _, s := range streams {
		known[strings.ToLower(s.Name)] = true
	}
	for _, s := range c.links(streams) {
		known[strings.ToLower(s.Name)] = true
	}
	var unknown []string
	for _, name := range c.Streams {
		if !known[strings.ToLower(name)] {
			unknown = append(unknown, name)
		}
	}
	for name := range c.History {
		if !known[strings.ToLower(name)] {
			unknown = append(unknown, name+" (history)")
		}
	}
	place := laneID{stream: "settings"}
	if len(unknown) == 0 {
		c.resolve(ctx, place)
		return
	}
	slices.Sort(unknown)
	c.report(ctx, place, penstock.Trouble{
		Kind: "unknown_stream", Message: "the account has no stream " + strings.Join(unknown, ", ") + ", which is chosen",
		Remedy: "`penstock streams` lists those that there are: correct streams and history in penstock.yaml",
	})
}

// families are the streams that every account has.
func families() []penstock.Stream {
	var out []penstock.Stream
	for _, f := range []penstock.Family{
		penstock.Owners, penstock.Pipelines, penstock.PipelineStages, penstock.Properties, penstock.PropertyOptions,
	} {
		out = append(out, penstock.Stream{Name: string(f), Family: f, Whole: true})
	}
	return out
}

// streamName is the object type's name as a table's name; custom_ before it,
// or its number behind, where another stream has it.
func streamName(f penstock.Found, taken map[string]bool) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, f.Name), "_")
	if name == "" || (name[0] >= '0' && name[0] <= '9') {
		name = "custom_" + name
	}
	name = name[:min(len(name), 40)]
	if taken[name] && !strings.HasPrefix(name, "custom_") {
		name = "custom_" + name
	}
	if taken[name] {
		name += "_" + strings.ReplaceAll(f.ObjectType, "-", "_")
	}
	return name
}

// Start has the connection fetched at once and then at each interval; zero
// keeps the interval. Starting twice is starting once: the interval alone
// changes.
func (s *Service) Start(ctx context.Context, connection string, every time.Duration) (penstock.Schedule, error) {
	c := s.connections[connection]
	if c == nil {
		return penstock.Schedule{}, errNoConnection(connection)
	}
	if every != 0 && (every < penstock.MinEvery || every > penstock.MaxEvery) {
		return penstock.Schedule{}, fmt.Errorf("an interval of %s is not possible: it must lie between %s and 30 days", every, penstock.MinEvery)
	}
	return c.reschedule(ctx, func(old penstock.Schedule) penstock.Schedule {
		next := old
		if every != 0 {
			next.Every = every
		}
		if !old.On {
			next.On, next.Since = true, time.Now()
		}
		return next
	})
}

// Stop pauses the connection: a batch in hand commits, and a backfill goes on
// where it stood after the next start.
func (s *Service) Stop(ctx context.Context, connection string) (penstock.Schedule, error) {
	c := s.connections[connection]
	if c == nil {
		return penstock.Schedule{}, errNoConnection(connection)
	}
	return c.reschedule(ctx, func(old penstock.Schedule) penstock.Schedule {
		if old.On {
			old.On, old.Since = false, time.Now()
		}
		return old
	})
}

// reschedule stores the schedule and then announces it (D1).
func (c *connection) reschedule(ctx context.Context, change func(penstock.Schedule) penstock.Schedule) (penstock.Schedule, error) {
	c.rescheduling.Lock()
	defer c.rescheduling.Unlock()
	c.mu.Lock()
	next := change(c.schedule)
	c.mu.Unlock()
	if err := c.service.cfg.Catalog.SetSchedule(ctx, c.Name, next); err != nil {
		return penstock.Schedule{}, fmt.Errorf("the schedule could not be stored and is unchanged: %w", err)
	}
	c.mu.Lock()
	c.schedule = next
	c.mu.Unlock()
	c.service.tell()
	return next, nil
}

// Backfill has all objects of a stream read again. Its rows stay and are
// brought up to date.
func (s *Service) Backfill(ctx context.Context, connection, stream string) error {
	c := s.connections[connection]
	if c == nil {
		return errNoConnection(connection)
	}
	id := laneID{stream, penstock.Backfill}
	c.mu.Lock()
	known := false
	for _, st := range c.streams {
		known = known || (st.Name == stream && !st.Whole)
	}
	r := c.lane(id).current
	c.mu.Unlock()
	if !known {
		return fmt.Errorf("stream %q has no backfill: it does not exist or is read whole each time", stream)
	}
	if r != nil {
		c.abandon(ctx, r, "the stream is to be read again from its beginning")
	}
	if err := c.loader.lock(ctx); err != nil {
		return err
	}
	defer c.loader.unlock()
	if err := c.Store.Restart(ctx, stream); err != nil {
		return err
	}
	c.observe(id, false)
	c.service.tell()
	return nil
}
