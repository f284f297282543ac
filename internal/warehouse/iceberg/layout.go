package iceberg

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/iceberg-go"

	"penstock"
	"penstock/internal/warehouse"
)

// The decimal that numbers are kept as.
const (
	precision = 38
	scale     = 9
)

// A column is one column of a table's files. Its kind is a property's type, or
// warehouse.WholeNumber.
type column struct {
	name string
	kind penstock.Type
	id   int // of the Iceberg field; it never changes
	seed warehouse.Seed
}

// ownColumns are Penstock's, in the order of the places below.
var ownColumns = []struct {
	name string
	kind penstock.Type
}{
	{"_created_at", penstock.DateTime}, {"_updated_at", penstock.DateTime}, {"_deleted", penstock.Bool},
	{"_deleted_at", penstock.DateTime}, {"_deleted_why", penstock.Text}, {"_merged_into", warehouse.WholeNumber},
	{"_synced_at", penstock.DateTime}, {"_load", warehouse.WholeNumber}, {"_stamp", warehouse.WholeNumber},
	{"_print", warehouse.WholeNumber},
}

// The places in ownColumns.
const (
	ownCreated = iota
	ownUpdated
	ownDeleted
	ownDeletedAt
	ownWhy
	ownMergedInto
	ownSyncedAt
	ownLoad
	ownStamp
	ownPrint
)

// A layout is a table's columns: the key's, our own, then the properties' in
// the order they came. It only grows at its end.
type layout struct {
	keys    int
	columns []column
}

func newLayout(keys []penstock.KeyColumn, recorded []warehouse.Recorded) layout {
	l := layout{keys: len(keys)}
	for _, k := range keys {
		kind := penstock.Text
		if k.Integer {
			kind = warehouse.WholeNumber
		}
		l.add(k.Name, kind)
	}
	for _, c := range ownColumns {
		l.add(c.name, c.kind)
	}
	for _, c := range recorded {
		l.add(c.Name, c.Type)
	}
	return l
}

func (l *layout) add(name string, kind penstock.Type) {
	l.columns = append(l.columns, column{name: name, kind: kind, id: len(l.columns) + 1, seed: warehouse.SeedOf(name)})
}

// own is the place of one of our own columns.
func (l layout) own(place int) int { return l.keys + place }

// properties is the place of the first property.
func (l layout) properties() int { return l.keys + len(ownColumns) }

// find is the place of a column by its name, or -1.
func (l layout) find(name string) int {
	for i, c := range l.columns {
		if c.name == name {
			return i
		}
	}
	return -1
}

// printed tells whether the column enters the row's print.
func (l layout) printed(i int) bool {
	return i != l.own(ownSyncedAt) && i != l.own(ownLoad) && i != l.own(ownPrint)
}

// arrow is the type that values of the column have in memory and in files.
func (c column) arrow() arrow.DataType {
	switch c.kind {
	case warehouse.WholeNumber:
		return arrow.PrimitiveTypes.Int64
	case penstock.Number:
		return &arrow.Decimal128Type{Precision: precision, Scale: scale}
	case penstock.Bool:
		return arrow.FixedWidthTypes.Boolean
	case penstock.Date:
		return arrow.FixedWidthTypes.Date32
	case penstock.DateTime:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return arrow.BinaryTypes.String
}

func (c column) iceberg() iceberg.Type {
	switch c.kind {
	case warehouse.WholeNumber:
		return iceberg.PrimitiveTypes.Int64
	case penstock.Number:
		return iceberg.DecimalTypeOf(precision, scale)
	case penstock.Bool:
		return iceberg.PrimitiveTypes.Bool
	case penstock.Date:
		return iceberg.PrimitiveTypes.Date
	case penstock.DateTime:
		return iceberg.PrimitiveTypes.TimestampTz
	}
	return iceberg.PrimitiveTypes.String
}

// fieldID is the metadata by which Parquet files name Iceberg's fields.
const fieldID = "PARQUET:field_id"

// schema is what files are written with: the columns in the order of places.
func (l layout) schema() *arrow.Schema {
	fields := make([]arrow.Field, len(l.columns))
	for i, c := range l.columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.arrow(), Nullable: i >= l.keys, Metadata: fieldMetadata(c.id)}
	}
	return arrow.NewSchema(fields, nil)
}

func fieldMetadata(id int) arrow.Metadata {
	return arrow.NewMetadata([]string{fieldID}, []string{fmt.Sprint(id)})
}

// table is the schema that readers see: the key, the properties, then ours.
func (l layout) table() *iceberg.Schema {
	var fields []iceberg.NestedField
	var keys []int
	add := func(from, to int) {
		for i, c := range l.columns[from:to] {
			required := from+i < l.keys
			fields = append(fields, iceberg.NestedField{ID: c.id, Name: c.name, Type: c.iceberg(), Required: required})
		}
	}
	for _, c := range l.columns[:l.keys] {
		keys = append(keys, c.id)
	}
	add(0, l.keys)
	add(l.properties(), len(l.columns))
	add(l.keys, l.properties())
	return iceberg.NewSchemaWithIdentifiers(0, keys, fields...)
}

// maxWhole is the digits before the point that fit.
const maxWhole = precision - scale

// powers of ten up to the scale.
var powers = [scale + 1]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// decimalOf reads a decimal text exactly; fits is false when it has too many
// digits or is no plain decimal.
func decimalOf(text string) (n decimal128.Num, fits bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" {
		return n, false
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(whole) > maxWhole || len(fraction) > scale {
		return n, false
	}
	value, small := decimal128.Num{}, int64(0)
	pending := int64(1)
	for _, part := range [2]string{whole, fraction} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return n, false
			}
			small, pending = small*10+int64(part[i]-'0'), pending*10
			if pending == 1e18 {
				value = value.Mul(decimal128.FromI64(pending)).Add(decimal128.FromI64(small))
				small, pending = 0, 1
			}
		}
	}
	if pending > 1 {
		value = value.Mul(decimal128.FromI64(pending)).Add(decimal128.FromI64(small))
	}
	value = value.Mul(decimal128.FromI64(powers[scale-len(fraction)]))
	if negative {
		value = value.Negate()
	}
	return value, true
}
