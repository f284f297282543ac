package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// remembering reads the histories of objects.
type remembering struct {
	following
	of    []string // objects read, whose versions are in hand or published
	stamp int64    // before the first of them was asked for
	read  int      // objects that are done with
}

// history reads the histories of the objects that the grant names.
func (r *run) history() error {
	if err := r.knowProperties(); err != nil {
		return err
	}
	rules := r.h.rulesOf(r.stream)
	if err := rules.keyed(); err != nil {
		return err
	}
	r.stream.Properties = slices.DeleteFunc(slices.Clone(r.stream.Properties), func(name string) bool {
		return slices.Contains(rules.LeaveOut, name)
	})
	table := shape.HistoryTable(r.stream)
	table.Hashed, table.HashKey = rules.Hash, rules.key
	r.use(table)
	f, err := r.following()
	if err != nil {
		return err
	}
	m := &remembering{following: f}
	m.total.Store(int64(len(f.ids)))
	for m.read < len(m.ids) {
		ids := m.ids[m.read:min(len(m.ids), m.read+m.most())]
		stamp := r.h.nextStamp()
		unread, err := m.objects(ids)
		if err != nil {
			return m.keepHand(err, m.flush)
		}
		for _, id := range ids {
			if slices.Contains(unread, id) {
				m.doubt(id, stamp)
				continue
			}
			if len(m.of) == 0 {
				m.stamp = stamp
			}
			m.of = append(m.of, id)
		}
		m.read += len(ids)
		m.root.read.Add(int64(len(ids)))
		if m.full() || len(m.of)+len(m.doubts) >= penstock.MaxBatchRows {
			if err := m.flush(); err != nil {
				return err
			}
		}
	}
	if len(m.of)+len(m.doubts) > 0 || m.rows > 0 || m.reached(m.read) != r.cursor || r.seq == 0 {
		return m.flush()
	}
	return nil
}

// errNoProperty says that a property was chosen that there is not.
var errNoProperty = errors.New("the object type does not have the properties")

// knowProperties refuses properties that the type does not have: HubSpot would
// leave them out of its answers without a word.
func (r *run) knowProperties() error {
	there, err := r.h.lists.of(r.ctx, r.h.client, r.stream.ObjectType, definitionsFor)
	if err != nil {
		return ofType(err)
	}
	var unknown []string
	for _, name := range r.stream.Properties {
		if !slices.ContainsFunc(there, func(p hubspot.Property) bool { return p.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%w whose history is to be kept: %s", errNoProperty, strings.Join(unknown, ", "))
	}
	return nil
}

// most is how many objects to ask for at once.
func (m *remembering) most() int { return min(hubspot.MaxHistory, m.run.most()) }

// flush emits the rows in hand, and names the objects that they complete.
func (m *remembering) flush() error {
	d := draft{after: m.reached(m.read)}
	if len(m.of) > 0 {
		d.inventory = &penstock.Inventory{Of: m.of, Stamp: m.stamp}
	}
	m.of = nil
	return m.send(d)
}

// objects reads histories: live objects, else archived ones. What HubSpot
// names as not found in both has none, nor has what lives on under another id;
// what it says nothing of is asked for again, and comes back if that stays so.
func (m *remembering) objects(ids []string) (unread []string, err error) {
	for tries := 0; len(ids) > 0 && tries <= pageTries; tries++ {
		if tries > 0 && !sleep(m.ctx, retryFirst<<tries) {
			return nil, context.Cause(m.ctx)
		}
		missing, left, err := m.ask(ids, false)
		if err != nil {
			return nil, err
		}
		archivedToo, silent, err := m.ask(slices.Concat(missing, left), true)
		if err != nil {
			return nil, err
		}
		for _, id := range archivedToo {
			if !slices.Contains(missing, id) {
				silent = append(silent, id)
			}
		}
		ids = nil
		for _, id := range silent {
			there, err := m.isThere(id)
			if err != nil {
				return nil, err
			}
			if there {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// ask reads the histories of live or of archived objects: missing are those
// that HubSpot names as not found, silent those of which it says nothing.
func (m *remembering) ask(ids []string, archived bool) (missing, silent []string, err error) {
	for len(ids) > 0 {
		some := ids[:min(len(ids), m.most())]
		page, err := m.h.client.History(m.ctx, hubspot.HistoryRequest{
			Type: m.stream.ObjectType, IDs: some, Properties: m.stream.Properties, Archived: archived,
		})
		if m.heavy(page, err) && len(some) > 1 {
			continue
		}
		if err != nil {
			return nil, nil, ofType(err)
		}
		answered, err := m.add(page)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range some {
			switch {
			case slices.Contains(answered, id):
			case slices.Contains(page.Missing, id):
				missing = append(missing, id)
			default:
				silent = append(silent, id)
			}
		}
		ids = ids[len(some):]
	}
	return missing, silent, nil
}

// add appends an answer's versions, in as many batches as they need.
func (m *remembering) add(page *hubspot.Page) (ids []string, err error) {
	m.h.clock.saw(page.Date)
	ids, versions, err := m.builder.History(page)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadPage, err)
	}
	for range versions {
		if m.crowded() {
			if err := m.flush(); err != nil {
				return nil, err
			}
		}
		m.rows++
	}
	return ids, nil
}

// isThere tells whether the object still answers for its own id.
func (m *remembering) isThere(id string) (bool, error) {
	page, err := m.h.client.Read(m.ctx, hubspot.ReadRequest{Type: m.stream.ObjectType, ID: id})
	if hubspot.KindOf(err) == hubspot.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ids, err := idsOf(page)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errBadPage, err)
	}
	return slices.Contains(ids, id), nil
}
