package postgres

import (
	bin "encoding/binary"
	"fmt"
	"math"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// shown is a stored value as readers get it: int64, float64, string, bool, or
// nil for NULL.
func shown(raw []byte, kind penstock.Type) any {
	if raw == nil {
		return nil
	}
	switch kind {
	case warehouse.WholeNumber:
		return row{raw}.int(0)
	case penstock.Bool:
		return row{raw}.bool(0)
	case penstock.Number:
		text := numericText(raw)
		switch kind, n, f := warehouse.Classify(text); kind {
		case warehouse.AsInteger:
			return n
		case warehouse.AsReal:
			return f
		}
		return text
	case penstock.Date:
		days := int32(bin.BigEndian.Uint32(raw))
		if days == math.MaxInt32 || days == math.MinInt32 {
			return "infinity"
		}
		return warehouse.DayText(days + epochDays)
	case penstock.DateTime:
		return momentText(raw)
	}
	return string(raw)
}

func momentText(raw []byte) string {
	if ms, whole := (row{raw}).moment(0); whole {
		return warehouse.MomentText(ms)
	}
	return strangeMoment(int64(bin.BigEndian.Uint64(raw)))
}

// stored is what a stored value adds to its row's print.
func stored(raw []byte, kind penstock.Type, seed warehouse.Seed) warehouse.Print {
	switch {
	case raw == nil:
		return 0
	case kind == warehouse.WholeNumber:
		return seed.Integer(row{raw}.int(0))
	case kind == penstock.Bool:
		return boolPrint(row{raw}.bool(0), seed)
	case kind == penstock.Number:
		return numberPrint(numericText(raw), seed)
	}
	text, _ := shown(raw, kind).(string)
	return seed.Text(text)
}

// printed tells whether one of our own columns enters the print.
func printed(own int) bool { return own != ownSyncedAt && own != ownLoad && own != ownPrint }

// A reading is what a statement selects to compute the prints of rows: the
// key's columns, the print that is kept, ours that enter it and the properties.
type reading struct {
	picking
	table *table
	seeds []warehouse.Seed
	kinds []penstock.Type
}

func (t *table) reading() *reading {
	r := &reading{table: t}
	var picked []field
	for i, k := range t.keys {
		picked = append(picked, field{name: k.Name, kind: keyKind(t.keys[i])})
	}
	for i, c := range ownColumns {
		if printed(i) {
			picked = append(picked, field{name: c.name, kind: c.kind})
		}
	}
	for _, c := range t.columns {
		picked = append(picked, field{c.Name, c.Type, c.part})
	}
	for _, f := range picked {
		r.seeds, r.kinds = append(r.seeds, warehouse.SeedOf(f.name)), append(r.kinds, f.kind)
	}
	r.picking = pick(1, picked)
	r.list = "t._print, " + r.list
	return r
}

func keyKind(k penstock.KeyColumn) penstock.Type {
	if k.Integer {
		return warehouse.WholeNumber
	}
	return penstock.Text
}

// print is what the row's print has to be.
func (r *reading) print(found row) warehouse.Print {
	sum := warehouse.Print(0)
	for i, raw := range r.picked(found) {
		sum += stored(raw, r.kinds[i], r.seeds[i])
	}
	return sum
}

// holds tells whether the row is as it was when it was written.
func (r *reading) holds(found row) bool {
	return found[0] != nil && warehouse.Print(found.int(0)) == r.print(found)
}

func (r *reading) key(found row) penstock.Key { return readKey(r.table.keys, found, 1) }

// reprint takes the prints of rows from what stands.
func (t *table) reprint(conn *conn, keys *keySet) error {
	r := t.reading()
	casts, args := keys.args(0)
	sums, of := []int64{}, newKeySet(t.keys, 0)
	err := conn.query(fmt.Sprintf("SELECT %s FROM unnest(%s) AS k(%s) JOIN %s ON %s", r.list, casts,
		keyList("", t.keys), t.joined(), sameKey("k", "t", t.keys)), func(found row) error {
		sums = append(sums, int64(r.print(found)))
		of.put(r.key(found))
		return nil
	}, args...)
	if err != nil {
		return err
	}
	casts, args = of.args(0)
	conn.exec(fmt.Sprintf("UPDATE %s AS t SET _print = k._sum FROM unnest(%s, %s::bigint[]) AS k(%s, _sum) WHERE %s",
		quote(t.parts[0]), casts, param(len(args)), keyList("", t.keys), sameKey("k", "t", t.keys)), append(args, sums)...)
	return nil
}

// joined is from within parentheses where it is several tables.
func (t *table) joined() string {
	if len(t.parts) == 1 {
		return t.from()
	}
	return "(" + t.from() + ")"
}

// A field is a column of a result: its name, its kind and its part.
type field struct {
	name string
	kind penstock.Type
	part int
}

// A picking selects fields of a table's parts. Those of the first part are
// columns of the result; those of another are one record, because a result has
// no more than 1,664 columns.
type picking struct {
	list  string
	first int
	from  []spot // of each field
	whole bool   // the fields are columns in their order
	into  [][]byte
	parts [][][]byte // the columns of each record
}

// A spot is a column of the result, or a column of a part's record.
type spot struct{ part, at int }

// pick begins the fields at a column of the result.
func pick(first int, fields []field) picking {
	p := picking{first: first, whole: true, into: make([][]byte, len(fields))}
	var names []string
	groups := map[int][]string{}
	order := []int{}
	for _, f := range fields {
		name := alias(f.part) + "." + quote(f.name)
		if f.part == 0 {
			p.from = append(p.from, spot{0, len(names)})
			names = append(names, name)
			continue
		}
		if groups[f.part] == nil {
			order = append(order, f.part)
		}
		p.from = append(p.from, spot{f.part, len(groups[f.part])})
		groups[f.part] = append(groups[f.part], name)
		p.whole = false
	}
	columns := len(names)
	place := map[int]int{}
	for i, part := range order {
		place[part] = i + 1
		names = append(names, "ROW("+strings.Join(groups[part], ", ")+")")
	}
	for i := range p.from {
		p.from[i].part = place[p.from[i].part]
	}
	p.parts = make([][][]byte, len(order))
	p.first, p.list = first, strings.Join(names, ", ")
	if !p.whole {
		p.from = append(p.from, spot{0, columns}) // where the records begin
	}
	return p
}

// picked are the fields of a row, valid until the next.
func (p *picking) picked(r row) [][]byte {
	if p.whole {
		return r[p.first : p.first+len(p.from)]
	}
	records := p.first + p.from[len(p.from)-1].at
	for i := range p.parts {
		p.parts[i] = unpack(r[records+i], p.parts[i][:0])
	}
	for i := range p.into {
		from := p.from[i]
		if from.part == 0 {
			p.into[i] = r[p.first+from.at]
		} else {
			p.into[i] = p.parts[from.part-1][from.at]
		}
	}
	return p.into
}

// unpack takes a record in binary form apart: a count, and of each column its
// type, its length and its value.
func unpack(raw []byte, into [][]byte) [][]byte {
	for raw = raw[4:]; len(raw) >= 8; {
		length := int32(bin.BigEndian.Uint32(raw[4:]))
		raw = raw[8:]
		if length < 0 {
			into = append(into, nil)
			continue
		}
		into = append(into, raw[:length])
		raw = raw[length:]
	}
	return into
}
