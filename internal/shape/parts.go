package shape

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock"
	"penstock/internal/hubspot"
)

// A part is one column of a small family: what HubSpot's definition of the
// thing says, as text, "" for nothing.
type part[T any] struct {
	name string
	kind penstock.Type
	text func(*T) string
}

var ownerParts = []part[hubspot.Owner]{
	{"email", penstock.Text, func(o *hubspot.Owner) string { return o.Email }},
	{"first_name", penstock.Text, func(o *hubspot.Owner) string { return o.FirstName }},
	{"last_name", penstock.Text, func(o *hubspot.Owner) string { return o.LastName }},
	{"type", penstock.Text, func(o *hubspot.Owner) string { return o.Type }},
	{"user_id", penstock.Number, func(o *hubspot.Owner) string { return unlessZero(o.UserID) }},
	{"user_id_including_inactive", penstock.Number, func(o *hubspot.Owner) string { return unlessZero(o.UserIDIncludingInactive) }},
	{"teams", penstock.Text, func(o *hubspot.Owner) string { return listed(o.Teams) }},
	{"created_at", penstock.DateTime, func(o *hubspot.Owner) string { return o.CreatedAt }},
	{"updated_at", penstock.DateTime, func(o *hubspot.Owner) string { return o.UpdatedAt }},
}

var pipelineParts = []part[hubspot.Pipeline]{
	{"label", penstock.Text, func(p *hubspot.Pipeline) string { return p.Label }},
	{"display_order", penstock.Number, func(p *hubspot.Pipeline) string { return strconv.Itoa(p.DisplayOrder) }},
	{"created_at", penstock.DateTime, func(p *hubspot.Pipeline) string { return p.CreatedAt }},
	{"updated_at", penstock.DateTime, func(p *hubspot.Pipeline) string { return p.UpdatedAt }},
}

var stageParts = []part[hubspot.Stage]{
	{"label", penstock.Text, func(s *hubspot.Stage) string { return s.Label }},
	{"display_order", penstock.Number, func(s *hubspot.Stage) string { return strconv.Itoa(s.DisplayOrder) }},
	{"metadata", penstock.Text, func(s *hubspot.Stage) string { return mapped(s.Metadata) }},
	{"is_closed", penstock.Bool, func(s *hubspot.Stage) string { return s.Metadata["isClosed"] }},
	{"probability", penstock.Number, func(s *hubspot.Stage) string { return s.Metadata["probability"] }},
	{"ticket_state", penstock.Text, func(s *hubspot.Stage) string { return s.Metadata["ticketState"] }},
	{"created_at", penstock.DateTime, func(s *hubspot.Stage) string { return s.CreatedAt }},
	{"updated_at", penstock.DateTime, func(s *hubspot.Stage) string { return s.UpdatedAt }},
}

var propertyParts = []part[hubspot.Property]{
	{"label", penstock.Text, func(p *hubspot.Property) string { return p.Label }},
	{"type", penstock.Text, func(p *hubspot.Property) string { return p.Type }},
	{"field_type", penstock.Text, func(p *hubspot.Property) string { return p.FieldType }},
	{"description", penstock.Text, func(p *hubspot.Property) string { return p.Description }},
	{"group_name", penstock.Text, func(p *hubspot.Property) string { return p.GroupName }},
	{"display_order", penstock.Number, func(p *hubspot.Property) string { return strconv.Itoa(p.DisplayOrder) }},
	{"calculated", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.Calculated) }},
	{"calculation_formula", penstock.Text, func(p *hubspot.Property) string { return p.CalculationFormula }},
	{"external_options", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.ExternalOptions) }},
	{"has_unique_value", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.HasUniqueValue) }},
	{"hidden", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.Hidden) }},
	{"hubspot_defined", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.HubSpotDefined) }},
	{"form_field", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.FormField) }},
	{"data_sensitivity", penstock.Text, func(p *hubspot.Property) string { return p.DataSensitivity }},
	{"referenced_object_type", penstock.Text, func(p *hubspot.Property) string { return p.ReferencedObjectType }},
	{"created_at", penstock.DateTime, func(p *hubspot.Property) string { return p.CreatedAt }},
	{"updated_at", penstock.DateTime, func(p *hubspot.Property) string { return p.UpdatedAt }},
	{"archived", penstock.Bool, func(p *hubspot.Property) string { return strconv.FormatBool(p.Archived) }},
}

var optionParts = []part[hubspot.Option]{
	{"label", penstock.Text, func(o *hubspot.Option) string { return o.Label }},
	{"description", penstock.Text, func(o *hubspot.Option) string { return o.Description }},
	{"display_order", penstock.Number, func(o *hubspot.Option) string { return strconv.Itoa(o.DisplayOrder) }},
	{"hidden", penstock.Bool, func(o *hubspot.Option) string { return strconv.FormatBool(o.Hidden) }},
}

// unlessZero leaves an id out that HubSpot left out, as it does the user of
// an archived owner.
func unlessZero(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// listed is the teams as JSON; "" if there are none.
func listed(teams []hubspot.Team) string {
	if len(teams) == 0 {
		return ""
	}
	return inJSON(teams)
}

// mapped is the metadata as JSON; "" if there is none.
func mapped(metadata map[string]string) string {
	if len(metadata) == 0 {
		return ""
	}
	return inJSON(metadata)
}

// inJSON always succeeds: v is a plain structure or map, and text that is
// not valid Unicode is repaired.
func inJSON(v any) string {
	text, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err)
	}
	return string(text)
}
