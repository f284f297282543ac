package hubspot

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Property is the definition of one property of an object type
// (developers.hubspot.com, properties guide). Dates are as HubSpot wrote
// them; several fields may be missing from an answer and are then empty.
type Property struct {
	Name                 string   `json:"name"`
	Label                string   `json:"label"`
	Type                 string   `json:"type"` // string, number, datetime, date, enumeration, bool, phone_number, ...
	FieldType            string   `json:"fieldType"`
	Description          string   `json:"description"`
	GroupName            string   `json:"groupName"`
	Options              []Option `json:"options"`
	DisplayOrder         int      `json:"displayOrder"`
	Calculated           bool     `json:"calculated"` // also false for many that HubSpot computes: see FieldType
	CalculationFormula   string   `json:"calculationFormula"`
	ExternalOptions      bool     `json:"externalOptions"`
	ReferencedObjectType string   `json:"referencedObjectType"`
	HasUniqueValue       bool     `json:"hasUniqueValue"`
	Hidden               bool     `json:"hidden"`
	HubSpotDefined       bool     `json:"hubspotDefined"`
	FormField            bool     `json:"formField"`
	DataSensitivity      string   `json:"dataSensitivity"`
	CreatedAt            string   `json:"createdAt"`
	UpdatedAt            string   `json:"updatedAt"`
	Archived             bool     `json:"archived"`
	ArchivedAt           string   `json:"archivedAt"`

	Date  time.Time `json:"-"` // HubSpot's clock in the answer that held it
	Stamp int64     `json:"-"` // taken before that answer was asked for
}

// Computed tells whether HubSpot makes the property's values itself, and so may
// change them without a new modification date. The calculated flag alone does
// not tell: many computed ones have it false.
func (p Property) Computed() bool {
	return p.Calculated || p.CalculationFormula != "" || strings.HasPrefix(p.FieldType, "calculation_")
}

// An Option is one value that an enumeration property may have.
type Option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// sensitivities are the values of dataSensitivity; the first is what a list
// without the parameter holds.
var sensitivities = []string{"non_sensitive", "sensitive", "highly_sensitive"}

// Properties lists the definitions of every property of the type that the
// credential can read, of each sensitivity, sorted by name. Without the scope
// for sensitive ones they are left out, silently: HubSpot leaves their values
// out just the same.
func (c *Client) Properties(ctx context.Context, objectType string) ([]Property, error) {
	var all []Property
	for i, sensitivity := range sensitivities {
		some, err := c.propertiesOf(ctx, objectType, sensitivity)
		if i > 0 && KindOf(err) == Forbidden {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Property) bool { return a.Name == b.Name }), nil
}

func (c *Client) propertiesOf(ctx context.Context, objectType, sensitivity string) ([]Property, error) {
	var list struct {
		Results []Property `json:"results"`
	}
	ans, err := c.ask(ctx, question{
		op:      "read the properties of " + objectType,
		path:    c.path(PropertiesFamily, objectType),
		query:   url.Values{"archived": {"false"}, "dataSensitivity": {sensitivity}}.Encode(),
		verify:  wholeList,
		decoded: &list,
	})
	if err != nil {
		return nil, err
	}
	for i := range list.Results {
		list.Results[i].Date, list.Results[i].Stamp = ans.date, ans.stamp
	}
	return list.Results, nil
}

// Property reads one definition by name. An archived property is found only
// with archived set, for 90 days. The error is NotFound when there is none.
func (c *Client) Property(ctx context.Context, objectType, name string, archived bool) (Property, error) {
	var p Property
	ans, err := c.ask(ctx, question{
		op:      "read property " + name + " of " + objectType,
		path:    c.path(PropertiesFamily, objectType, name),
		query:   url.Values{"archived": {strconv.FormatBool(archived)}}.Encode(),
		verify:  oneThing("name"),
		decoded: &p,
	})
	if err != nil {
		return Property{}, err
	}
	p.Date, p.Stamp = ans.date, ans.stamp
	return p, nil
}
