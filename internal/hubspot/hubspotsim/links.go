package hubspotsim

import (
	"cmp"
	"fmt"
	"slices"
)

// The types that are associated with each other.
const (
	contactType = "0-1"
	companyType = "0-2"
)

// pageOfLinks is how many targets one answer names per object.
const pageOfLinks = 500

// A link is an association as one side sees it.
type link struct {
	to      int64
	primary bool
}

// links are the associations of contacts with companies that differ from what
// the seed says: of both sides, by id, whether they are there.
type links struct {
	byContact map[int64]map[int64]bool
	byCompany map[int64]map[int64]bool
}

func newLinks() links {
	return links{byContact: map[int64]map[int64]bool{}, byCompany: map[int64]map[int64]bool{}}
}

func (l links) set(contact, company int64, linked bool) {
	put := func(m map[int64]map[int64]bool, from, to int64) {
		if m[from] == nil {
			m[from] = map[int64]bool{}
		}
		m[from][to] = linked
	}
	put(l.byContact, contact, company)
	put(l.byCompany, company, contact)
}

// Associate links a contact with a company, or unlinks them. Neither's
// modification date changes, as with HubSpot.
func (a *Account) Associate(contact, company int64, linked bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, end := range []struct {
		t  *table
		id int64
	}{{a.names[contactType], contact}, {a.names[companyType], company}} {
		if _, s, ok := end.t.find(end.id); !ok || s != live {
			return fmt.Errorf("associate %s %d: %w", end.t.kind.singular, end.id, ErrNotFound)
		}
	}
	a.links.set(contact, company, linked)
	return nil
}

// Links maps every live contact that has any to the companies it is
// associated with.
func (a *Account) Links() map[int64][]int64 {
	all := map[int64][]int64{}
	for o := range a.Truth("contacts") {
		a.mu.RLock()
		for _, l := range a.linked(a.names[contactType], a.names[companyType], o.ID) {
			all[o.ID] = append(all[o.ID], l.to)
		}
		a.mu.RUnlock()
	}
	return all
}

// linked lists what a live object is associated with, by id.
func (a *Account) linked(from, to *table, id int64) []link {
	var found []link
	edits := map[int64]bool{}
	_, s, ok := from.find(id)
	switch {
	case !ok || s != live:
		return nil
	case from.kind.id == contactType && to.kind.id == companyType:
		found, edits = a.companiesOf(from.layout.index(id)), a.links.byContact[id]
	case from.kind.id == companyType && to.kind.id == contactType:
		found, edits = a.contactsOf(from.layout.index(id)), a.links.byCompany[id]
	}
	for other, there := range edits {
		found = slices.DeleteFunc(found, func(l link) bool { return l.to == other })
		if there {
			found = append(found, link{to: other})
		}
	}
	found = slices.DeleteFunc(found, func(l link) bool {
		_, s, ok := to.find(l.to)
		return !ok || s != live
	})
	slices.SortFunc(found, func(x, y link) int { return cmp.Compare(x.to, y.to) })
	return found
}

// companiesOf says what the seed says of a contact: one in five has no
// company, the others one, and one in ten the first company besides, which
// so has more contacts than an answer names at once.
func (a *Account) companiesOf(contact int64) []link {
	companies := a.names[companyType].layout
	if contact < 0 || companies.n == 0 || a.loner(contact) {
		return nil
	}
	found := []link{{companies.id(contact % companies.n), true}}
	if contact%10 == 3 && contact%companies.n != 0 {
		found = append(found, link{companies.id(0), false})
	}
	return found
}

// contactsOf is the same from the other side.
func (a *Account) contactsOf(company int64) []link {
	contacts, companies := a.names[contactType].layout, a.names[companyType].layout
	var found []link
	if company < 0 {
		return nil
	}
	for i := company; i < contacts.n; i += companies.n {
		if !a.loner(i) {
			found = append(found, link{contacts.id(i), true})
		}
	}
	for i := int64(3); company == 0 && i < contacts.n; i += 10 {
		if i%companies.n != 0 && !a.loner(i) {
			found = append(found, link{contacts.id(i), false})
		}
	}
	return found
}

func (a *Account) loner(contact int64) bool {
	return mix(a.options.Seed, 0x11, uint64(contact))%5 == 0
}

// move gives the winner of a merge what the loser was associated with.
func (l links) move(a *Account, t *table, loser, winner int64) {
	contacts, companies := a.names[contactType], a.names[companyType]
	switch t {
	case contacts:
		for _, to := range a.linked(contacts, companies, loser) {
			l.set(winner, to.to, true)
		}
	case companies:
		for _, to := range a.linked(companies, contacts, loser) {
			l.set(to.to, winner, true)
		}
	}
}
