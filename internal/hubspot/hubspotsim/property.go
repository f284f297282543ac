package hubspotsim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Property is the definition of a property, as HubSpot's properties API
// shows it.
type Property struct {
	Name               string    // internal name
	Label              string    // defaults to the name
	Type               string    // string, number, datetime, date, enumeration, bool, phone_number
	FieldType          string    // defaults to a usual one for the type
	Group              string    // defaults to the type's own
	Options            []string  // values of an enumeration
	Calculated         bool      // HubSpot computes it; it changes without a newer modification date
	CalculationFormula string    // another sign of the same
	Sensitivity        string    // non_sensitive (default), sensitive or highly_sensitive
	Filled             bool      // base objects have a value at once, without a newer modification date
	ReferencesTo       string    // OWNER where the value is an owner's id
	Created            time.Time // zero: HubSpot's own, without a date
	ArchivedAt         time.Time // zero unless archived
}

// A generator says how a property's value follows from an object's index.
type generator uint8

const (
	genNothing generator = iota
	genID
	genCreated
	genModified
	genMerged
	genSerial // the prefix, the index in six digits, the suffix
	genWords
	genInteger
	genDecimal
	genDateTime
	genDate
	genEnum
	genBool
	genPhone
	genOwner
	genCalculated
)

// A property is a definition with what its values are made from.
type property struct {
	Property
	gen            generator
	prefix, suffix string // of genSerial
	fill           uint64 // per cent of the base objects that have a value
	salt           uint64
	head           []byte // `"name":`
}

// newProperty completes a definition.
func newProperty(p Property, gen generator, fill uint64) *property {
	p.Label = cmp.Or(p.Label, p.Name)
	p.Type = cmp.Or(p.Type, "string")
	p.FieldType = cmp.Or(p.FieldType, usualField(p.Type))
	p.Sensitivity = cmp.Or(p.Sensitivity, "non_sensitive")
	return &property{
		Property: p, gen: gen, fill: fill, salt: mixText(p.Name),
		head: append(appendString(nil, p.Name), ':'),
	}
}

func usualField(kind string) string {
	switch kind {
	case "number":
		return "number"
	case "datetime", "date":
		return "date"
	case "enumeration":
		return "select"
	case "bool":
		return "booleancheckbox"
	case "phone_number":
		return "phonenumber"
	}
	return "text"
}

// usualGenerator makes values of a property's type.
func usualGenerator(kind string) generator {
	switch kind {
	case "number":
		return genDecimal
	case "datetime":
		return genDateTime
	case "date":
		return genDate
	case "enumeration":
		return genEnum
	case "bool":
		return genBool
	case "phone_number":
		return genPhone
	}
	return genWords
}

// A propertySet is the properties of a type at one moment. It is replaced,
// never changed, so that an answer under way keeps what it began with.
type propertySet struct {
	sorted   []*property // by name, without the archived ones
	byName   map[string]*property
	archived []*property
	always   []*property // in every answer
	usual    []*property // when no property is asked for
}

func newPropertySet(k kind, all []*property) *propertySet {
	s := &propertySet{byName: map[string]*property{}}
	for _, p := range all {
		if !p.ArchivedAt.IsZero() {
			s.archived = append(s.archived, p)
			continue
		}
		s.sorted = append(s.sorted, p)
		s.byName[p.Name] = p
	}
	slices.SortFunc(s.sorted, func(a, b *property) int { return cmp.Compare(a.Name, b.Name) })
	for _, name := range []string{k.created, k.modified, "hs_object_id"} {
		s.always = append(s.always, s.byName[name])
	}
	s.usual = s.always
	for _, p := range s.sorted {
		if p.gen == genSerial {
			s.usual = append(slices.Clip(s.usual), p)
		}
	}
	byName := func(a, b *property) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(s.usual, byName)
	return s
}

// all lists every property, the archived ones last.
func (s *propertySet) all() []*property { return slices.Concat(s.sorted, s.archived) }

// pick lists the properties of an answer in order: those asked for that
// exist, and those that are always there. Unknown names are ignored, as
// HubSpot does.
func (s *propertySet) pick(names []string) []*property {
	if len(names) == 0 {
		return s.usual
	}
	picked := slices.Clone(s.always)
	for _, name := range names {
		if p := s.byName[name]; p != nil {
			picked = append(picked, p)
		}
	}
	slices.SortFunc(picked, func(a, b *property) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(picked)
}

// propertiesOf makes a type's definitions: those HubSpot brings, the hostile
// ones if wanted, and ordinary ones up to count.
func propertiesOf(k kind, count int, hostile bool) []*property {
	list := identity(k)
	list = append(list, known(k)...)
	if hostile {
		for i, name := range hostileNames() {
			kind := []string{"string", "number", "datetime"}[i%3]
			list = append(list, newProperty(Property{Name: name, Type: kind, Created: customSince()}, usualGenerator(kind), 70))
		}
	}
	computed := calculatedOf(k)
	for i := len(list); i < count-len(computed); i++ {
		list = append(list, filler(i))
	}
	return append(list, computed...)
}

// customSince dates what the account has added to what HubSpot brings.
func customSince() time.Time { return time.Date(1999, 3, 14, 15, 9, 26, 535e6, time.UTC) }

// identity is what every type has.
func identity(k kind) []*property {
	return []*property{
		newProperty(Property{Name: "hs_object_id", Label: "Record ID", Type: "number"}, genID, 100),
		newProperty(Property{Name: k.created, Label: "Create Date", Type: "datetime"}, genCreated, 100),
		newProperty(Property{Name: k.modified, Label: "Last Modified Date", Type: "datetime"}, genModified, 100),
		newProperty(Property{Name: "hs_merged_object_ids", Label: "Merged record IDs", Type: "enumeration",
			FieldType: "checkbox"}, genMerged, 0),
	}
}

// known is a selection of the properties that HubSpot brings.
func known(k kind) []*property {
	serial := func(name, prefix, suffix string) *property {
		p := newProperty(Property{Name: name}, genSerial, 100)
		p.prefix, p.suffix = prefix, suffix
		return p
	}
	plain := func(name, kind string, fill uint64, options ...string) *property {
		return newProperty(Property{Name: name, Type: kind, Options: options}, usualGenerator(kind), fill)
	}
	owner := newProperty(Property{Name: "hubspot_owner_id", Type: "enumeration", ReferencesTo: "OWNER"}, genOwner, 80)
	score := newProperty(Property{Name: "hs_score", Type: "number", FieldType: "calculation_score"}, genInteger, 60)
	switch k.id {
	case "0-1":
		secret := newProperty(Property{Name: "passport_number", Sensitivity: "sensitive", Created: customSince()}, genWords, 20)
		health := newProperty(Property{Name: "blood_group", Sensitivity: "highly_sensitive", Created: customSince()}, genWords, 5)
		return []*property{
			serial("email", "contact-", "@example.com"), serial("firstname", "Contact ", ""), serial("lastname", "No. ", ""),
			owner, score, plain("phone", "phone_number", 60), plain("city", "string", 50), plain("jobtitle", "string", 40),
			plain("lifecyclestage", "enumeration", 90, "subscriber", "lead", "opportunity", "customer"),
			plain("hs_email_optout", "bool", 70), plain("birthday", "date", 20), plain("num_employees", "number", 40),
			secret, health,
		}
	case "0-2":
		return []*property{serial("name", "Company ", ""), serial("domain", "company-", ".example.com"), owner, score,
			plain("city", "string", 70), plain("annualrevenue", "number", 50),
			plain("industry", "enumeration", 60, "ENERGY", "RETAIL", "SOFTWARE")}
	case "0-3", "0-136":
		return []*property{serial("dealname", "Deal ", ""), owner, plain("amount", "number", 90), plain("closedate", "datetime", 80),
			plain("pipeline", "enumeration", 100, "default", "renewals"),
			plain("dealstage", "enumeration", 100, "appointmentscheduled", "closedwon", "closedlost")}
	case "0-5":
		return []*property{serial("subject", "Ticket ", ""), owner, plain("content", "string", 60),
			plain("hs_pipeline", "enumeration", 100, "0"), plain("hs_pipeline_stage", "enumeration", 100, "1", "2", "4")}
	}
	return []*property{serial("name", k.singular+" ", ""), owner, plain("hs_timestamp", "datetime", 90)}
}

// filler is the i-th ordinary property of a type: two in five text, one in
// five a number, the rest dates, choices and flags, as customers add them.
func filler(i int) *property {
	kinds := []string{"string", "number", "enumeration", "string", "datetime", "string", "number", "bool", "string", "date"}
	kind := kinds[i%len(kinds)]
	p := Property{Name: fmt.Sprintf("custom_%s_%03d", kind, i), Type: kind, Created: customSince()}
	if kind == "enumeration" {
		p.Options = []string{"alpha", "beta", "gamma", "delta"}
	}
	gen := usualGenerator(kind)
	if kind == "number" && i%4 == 1 {
		gen = genInteger
	}
	return newProperty(p, gen, 20+uint64(i*37%75))
}

// readOnly tells whether HubSpot alone sets the property.
func (p *property) readOnly() bool {
	return p.gen == genID || p.gen == genCreated || p.gen == genModified || p.gen == genCalculated
}
