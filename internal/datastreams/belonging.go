package datastreams

import (
	"context"
	"slices"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// look asks the warehouse what it holds and wants: which streams belong to
// those that have rows, and which have keys to read. Workers learn both with
// their next heartbeat, again and again. False when the warehouse does not say.
func (c *connection) look(ctx context.Context) bool {
	if down := c.loader.down.Load(); !c.loader.claimed.Load() || down != nil && down != c.loader.dark.Load() {
		return false // the loader tries again
	}
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		c.loader.unread(ctx, err)
		c.news.Store(true) // look again soon
		return false
	}
	c.loader.read(ctx)
	if err := c.relate(ctx, tables); err != nil {
		c.logger().Warn("the streams that belong to others are not known yet", "error", err)
		return false
	}
	due, all, err := c.Store.Due(ctx, time.Now())
	if err != nil {
		return false
	}
	rows, deleted := map[string]int64{}, map[string]int64{}
	for _, t := range tables {
		rows[t.Stream.Name], deleted[t.Stream.Name] = t.Rows, t.Deleted
	}
	var stopped, going []string
	c.mu.Lock()
	c.deleted = deleted
	for _, stream := range c.streams {
		n := int64(0)
		for _, wanted := range due[stream.Name] {
			n += wanted
		}
		sweep := c.lane(laneID{stream.Name, penstock.Sweep})
		// What was asked for once is absent still, and what was found deleted
		// since counts as well: a sweep may find it page by page.
		absent := max(all[stream.Name][penstock.WantAbsent], int64(len(sweep.asked)))
		held := stops(absent, rows[stream.Name]) && !c.confirmed[stream.Name]
		switch {
		case held && sweep.held == 0:
			stopped = append(stopped, stream.Name)
		case !held && sweep.held > 0:
			going = append(going, stream.Name)
		}
		if sweep.held = 0; held {
			sweep.held = absent
			n -= due[stream.Name][penstock.WantAbsent]
		}
		if all[stream.Name][penstock.WantAbsent] == 0 && c.confirmed[stream.Name] {
			sweep.asked = nil
			going = append(going, stream.Name)
		}
		c.lane(laneID{stream.Name, penstock.Named}).due = n > 0 && c.reads(stream)
	}
	c.mu.Unlock()
	c.tellHeld(ctx, stopped, going, rows)
	return true
}

// reads tells whether the stream is one of those to read. One that belongs to
// another is listed only when it is.
func (c *connection) reads(stream penstock.Stream) bool {
	return stream.Of != "" || c.Chosen(stream.Name)
}

// relate finds the streams that belong to others: the links between each two
// types of which there are objects, and the histories that were asked for.
func (c *connection) relate(ctx context.Context, tables []warehouse.TableState) error {
	held := map[string]bool{}
	for _, t := range tables {
		held[t.Stream.Name] = t.Rows+t.Deleted > 0
	}
	c.mu.Lock()
	objects := slices.DeleteFunc(slices.Clone(c.discovered), func(s penstock.Stream) bool {
		return s.Family != penstock.Objects || !c.Chosen(s.Name) || !held[s.Name]
	})
	known := c.related
	c.mu.Unlock()
	candidates := slices.Concat(c.links(objects), c.histories(objects))
	same := slices.EqualFunc(candidates, known, func(a penstock.Stream, b candidate) bool {
		return a.Name == b.asked
	})
	if same {
		return nil
	}
	related, err := c.name(ctx, candidates)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.related, c.followers = related, map[string][]string{}
	for _, r := range related {
		c.followers[r.stream.Of] = append(c.followers[r.stream.Of], r.stream.Name)
	}
	c.list()
	return nil
}

// A candidate is a stream that belongs to another, with the name that it would
// have if nobody else had it.
type candidate struct {
	asked  string
	stream penstock.Stream
}

// list makes the connection's streams of what was discovered and what belongs
// to that; the caller holds mu.
func (c *connection) list() {
	c.streams = slices.Clone(c.discovered)
	if len(c.discovered) == 0 {
		return
	}
	for _, r := range c.related {
		c.streams = append(c.streams, r.stream)
	}
}

// links are the streams of links between the types. The one that HubSpot
// numbers lower is where they begin. With pairs among the chosen streams, these
// alone are read.
func (c *connection) links(objects []penstock.Stream) []penstock.Stream {
	objects = slices.Clone(objects)
	slices.SortFunc(objects, func(a, b penstock.Stream) int { return byType(a.ObjectType, b.ObjectType) })
	var all, chosen []penstock.Stream
	for i, from := range objects {
		for _, to := range objects[i:] {
			pair := penstock.Stream{
				Name: from.Name + "_" + to.Name, Family: penstock.Associations,
				ObjectType: from.ObjectType, ToType: to.ObjectType, Of: from.Name,
			}
			all = append(all, pair)
			if len(c.Streams) > 0 && c.Chosen(pair.Name) {
				chosen = append(chosen, pair)
			}
		}
	}
	if len(chosen) > 0 {
		return chosen
	}
	return all
}

// byType orders object types such as 0-1 and 2-123456 by their numbers.
func byType(a, b string) int {
	if d := len(a) - len(b); d != 0 && a[:min(2, len(a))] == b[:min(2, len(b))] {
		return d
	}
	return strings.Compare(a, b)
}

// histories are the streams of what chosen properties were before.
func (c *connection) histories(objects []penstock.Stream) []penstock.Stream {
	var out []penstock.Stream
	for _, s := range objects {
		if properties := c.History[s.Name]; len(properties) > 0 {
			out = append(out, penstock.Stream{
				Name: s.Name + "_history", Family: penstock.PropertyHistory, ObjectType: s.ObjectType, Of: s.Name,
				Properties: properties,
			})
		}
	}
	return out
}

// nameMost bounds a stream's name: some warehouses take no more for a table's.
const nameMost = 60

// name gives each candidate its name, chosen once and kept.
func (c *connection) name(ctx context.Context, candidates []penstock.Stream) ([]candidate, error) {
	names, err := c.service.cfg.Catalog.StreamNames(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	for _, f := range families() {
		taken[f.Name] = true
	}
	related := make([]candidate, 0, len(candidates))
	for _, s := range candidates {
		asked, kind := s.Name, string(s.Family)+" "+s.ObjectType+" "+s.ToType
		name, chosen := names[kind]
		if !chosen {
			name = asked
			if taken[name] || len(name) > nameMost {
				name = name[:min(len(name), nameMost-20)] + "_" + strings.ReplaceAll(strings.TrimSpace(s.ObjectType+"_"+s.ToType), "-", "_")
			}
			if err := c.service.cfg.Catalog.NameStream(ctx, c.Name, kind, name); err != nil {
				return nil, err
			}
		}
		taken[name], s.Name = true, name
		related = append(related, candidate{asked, s})
	}
	return related, nil
}

// formerFollowers are the streams that belonged to others when they were named.
// Batches of runs that outlived the process come before anybody has looked at
// the account again.
func formerFollowers(names map[string]string) map[string][]string {
	followers := map[string][]string{}
	for kind, name := range names {
		if words := strings.Fields(kind); len(words) > 1 {
			of := names[words[1]]
			followers[of] = append(followers[of], name)
		}
	}
	return followers
}
