package hubspotsim

import (
	"cmp"
	"slices"
	"sort"
)

// A state says where an object is.
type state uint8

const (
	live     state = iota
	archived       // in the recycle bin
	merged         // answers with the winner
	erased         // answers with nothing
)

// A version is an object from one change to the next.
type version struct {
	state      state
	updated    int64             // ms since 1970
	archivedAt int64             // ms since 1970, 0 unless archived
	into       int64             // the winner's id, when merged
	values     map[string]string // what differs from the derived values; never changed
	drift      int64             // how often its own calculated values moved
	drifted    int64             // when they did last, ms since 1970
	cause      cause
	indexed    int64 // when the search index learns of it, ms since 1970
}

// A record is an object that differs from what the seed says, with as many of
// its versions as the search index may still be behind.
type record struct {
	table    *table
	id       int64
	index    int64 // of the base object, -1 for one that was created
	created  int64 // ms since 1970
	versions []version

	first map[string]string     // the values a created object began with
	cause cause                 // of that
	past  map[string][]revision // the values that changes set, by property, oldest first
}

func (r *record) now() *version { return &r.versions[len(r.versions)-1] }

// asIndexed is the version that the search index knew at the time; ok is
// false while the index still holds what was before the first.
func (r *record) asIndexed(at int64) (v *version, ok bool) {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if r.versions[i].indexed <= at {
			return &r.versions[i], true
		}
	}
	return nil, false
}

// put adds a version and forgets those that the index has left behind.
func (r *record) put(v version, at int64) {
	keep := 0
	for i := range r.versions {
		if r.versions[i].indexed <= at {
			keep = i
		}
	}
	r.versions = append(slices.Clone(r.versions[keep:]), v)
}

// A table is the objects of one type: those the seed says, under those that
// have changed.
type table struct {
	kind    kind
	seed    uint64
	hostile bool
	textIDs bool
	layout  layout
	props   *propertySet

	changed map[int64]*record
	order   []*record // the same, by id
	made    int64     // how many objects were created
	drifted drift
	top     int64 // the highest id so far
}

func newTable(k kind, o Options, base layout) *table {
	t := &table{
		kind: k, seed: base.seed, hostile: o.Hostile, textIDs: o.TextIDs, layout: base,
		props:   newPropertySet(k, propertiesOf(k, o.properties(k), o.Hostile)),
		changed: map[int64]*record{},
	}
	if base.n > 0 {
		t.top = base.id(base.n - 1)
	}
	return t
}

// A view is an object at one moment, ready to be shown.
type view struct {
	id, index        int64
	created, updated int64
	archivedAt       int64
	values           map[string]string
	drift, drifted   int64 // of calculated values: how often, and when last
}

func (t *table) baseView(i int64) view {
	created := t.layout.created.at(i)
	return view{
		id: t.layout.id(i), index: i, created: created, updated: t.layout.modified.at(i),
		drift: t.drifted.now(), drifted: max(created, t.drifted.last),
	}
}

func (r *record) view(v *version) view {
	all := &r.table.drifted
	return view{
		id: r.id, index: r.index, created: r.created, updated: v.updated, archivedAt: v.archivedAt, values: v.values,
		drift: all.now() + v.drift, drifted: max(r.created, all.last, v.drifted),
	}
}

// find gives the object as it is now; ok is false for an id that never was.
func (t *table) find(id int64) (v view, s state, ok bool) {
	if r := t.changed[id]; r != nil {
		return r.view(r.now()), r.now().state, true
	}
	if i := t.layout.index(id); i >= 0 {
		return t.baseView(i), live, true
	}
	return view{}, 0, false
}

// follow gives the object that answers for the id: itself, or the winner of
// the merges that took it.
func (t *table) follow(id int64) (view, state, bool) {
	for {
		v, s, ok := t.find(id)
		if !ok || s != merged {
			return v, s, ok
		}
		id = t.changed[id].now().into
	}
}

// place is where the record of the id is, or would be, in order.
func (t *table) place(id int64) int {
	return sort.Search(len(t.order), func(i int) bool { return t.order[i].id >= id })
}

// open makes the record of an object that is about to change.
func (t *table) open(id int64) *record {
	if r := t.changed[id]; r != nil {
		return r
	}
	i := t.layout.index(id)
	r := &record{table: t, id: id, index: i}
	if i >= 0 {
		v := t.baseView(i)
		r.created = v.created
		r.versions = []version{{updated: v.updated}}
	}
	t.changed[id] = r
	if n := len(t.order); n == 0 || t.order[n-1].id < id {
		t.order = append(t.order, r)
		return r
	}
	t.order = slices.Insert(t.order, t.place(id), r)
	return r
}

// openMany opens many records at the cost of one sort.
func (t *table) openMany(ids []int64) []*record {
	opened := make([]*record, len(ids))
	for n, id := range ids {
		if opened[n] = t.changed[id]; opened[n] != nil {
			continue
		}
		i := t.layout.index(id)
		v := t.baseView(i)
		opened[n] = &record{table: t, id: id, index: i, created: v.created, versions: []version{{updated: v.updated}}}
		t.changed[id] = opened[n]
		t.order = append(t.order, opened[n])
	}
	slices.SortFunc(t.order, func(a, b *record) int { return cmp.Compare(a.id, b.id) })
	return opened
}

// page gives up to limit live objects whose id is at least from, by id.
func (t *table) page(from int64, limit int) []view {
	views := make([]view, 0, limit)
	i, o := t.layout.from(from), t.place(from)
	for len(views) < limit && (i < t.layout.n || o < len(t.order)) {
		next := int64(maxDate)
		if i < t.layout.n {
			next = t.layout.id(i)
		}
		if o == len(t.order) || t.order[o].id > next {
			views = append(views, t.baseView(i))
			i++
			continue
		}
		r := t.order[o]
		o++
		if r.id == next {
			i++
		}
		if r.now().state == live {
			views = append(views, r.view(r.now()))
		}
	}
	return views
}

// pageOf gives up to limit changed objects in the state, by id.
func (t *table) pageOf(s state, from int64, limit int) []view {
	var views []view
	for _, r := range t.order[t.place(from):] {
		if len(views) == limit {
			break
		}
		if r.now().state == s {
			views = append(views, r.view(r.now()))
		}
	}
	return views
}
