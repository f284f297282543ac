package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// rules are what the settings say of a stream's properties, with the key that
// hashes. What they conceal is read here and goes no further.
type rules struct {
	penstock.ColumnRules
	key []byte
}

// errRules says that the settings cannot be followed: the stream is not read
// until they can, since what they are to conceal might be read under another
// name.
var errRules = errors.New("the settings of the columns cannot be followed")

// rulesOf are the rules of the stream, or of the one that it belongs to.
func (h *holder) rulesOf(stream penstock.Stream) rules {
	name := stream.Name
	if stream.Of != "" {
		name = stream.Of
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return rules{h.conn.Columns[name], h.hashKey}
}

// follow gives the properties the names and types that they are loaded with.
// names are HubSpot's of those that have another.
func (r rules) follow(properties []hubspot.Property) (followed []hubspot.Property, names map[string]string, err error) {
	if err := r.check(properties); err != nil {
		return nil, nil, err
	}
	names = map[string]string{}
	for _, p := range properties {
		if slices.Contains(r.LeaveOut, p.Name) {
			continue
		}
		if slices.Contains(r.Hash, p.Name) {
			p.Type = shape.HashedType
		}
		if as := r.Rename[p.Name]; as != "" {
			names[as], p.Name = p.Name, as
		}
		followed = append(followed, p)
	}
	return followed, names, nil
}

// check refuses rules about properties that there are not, and names that two
// properties would have.
func (r rules) check(properties []hubspot.Property) error {
	there := map[string]bool{}
	for _, p := range properties {
		there[p.Name] = true
	}
	var unknown []string
	about := slices.Concat(r.LeaveOut, r.Hash)
	for name := range r.Rename {
		about = append(about, name)
	}
	for _, name := range about {
		if !there[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("%w: the object type does not have %s", errRules, strings.Join(slices.Compact(unknown), ", "))
	}
	if err := r.keyed(); err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, p := range properties {
		as := p.Name
		if r.Rename[p.Name] != "" {
			as = r.Rename[p.Name]
		}
		if slices.Contains(r.LeaveOut, p.Name) {
			continue
		}
		if taken[as] {
			return fmt.Errorf("%w: two properties would have the name %s", errRules, as)
		}
		taken[as] = true
	}
	return nil
}

// keyed refuses to hash without a key.
func (r rules) keyed() error {
	if len(r.Hash) > 0 && len(r.key) == 0 {
		return fmt.Errorf("%w: data-streams has sent no key to hash with", errRules)
	}
	return nil
}

// source is HubSpot's name of a property of the warehouse; empty for one that is
// not asked for.
func (r rules) source(property string) string {
	for name, as := range r.Rename {
		if as == property {
			return name
		}
	}
	if slices.Contains(r.LeaveOut, property) || r.Rename[property] != "" {
		return ""
	}
	return property
}

// sources are HubSpot's names of properties of the warehouse, of those that are
// asked for.
func (r rules) sources(properties []string) []string {
	var names []string
	for _, p := range properties {
		if name := r.source(p); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// conceal has a reading of the properties say what the warehouse would hold.
func (r rules) conceal(out *penstock.Reading, properties []string) {
	values := map[string]string{}
	var left, tooLarge []string
	for _, p := range properties {
		name := r.source(p)
		value, set := out.Values[name]
		switch {
		case name == "", slices.Contains(out.Left, name):
			left = append(left, p)
		case slices.Contains(out.TooLarge, name):
			tooLarge = append(tooLarge, p)
		case set && slices.Contains(r.Hash, name):
			values[p] = shape.Hash(r.key, value)
		case set:
			values[p] = value
		}
	}
	if out.Values != nil {
		out.Values, out.Left, out.TooLarge = values, left, tooLarge
	}
}
