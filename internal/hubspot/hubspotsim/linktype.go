package hubspotsim

import "math/bits"

// The categories of association types.
const (
	hubspotDefined = "HUBSPOT_DEFINED"
	userDefined    = "USER_DEFINED"
)

// contactType and companyType are the objectTypeIds of the types that every
// account has associated.
const (
	contactType = "0-1"
	companyType = "0-2"
)

// A linkKind is one way in which two objects may be associated. Each
// direction has a number, and may have a label, of its own.
type linkKind struct {
	category string
	ids      [2]int
	labels   [2]string // empty: none
}

// A side is an end of a pair of types: 0 the first, 1 the second.
type side uint8

func (s side) other() side { return 1 - s }

// A linkSet is which of a pair's kinds hold between two objects, a bit each.
type linkSet uint8

// plain is the bit of the kind without a label, which every association has.
const plain linkSet = 1

// A linkPair is two object types that can be associated. Its first kind is
// the one without a label.
type linkPair struct {
	types   [2]string // objectTypeIds
	kinds   []linkKind
	primary linkSet // the kind that an object of the first type has at most once; 0: none
	derived bool    // the seed associates objects of the first type with ones of the second
	hub     bool    // and one in ten of them with the very first besides
}

// linkPairs are the associated types (developers.hubspot.com, associations
// v4, association type ids; recorded answers), with a few labels of the
// account's own.
func linkPairs() []*linkPair {
	defined := func(forth, back int) linkKind { return linkKind{category: hubspotDefined, ids: [2]int{forth, back}} }
	first := func(forth, back int) linkKind {
		return linkKind{hubspotDefined, [2]int{forth, back}, [2]string{"Primary", "Primary"}}
	}
	own := func(id int, forth, back string) linkKind {
		return linkKind{userDefined, [2]int{id, id + 1}, [2]string{forth, back}}
	}
	return []*linkPair{
		{
			types: [2]string{contactType, companyType}, primary: 2, derived: true, hub: true,
			kinds: []linkKind{defined(279, 280), first(1, 2),
				own(5001, "Billing contact", "Billed company"), own(5003, "Decision maker", "Decided by")},
		},
		{types: [2]string{"0-3", companyType}, primary: 2, derived: true, kinds: []linkKind{defined(341, 342), first(5, 6)}},
		{types: [2]string{"0-3", contactType}, derived: true, kinds: []linkKind{defined(3, 4), own(5005, "Champion", "Champion of")}},
		{types: [2]string{"0-5", contactType}, derived: true, kinds: []linkKind{defined(16, 15)}},
		{types: [2]string{"0-5", companyType}, primary: 2, kinds: []linkKind{defined(339, 340), first(26, 25)}},
		{types: [2]string{"0-5", "0-3"}, kinds: []linkKind{defined(28, 27)}},
		{types: [2]string{"0-8", "0-3"}, kinds: []linkKind{defined(20, 19)}},
		{types: [2]string{"0-46", contactType}, derived: true, kinds: []linkKind{defined(202, 201)}},
		{types: [2]string{"0-27", contactType}, kinds: []linkKind{defined(204, 203)}},
		{types: [2]string{"0-49", contactType}, kinds: []linkKind{defined(198, 197)}},
		{types: [2]string{"2-1000001", contactType}, kinds: []linkKind{{category: userDefined, ids: [2]int{5007, 5008}},
			own(5009, "Driver", "Drives")}},
	}
}

// bit finds a kind by its number in the direction from the side, 0 if there
// is none.
func (p *linkPair) bit(from side, typeID int) linkSet {
	for i, k := range p.kinds {
		if k.ids[from] == typeID {
			return plain << i
		}
	}
	return 0
}

// A LinkType is a way in which an object is associated with another, as seen
// from the one.
type LinkType struct {
	Category string // HUBSPOT_DEFINED or USER_DEFINED
	TypeID   int
	Label    string // empty: none
}

// linkTypes lists the kinds of the set as the side sees them, those with a
// label first, as HubSpot does.
func (p *linkPair) linkTypes(from side, set linkSet) []LinkType {
	list := make([]LinkType, 0, bits.OnesCount8(uint8(set)))
	for n := range p.kinds {
		i := (n + 1) % len(p.kinds)
		if k := p.kinds[i]; set&(plain<<i) != 0 {
			list = append(list, LinkType{k.category, k.ids[from], k.labels[from]})
		}
	}
	return list
}

// all is every kind of the pair.
func (p *linkPair) all() linkSet { return 1<<len(p.kinds) - 1 }
