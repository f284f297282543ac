package hubspotsim

import (
	"iter"
	"time"
)

// An Object is what the account holds of a record.
type Object struct {
	ID         int64
	Created    time.Time
	Updated    time.Time
	ArchivedAt time.Time         // zero unless archived
	Properties map[string]string // values that are set; a name that is absent is null
}

// truthPage is how many objects are looked at under one lock.
const truthPage = 500

// Truth gives every live object of a type by id, with all its properties. It
// gives nothing for an unknown type. The account may change meanwhile: what
// lies ahead is given as it then is.
func (a *Account) Truth(objectType string) iter.Seq[Object] {
	return a.objects(objectType, live)
}

// Archived gives the objects of a type in the recycle bin by id.
func (a *Account) Archived(objectType string) iter.Seq[Object] {
	return a.objects(objectType, archived)
}

func (a *Account) objects(objectType string, s state) iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for from := int64(0); ; {
			page := a.truthPage(objectType, s, from)
			for _, o := range page {
				if !yield(o) {
					return
				}
			}
			if len(page) < truthPage {
				return
			}
			from = page[len(page)-1].ID + 1
		}
	}
}

func (a *Account) truthPage(objectType string, s state, from int64) []Object {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return nil
	}
	views := t.pageIn(s, from, truthPage)
	objects := make([]Object, len(views))
	for i := range views {
		objects[i] = t.object(&views[i])
	}
	return objects
}

// pageIn is a page of the live or of the archived objects.
func (t *table) pageIn(s state, from int64, limit int) []view {
	if s == live {
		return t.page(from, limit)
	}
	return t.pageOf(s, from, limit)
}

func (t *table) object(v *view) Object {
	o := Object{
		ID: v.id, Created: time.UnixMilli(v.created).UTC(), Updated: time.UnixMilli(v.updated).UTC(),
		Properties: make(map[string]string, len(t.props.sorted)),
	}
	if v.archivedAt != 0 {
		o.ArchivedAt = time.UnixMilli(v.archivedAt).UTC()
	}
	var buffer []byte
	for _, p := range t.props.sorted {
		value, ok := t.appendValue(buffer[:0], v, p)
		if ok {
			o.Properties[p.Name] = string(value)
		}
		buffer = value
	}
	return o
}

// MergedAway maps every id of a type that a merge took to the object that
// answers for it now.
func (a *Account) MergedAway(objectType string) map[int64]int64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	gone := map[int64]int64{}
	t, err := a.table(objectType)
	if err != nil {
		return gone
	}
	for _, r := range t.order {
		if r.now().state == merged {
			winner, _, _ := t.follow(r.id)
			gone[r.id] = winner.id
		}
	}
	return gone
}

// Properties lists the definitions of a type by name, without the archived
// ones.
func (a *Account) Properties(objectType string) []Property {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return nil
	}
	list := make([]Property, len(t.props.sorted))
	for i, p := range t.props.sorted {
		list[i] = p.Property
	}
	return list
}

// Count is how many live objects a type has; 0 for an unknown type.
func (a *Account) Count(objectType string) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return 0
	}
	return t.count()
}

func (t *table) count() int {
	n := int(t.layout.n)
	for _, r := range t.order {
		isLive := r.now().state == live
		switch {
		case r.index >= 0 && !isLive:
			n--
		case r.index < 0 && isLive:
			n++
		}
	}
	return n
}

// A TrueLink is one way in which two live objects are associated.
type TrueLink struct {
	From, To int64
	LinkType
}

// TrueLinks gives every association from the live objects of a type to live
// ones of another, by the ids of both; two objects may be associated in
// several ways at once. It gives nothing for types that are never associated.
func (a *Account) TrueLinks(fromType, toType string) iter.Seq[TrueLink] {
	return func(yield func(TrueLink) bool) {
		for from, more := int64(0), true; more; {
			var page []TrueLink
			page, from, more = a.linkPage(fromType, toType, from)
			for _, l := range page {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// linkPage gives the associations of a page of objects, and where the next
// page begins.
func (a *Account) linkPage(fromType, toType string, start int64) (page []TrueLink, next int64, more bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	from, err := a.table(fromType)
	if err != nil {
		return nil, 0, false
	}
	to, err := a.table(toType)
	if err != nil {
		return nil, 0, false
	}
	views := from.page(start, truthPage)
	l, at := a.between(from, to)
	for _, v := range views {
		next = v.id + 1
		for _, x := range a.linked(from, to, v.id, linkQuery{limit: everyLink}) {
			for _, kind := range l.linkTypes(at, x.set) {
				page = append(page, TrueLink{v.id, x.to, kind})
			}
		}
	}
	return page, next, len(views) == truthPage
}

// Links maps every live contact that has any to the companies it is
// associated with.
func (a *Account) Links() map[int64][]int64 {
	all := map[int64][]int64{}
	for l := range a.TrueLinks(contactType, companyType) {
		if known := all[l.From]; len(known) == 0 || known[len(known)-1] != l.To {
			all[l.From] = append(known, l.To)
		}
	}
	return all
}

// Erased lists the ids of a type that a privacy deletion took, in order.
func (a *Account) Erased(objectType string) []int64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return nil
	}
	var gone []int64
	for _, r := range t.order {
		if r.now().state == erased {
			gone = append(gone, r.id)
		}
	}
	return gone
}
