package worker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// unpipelinedFor is how long a type without pipelines is not asked for them.
const unpipelinedFor = 24 * time.Hour

// ownersMost bounds the owners held in memory at once.
const ownersMost = 200_000

// family reads a small family: whole, or by the keys that something wants.
func (r *run) family() error {
	tables := map[penstock.Family]func() penstock.Table{
		penstock.Owners: shape.OwnersTable, penstock.Pipelines: shape.PipelinesTable,
		penstock.PipelineStages: shape.StagesTable, penstock.Properties: shape.PropertiesTable,
		penstock.PropertyOptions: shape.OptionsTable,
	}
	table := tables[r.stream.Family]
	if table == nil {
		return fmt.Errorf("family %q is not one that this worker knows: it is older than data-streams", r.stream.Family)
	}
	r.use(table())
	if r.lane == penstock.Named {
		return r.familyNamed()
	}
	if r.stream.Family == penstock.Owners {
		return r.owners()
	}
	return r.perType()
}

// owners reads all owners, archived ones too, in the order of their keys.
func (r *run) owners() error {
	var all hubspot.OwnerPage
	for _, archived := range []bool{false, true} {
		for after := ""; ; {
			page, err := r.h.client.Owners(r.ctx, after, archived)
			if err != nil {
				return err
			}
			if all.Stamp == 0 {
				all.Stamp = page.Stamp
			}
			all.Date = page.Date
			all.Owners = append(all.Owners, page.Owners...)
			if page.Next == "" {
				break
			}
			if page.Next == after || len(all.Owners) > ownersMost {
				return fmt.Errorf("%w: the list of owners does not end", errBadPage)
			}
			after = page.Next
		}
	}
	slices.SortFunc(all.Owners, func(a, b hubspot.Owner) int { return strings.Compare(a.ID, b.ID) })
	s := section{stamp: all.Stamp, add: func(from, to int) {
		r.builder.Owners(hubspot.OwnerPage{Owners: all.Owners[from:to], Date: all.Date, Stamp: all.Stamp}, penstock.ByList)
	}}
	for _, o := range all.Owners {
		s.keys, s.rows = append(s.keys, o.ID), append(s.rows, 1)
	}
	return r.section(s)
}

// section is all there is of a family for one object type, sorted: a whole
// answer, which proves what it does not name.
type section struct {
	objectType string // the stream's name; empty for a family that has none
	keys       []string
	rows       []int // that each key makes
	stamp      int64
	add        func(from, to int)
}

// section emits the batches of a section, each with the stretch it proves.
func (r *run) section(s section) error {
	for from := 0; ; {
		to, rows := from, 0
		for to < len(s.keys) && (to == from || rows+s.rows[to] <= penstock.MaxBatchRows) {
			rows += s.rows[to]
			to++
		}
		s.add(from, to)
		inv := &penstock.Inventory{Stamp: s.stamp}
		if from > 0 {
			inv.From = r.bound(s.objectType, s.keys[from])
		} else if s.objectType != "" {
			inv.From = r.bound(s.objectType, "")
		}
		if to < len(s.keys) {
			inv.To = r.bound(s.objectType, s.keys[to])
		} else if s.objectType != "" {
			inv.To = r.bound(s.objectType+"\x00", "")
		}
		if err := r.emit(draft{inventory: inv}); err != nil {
			return err
		}
		if to == len(s.keys) {
			return nil
		}
		from = to
	}
}

// bound is the lowest key of the stream that begins so.
func (r *run) bound(objectType, key string) penstock.Key {
	parts := penstock.Key{key}
	if objectType != "" {
		parts = penstock.Key{objectType, key}
	}
	for len(parts) < len(r.stream.Key()) {
		parts = append(parts, "")
	}
	return parts
}

// perType reads a family type by type. A type that the credential may not read
// is passed over: its rows stay.
func (r *run) perType() error {
	r.h.mu.Lock()
	streams := slices.SortedFunc(maps.Values(r.h.streams), func(a, b penstock.Stream) int { return strings.Compare(a.Name, b.Name) })
	r.h.mu.Unlock()
	var failed error
	read := 0
	for _, s := range streams {
		err := r.oneType(s)
		switch hubspot.KindOf(err) {
		case hubspot.Forbidden:
			failed = err
			continue
		case hubspot.NotFound, hubspot.BadRequest:
			continue
		}
		if err != nil {
			return err
		}
		read++
	}
	if read == 0 {
		return failed
	}
	return nil
}

func (r *run) oneType(s penstock.Stream) error {
	if r.stream.Family == penstock.Properties || r.stream.Family == penstock.PropertyOptions {
		list, err := r.h.lists.of(r.ctx, r.h.client, s.ObjectType, definitionsNow)
		if err != nil {
			return err
		}
		return r.definitions(s.Name, list)
	}
	page, known, err := r.h.pipes.of(r.ctx, r.h.client, s.ObjectType)
	if err != nil || !known {
		return err
	}
	return r.pipelines(s.Name, page)
}

// definitions emits the properties of a type, or their options.
func (r *run) definitions(objectType string, list []hubspot.Property) error {
	if len(list) == 0 {
		return nil
	}
	s := section{objectType: objectType, stamp: list[0].Stamp}
	for _, p := range list {
		s.stamp = min(s.stamp, p.Stamp)
		s.keys = append(s.keys, p.Name)
		if r.stream.Family == penstock.Properties {
			s.rows = append(s.rows, 1)
		} else {
			s.rows = append(s.rows, len(p.Options))
		}
	}
	s.add = func(from, to int) {
		if r.stream.Family == penstock.Properties {
			r.builder.Properties(objectType, list[from:to], penstock.ByList)
		} else {
			r.builder.Options(objectType, list[from:to], penstock.ByList)
		}
	}
	return r.section(s)
}

// pipelines emits the pipelines of a type, or their stages.
func (r *run) pipelines(objectType string, page hubspot.PipelinePage) error {
	all := slices.Clone(page.Pipelines)
	slices.SortFunc(all, func(a, b hubspot.Pipeline) int { return strings.Compare(a.ID, b.ID) })
	s := section{objectType: objectType, stamp: page.Stamp}
	for _, p := range all {
		s.keys = append(s.keys, p.ID)
		if r.stream.Family == penstock.Pipelines {
			s.rows = append(s.rows, 1)
		} else {
			s.rows = append(s.rows, len(p.Stages))
		}
	}
	s.add = func(from, to int) {
		part := hubspot.PipelinePage{Pipelines: all[from:to], Date: page.Date, Stamp: page.Stamp}
		if r.stream.Family == penstock.Pipelines {
			r.builder.Pipelines(objectType, part, penstock.ByList)
		} else {
			r.builder.Stages(objectType, part, penstock.ByList)
		}
	}
	return r.section(s)
}

// familyNamed asks for each wanted key by itself.
func (r *run) familyNamed() error {
	for _, w := range r.grant.Wanted {
		key, err := penstock.ParseKey(w.Key, len(r.stream.Key()))
		if err != nil {
			return err
		}
		stamp := r.h.nextStamp()
		err = r.lookUp(key)
		if kind := hubspot.KindOf(err); kind == hubspot.NotFound || errors.Is(err, errNotThere) {
			r.builder.Missing(key, r.h.clock.now(), stamp)
			err = nil
		}
		if err != nil {
			return err
		}
		if r.full() {
			if err := r.emit(draft{}); err != nil {
				return err
			}
		}
	}
	return r.emit(draft{})
}

// errNotThere says that the answer about what holds a key does not hold it.
var errNotThere = errors.New("HubSpot's answer does not hold it")

// lookUp reads what one key names.
func (r *run) lookUp(key penstock.Key) error {
	c := r.h.client
	if r.stream.Family == penstock.Owners {
		page, err := c.Owner(r.ctx, key[0], false)
		if hubspot.KindOf(err) == hubspot.NotFound {
			page, err = c.Owner(r.ctx, key[0], true)
		}
		if err == nil {
			r.builder.Owners(page, penstock.ByID)
		}
		return err
	}
	r.h.mu.Lock()
	s, known := r.h.streams[key[0]]
	r.h.mu.Unlock()
	if !known {
		return errNotThere // a type that is no longer in the account
	}
	switch r.stream.Family {
	case penstock.Pipelines:
		page, err := c.Pipeline(r.ctx, s.ObjectType, key[1])
		if err == nil {
			r.builder.Pipelines(key[0], page, penstock.ByID)
		}
		return err
	case penstock.PipelineStages:
		page, err := c.Stage(r.ctx, s.ObjectType, key[1], key[2])
		if err == nil {
			r.builder.Stage(key[0], key[1], page)
		}
		return err
	}
	return r.lookUpDefinition(s, key)
}

// lookUpDefinition reads one property, live or archived; an option is there
// when its property has it.
func (r *run) lookUpDefinition(s penstock.Stream, key penstock.Key) error {
	p, err := r.h.client.Property(r.ctx, s.ObjectType, key[1], false)
	if hubspot.KindOf(err) == hubspot.NotFound {
		p, err = r.h.client.Property(r.ctx, s.ObjectType, key[1], true)
	}
	if err != nil {
		return err
	}
	if r.stream.Family == penstock.Properties {
		r.builder.Properties(key[0], []hubspot.Property{p}, penstock.ByID)
		return nil
	}
	has := slices.ContainsFunc(p.Options, func(o hubspot.Option) bool { return o.Value == key[2] })
	if !has {
		return errNotThere
	}
	r.builder.Options(key[0], []hubspot.Property{p}, penstock.ByID)
	return nil
}
