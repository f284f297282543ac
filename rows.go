package penstock

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// A Type is a column's type, the same in every warehouse.
type Type string

// The column types and the Arrow types they travel as.
const (
	Text     Type = "text"     // utf8
	Number   Type = "number"   // utf8: the canonical decimal text, exact
	Bool     Type = "bool"     // boolean
	Date     Type = "date"     // date32: days since 1970-01-01
	DateTime Type = "datetime" // timestamp[ms, UTC]
	Hashed   Type = "hashed"   // utf8: a hash of the value, which stays at the worker
)

// Arrow is the Arrow type that values of t travel as; nil for an unknown type.
func (t Type) Arrow() arrow.DataType {
	switch t {
	case Text, Number, Hashed:
		return arrow.BinaryTypes.String
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Date:
		return arrow.FixedWidthTypes.Date32
	case DateTime:
		return arrow.FixedWidthTypes.Timestamp_ms
	}
	return nil
}

// A Column is one property as a typed column. A property whose type changes
// becomes another column.
type Column struct {
	Property string `json:"property"` // HubSpot's internal name, unchanged, unless the settings give it another
	Type     Type   `json:"type"`
}

// A Table is a stream with the columns that its rows are read with, apart
// from the key and Penstock's own.
type Table struct {
	Stream  Stream
	Columns []Column

	// What follows stays at the worker.
	Names   map[string]string // HubSpot's names of the properties that the settings name otherwise
	HashKey []byte            // of hashed columns and properties
	Hashed  []string          // properties whose former values are hashed; only of PropertyHistory
}

// Source is HubSpot's name of a property.
func (t Table) Source(property string) string {
	if name, renamed := t.Names[property]; renamed {
		return name
	}
	return property
}

// An Op says what a row of a batch asks of the warehouse.
type Op uint8

// The operations.
const (
	Put     Op = 1 // the row as read with all columns of the batch; deleted when Why is set
	Bury    Op = 2 // a tombstone without values: Why, MergedInto and the version only
	Fill    Op = 3 // values of some columns for a row that already stands at the same version
	Missing Op = 4 // asked for by id, live and archived, and named by HubSpot as not found
)

// A Via says which kind of answer an observation came from.
type Via uint8

// The kinds of answers.
const (
	ByList   Via = 1 // a page of a list
	ByID     Via = 2 // asked for by id: batch read or a single read
	BySearch Via = 3 // a search hit, which may hold values older than its date
	ByCopy   Via = 4 // a row of another warehouse, as it stands there: the stamp is the order of loads there
)

// A Why says why a row is deleted; empty for a row that is not.
type Why string

// The reasons.
const (
	Live     Why = ""
	Archived Why = "archived" // in HubSpot's recycle bin
	Merged   Why = "merged"   // lives on under the id in _merged_into
	Erased   Why = "erased"   // a privacy deletion; final
	Gone     Why = "gone"     // named by HubSpot as not found, twice, an hour apart
)

// The layout of a batch's Arrow records. Key columns come first, then the
// fixed columns in the order of Fixed, then one column per property. The
// prefixes keep property names apart from ours whatever they are.
const (
	KeyPrefix      = "k:"
	PropertyPrefix = "p:"

	ColOp         = "s:op"          // uint8, an Op
	ColVia        = "s:via"         // uint8, a Via
	ColStamp      = "s:stamp"       // int64: the order of observation
	ColUpdated    = "s:updated"     // timestamp[ms]: with the stamp, the row's version (4.9 clamps it to the answer's date)
	ColCreated    = "s:created"     // timestamp[ms], null when unknown
	ColDeleted    = "s:deleted"     // timestamp[ms]: when it was deleted, null when live or unknown
	ColWhy        = "s:why"         // utf8, a Why
	ColMergedInto = "s:merged_into" // int64, null unless merged

	TypeKey = "type" // field metadata of a property's column: its Type
)

// Fixed lists the columns between the key and the properties.
func Fixed() []arrow.Field {
	ts := arrow.FixedWidthTypes.Timestamp_ms
	return []arrow.Field{
		{Name: ColOp, Type: arrow.PrimitiveTypes.Uint8},
		{Name: ColVia, Type: arrow.PrimitiveTypes.Uint8},
		{Name: ColStamp, Type: arrow.PrimitiveTypes.Int64},
		{Name: ColUpdated, Type: ts, Nullable: true},
		{Name: ColCreated, Type: ts, Nullable: true},
		{Name: ColDeleted, Type: ts, Nullable: true},
		{Name: ColWhy, Type: arrow.BinaryTypes.String},
		{Name: ColMergedInto, Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}
}

// Schema is the Arrow schema of the table's records.
func (t Table) Schema() *arrow.Schema {
	var fields []arrow.Field
	for _, k := range t.Stream.Key() {
		kind := arrow.DataType(arrow.BinaryTypes.String)
		if k.Integer {
			kind = arrow.PrimitiveTypes.Int64
		}
		fields = append(fields, arrow.Field{Name: KeyPrefix + k.Name, Type: kind})
	}
	fields = append(fields, Fixed()...)
	for _, c := range t.Columns {
		fields = append(fields, arrow.Field{
			Name: PropertyPrefix + c.Property, Type: c.Type.Arrow(), Nullable: true,
			Metadata: arrow.NewMetadata([]string{TypeKey}, []string{string(c.Type)}),
		})
	}
	return arrow.NewSchema(fields, nil)
}

// ColumnsOf reads the properties' columns back from a schema that Schema made
// for a stream with keys key columns.
func ColumnsOf(schema *arrow.Schema, keys int) []Column {
	fields := schema.Fields()[keys+len(Fixed()):]
	columns := make([]Column, len(fields))
	for i, f := range fields {
		kind, _ := f.Metadata.GetValue(TypeKey)
		columns[i] = Column{Property: f.Name[len(PropertyPrefix):], Type: Type(kind)}
	}
	return columns
}
