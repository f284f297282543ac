package shape

import (
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// A column is one Arrow array in the making, in Arrow's own layout, that can
// be cut back. Rows that were passed over are null: they cost nothing until
// the next value or the end, so a row is written by its values alone.
// Only the slices of its own type are in use.
type column struct {
	kind    arrow.DataType
	rows    int    // rows written; those after it are null
	valid   []byte // bitmap, short while its end is all null
	offsets []int32
	data    []byte // text, or the bitmap of booleans
	longs   []int64
	ints    []int32
	bytes   []uint8
}

// reach makes row the next one to write: it drops what was written there and
// fills up what was passed over.
func (c *column) reach(row int) {
	c.cut(row)
	if c.rows == row {
		return
	}
	switch c.kind.ID() {
	case arrow.STRING:
		end := int32(len(c.data))
		if len(c.offsets) == 0 {
			c.offsets = append(c.offsets, 0)
		}
		for len(c.offsets) <= row {
			c.offsets = append(c.offsets, end)
		}
	case arrow.BOOL:
		c.data = zeroed(c.data, bitmapBytes(row))
	case arrow.INT64, arrow.TIMESTAMP:
		c.longs = zeroed(c.longs, row)
	case arrow.DATE32:
		c.ints = zeroed(c.ints, row)
	case arrow.UINT8:
		c.bytes = zeroed(c.bytes, row)
	}
	c.rows = row
}

// cut drops every row from the given one on.
func (c *column) cut(row int) {
	if c.rows <= row {
		return
	}
	c.valid = cutBitmap(c.valid, row)
	switch c.kind.ID() {
	case arrow.STRING:
		c.offsets = c.offsets[:row+1]
		c.data = c.data[:c.offsets[row]]
	case arrow.BOOL:
		c.data = cutBitmap(c.data, row)
	case arrow.INT64, arrow.TIMESTAMP:
		c.longs = c.longs[:row]
	case arrow.DATE32:
		c.ints = c.ints[:row]
	case arrow.UINT8:
		c.bytes = c.bytes[:row]
	}
	c.rows = row
}

func (c *column) putText(row int, text []byte) {
	c.reach(row)
	c.data = append(c.data, text...)
	c.endText()
}

// putNumber leaves the row null where text is not a number.
func (c *column) putNumber(row int, text []byte) bool {
	c.reach(row)
	data, ok := appendNumber(c.data, text)
	if ok {
		c.data = data
		c.endText()
	}
	return ok
}

func (c *column) endText() {
	if len(c.offsets) == 0 {
		c.offsets = append(c.offsets, 0)
	}
	c.offsets = append(c.offsets, int32(len(c.data)))
	c.written()
}

func (c *column) putBool(row int, value bool) {
	c.reach(row)
	c.data = zeroed(c.data, bitmapBytes(row+1))
	if value {
		c.data[row/8] |= 1 << (row % 8)
	}
	c.written()
}

func (c *column) putLong(row int, value int64) {
	c.reach(row)
	c.longs = append(c.longs, value)
	c.written()
}

func (c *column) putInt(row int, value int32) {
	c.reach(row)
	c.ints = append(c.ints, value)
	c.written()
}

func (c *column) putByte(row int, value uint8) {
	c.reach(row)
	c.bytes = append(c.bytes, value)
	c.written()
}

// written ends a row that has a value.
func (c *column) written() {
	c.valid = zeroed(c.valid, bitmapBytes(c.rows+1))
	c.valid[c.rows/8] |= 1 << (c.rows % 8)
	c.rows++
}

// buffers returns the column, rows high, as the buffers of an Arrow array:
// the validity bitmap, nil where no row is null, and its type's own. They are
// the column's own memory.
func (c *column) buffers(rows int) (nulls int, buffers [][]byte) {
	c.reach(rows)
	nulls = rows
	for _, b := range c.valid {
		nulls -= bits.OnesCount8(b)
	}
	buffers = make([][]byte, 1, 3)
	if nulls > 0 {
		c.valid = zeroed(c.valid, bitmapBytes(rows))
		buffers[0] = c.valid
	}
	switch c.kind.ID() {
	case arrow.STRING:
		buffers = append(buffers, arrow.Int32Traits.CastToBytes(c.offsets), c.data)
	case arrow.BOOL:
		buffers = append(buffers, c.data)
	case arrow.INT64, arrow.TIMESTAMP:
		buffers = append(buffers, arrow.Int64Traits.CastToBytes(c.longs))
	case arrow.DATE32:
		buffers = append(buffers, arrow.Int32Traits.CastToBytes(c.ints))
	case arrow.UINT8:
		buffers = append(buffers, c.bytes)
	}
	return nulls, buffers
}

// keepBytes bounds what an empty column keeps of its memory for the next rows.
const keepBytes = 1 << 20

// reset empties the column.
func (c *column) reset() {
	if cap(c.data) > keepBytes {
		c.data = nil
	}
	*c = column{
		kind: c.kind, valid: c.valid[:0], offsets: c.offsets[:0], data: c.data[:0],
		longs: c.longs[:0], ints: c.ints[:0], bytes: c.bytes[:0],
	}
}

func bitmapBytes(rows int) int { return (rows + 7) / 8 }

// cutBitmap drops the bits from rows on.
func cutBitmap(bitmap []byte, rows int) []byte {
	if size := bitmapBytes(rows); len(bitmap) >= size {
		bitmap = bitmap[:size]
		if rows%8 != 0 {
			bitmap[size-1] &= 1<<(rows%8) - 1
		}
	}
	return bitmap
}

// zeroed lengthens s to n elements, the new ones zero.
func zeroed[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	if n <= cap(s) {
		old := len(s)
		s = s[:n]
		clear(s[old:])
		return s
	}
	return append(s, make([]T, n-len(s))...)
}
