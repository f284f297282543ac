package hubspotsim

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// calculatedOf are the properties of a type that HubSpot computes. How they
// say so differs, as in real accounts: by the flag alone, by the field type
// without the flag, or by nothing but a formula.
func calculatedOf(k kind) []*property {
	if k.id != contactType && k.id != companyType && k.id != "0-3" {
		return nil
	}
	number := func(p Property) *property {
		p.Type = "number"
		return newProperty(p, genCalculated, 90)
	}
	return []*property{
		number(Property{Name: "hs_calc_0", FieldType: "calculation_read_time"}),
		number(Property{Name: "hs_calc_1", FieldType: "calculation_rollup", Calculated: k.id == contactType}),
		number(Property{Name: "hs_calc_2", CalculationFormula: "days_since(createdate) * 2", Created: customSince()}),
		number(Property{Name: "hs_calc_3", Calculated: true}),
	}
}

// computed tells whether HubSpot computes a property, by any of its signs.
func (p Property) computed() bool {
	return p.Calculated || p.CalculationFormula != "" || strings.HasPrefix(p.FieldType, "calculation_")
}

// A drift is how often all calculated values of a type have moved.
type drift struct {
	settled int64   // times that the search index knows
	late    []int64 // when it learns of the others, ms since 1970, in the order they happened
	last    int64   // when they moved last, ms since 1970
}

func (d *drift) now() int64 { return d.settled + int64(len(d.late)) }

// indexed is what the search index knew at the time.
func (d *drift) indexed(at int64) int64 {
	for i := len(d.late) - 1; i >= 0; i-- {
		if d.late[i] <= at {
			return d.settled + int64(i) + 1
		}
	}
	return d.settled
}

// move moves them once more.
func (d *drift) move(at, indexed int64) {
	known := d.indexed(at)
	d.late = append(d.late[known-d.settled:], indexed)
	d.settled, d.last = known, at
}

// appendCalculated appends a calculated value: another one after each drift.
func (t *table) appendCalculated(b []byte, v *view, p *property) ([]byte, bool) {
	h := mix(t.seed, p.salt, uint64(v.id))
	if h%100 >= p.fill {
		return b, false
	}
	return strconv.AppendInt(b, int64(h/100%10_000)+v.drift, 10), true
}

// Drift sets a value as HubSpot does for calculated properties: the
// modification date stays. It stands until Recalculate or DriftAll.
func (a *Account) Drift(objectType string, id int64, property, value string) error {
	values := map[string]string{property: value}
	return a.change(objectType, func(t *table) error {
		if p := t.props.byName[property]; p == nil || p.gen != genCalculated {
			if err := t.check(values); err != nil {
				return err
			}
		}
		r, err := t.liveRecord(id)
		if err != nil {
			return err
		}
		a.edit(r, func(v *version) {
			v.cause, v.drifted = byHubSpot, time.Now().UnixMilli()
			v.values = with(v.values, values)
		})
		return nil
	})
}

// Recalculate changes every calculated value that a live object has, without
// a newer modification date.
func (a *Account) Recalculate(objectType string, id int64) error {
	return a.change(objectType, func(t *table) error {
		r, err := t.liveRecord(id)
		if err != nil {
			return err
		}
		a.recalculate(r)
		return nil
	})
}

func (a *Account) recalculate(r *record) {
	a.edit(r, func(v *version) {
		v.drift++
		v.cause, v.drifted = byHubSpot, time.Now().UnixMilli()
		v.values = r.table.withoutCalculated(v.values)
	})
}

// DriftAll changes every calculated value of every object of a type, without
// a newer modification date, at no cost per object.
func (a *Account) DriftAll(objectType string) error {
	return a.change(objectType, func(t *table) error {
		now := time.Now()
		t.drifted.move(now.UnixMilli(), a.indexed(0, now))
		for _, r := range t.order {
			old := r.now().values
			if kept := t.withoutCalculated(old); len(kept) < len(old) {
				a.edit(r, func(v *version) { v.values = kept })
			}
		}
		return nil
	})
}

// withoutCalculated is the values without those that Drift has set of
// calculated properties.
func (t *table) withoutCalculated(values map[string]string) map[string]string {
	isCalculated := func(name, _ string) bool {
		p := t.props.byName[name]
		return p != nil && p.gen == genCalculated
	}
	for name := range values {
		if isCalculated(name, "") {
			kept := maps.Clone(values)
			maps.DeleteFunc(kept, isCalculated)
			return kept
		}
	}
	return values
}
