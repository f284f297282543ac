package hubspotsim

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Why a change is refused.
var (
	ErrNotFound        = errors.New("no such live object")
	ErrUnknownProperty = errors.New("no such property")
)

// change runs edit on the type's table, alone.
func (a *Account) change(objectType string, edit func(*table) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, err := a.table(objectType)
	if err != nil {
		return err
	}
	return edit(t)
}

// indexed is when the search index learns of a change made now: after a
// while between nothing and the index lag, drawn for each change.
func (a *Account) indexed(id int64, now time.Time) int64 {
	a.edits++
	late := mix(a.options.Seed, uint64(id), a.edits) % uint64(a.options.IndexLag.Milliseconds()+1)
	return now.UnixMilli() + int64(late)
}

// edit gives the object a new version, made from its present one.
func (a *Account) edit(r *record, alter func(*version)) {
	now := time.Now()
	old := r.now()
	v := *old
	v.cause = byUsers
	alter(&v)
	r.remember(old.values, &v, now.UnixMilli())
	v.indexed = a.indexed(r.id, now)
	r.put(v, now.UnixMilli())
}

// liveRecord opens an object that must be live.
func (t *table) liveRecord(id int64) (*record, error) {
	if _, s, ok := t.find(id); !ok || s != live {
		return nil, fmt.Errorf("%s %d: %w", t.kind.singular, id, ErrNotFound)
	}
	return t.open(id), nil
}

func (t *table) check(values map[string]string) error {
	for name := range values {
		p := t.props.byName[name]
		if p == nil {
			return fmt.Errorf("%s %q: %w", t.kind.singular, name, ErrUnknownProperty)
		}
		if p.readOnly() {
			return fmt.Errorf("%s %q is read-only", t.kind.singular, name)
		}
	}
	return nil
}

// Create makes an object with the values and returns its id. Three in four
// new ids are the highest so far, the others lie among the old ones: HubSpot's
// ids are not in the order of creation.
func (a *Account) Create(objectType string, values map[string]string) (id int64, err error) {
	err = a.change(objectType, func(t *table) error {
		if err := t.check(values); err != nil {
			return err
		}
		id = a.add(t, maps.Clone(values), byUsers)
		return nil
	})
	return id, err
}

// add makes a live object from the values, which it keeps.
func (a *Account) add(t *table, values map[string]string, why cause) int64 {
	now := time.Now()
	id := t.newID()
	r := t.open(id)
	r.created, r.first, r.cause = now.UnixMilli(), values, why
	r.versions = []version{{updated: r.created, values: values, indexed: a.indexed(id, now)}}
	return id
}

// newID draws an id that was never given.
func (t *table) newID() int64 {
	t.made++
	h := mix(t.seed, 0x1d, uint64(t.made))
	for try := uint64(0); h%4 == 0 && t.layout.n > 0 && try < 8; try++ {
		id := t.layout.id(int64(mix2(h, try)%uint64(t.layout.n))) + 1
		if _, _, taken := t.find(id); !taken {
			return id
		}
	}
	t.top = max(t.top, clusterFrom) + 1 + int64(h%1000)
	return t.top
}

// Update sets values of a live object, and with them its modification date.
// An empty value clears, and is read as "" from then on.
func (a *Account) Update(objectType string, id int64, values map[string]string) error {
	return a.change(objectType, func(t *table) error {
		if err := t.check(values); err != nil {
			return err
		}
		r, err := t.liveRecord(id)
		if err != nil {
			return err
		}
		a.edit(r, func(v *version) {
			v.updated = time.Now().UnixMilli()
			v.values = with(v.values, values)
		})
		return nil
	})
}

// with is the old values with the new ones over them, in a new map.
func with(old, values map[string]string) map[string]string {
	all := make(map[string]string, len(old)+len(values))
	maps.Copy(all, old)
	maps.Copy(all, values)
	return all
}

// BulkTouch sets the modification date of the first n live objects to one
// and the same millisecond, as a bulk edit does.
func (a *Account) BulkTouch(objectType string, n int) error {
	return a.change(objectType, func(t *table) error {
		views := t.page(0, n)
		if len(views) < n {
			return fmt.Errorf("touch %d %s: there are %d", n, t.kind.name, len(views))
		}
		ids := make([]int64, n)
		for i, v := range views {
			ids[i] = v.id
		}
		at := time.Now().UnixMilli()
		for _, r := range t.openMany(ids) {
			a.edit(r, func(v *version) { v.updated = at })
		}
		return nil
	})
}

// Archive moves an object to the recycle bin.
func (a *Account) Archive(objectType string, id int64) error {
	return a.change(objectType, func(t *table) error {
		r, err := t.liveRecord(id)
		if err != nil {
			return err
		}
		a.archive(r)
		return nil
	})
}

func (a *Account) archive(r *record) {
	a.edit(r, func(v *version) {
		v.state, v.archivedAt = archived, time.Now().UnixMilli()
		if a.options.ArchiveTouches {
			v.updated = v.archivedAt
		}
	})
}

// Restore takes an object out of the recycle bin.
func (a *Account) Restore(objectType string, id int64) error {
	return a.change(objectType, func(t *table) error {
		r := t.changed[id]
		if r == nil || r.now().state != archived {
			return fmt.Errorf("restore %s %d: it is not archived", t.kind.singular, id)
		}
		a.restore(r)
		return nil
	})
}

func (a *Account) restore(r *record) {
	a.edit(r, func(v *version) {
		v.state, v.archivedAt = live, 0
		if a.options.ArchiveTouches {
			v.updated = time.Now().UnixMilli()
		}
	})
}

// Erase removes an object for good, as a privacy deletion does: it is in no
// list, and no answer names it again.
func (a *Account) Erase(objectType string, id int64) error {
	return a.change(objectType, func(t *table) error {
		if _, s, ok := t.find(id); !ok || s == merged || s == erased {
			return fmt.Errorf("erase %s %d: %w", t.kind.singular, id, ErrNotFound)
		}
		a.eraseLinks(t, id)
		r := t.open(id)
		r.first, r.past = nil, nil
		a.edit(r, func(v *version) { *v = version{state: erased, updated: v.updated} })
		return nil
	})
}

// Merge joins two live objects and returns the winner's id: a new one, or the
// primary's with Options.PreservePrimaryID. The primary's values stand; the
// other's fill what it has not.
func (a *Account) Merge(objectType string, primary, other int64) (winner int64, err error) {
	err = a.change(objectType, func(t *table) error {
		if primary == other {
			return fmt.Errorf("merge %s %d with itself", t.kind.singular, primary)
		}
		for _, id := range []int64{primary, other} {
			if _, err := t.liveRecord(id); err != nil {
				return err
			}
		}
		winner = a.merge(t, primary, other)
		return nil
	})
	return winner, err
}

func (a *Account) merge(t *table, primary, other int64) int64 {
	values := with(t.valuesOf(other), t.valuesOf(primary))
	var mergedIDs []string
	for _, id := range []int64{primary, other} {
		if earlier := t.valuesOf(id)["hs_merged_object_ids"]; earlier != "" {
			mergedIDs = append(mergedIDs, earlier)
		}
		mergedIDs = append(mergedIDs, strconv.FormatInt(id, 10))
	}
	values["hs_merged_object_ids"] = strings.Join(mergedIDs, ";")
	winner := primary
	if a.options.PreservePrimaryID {
		a.edit(t.open(primary), func(v *version) {
			v.values, v.updated, v.cause = values, time.Now().UnixMilli(), byMerge
		})
	} else {
		winner = a.add(t, values, byMerge)
	}
	for _, id := range []int64{primary, other} {
		if id != winner {
			a.moveLinks(t, id, winner)
			a.edit(t.open(id), func(v *version) { *v = version{state: merged, updated: v.updated, into: winner} })
		}
	}
	return winner
}

// valuesOf is every value an object has, apart from its id and dates.
func (t *table) valuesOf(id int64) map[string]string {
	v, _, _ := t.find(id)
	values := map[string]string{}
	for _, p := range t.props.all() {
		if p.readOnly() {
			continue
		}
		if value, ok := t.appendValue(nil, &v, p); ok {
			values[p.Name] = string(value)
		}
	}
	return values
}

// AddProperty adds a definition to a type, or brings an archived one back.
func (a *Account) AddProperty(objectType string, p Property) error {
	return a.change(objectType, func(t *table) error {
		if p.Name == "" || t.props.byName[p.Name] != nil {
			return fmt.Errorf("add property %q to %s: empty or already there", p.Name, t.kind.name)
		}
		all := t.props.all()
		for i, old := range all {
			if old.Name == p.Name {
				all = append(all[:i], all[i+1:]...)
				break
			}
		}
		gen, fill := usualGenerator(p.Type), uint64(0)
		if gen == genDecimal && p.computed() {
			gen = genCalculated
		}
		if p.Filled {
			fill = 70
		}
		if p.Created.IsZero() {
			p.Created = time.Now()
		}
		t.props = newPropertySet(t.kind, append(all, newProperty(p, gen, fill)))
		return nil
	})
}

// RemoveProperty archives a definition: it leaves the property list and its
// values leave every answer.
func (a *Account) RemoveProperty(objectType, name string) error {
	return a.change(objectType, func(t *table) error {
		p := t.props.byName[name]
		if p == nil {
			return fmt.Errorf("%s %q: %w", t.kind.singular, name, ErrUnknownProperty)
		}
		if p.readOnly() {
			return fmt.Errorf("%s %q cannot be archived", t.kind.singular, name)
		}
		gone := *p
		gone.ArchivedAt = time.Now()
		all := t.props.all()
		for i := range all {
			if all[i] == p {
				all[i] = &gone
			}
		}
		t.props = newPropertySet(t.kind, all)
		return nil
	})
}
