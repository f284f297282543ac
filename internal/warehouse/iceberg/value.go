package iceberg

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"penstock/internal/warehouse"
)

// copyValue appends a value of one array to a builder of the same type.
func copyValue(into array.Builder, from arrow.Array, row int) {
	if from == nil || from.IsNull(row) {
		into.AppendNull()
		return
	}
	switch from := from.(type) {
	case *array.String:
		into.(*array.StringBuilder).Append(from.Value(row))
	case *array.Int64:
		into.(*array.Int64Builder).Append(from.Value(row))
	case *array.Decimal128:
		into.(*array.Decimal128Builder).Append(from.Value(row))
	case *array.Boolean:
		into.(*array.BooleanBuilder).Append(from.Value(row))
	case *array.Date32:
		into.(*array.Date32Builder).Append(from.Value(row))
	case *array.Timestamp:
		into.(*array.TimestampBuilder).Append(from.Value(row))
	}
}

// hash is what a value adds to its row's print: that of the value as Rows
// yields it.
func hash(seed warehouse.Seed, from arrow.Array, row int) warehouse.Print {
	if from == nil || from.IsNull(row) {
		return 0
	}
	switch from := from.(type) {
	case *array.String:
		return seed.Text(from.Value(row))
	case *array.Int64:
		return seed.Integer(from.Value(row))
	case *array.Decimal128:
		return hashDecimal(seed, from.Value(row))
	case *array.Boolean:
		return hashBool(seed, from.Value(row))
	case *array.Date32:
		return seed.Text(warehouse.DayText(int32(from.Value(row))))
	case *array.Timestamp:
		return seed.Text(warehouse.MomentText(millis(from.Value(row))))
	}
	return seed.Strange()
}

func hashBool(seed warehouse.Seed, truth bool) warehouse.Print {
	if truth {
		return seed.Integer(1)
	}
	return seed.Integer(0)
}

func hashDecimal(seed warehouse.Seed, n decimal128.Num) warehouse.Print {
	switch v := numberOf(n).(type) {
	case int64:
		return seed.Integer(v)
	case float64:
		return seed.Real(v)
	case string:
		return seed.Text(v)
	}
	return seed.Strange()
}

// millis rounds down, before 1970 too.
func millis(t arrow.Timestamp) int64 {
	ms := int64(t) / 1000
	if int64(t)%1000 < 0 {
		ms--
	}
	return ms
}

// valueOf is a value as Rows yields it.
func valueOf(from arrow.Array, row int) any {
	if from == nil || from.IsNull(row) {
		return nil
	}
	switch from := from.(type) {
	case *array.String:
		return strings.Clone(from.Value(row))
	case *array.Int64:
		return from.Value(row)
	case *array.Decimal128:
		return numberOf(from.Value(row))
	case *array.Boolean:
		return from.Value(row)
	case *array.Date32:
		return warehouse.DayText(int32(from.Value(row)))
	case *array.Timestamp:
		return warehouse.MomentText(millis(from.Value(row)))
	}
	return fmt.Sprint(from)
}

// numberOf is a number as the narrowest of int64, float64 and text that has the
// very same decimal.
func numberOf(n decimal128.Num) any {
	if small := int64(n.LowBits()); n.HighBits() == small>>63 {
		if small%powers[scale] == 0 {
			return small / powers[scale]
		}
		digits := scale
		for small%10 == 0 {
			small, digits = small/10, digits-1
		}
		if small < 1e15 && small > -1e15 {
			return float64(small) / float64(powers[digits]) // both exact, so the nearest float
		}
	}
	text := decimalText(n)
	switch kind, whole, real := warehouse.Classify(text); kind {
	case warehouse.AsInteger:
		return whole
	case warehouse.AsReal:
		return real
	}
	return text
}

func decimalText(n decimal128.Num) string {
	text := n.ToString(scale)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// none is the moment of what has none, in ms.
const none = math.MinInt64

// momentOf is a moment of an array that may be missing, in ms.
func momentOf(from arrow.Array, row int) int64 {
	if values, ok := from.(*array.Timestamp); ok {
		return momentAt(values, row)
	}
	return none
}

// momentAt is a moment of an array in ms.
func momentAt(from *array.Timestamp, row int) int64 {
	if from.IsNull(row) {
		return none
	}
	return millis(from.Value(row))
}

func appendMoment(into array.Builder, ms int64) {
	if ms == none {
		into.AppendNull()
		return
	}
	into.(*array.TimestampBuilder).Append(arrow.Timestamp(ms * 1000))
}
