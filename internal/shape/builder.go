package shape

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"penstock"
)

// ErrColumns says that the answer cannot join the rows in the builder: it lacks
// other columns than they do, or they are too many. The builder is as it was;
// flush it and give it the answer again.
var ErrColumns = errors.New("the rows before this page must be flushed first")

// A Builder collects rows of one table, page by page. A page that fails
// leaves no trace. It is used by one goroutine at a time, for as many batches
// as are wanted.
type Builder struct {
	table   penstock.Table
	schema  *arrow.Schema
	columns []column // the key's, the fixed ones, the properties'
	keys    int      // how many columns the key has
	width   int      // bytes of a row without its texts

	fields []field
	index  map[string]int // property name to field
	follow []int          // field to the field that followed it in the last object
	seen   []int          // field to the last object that named it
	object int            // objects begun, ever

	rows    int
	bytes   int // of the texts and rejects
	rejects []penstock.Reject
	counts  penstock.Counts
	stamp   int64
	settled bool  // rows in hand were read from objects, without the columns in unknown
	unknown []int // columns of properties that no object of the rows' pages named

	scan scanner
	ids  []byte // of the page's objects, end to end

	hash *hasher // nil where nothing is hashed
}

// NewBuilder makes an empty builder of rows of the table.
func NewBuilder(table penstock.Table) *Builder {
	b := &Builder{table: table, schema: table.Schema(), keys: len(table.Stream.Key())}
	for _, f := range b.schema.Fields() {
		b.columns = append(b.columns, column{kind: f.Type})
		b.width += 1 // about its share of validity
		if fixed, ok := f.Type.(arrow.FixedWidthDataType); ok {
			b.width += (fixed.BitWidth() + 7) / 8
		} else {
			b.width += arrow.Int32SizeBytes
		}
	}
	b.fields = fieldsOf(table, b.keys+len(penstock.Fixed()))
	if len(table.HashKey) > 0 {
		b.hash = newHasher(table.HashKey)
	}
	b.index = make(map[string]int, len(b.fields))
	b.follow = make([]int, len(b.fields))
	b.seen = make([]int, len(b.fields))
	for i, f := range b.fields {
		b.index[f.source] = i
		b.follow[i] = i + 1
	}
	return b
}

// Rows is how many rows the builder holds.
func (b *Builder) Rows() int { return b.rows }

// Bytes is about how large the rows and rejects are, uncompressed.
func (b *Builder) Bytes() int { return b.bytes + b.rows*b.width }

// Missing adds that HubSpot, asked for the key by id at date, live and
// archived, named it as not found. A key that fits no row of the table
// becomes a reject, which no count includes.
func (b *Builder) Missing(key penstock.Key, date time.Time, stamp int64) {
	b.stamp = max(b.stamp, stamp)
	if err := b.putKey(key); err != nil {
		b.reject(penstock.Reject{Key: key.Text(), Reason: err.Error(), At: date.UnixMilli()})
		return
	}
	b.endRow(observed{op: penstock.Missing, via: penstock.ByID, stamp: stamp, updated: moment{date.UnixMilli(), true}})
}

// Bury adds a bare tombstone: the loser was asked for by id and HubSpot
// answered with the winner, which was last updated at that time (ms). The
// winner's own row comes by Objects.
func (b *Builder) Bury(loser, winner string, updated, stamp int64) error {
	from, ok := recordID([]byte(loser))
	into, ok2 := recordID([]byte(winner))
	if !ok || !ok2 || from == into {
		return fmt.Errorf("bury %q in %q: two different record ids are needed", loser, winner)
	}
	b.stamp = max(b.stamp, stamp)
	b.bury(from, observed{via: penstock.ByID, stamp: stamp, updated: moment{updated, true}, into: into})
	return nil
}

// bury adds the tombstone of a record that was merged into o.into.
func (b *Builder) bury(loser int64, o observed) {
	b.columns[0].putLong(b.rows, loser)
	o.op, o.why = penstock.Bury, penstock.Merged
	o.created, o.deleted = moment{}, moment{}
	b.endRow(o)
	b.counts.Buried++
}

// observed is what the fixed columns of a row say.
type observed struct {
	op                        penstock.Op
	via                       penstock.Via
	stamp                     int64
	updated, created, deleted moment
	why                       penstock.Why
	into                      int64 // 0: not merged
}

// A moment is a time in ms since 1970, if it is known.
type moment struct {
	ms    int64
	known bool
}

// The fixed columns in the order of penstock.Fixed.
const (
	fixedOp = iota
	fixedVia
	fixedStamp
	fixedUpdated
	fixedCreated
	fixedDeleted
	fixedWhy
	fixedInto
)

// endRow writes the fixed columns, after the key and the values.
func (b *Builder) endRow(o observed) {
	fixed := b.columns[b.keys:]
	fixed[fixedOp].putByte(b.rows, uint8(o.op))
	fixed[fixedVia].putByte(b.rows, uint8(o.via))
	fixed[fixedStamp].putLong(b.rows, o.stamp)
	for i, m := range [...]moment{o.updated, o.created, o.deleted} {
		if m.known {
			fixed[fixedUpdated+i].putLong(b.rows, m.ms)
		}
	}
	fixed[fixedWhy].putText(b.rows, []byte(o.why))
	if o.into != 0 {
		fixed[fixedInto].putLong(b.rows, o.into)
	}
	b.bytes += len(o.why)
	b.rows++
}

// putKey writes the key columns of the next row.
func (b *Builder) putKey(key penstock.Key) error {
	kinds := b.table.Stream.Key()
	if len(key) != len(kinds) {
		return fmt.Errorf("a key of %s has %d columns, not %d", b.table.Stream.Name, len(kinds), len(key))
	}
	for i, kind := range kinds {
		if !kind.Integer {
			b.columns[i].putText(b.rows, []byte(key[i]))
			b.bytes += len(key[i])
			continue
		}
		id, ok := recordID([]byte(key[i]))
		if !ok {
			return errRecordID
		}
		b.columns[i].putLong(b.rows, id)
	}
	return nil
}

var errRecordID = errors.New("the id is not a positive 64-bit integer in decimal form")

// recordID reads an id, which must be in canonical form, or two texts would
// name one row.
func recordID(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 19 || text[0] == '0' || !plainInteger(text) {
		return 0, false
	}
	id, err := strconv.ParseInt(string(text), 10, 64)
	return id, err == nil
}

func (b *Builder) reject(r penstock.Reject) {
	b.rejects = append(b.rejects, r)
	b.bytes += len(r.Original)
}

// A mark is a place that a builder can be cut back to.
type mark struct {
	rows, bytes, rejects int
	counts               penstock.Counts
	stamp                int64
}

func (b *Builder) mark() mark {
	return mark{b.rows, b.bytes, len(b.rejects), b.counts, b.stamp}
}

func (b *Builder) cut(m mark) {
	b.rows, b.bytes, b.counts, b.stamp = m.rows, m.bytes, m.counts, m.stamp
	b.rejects = slices.Delete(b.rejects, m.rejects, len(b.rejects))
	for i := range b.columns {
		b.columns[i].cut(m.rows)
	}
}
