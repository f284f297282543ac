package hubspotsim

import (
	"strings"
	"time"
	"unicode"
)

// A definition is a property as the properties API writes it.
type definition struct {
	Name             string       `json:"name"`
	Label            string       `json:"label"`
	Type             string       `json:"type"`
	FieldType        string       `json:"fieldType"`
	Description      string       `json:"description"`
	GroupName        string       `json:"groupName"`
	Options          []option     `json:"options"`
	DisplayOrder     int          `json:"displayOrder"`
	Calculated       bool         `json:"calculated"`
	Formula          string       `json:"calculationFormula,omitempty"`
	ExternalOptions  bool         `json:"externalOptions"`
	ReferencedType   string       `json:"referencedObjectType,omitempty"`
	HasUniqueValue   bool         `json:"hasUniqueValue"`
	Hidden           bool         `json:"hidden"`
	HubSpotDefined   bool         `json:"hubspotDefined,omitempty"`
	FormField        bool         `json:"formField"`
	DataSensitivity  string       `json:"dataSensitivity"`
	ModificationMeta modification `json:"modificationMetadata"`
	CreatedAt        *time.Time   `json:"createdAt,omitempty"`
	UpdatedAt        *time.Time   `json:"updatedAt,omitempty"`
	Archived         bool         `json:"archived,omitempty"`
	ArchivedAt       *time.Time   `json:"archivedAt,omitempty"`
}

type modification struct {
	Archivable         bool `json:"archivable"`
	ReadOnlyDefinition bool `json:"readOnlyDefinition"`
	ReadOnlyValue      bool `json:"readOnlyValue"`
}

type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// definition writes a property; HubSpot's own carry no dates.
func (p *property) definition(k kind) definition {
	group := p.Group
	if group == "" {
		group = k.singular + "information"
	}
	d := definition{
		Name: p.Name, Label: p.Label, Type: p.Type, FieldType: p.FieldType, GroupName: group, Options: []option{},
		DisplayOrder: -1, Calculated: p.Calculated, Formula: p.CalculationFormula, ReferencedType: p.ReferencesTo, ExternalOptions: p.ReferencesTo != "",
		HubSpotDefined: p.Created.IsZero(), DataSensitivity: p.Sensitivity,
		ModificationMeta: modification{Archivable: !p.Created.IsZero(), ReadOnlyDefinition: p.Created.IsZero(), ReadOnlyValue: p.readOnly()},
	}
	for i, value := range p.Options {
		d.Options = append(d.Options, option{Label: title(value), Value: value, DisplayOrder: i})
	}
	if !p.Created.IsZero() {
		d.CreatedAt, d.UpdatedAt = date(p.Created), date(p.Created)
	}
	if !p.ArchivedAt.IsZero() {
		d.Archived, d.ArchivedAt = true, date(p.ArchivedAt)
	}
	return d
}

func date(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// title makes a label of a value.
func title(value string) string {
	for i, r := range value {
		return string(unicode.ToUpper(r)) + strings.ToLower(value[i+len(string(r)):])
	}
	return value
}

// answerProperties serves a type's definitions of one sensitivity.
func (a *Account) answerProperties(c *call, out []byte) (int, []byte) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t := c.tables[0]
	wanted := firstOf(c.query.Get("dataSensitivity"), "non_sensitive")
	list := t.props.sorted
	if c.query.Get("archived") == "true" {
		list = t.props.archived
	}
	definitions := []definition{}
	for _, p := range list {
		if p.Sensitivity == wanted {
			definitions = append(definitions, p.definition(t.kind))
		}
	}
	return 200, append(appendJSON(append(out, `{"results":`...), definitions), '}')
}

// answerProperty serves one definition by name.
func (a *Account) answerProperty(c *call, out []byte) (int, []byte) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t := c.tables[0]
	list := t.props.sorted
	if c.query.Get("archived") == "true" {
		list = t.props.archived
	}
	for _, p := range list {
		if p.Name == c.args[0] {
			return 200, appendJSON(out, p.definition(t.kind))
		}
	}
	return problem(out, 404, "OBJECT_NOT_FOUND", "Property "+c.args[0]+" does not exist")
}

// A schema is a custom object's type.
type schema struct {
	ID             string            `json:"id"`
	ObjectTypeID   string            `json:"objectTypeId"`
	FullName       string            `json:"fullyQualifiedName"`
	Name           string            `json:"name"`
	Labels         map[string]string `json:"labels"`
	Primary        string            `json:"primaryDisplayProperty"`
	Secondary      []string          `json:"secondaryDisplayProperties"`
	Required       []string          `json:"requiredProperties"`
	Searchable     []string          `json:"searchableProperties"`
	Properties     []definition      `json:"properties"`
	Associations   []string          `json:"associations"`
	Archived       bool              `json:"archived"`
	AllowSensitive bool              `json:"allowsSensitiveProperties"`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
}

func (t *table) schema() schema {
	s := schema{
		ID: strings.TrimPrefix(t.kind.id, "2-"), ObjectTypeID: t.kind.id, FullName: t.kind.full, Name: t.kind.name,
		Labels:  map[string]string{"singular": title(t.kind.singular), "plural": title(t.kind.name)},
		Primary: "name", Secondary: []string{}, Required: []string{"name"}, Searchable: []string{"name"},
		Properties: []definition{}, Associations: []string{}, CreatedAt: customSince(), UpdatedAt: customSince(),
	}
	for _, p := range t.props.sorted {
		s.Properties = append(s.Properties, p.definition(t.kind))
	}
	return s
}

// answerSchemas serves the account's own types.
func (a *Account) answerSchemas(c *call, out []byte) (int, []byte) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	schemas := []schema{}
	for _, t := range a.tables {
		if t.kind.custom() && c.query.Get("archived") != "true" {
			schemas = append(schemas, t.schema())
		}
	}
	return 200, append(appendJSON(append(out, `{"results":`...), schemas), '}')
}

// answerSchema serves one type.
func (a *Account) answerSchema(c *call, out []byte) (int, []byte) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return 200, appendJSON(out, c.tables[0].schema())
}
