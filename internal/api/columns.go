package api

import (
	"slices"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// A column is one of a stream's table, as callers may name it.
type column struct {
	name     string
	property string // HubSpot's name of it; empty for the key's and Penstock's own
	kind     penstock.Type
	absent   bool // rows are read without it
}

// ownColumns follow the properties' in every table; the hidden ones, which are
// answered only when asked for, are the last two.
var ownColumns = []column{
	{name: "_created_at", kind: penstock.DateTime}, {name: "_updated_at", kind: penstock.DateTime}, {name: "_deleted", kind: penstock.Bool},
	{name: "_deleted_at", kind: penstock.DateTime}, {name: "_deleted_why", kind: penstock.Text}, {name: "_merged_into", kind: warehouse.WholeNumber},
	{name: "_synced_at", kind: penstock.DateTime}, {name: loadColumn, kind: warehouse.WholeNumber},
	{name: "_stamp", kind: warehouse.WholeNumber}, {name: "_print", kind: warehouse.WholeNumber},
}

const (
	hiddenColumns = 2
	loadColumn    = "_load"
	syncedColumn  = "_synced_at"
)

// columnsOf are the table's columns in the order of an answer, the hidden ones
// at the end.
func columnsOf(table warehouse.TableState) []column {
	var all []column
	for _, k := range table.Stream.Key() {
		c := column{name: k.Name, kind: penstock.Text}
		if k.Integer {
			c.kind = warehouse.WholeNumber
		}
		all = append(all, c)
	}
	for _, c := range table.Columns {
		all = append(all, column{c.Name, c.Property, c.Type, c.Absent})
	}
	return append(all, ownColumns...)
}

// chosen are the columns asked for; without any, all but the hidden ones.
func chosen(all []column, names []string) ([]column, error) {
	if len(names) == 0 {
		return all[:len(all)-hiddenColumns], nil
	}
	columns := make([]column, len(names))
	for i, name := range names {
		at := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		if at < 0 {
			return nil, noSuchColumn(all, name, "ask without fields to see all columns")
		}
		columns[i] = all[at]
	}
	return columns, nil
}

// named is the column of that name, or else the one that HubSpot's property of
// that name is read into.
func named(all []column, name string) (column, error) {
	shown := all[:len(all)-hiddenColumns]
	at := slices.IndexFunc(shown, func(c column) bool { return c.name == name })
	if at < 0 {
		at = slices.IndexFunc(shown, func(c column) bool { return c.property == name && name != "" && !c.absent })
	}
	if at < 0 {
		return column{}, noSuchColumn(all, name, "filter by a property's name in HubSpot, or by a column's, as an answer without fields shows them")
	}
	return shown[at], nil
}

func noSuchColumn(all []column, name, remedy string) *Problem {
	detail := "no such column: " + shorten(name)
	if nearest := nearest(all, name); nearest != "" {
		detail += `; the nearest is "` + nearest + `"`
	}
	return newProblem(noField, detail, remedy)
}

// maxCompared bounds the work of finding the nearest name.
const maxCompared = 100

// nearest is the column's or property's name that takes the fewest changes to
// become the one that is not known; none when hardly a letter would stay.
func nearest(all []column, name string) string {
	best, least := "", (min(len(name), maxCompared)+1)/2+1
	for _, c := range all[:len(all)-hiddenColumns] {
		for _, known := range []string{c.name, c.property} {
			if d := distance(strings.ToLower(name), strings.ToLower(known)); known != "" && d < least {
				best, least = known, d
			}
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or changed (Levenshtein).
func distance(a, b string) int {
	a, b = a[:min(len(a), maxCompared)], b[:min(len(b), maxCompared)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
