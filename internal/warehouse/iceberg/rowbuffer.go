package iceberg

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"penstock/internal/warehouse"
)

func compareLocations(a, b location) int {
	return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.position, b.position))
}

// A making is a row about to be written: our own columns, and where the others'
// values come from. A column that is not named keeps its value of base.
type making struct {
	standing       // the key, our own columns but load
	synced   int64 // ms since 1970
	named    stored
	base     stored
	off      warehouse.Print // how far its print is from what it ought to be
	keepLoad bool            // the row stays of the load that wrote it last
}

// source is where the values of a column come from; no array is NULL.
func (m *making) source(place int) (arrow.Array, int) {
	if values := m.named.column(place); values != nil {
		return values, m.named.row
	}
	return m.base.column(place), m.base.row
}

// write appends a row, and lets it stand in the place of the one before.
func (t *streamTable) write(m *making, before *standing) *standing {
	if t.builder == nil {
		t.builder = array.NewRecordBuilder(memory.DefaultAllocator, t.layout.schema())
	}
	now := m.standing
	now.seen, now.Stamp, now.dead = 0, m.stamp, false
	if !m.keepLoad {
		now.load = t.next()
	}
	now.at, now.record, now.row = location{}, len(t.records), t.building
	sum := warehouse.Print(0)
	for place := range t.layout.keys {
		values, row := m.source(place)
		copyValue(t.builder.Field(place), values, row)
		sum += hash(t.layout.columns[place].seed, values, row)
	}
	sum += t.appendOwn(&now, m.synced)
	for place := t.layout.properties(); place < len(t.layout.columns); place++ {
		values, row := m.source(place)
		copyValue(t.builder.Field(place), values, row)
		sum += hash(t.layout.columns[place].seed, values, row)
	}
	now.actual = sum
	now.print = sum + m.off
	now.Untrusted = !now.printed
	printed := t.builder.Field(t.layout.own(ownPrint)).(*array.Int64Builder)
	if now.printed {
		printed.Append(int64(now.print))
	} else {
		printed.AppendNull()
	}
	t.building++
	t.replace(before)
	t.pending = append(t.pending, &now)
	t.touched[now.key] = &now
	return &now
}

// replace marks what the row that is written takes the place of.
func (t *streamTable) replace(before *standing) {
	switch {
	case before == nil:
	case before.at.file == 0:
		before.dead = true
	default:
		t.replaced = append(t.replaced, before.at)
	}
}

// appendOwn appends our own columns but the print, and returns what they add
// to it.
func (t *streamTable) appendOwn(s *standing, synced int64) warehouse.Print {
	field := func(place int) array.Builder { return t.builder.Field(t.layout.own(place)) }
	seed := func(place int) warehouse.Seed { return t.layout.columns[t.layout.own(place)].seed }
	sum := warehouse.Print(0)
	for _, m := range [...]struct {
		place int
		ms    int64
	}{{ownCreated, s.created}, {ownUpdated, s.updated}, {ownDeletedAt, s.deletedAt}} {
		appendMoment(field(m.place), m.ms)
		if m.ms != none {
			sum += seed(m.place).Text(warehouse.MomentText(m.ms))
		}
	}
	field(ownDeleted).(*array.BooleanBuilder).Append(s.deleted)
	sum += hashBool(seed(ownDeleted), s.deleted)
	if s.Why == "" {
		field(ownWhy).AppendNull()
	} else {
		field(ownWhy).(*array.StringBuilder).Append(string(s.Why))
		sum += seed(ownWhy).Text(string(s.Why))
	}
	if s.MergedInto == 0 {
		field(ownMergedInto).AppendNull()
	} else {
		field(ownMergedInto).(*array.Int64Builder).Append(s.MergedInto)
		sum += seed(ownMergedInto).Integer(s.MergedInto)
	}
	appendMoment(field(ownSyncedAt), synced)
	field(ownLoad).(*array.Int64Builder).Append(s.load)
	field(ownStamp).(*array.Int64Builder).Append(s.stamp)
	return sum + seed(ownStamp).Integer(s.stamp)
}

// cut makes a record of the rows in the builder, so that they can be read.
func (t *streamTable) cut() error {
	if t.building == 0 {
		if t.builder != nil {
			t.builder.Release()
			t.builder = nil // the next one may have more columns
		}
		return nil
	}
	t.records = append(t.records, t.builder.NewRecordBatch())
	t.builder.Release()
	t.builder, t.building = nil, 0
	return nil
}

// values are a standing row's, wherever they are.
func (t *streamTable) values(s *standing) (stored, error) {
	if s.at.file == 0 {
		if s.record == len(t.records) {
			if err := t.cut(); err != nil {
				return stored{}, err
			}
		}
		return stored{t.records[s.record].Columns(), s.row}, nil
	}
	if v, ok := t.fetched[s.at]; ok {
		return v, nil
	}
	if err := t.fetch([]location{s.at}); err != nil {
		return stored{}, err
	}
	return t.fetched[s.at], nil
}

// fetch reads rows of the lake's, to be had from values.
func (t *streamTable) fetch(at []location) (err error) {
	at = slices.DeleteFunc(at, func(l location) bool {
		_, have := t.fetched[l]
		return have || l.file == 0
	})
	if len(at) == 0 {
		return nil
	}
	s := t.shelf(nil)
	defer func() { err = errors.Join(err, s.close()) }()
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.layout.schema())
	defer b.Release()
	rows := make([]int, len(at))
	n := 0
	err = s.each(t.tx.ctx, at, func(i int, row stored) error {
		for place := range t.layout.columns {
			copyValue(b.Field(place), row.column(place), row.row)
		}
		rows[i], n = n, n+1
		return nil
	})
	if err != nil {
		return err
	}
	record := b.NewRecordBatch()
	for i, l := range at {
		t.fetched[l] = stored{record.Columns(), rows[i]}
	}
	return nil
}

// alive are the rows of the commit in hand that stand at its end, in the order
// of their keys.
func (t *streamTable) alive() []*standing {
	rows := make([]*standing, 0, len(t.pending))
	for _, s := range t.pending {
		if !s.dead {
			rows = append(rows, s)
		}
	}
	slices.SortFunc(rows, t.compare)
	return rows
}

// compare orders rows as the index does: integers by value, texts by their
// bytes.
func (t *streamTable) compare(a, b *standing) int {
	if a.parts == nil {
		return cmp.Compare(a.key.id, b.key.id)
	}
	for i, k := range t.keys {
		order := strings.Compare(a.parts[i], b.parts[i])
		if k.Integer {
			left, _ := strconv.ParseInt(a.parts[i], 10, 64)
			right, _ := strconv.ParseInt(b.parts[i], 10, 64)
			order = cmp.Compare(left, right)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// gather makes one record of some rows of the commit in hand, in the given
// order. What was built has been cut. Rows that lie as they were written are not
// copied.
func (t *streamTable) gather(rows []*standing) arrow.RecordBatch {
	first := rows[0]
	lies := int(t.records[first.record].NumCols()) == len(t.layout.columns)
	for i := 0; lies && i < len(rows); i++ {
		lies = rows[i].record == first.record && rows[i].row == first.row+i
	}
	if lies {
		return t.records[first.record].NewSlice(int64(first.row), int64(first.row+len(rows)))
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.layout.schema())
	defer b.Release()
	b.Reserve(len(rows))
	for place := range t.layout.columns {
		into := b.Field(place)
		for _, s := range rows {
			copyValue(into, stored{t.records[s.record].Columns(), s.row}.column(place), s.row)
		}
	}
	return b.NewRecordBatch()
}
