package warehousetest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"penstock"
	"penstock/internal/warehouse"
)

// A modelLoad is one transaction.
type modelLoad struct {
	*state
	at      warehouse.Moment
	written map[string]bool // tables whose _load has grown
	applied bool
}

func (l *modelLoad) item(item warehouse.Item) (warehouse.Outcome, error) {
	b := item.Batch
	head := l.heads[place{b.Stream.Name, b.Lane, b.Range}]
	verdict := warehouse.Admit(item.Current, head, b)
	if verdict != warehouse.Apply {
		return warehouse.Outcome{Verdict: verdict}, nil
	}
	applied, err := l.apply(b)
	if err != nil {
		return warehouse.Outcome{}, err
	}
	l.heads[place{b.Stream.Name, b.Lane, b.Range}] = warehouse.HeadAfter(head, b)
	l.stamp, l.applied = max(l.stamp, b.Stamp), true
	return warehouse.Outcome{Verdict: verdict, Applied: applied}, nil
}

// A modelBatch is one batch on its way into its table.
type modelBatch struct {
	*modelLoad
	batch   *penstock.Batch
	table   *modelTable
	count   penstock.Applied
	named   map[string]string // property: column
	carried map[string]bool   // keys with values
	keys    map[string]bool
}

func (l *modelLoad) apply(b *penstock.Batch) (penstock.Applied, error) {
	t := l.tables[b.Stream.Name]
	if t == nil {
		t = &modelTable{stream: b.Stream, rows: map[string]*modelRow{}}
		if warehouse.MakesTable(b) {
			l.tables[b.Stream.Name] = t
		}
	}
	if t.stream.Family != b.Stream.Family || t.stream.ObjectType != b.Stream.ObjectType || t.stream.ToType != b.Stream.ToType ||
		len(b.Stream.Key()) == 0 {
		return penstock.Applied{}, fmt.Errorf("the table holds %v, not %v", t.stream, b.Stream)
	}
	t.stream = b.Stream
	m := &modelBatch{modelLoad: l, batch: b, table: t, carried: map[string]bool{}, keys: map[string]bool{}}
	for _, record := range b.Rows {
		if err := m.record(record); err != nil {
			return m.count, err
		}
	}
	for _, r := range b.Rejects {
		if r.Property == "" || !m.carried[r.Key] {
			m.reject(r)
		}
	}
	if err := m.wants(); err != nil {
		return m.count, err
	}
	if err := m.inventory(); err != nil {
		return m.count, err
	}
	if err := l.splits(b); err != nil {
		return m.count, err
	}
	if b.FreshAt != 0 {
		t.fresh = b.FreshAt
	}
	if b.SettledAt != 0 {
		t.settled = b.SettledAt
	}
	settled := place{b.Stream.Name, penstock.Settled, 0}
	if _, begun := l.heads[settled]; b.Begin != "" && !begun {
		l.heads[settled] = penstock.Head{Stream: b.Stream.Name, Lane: penstock.Settled, Cursor: b.Begin}
	}
	t.columns = warehouse.FillColumns(t.columns, b.Filled)
	return m.count, nil
}

// splits makes the heads of the ranges that the batch cuts off.
func (l *modelLoad) splits(b *penstock.Batch) error {
	for _, s := range b.Splits {
		p := place{b.Stream.Name, b.Lane, s.Range}
		head, err := warehouse.HeadOfSplit(l.heads[p], b, s)
		if err != nil {
			return err
		}
		l.heads[p] = head
	}
	return nil
}

func (m *modelBatch) record(record arrow.RecordBatch) error {
	keys := len(m.batch.Stream.Key())
	if int(record.NumCols()) < keys+len(penstock.Fixed()) {
		return errors.New("a record is not laid out as its table")
	}
	columns := penstock.ColumnsOf(record.Schema(), keys)
	m.evolve(columns, whole(record.Column(keys)))
	for row := range int(record.NumRows()) {
		r := arriving{fixed: map[string]any{}, values: map[string]any{}}
		for i, f := range record.Schema().Fields() {
			v := valueAt(record.Column(i), row)
			switch {
			case i < keys && v == nil:
				return errors.New("a row has no key")
			case i < keys:
				r.key = append(r.key, fmt.Sprint(v))
			case i < keys+len(penstock.Fixed()):
				r.fixed[f.Name] = v
			default:
				c := columns[i-keys-len(penstock.Fixed())]
				r.values[m.named[c.Property]] = shown(v, c.Type)
			}
		}
		if r.arrival().Op < penstock.Put || r.arrival().Op > penstock.Missing {
			return fmt.Errorf("row %s asks for an unknown operation", r.key.Text())
		}
		m.row(r)
	}
	return nil
}

// whole tells from the rows' operations whether they name all columns.
func whole(ops arrow.Array) bool {
	count := map[penstock.Op]int{}
	for row := range ops.Len() {
		n, _ := valueAt(ops, row).(int64)
		count[penstock.Op(n)]++
	}
	return ops.Len() == 0 || count[penstock.Put] > 0 && count[penstock.Fill] == 0
}

func (m *modelBatch) evolve(columns []penstock.Column, whole bool) {
	filled := true
	for p, h := range m.heads {
		if p.stream == m.table.stream.Name && p.lane == penstock.Backfill && h.Cursor != "" {
			filled = m.table.stream.Family != penstock.Objects
		}
	}
	for _, c := range warehouse.Evolve(m.table.stream.Key(), m.table.columns, columns) {
		c.Filled = filled
		m.table.columns = append(m.table.columns, c)
		for _, r := range m.table.rows {
			r.columns[c.Name] = nil
		}
	}
	if whole && m.table.stream.Family == penstock.Objects {
		if changed := warehouse.ComeAndGo(m.table.columns, columns, !filled); changed != nil {
			m.table.columns = changed
		}
	}
	m.named = map[string]string{}
	for _, c := range columns {
		for _, r := range m.table.columns {
			if r.Column == c {
				m.named[c.Property] = r.Name
			}
		}
	}
}

// valueAt is a cell as Go has it: string, bool, int64 or nil.
func valueAt(column arrow.Array, row int) any {
	if column.IsNull(row) {
		return nil
	}
	switch column := column.(type) {
	case *array.String:
		return column.Value(row)
	case *array.Boolean:
		return column.Value(row)
	case *array.Date32:
		return int64(column.Value(row))
	case *array.Timestamp:
		return int64(column.Value(row))
	case *array.Int64:
		return column.Value(row)
	case *array.Uint8:
		return int64(column.Value(row))
	}
	return nil
}

// shown is a property's value as Rows yields it.
func shown(v any, t penstock.Type) any {
	switch v := v.(type) {
	case int64:
		if t == penstock.Date {
			return time.Unix(v*86400, 0).UTC().Format(time.DateOnly)
		}
		return moment(v)
	case string:
		if t == penstock.Number {
			return decimal(v)
		}
	}
	return v
}

func moment(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// decimal is exact: what neither an int64 nor a float64 gives back to the
// letter stays text.
func decimal(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) && strings.ContainsAny(text, "0123456789") &&
		strconv.FormatFloat(f, 'f', -1, 64) == text {
		if text == "-0" {
			return text
		}
		return f
	}
	return text
}
