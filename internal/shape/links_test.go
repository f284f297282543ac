package shape_test

import (
	"reflect"
	"testing"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

func links() penstock.Stream {
	return penstock.Stream{Name: "contacts_companies", Family: penstock.Associations, ObjectType: "0-1", ToType: "0-2", Of: "contacts"}
}

// whole appends all that is ranged over.
func whole(appended func(yield func() bool)) (steps int) {
	for range appended {
		steps++
	}
	return steps
}

// byID is the fixed part of a row that was asked for by id.
func byID(more row) row {
	cells := undated(more)
	cells["s:via"] = "2"
	return cells
}

func TestEachTypeOfALinkIsARow(t *testing.T) {
	table := shape.AssociationsTable(links())
	b := shape.NewBuilder(table)
	page := &hubspot.AssociationPage{Date: answered(), Stamp: 7}
	steps := whole(b.Links(page, hubspot.Linked{From: "501", Links: []hubspot.Link{
		{To: 9, Types: []hubspot.AssociationType{{Category: "HUBSPOT_DEFINED", ID: 279}, {Category: "HUBSPOT_DEFINED", ID: 1, Label: "Primary"}}},
		{To: 10, Types: []hubspot.AssociationType{{Category: "USER_DEFINED", ID: 1, Label: "Mine"}, {Category: "HUBSPOT_DEFINED", ID: 1, Label: "Primary"}}},
	}, Rejected: []string{`{"toObjectId":"?"}`}}))
	rows, built := flush(t, b, table)
	want := []row{
		byID(row{"k:from_id": "501", "k:to_id": "9", "k:type_id": "1", "p:category": "HUBSPOT_DEFINED", "p:label": "Primary"}),
		byID(row{"k:from_id": "501", "k:to_id": "9", "k:type_id": "279", "p:category": "HUBSPOT_DEFINED"}),
		byID(row{"k:from_id": "501", "k:to_id": "10", "k:type_id": "1", "p:category": "HUBSPOT_DEFINED", "p:label": "Primary"}),
	}
	for _, cells := range want {
		delete(cells, "k:id")
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%v\nnot\n%v", rows, want)
	}
	if steps != 5 || built.Counts != (penstock.Counts{Fetched: 5, Rejected: 2}) || built.Stamp != 7 {
		t.Errorf("%d steps, counts %+v, stamp %d", steps, built.Counts, built.Stamp)
	}
	if len(built.Rejects) != 2 || built.Rejects[1].Key != "501" || built.Rejects[1].Original != `{"toObjectId":"?"}` || built.Rejects[1].Property != "" {
		t.Errorf("rejects %+v", built.Rejects)
	}
}

func TestLinksOfWhatHasNoIDAreRejects(t *testing.T) {
	table := shape.AssociationsTable(links())
	b := shape.NewBuilder(table)
	of := hubspot.Linked{From: "007", Links: []hubspot.Link{{To: 9, Types: []hubspot.AssociationType{{ID: 1}}}}}
	whole(b.Links(&hubspot.AssociationPage{Date: answered(), Stamp: 7}, of))
	if rows, built := flush(t, b, table); len(rows) != 0 || len(built.Rejects) != 1 || built.Rejects[0].Key != "007" {
		t.Errorf("rows %v, rejects %+v", rows, built.Rejects)
	}
}

// The caller flushes in the loop, and no row is lost or comes twice.
func TestABuilderMayBeFlushedBetweenLinks(t *testing.T) {
	table := shape.AssociationsTable(links())
	b := shape.NewBuilder(table)
	of := hubspot.Linked{From: "501"}
	for to := range int64(10) {
		of.Links = append(of.Links, hubspot.Link{To: to + 1, Types: []hubspot.AssociationType{{ID: 3}}})
	}
	var all []row
	for range b.Links(&hubspot.AssociationPage{Date: answered(), Stamp: 7}, of) {
		if b.Rows() == 3 {
			rows, built := flush(t, b, table)
			if all = append(all, rows...); built.Stamp != 7 {
				t.Errorf("stamp %d", built.Stamp)
			}
		}
	}
	rows, _ := flush(t, b, table)
	if all = append(all, rows...); len(all) != 10 || all[9]["k:to_id"] != "10" {
		t.Errorf("%d rows: %v", len(all), all)
	}
}
