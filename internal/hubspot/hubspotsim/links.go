package hubspotsim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// A link is an association as one side sees it.
type link struct {
	to  int64
	set linkSet
}

// links are the associations of a pair of types: those the seed says, under
// those that were changed. A changed one is kept whole, on both sides by id;
// an empty set means that there is none.
type links struct {
	*linkPair
	tables  [2]*table
	salt    uint64
	changed [2]map[int64]map[int64]linkSet
}

// newLinks pairs the tables up.
func newLinks(seed uint64, names map[string]*table) []*links {
	var all []*links
	for _, p := range linkPairs() {
		all = append(all, &links{
			linkPair: p, tables: [2]*table{names[p.types[0]], names[p.types[1]]},
			salt:    mix(seed, mixText(p.types[0]), mixText(p.types[1])),
			changed: [2]map[int64]map[int64]linkSet{{}, {}},
		})
	}
	return all
}

// between finds the associations from one type to another; l is nil if
// the two are never associated.
func (a *Account) between(from, to *table) (l *links, at side) {
	for _, l := range a.links {
		switch {
		case l.tables[0] == from && l.tables[1] == to:
			return l, 0
		case l.tables[1] == from && l.tables[0] == to:
			return l, 1
		}
	}
	return nil, 0
}

// put makes the set hold between an object of the side and another.
func (l *links) put(from side, id, other int64, set linkSet) {
	for range 2 {
		if l.changed[from][id] == nil {
			l.changed[from][id] = map[int64]linkSet{}
		}
		l.changed[from][id][other] = set
		from, id, other = from.other(), other, id
	}
}

// set is what holds between an object of the side and another, whatever has
// become of the two.
func (l *links) set(from side, id, other int64) linkSet {
	if set, ok := l.changed[from][id][other]; ok {
		return set
	}
	if from == 1 {
		id, other = other, id
	}
	return l.derivedSet(l.tables[0].layout.index(id), l.tables[1].layout.index(other))
}

// of gives up to limit associations of an object with others that pass, by
// id, behind the one with the id after.
func (l *links) of(from side, id int64, q linkQuery) []link {
	edits := l.changed[from][id]
	var found []link
	l.derivedOf(from, l.tables[from].layout.index(id), q.after, func(x link) bool {
		if _, edited := edits[x.to]; !edited && q.pass(x.to) {
			found = append(found, x)
		}
		return len(found) < q.limit
	})
	for other, set := range edits {
		if set != 0 && other > q.after && q.pass(other) {
			found = append(found, link{other, set})
		}
	}
	slices.SortFunc(found, func(x, y link) int { return cmp.Compare(x.to, y.to) })
	return found[:min(q.limit, len(found))]
}

// A linkQuery says which associations of an object are wanted.
type linkQuery struct {
	after int64
	limit int
	pass  func(other int64) bool
}

// everyLink stands for no limit.
const everyLink = 1 << 40

// isLive tells whether the id is a live object's.
func (t *table) isLive(id int64) bool {
	_, s, ok := t.find(id)
	return ok && s == live
}

// linked lists associations of an object, which has none unless it is live,
// with live ones.
func (a *Account) linked(from, to *table, id int64, q linkQuery) []link {
	l, at := a.between(from, to)
	if l == nil || !from.isLive(id) {
		return nil
	}
	q.pass = to.isLive
	return l.of(at, id, q)
}

// derivedSet is what the seed says of two base objects. Of the first type,
// one in five is associated with nothing, the others with one object, and in
// a pair with a hub one in ten with the hub besides, which so has more
// associations than an answer names at once.
func (l *links) derivedSet(i, j int64) linkSet {
	n := l.tables[1].layout.n
	switch {
	case !l.derived || i < 0 || j < 0 || n == 0 || mix2(l.salt, uint64(i))%5 == 0:
		return 0
	case i%n == j:
		return l.labelled(i)
	case l.hub && j == 0 && i%10 == 3:
		return plain
	}
	return 0
}

// labelled is the kinds of an object's first association: one in seven has
// every label of the account's own, another one in seven the first of them.
func (l *links) labelled(i int64) linkSet {
	own := l.all() &^ (plain | l.primary)
	switch i % 7 {
	case 2:
		return l.all()
	case 4:
		return plain | l.primary | own&-own
	}
	return plain | l.primary
}

// derivedOf yields what the seed associates the base object with, by id,
// behind the id after, until yield says that it is enough.
func (l *links) derivedOf(from side, index, after int64, yield func(link) bool) {
	of := l.tables[from.other()].layout
	if index < 0 || of.n == 0 || !l.derived {
		return
	}
	if from == 0 {
		for _, j := range slices.Compact([]int64{0, index % of.n}) {
			if set := l.derivedSet(index, j); set != 0 && of.id(j) > after && !yield(link{of.id(j), set}) {
				return
			}
		}
		return
	}
	step, start := l.tables[1].layout.n, of.from(min(after, maxDate)+1)
	if l.hub && index == 0 {
		step = 1
	}
	start += (index - start%step + step) % step
	for i := start; i < of.n; i += step {
		if set := l.derivedSet(i, index); set != 0 && !yield(link{of.id(i), set}) {
			return
		}
	}
}

// An End is an object of an association, by the name or objectTypeId of its
// type and its id.
type End struct {
	Type string
	ID   int64
}

// ends finds the associations of two live objects.
func (a *Account) ends(from, to End) (l *links, at side, err error) {
	one, err := a.table(from.Type)
	if err != nil {
		return nil, 0, err
	}
	two, err := a.table(to.Type)
	if err != nil {
		return nil, 0, err
	}
	l, at = a.between(one, two)
	switch {
	case l == nil:
		err = fmt.Errorf("%s and %s are never associated", one.kind.name, two.kind.name)
	case !one.isLive(from.ID):
		err = fmt.Errorf("associate %s %d: %w", one.kind.singular, from.ID, ErrNotFound)
	case !two.isLive(to.ID):
		err = fmt.Errorf("associate %s %d: %w", two.kind.singular, to.ID, ErrNotFound)
	}
	return l, at, err
}

// Link associates two live objects in the way that typeID says in the
// direction from the first to the second; 0 is the way without a label, which
// every other includes. An object has one primary association of a kind: a
// new one takes the mark from the old. No modification date changes.
func (a *Account) Link(from, to End, typeID int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, at, err := a.ends(from, to)
	if err != nil {
		return err
	}
	bit := plain
	if typeID != 0 {
		if bit = l.bit(at, typeID); bit == 0 {
			return fmt.Errorf("no association type %d from %s to %s", typeID, from.Type, to.Type)
		}
	}
	l.join(at, from.ID, to.ID, bit)
	return nil
}

// join adds kinds to what holds between two objects.
func (l *links) join(at side, from, to int64, set linkSet) {
	if set&l.primary != 0 {
		one := from
		if at == 1 {
			one = to
		}
		for _, other := range l.of(0, one, linkQuery{limit: everyLink, pass: anyObject}) {
			if other.set&l.primary != 0 {
				l.put(0, one, other.to, other.set&^l.primary)
			}
		}
	}
	l.put(at, from, to, l.set(at, from, to)|set|plain)
}

func anyObject(int64) bool { return true }

// Unlink takes one way back in which two live objects are associated. Without
// the one that has no label, or with typeID 0, nothing is left between them.
func (a *Account) Unlink(from, to End, typeID int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, at, err := a.ends(from, to)
	if err != nil {
		return err
	}
	set := l.set(at, from.ID, to.ID)
	bit := l.bit(at, typeID)
	switch {
	case typeID != 0 && bit == 0:
		return fmt.Errorf("no association type %d from %s to %s", typeID, from.Type, to.Type)
	case typeID == 0 || bit == plain:
		set = 0
	default:
		set &^= bit
	}
	l.put(at, from.ID, to.ID, set)
	return nil
}

// Associate links a contact with a company without a label, or unlinks them.
func (a *Account) Associate(contact, company int64, linked bool) error {
	if linked {
		return a.Link(End{contactType, contact}, End{companyType, company}, 0)
	}
	return a.Unlink(End{contactType, contact}, End{companyType, company}, 0)
}

// moveLinks gives the winner of a merge what the loser was associated with,
// even with objects in the recycle bin. The winner's primary association
// stands.
func (a *Account) moveLinks(t *table, loser, winner int64) {
	for _, l := range a.links {
		for at, side := range []side{0, 1} {
			if l.tables[at] == t {
				l.move(side, loser, winner)
			}
		}
	}
}

func (l *links) move(at side, loser, winner int64) {
	all := linkQuery{limit: everyLink, pass: anyObject}
	taken := at == 0 && slices.ContainsFunc(l.of(0, winner, all), func(x link) bool { return x.set&l.primary != 0 })
	for _, x := range l.of(at, loser, all) {
		if taken {
			x.set &^= l.primary
		}
		l.put(at, winner, x.to, l.set(at, winner, x.to)|x.set)
		l.put(at, loser, x.to, 0)
	}
}

// eraseLinks forgets what an erased object was associated with.
func (a *Account) eraseLinks(t *table, id int64) {
	for _, l := range a.links {
		for at := range l.tables {
			if l.tables[at] != t {
				continue
			}
			for other := range maps.Clone(l.changed[at][id]) {
				l.put(side(at), id, other, 0)
			}
		}
	}
}
