// Package shape turns HubSpot's objects, properties, owners and pipelines
// into tables and rows: one typed column per property, one Arrow record per
// batch, without a map or a string per value.
//
// It knows HubSpot's JSON, what its values may look like and what becomes of
// one that is not what its property says (V1, V2). It does not know where an
// answer came from, what time it is, or what a warehouse does with a row; it
// does no I/O.
package shape

import (
	"slices"
	"strings"

	"penstock"
	"penstock/internal/hubspot"
)

// TableOf is the table of a stream of objects: a column per property, sorted
// by name. Of two properties with one name the first that is not archived
// counts.
func TableOf(stream penstock.Stream, properties []hubspot.Property) penstock.Table {
	sorted := slices.Clone(properties)
	slices.SortStableFunc(sorted, func(p, q hubspot.Property) int {
		if c := strings.Compare(p.Name, q.Name); c != 0 || p.Archived == q.Archived {
			return c
		}
		if p.Archived {
			return 1
		}
		return -1
	})
	table := penstock.Table{Stream: stream, Columns: make([]penstock.Column, 0, len(sorted))}
	for i, p := range sorted {
		if i == 0 || p.Name != sorted[i-1].Name {
			table.Columns = append(table.Columns, penstock.Column{Property: p.Name, Type: typeOf(p.Type)})
		}
	}
	return table
}

// HashedType is the type of a property whose values are to be hashed. HubSpot
// has none of that name.
const HashedType = "penstock:hashed"

// typeOf maps a property's type to a column's. HubSpot has string, number,
// bool, date, datetime, enumeration, phone_number, object_coordinates and
// json (developers.hubspot.com, properties guide); the others, and any it
// adds, are text.
func typeOf(property string) penstock.Type {
	switch property {
	case HashedType:
		return penstock.Hashed
	case "number":
		return penstock.Number
	case "bool":
		return penstock.Bool
	case "date":
		return penstock.Date
	case "datetime":
		return penstock.DateTime
	}
	return penstock.Text
}
