package shape_test

import (
	"reflect"
	"testing"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// undated is the fixed part of a small family's row, with more cells on top.
func undated(more row) row {
	cells := put("", "", more)
	delete(cells, "s:updated")
	if more["k:id"] == "" {
		delete(cells, "k:id")
	}
	return cells
}

func TestOwnersBecomeRows(t *testing.T) {
	table := shape.OwnersTable()
	b := shape.NewBuilder(table)
	b.Owners(hubspot.OwnerPage{Date: answered(), Stamp: 7, Owners: []hubspot.Owner{
		{ID: "88", Email: "owner-88@example.com", FirstName: "O", LastName: "W", Type: "PERSON", UserID: 5, UserIDIncludingInactive: 5,
			Teams: []hubspot.Team{{ID: "3", Name: "T <&>", Primary: true}}, CreatedAt: "2020-01-01T00:00:00Z", UpdatedAt: "2021-01-01T00:00:00.5Z"},
		{ID: "89", UserIDIncludingInactive: 6, CreatedAt: "long ago", Archived: true},
		{Email: "nobody@example.com"},
	}}, penstock.ByList)
	rows, built := flush(t, b, table)
	want := []row{
		undated(row{"k:id": "88", "s:created": "2020-01-01T00:00:00.000Z", "p:email": "owner-88@example.com", "p:first_name": "O", "p:last_name": "W",
			"p:type": "PERSON", "p:user_id": "5", "p:user_id_including_inactive": "5", "p:teams": `[{"id":"3","name":"T <&>","primary":true}]`,
			"p:created_at": "2020-01-01T00:00:00.000Z", "p:updated_at": "2021-01-01T00:00:00.500Z"}),
		undated(row{"k:id": "89", "s:why": "archived", "p:user_id_including_inactive": "6"}),
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%v\nnot\n%v", rows, want)
	}
	if built.Counts != (penstock.Counts{Fetched: 3, Rejected: 1, Values: 1}) || built.Stamp != 7 ||
		built.Rejects[0].Property != "created_at" || built.Rejects[0].Key != "89" || built.Rejects[1].Property != "" {
		t.Errorf("built %+v", built)
	}
}

func TestPipelinesAndTheirStagesBecomeRows(t *testing.T) {
	page := hubspot.PipelinePage{Date: answered(), Stamp: 7, Pipelines: []hubspot.Pipeline{{
		ID: "default", Label: "Sales", CreatedAt: "1970-01-01T00:00:00Z", UpdatedAt: "1970-01-01T00:00:00Z",
		Stages: []hubspot.Stage{
			{ID: "won", Label: "Won", DisplayOrder: 5, Metadata: map[string]string{"probability": "1.0", "isClosed": "true"}},
			{ID: "new", Label: "New", Metadata: map[string]string{"ticketState": "OPEN", "probability": "?"}, Archived: true},
		},
	}}}
	b := shape.NewBuilder(shape.PipelinesTable())
	b.Pipelines("deals", page, penstock.ByList)
	rows, _ := flush(t, b, shape.PipelinesTable())
	epoch := "1970-01-01T00:00:00.000Z"
	want := []row{undated(row{"k:object_type": "deals", "k:id": "default", "s:created": epoch, "p:label": "Sales", "p:display_order": "0",
		"p:created_at": epoch, "p:updated_at": epoch})}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("pipelines\n%v\nnot\n%v", rows, want)
	}

	b = shape.NewBuilder(shape.StagesTable())
	b.Stages("deals", page, penstock.ByList)
	b.Stage("deals", "default", hubspot.StagePage{Date: answered(), Stamp: 8, Stage: hubspot.Stage{ID: "lost"}})
	rows, built := flush(t, b, shape.StagesTable())
	want = []row{
		undated(row{"k:object_type": "deals", "k:pipeline_id": "default", "k:id": "won", "p:label": "Won", "p:display_order": "5",
			"p:metadata": `{"isClosed":"true","probability":"1.0"}`, "p:is_closed": "true", "p:probability": "1"}),
		undated(row{"k:object_type": "deals", "k:pipeline_id": "default", "k:id": "new", "s:why": "archived", "p:label": "New", "p:display_order": "0",
			"p:metadata": `{"probability":"?","ticketState":"OPEN"}`, "p:ticket_state": "OPEN"}),
		undated(row{"k:object_type": "deals", "k:pipeline_id": "default", "k:id": "lost", "s:via": "2", "s:stamp": "8", "p:display_order": "0"}),
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("stages\n%v\nnot\n%v", rows, want)
	}
	if built.Counts != (penstock.Counts{Fetched: 3, Values: 1}) || built.Rejects[0].Key != `["deals","default","new"]` || built.Stamp != 8 {
		t.Errorf("built %+v", built)
	}
}

func TestPropertiesAndTheirOptionsBecomeRows(t *testing.T) {
	properties := []hubspot.Property{{
		Name: "size", Label: "Size", Type: "enumeration", FieldType: "select", Description: "d", GroupName: "g", DisplayOrder: -1, Calculated: true,
		CalculationFormula: "1+1", HasUniqueValue: true, Hidden: true, ReferencedObjectType: "OWNER", DataSensitivity: "sensitive",
		CreatedAt: "2020-01-01T00:00:00Z", Archived: true, ArchivedAt: "2021-01-01T00:00:00Z", Date: answered(), Stamp: 7,
		Options: []hubspot.Option{{Label: "S", Value: "s", Description: "small", DisplayOrder: 2, Hidden: true}, {Label: "none"}},
	}}
	b := shape.NewBuilder(shape.PropertiesTable())
	b.Properties("companies", properties, penstock.ByList)
	rows, _ := flush(t, b, shape.PropertiesTable())
	want := []row{undated(row{"k:object_type": "companies", "k:name": "size", "s:created": "2020-01-01T00:00:00.000Z", "s:why": "archived",
		"s:deleted": "2021-01-01T00:00:00.000Z", "p:label": "Size", "p:type": "enumeration", "p:field_type": "select", "p:description": "d",
		"p:group_name": "g", "p:display_order": "-1", "p:calculated": "true", "p:calculation_formula": "1+1", "p:external_options": "false",
		"p:has_unique_value": "true", "p:hidden": "true", "p:hubspot_defined": "false", "p:form_field": "false", "p:data_sensitivity": "sensitive",
		"p:referenced_object_type": "OWNER", "p:created_at": "2020-01-01T00:00:00.000Z", "p:archived": "true"})}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("properties\n%v\nnot\n%v", rows, want)
	}

	b = shape.NewBuilder(shape.OptionsTable())
	b.Options("companies", properties, penstock.ByList)
	rows, built := flush(t, b, shape.OptionsTable())
	want = []row{
		undated(row{"k:object_type": "companies", "k:property": "size", "k:value": "s", "p:label": "S", "p:description": "small", "p:display_order": "2", "p:hidden": "true"}),
		undated(row{"k:object_type": "companies", "k:property": "size", "k:value": "", "p:label": "none", "p:display_order": "0", "p:hidden": "false"}),
	}
	if !reflect.DeepEqual(rows, want) || built.Counts != (penstock.Counts{Fetched: 2}) {
		t.Errorf("options\n%v\nnot\n%v\ncounts %+v", rows, want, built.Counts)
	}
}
