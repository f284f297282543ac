package shape

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/hubspot"
)

// An Object is what became of one object of a page.
type Object struct {
	ID       string // as it came
	Updated  int64  // ms since 1970: the date of the row's version
	Archived bool
	Rejected bool     // it could not become a row; Updated and Merged are not set
	Merged   []string // records that live on in this one; their tombstones were added
}

// Objects appends the objects of a page, one row each in the page's order,
// and a tombstone for each record that was merged into one of them. If the
// page is malformed, or ErrColumns, the builder is as it was before.
func (b *Builder) Objects(page *hubspot.Page, via penstock.Via) ([]Object, error) {
	return b.page(page, penstock.Put, via)
}

// Fill appends the objects of a page that was asked for with the table's few
// columns only, for rows that stand at the same version.
func (b *Builder) Fill(page *hubspot.Page, via penstock.Via) ([]Object, error) {
	return b.page(page, penstock.Fill, via)
}

func (b *Builder) page(page *hubspot.Page, op penstock.Op, via penstock.Via) ([]Object, error) {
	if page.Date.IsZero() {
		return nil, errors.New("malformed page: it has no date")
	}
	// A byte that is not UTF-8 grows to three.
	if size := 3 * len(page.Body); b.bytes+size > math.MaxInt32 {
		return nil, tooLarge(len(page.Body), b.rows)
	}
	before, first := b.mark(), b.object+1
	b.scan.body, b.scan.at, b.ids = page.Body, 0, b.ids[:0]
	r := reading{
		b: b, s: &b.scan, date: page.Date.UnixMilli(),
		objects: make([]Object, 0, max(page.Results, 0)),
		ends:    make([]int, 0, max(page.Results, 0)),
		row:     observed{op: op, via: via, stamp: page.Stamp},
	}
	b.stamp = max(b.stamp, page.Stamp)
	err := r.s.answer(r.object)
	if err == nil && b.rows > before.rows {
		err = b.agree(first)
	}
	b.scan.body = nil
	if err != nil {
		b.cut(before)
		return nil, err
	}
	r.nameObjects()
	return r.objects, nil
}

func tooLarge(size, rows int) error {
	if rows > 0 {
		return fmt.Errorf("a page of %d bytes: %w", size, ErrColumns)
	}
	return fmt.Errorf("a page of %d bytes is larger than a record can hold", size)
}

// agree checks that the page's objects, from first on, lack the same columns
// as the rows before them. A column that no object of an answer names is
// unknown there, not NULL, and a record either has a column or has not.
func (b *Builder) agree(first int) error {
	var unknown []int
	for i := range b.table.Columns {
		if b.seen[i] < first {
			unknown = append(unknown, i)
		}
	}
	if b.settled && !slices.Equal(unknown, b.unknown) {
		return ErrColumns
	}
	b.settled, b.unknown = true, unknown
	return nil
}

// A reading is one page being read.
type reading struct {
	b       *Builder
	s       *scanner
	date    int64 // of the answer, whole seconds in ms
	objects []Object
	ends    []int    // of the objects' ids in Builder.ids
	rejects int      // of the builder before the object being read
	row     observed // what all rows of the page have in common
}

// nameObjects cuts the ids of all objects from one string.
func (r *reading) nameObjects() {
	ids := string(r.b.ids)
	start := 0
	for i, end := range r.ends {
		r.objects[i].ID = ids[start:end]
		start = end
	}
}

// A field is a property that is looked for in the objects.
type field struct {
	name   string        // the property's in the warehouse
	source string        // HubSpot's
	quoted string        // its JSON, if that is simple
	column int           // of Builder.columns; -1: none
	kind   penstock.Type // of the column
	merged merged
}

// merged tells that a property names the records that were merged into the
// object.
type merged uint8

const (
	mergedNothing merged = iota
	mergedIDs            // hs_merged_object_ids: "12;34"
	mergedVIDs           // hs_calculated_merged_vids of contacts: "12:1700000000000;34:..."
)

// contacts is HubSpot's objectTypeId of contacts
// (developers.hubspot.com, object type ids).
const contacts = "0-1"

// fieldsOf lists the table's properties, in order, and after them those that
// name merged records where they are no columns. first is the first
// property's column.
func fieldsOf(table penstock.Table, first int) []field {
	var named []field
	if table.Stream.Family == penstock.Objects {
		named = append(named, field{source: "hs_merged_object_ids", merged: mergedIDs})
	}
	if table.Stream.ObjectType == contacts {
		named = append(named, field{source: "hs_calculated_merged_vids", merged: mergedVIDs})
	}
	fields := make([]field, 0, len(table.Columns)+len(named))
	for i, c := range table.Columns {
		f := field{name: c.Property, source: table.Source(c.Property), column: first + i, kind: c.Type}
		f.quoted = quote(f.source)
		at := slices.IndexFunc(named, func(n field) bool { return n.source == f.source })
		if at >= 0 {
			f.merged = named[at].merged
			named = slices.Delete(named, at, at+1)
		}
		fields = append(fields, f)
	}
	for _, f := range named {
		fields = append(fields, field{source: f.source, quoted: quote(f.source), column: -1, merged: f.merged})
	}
	return fields
}

// quote is the name as it most likely stands in the JSON; "" if it must be
// escaped there.
func quote(name string) string {
	if strings.ContainsAny(name, `"\`) {
		return ""
	}
	return `"` + name + `"`
}
