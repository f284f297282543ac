// Package hubspotsim is a HubSpot account inside a process: an http.Handler
// that answers HubSpot's public API with its limits, its late search index
// and, on request, its faults, over objects that are derived from a seed.
//
// It knows what HubSpot's documents and recorded answers say, and its own
// truth; it does not know who asks, nor what they make of it. It shares no
// code with the client of internal/hubspot: the two are independent readings
// of the same facts.
package hubspotsim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the account's midnight must be known where no zone files are installed
)

// An Account is a simulated HubSpot account. All its methods may be called at
// the same time as it serves.
type Account struct {
	options Options
	zone    *time.Location
	born    time.Time

	mu     sync.RWMutex // guards the tables, owners and links
	tables []*table
	names  map[string]*table
	owners []Owner
	links  []*links
	edits  uint64

	routes  []route
	buffers sync.Pool // of *[]byte: answers between requests
	meter   *meter
	faulty  *faulty
	blocked blocked
	grants  *grants
}

// New makes the account that the options describe.
func New(o Options) (*Account, error) {
	o = o.withDefaults()
	zone, err := time.LoadLocation(o.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone of the simulated account: %w", err)
	}
	a := &Account{options: o, zone: zone, born: time.Now(), names: map[string]*table{}, owners: newOwners(), routes: routes()}
	for _, k := range slices.Concat(standardKinds, customKinds(o.AccountID)) {
		t := newTable(k, o, newLayout(mix2(o.Seed, mixText(k.id)), int64(o.count(k)), a.anchor()))
		a.tables = append(a.tables, t)
		for _, name := range k.names() {
			if a.names[name] == nil {
				a.names[name] = t
			}
		}
	}
	if err := a.checkNames(); err != nil {
		return nil, err
	}
	a.links = newLinks(o.Seed, a.names)
	a.meter = newMeter(o, zone)
	a.grants = newGrants(o)
	a.faulty, err = newFaulty(o.Faults)
	return a, err
}

// anchor is when the base objects were last touched: a fixed date, so that
// the same seed is the same account tomorrow, unless the clock is before it.
func (a *Account) anchor() time.Time {
	if fixed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); a.born.After(fixed) {
		return fixed
	}
	return time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC)
}

// checkNames refuses settings for a type that does not exist.
func (a *Account) checkNames() error {
	for _, settings := range []map[string]int{a.options.Counts, a.options.Properties} {
		for name := range settings {
			if a.names[name] == nil {
				return fmt.Errorf("unknown object type %q: use a name such as contacts, or an objectTypeId", name)
			}
		}
	}
	return nil
}

// table finds a type by name, objectTypeId or fullyQualifiedName.
func (a *Account) table(objectType string) (*table, error) {
	if t := a.names[strings.ToLower(objectType)]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("unknown object type %q", objectType)
}

// names lists what a type may be called, the surest first. A custom object
// that shares its name with a standard one cannot be called by it.
func (k kind) names() []string {
	standard := slices.ContainsFunc(standardKinds, func(s kind) bool { return s.name == k.name })
	switch {
	case !k.custom():
		return []string{k.id, k.name}
	case standard:
		return []string{k.id, k.full}
	}
	return []string{k.id, k.full, k.name}
}
