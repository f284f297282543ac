package postgres

import (
	bin "encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"penstock"
	"penstock/internal/warehouse"
)

// chunk is how many bytes of rows are made at a time.
const chunk = 64 << 10

// The operations of staged rows, as the statements that apply them know them.
const (
	stagedPut = iota + 1
	stagedBury
	stagedFill
)

// rows writes the rows of a stretch: new ones straight into the table, others
// through a temporary one, because a row's other columns stay.
func (w *writing) rows() error {
	for part := range w.table.parts {
		if err := w.insert(part); err != nil {
			return err
		}
	}
	if len(w.puts)+len(w.buries)+len(w.fills) > 0 {
		w.flushes++
		for part := range w.table.parts {
			if err := w.update(part); err != nil {
				return err
			}
		}
	}
	if err := w.reprints(); err != nil {
		return err
	}
	return w.bury()
}

// reprints takes the prints of rows from what stands where of some columns
// nothing better can be had: those that a tombstone does not name, or no read
// of an untrusted row.
func (w *writing) reprints() error {
	keys := newKeySet(w.table.keys, 0)
	for _, in := range w.buries {
		keys.add(in.record.Record, in.row)
	}
	for _, in := range w.puts {
		if in.old.Untrusted {
			keys.add(in.record.Record, in.row)
		}
	}
	if keys.empty() {
		return nil
	}
	return w.table.reprint(w.conn, keys)
}

// bury makes rows gone that were named as not found.
func (w *writing) bury() error {
	keys, stamps := newKeySet(w.table.keys, 0), []int64{}
	for _, in := range w.gone {
		keys.add(in.record.Record, in.row)
		stamps = append(stamps, in.Stamp)
	}
	return w.entomb(w.table, keys, w.since, stamps)
}

// insert copies the new rows into a part; into a further one only those with
// a value there, in place of what a row that was removed may have left.
func (w *writing) insert(part int) error {
	rows := w.inserts
	if part > 0 {
		keys := newKeySet(w.table.keys, 0)
		rows = nil
		for _, in := range w.inserts {
			if keys.add(in.record.Record, in.row); in.carries && w.filled(in, part) {
				rows = append(rows, in)
			}
		}
		if keys.empty() {
			return nil
		}
		casts, args := keys.args(0)
		w.conn.exec(fmt.Sprintf("DELETE FROM %s AS t USING unnest(%s) AS k(%s) WHERE %s", quote(w.table.parts[part]), casts,
			keyList("", w.table.keys), sameKey("k", "t", w.table.keys)), args...)
	}
	if len(rows) == 0 {
		return nil
	}
	c := w.copying(part)
	c.rows = rows
	return w.conn.copyIn(fmt.Sprintf("COPY %s (%s) FROM STDIN BINARY", quote(w.table.parts[part]), c.list()), c)
}

func (w *writing) filled(in *arriving, part int) bool {
	for i, c := range in.record.cells {
		if w.table.columns[w.table.places[w.columns[i]]].part == part && !c.IsNull(in.row) {
			return true
		}
	}
	return false
}

// update copies the changed rows into the part's temporary table, and applies
// them from there.
func (w *writing) update(part int) error {
	c := w.copying(part)
	if part > 0 && len(c.names) == 0 {
		return nil
	}
	stage := w.staging(part)
	c.flush = w.flushes
	c.rows = make([]*arriving, 0, len(w.puts)+len(w.buries)+len(w.fills))
	for i, rows := range [][]*arriving{w.puts, w.buries, w.fills} {
		if part > 0 && i+1 == stagedBury {
			continue // nothing of a tombstone is in further parts
		}
		c.rows = append(c.rows, rows...)
	}
	if len(c.rows) == 0 {
		return nil
	}
	if err := w.conn.copyIn(fmt.Sprintf("COPY %s (_flush, _op, %s) FROM STDIN BINARY", stage, c.list()), c); err != nil {
		return err
	}
	if part > 0 {
		return w.conn.query(w.upsertText(part, stage, c), nil, w.flushes)
	}
	for i, rows := range [][]*arriving{w.puts, w.buries, w.fills} {
		if len(rows) == 0 {
			continue
		}
		touched, err := w.conn.touch(w.updateText(stage, i+1, c), nil, w.flushes)
		if err != nil {
			return err
		}
		if touched != int64(len(rows)) {
			return &fault{fmt.Errorf("somebody else removed rows of %s meanwhile; trying again is safe", w.table.stream.Name)}
		}
	}
	return nil
}

// updateText writes staged rows over standing ones. The date of creation stays
// where an answer does not tell it, and a fill leaves the row's version alone.
func (w *writing) updateText(stage string, op int, c *copying) string {
	var terms []string
	for i, own := range ownColumns {
		switch {
		case op == stagedFill && i != ownSyncedAt && i != ownLoad && i != ownPrint:
		case i == ownCreated:
			terms = append(terms, "_created_at = coalesce(i._created_at, t._created_at)")
		default:
			terms = append(terms, own.name+" = i."+own.name)
		}
	}
	if op != stagedBury {
		for _, name := range c.names {
			terms = append(terms, name+" = i."+name)
		}
	}
	return fmt.Sprintf("UPDATE %s AS t SET %s FROM %s AS i WHERE i._flush = $1 AND i._op = %d AND %s", quote(w.table.parts[0]),
		strings.Join(terms, ", "), stage, op, sameKey("i", "t", w.table.keys))
}

// upsertText writes staged values into a further part, where a row may have no
// place yet.
func (w *writing) upsertText(part int, stage string, c *copying) string {
	terms := make([]string, len(c.names))
	for i, name := range c.names {
		terms[i] = name + " = excluded." + name
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE _flush = $1 ON CONFLICT (%s) DO UPDATE SET %s",
		quote(w.table.parts[part]), c.list(), c.list(), stage, keyList("", w.table.keys), joined(terms))
}

// staging is the session's temporary table for a part. It is empty at the
// beginning of each transaction, and made anew when the part has grown.
func (w *writing) staging(part int) string {
	name := w.table.parts[part]
	definitions := "_flush bigint, _op bigint, " + strings.Join(w.table.definitions(part), ", ")
	stage := fmt.Sprintf("pg_temp._penstock_in_%x", uint64(warehouse.SeedOf(name))) // short, whatever the part is called
	if w.conn.temps[name] == definitions {
		return stage
	}
	w.conn.exec("DROP TABLE IF EXISTS " + stage)
	w.conn.exec("CREATE TEMPORARY TABLE " + strings.TrimPrefix(stage, "pg_temp.") + " (" + definitions + ") ON COMMIT DELETE ROWS")
	w.conn.temps[name] = definitions
	return stage
}

// A copying is rows of one part on their way to the server, in the form that
// COPY ... BINARY reads (postgresql.org/docs/current/sql-copy.html).
type copying struct {
	*writing
	part  int
	names []string // of the properties, quoted
	cells []int    // in the record, of those in the part
	other []int    // of those in other parts, which the print counts
	seeds []warehouse.Seed
	flush int64 // of staged rows; 0 otherwise
	rows  []*arriving

	next    int
	buffer  []byte
	sent    int
	scratch []byte
}

func (w *writing) copying(part int) *copying {
	c := &copying{writing: w, part: part, buffer: make([]byte, 0, chunk+chunk/4)}
	for i, column := range w.columns {
		known := w.table.columns[w.table.places[column]]
		c.seeds = append(c.seeds, warehouse.SeedOf(known.Name))
		if known.part == part {
			c.names, c.cells = append(c.names, quote(known.Name)), append(c.cells, i)
		} else {
			c.other = append(c.other, i)
		}
	}
	return c
}

// list are the columns that come, the print last.
func (c *copying) list() string {
	all := []string{keyList("", c.table.keys)}
	if c.part == 0 {
		for _, own := range ownColumns[:ownPrint] {
			all = append(all, own.name)
		}
	}
	all = append(all, c.names...)
	if c.part == 0 {
		all = append(all, ownColumns[ownPrint].name)
	}
	return strings.Join(all, ", ")
}

// Read makes rows as they are asked for.
func (c *copying) Read(into []byte) (int, error) {
	if c.sent == len(c.buffer) {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(into, c.buffer[c.sent:])
	c.sent += n
	return n, nil
}

func (c *copying) fill() error {
	if c.next > len(c.rows) {
		return io.EOF
	}
	c.buffer, c.sent = c.buffer[:0], 0
	if c.next == 0 {
		c.buffer = append(c.buffer, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	}
	for c.next < len(c.rows) && len(c.buffer) < chunk {
		c.row(c.rows[c.next])
		c.next++
	}
	if c.next == len(c.rows) {
		c.buffer = append(c.buffer, 0xff, 0xff)
		c.next++
	}
	return nil
}

// row appends one row. The print is summed up as its values are.
func (c *copying) row(in *arriving) {
	fields := len(c.table.keys) + len(c.cells)
	if c.part == 0 {
		fields += len(ownColumns)
	}
	if c.flush > 0 {
		fields += 2
	}
	dst := bin.BigEndian.AppendUint16(c.buffer, uint16(fields))
	if c.flush > 0 {
		dst = appendInt(appendInt(dst, c.flush), operation(in))
	}
	for _, values := range in.record.Keys {
		switch values := values.(type) {
		case *array.Int64:
			dst = appendInt(dst, values.Value(in.row))
		case *array.String:
			dst = appendText(dst, values.Value(in.row))
		}
	}
	print := in.rest
	if c.part == 0 {
		var own warehouse.Print
		if dst, own = c.appendOwn(dst, in); in.Op != penstock.Fill {
			print += own + in.record.keyPrint(in.row, c.table.keySeeds)
		}
	}
	for _, i := range c.cells {
		if !in.carries {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		var p warehouse.Print
		dst, p = appendCell(dst, in.record.cells[i], in.row, c.seeds[i])
		print += p
	}
	if c.part == 0 {
		for _, i := range c.other {
			if in.carries {
				var p warehouse.Print
				c.scratch, p = appendCell(c.scratch[:0], in.record.cells[i], in.row, c.seeds[i])
				print += p
			}
		}
		dst = appendInt(dst, int64(print))
	}
	c.buffer = dst
}

func operation(in *arriving) int64 {
	switch in.Op {
	case penstock.Bury:
		return stagedBury
	case penstock.Fill:
		return stagedFill
	}
	return stagedPut
}

// appendCell appends a value with its length before it.
func appendCell(dst []byte, c cell, row int, seed warehouse.Seed) ([]byte, warehouse.Print) {
	if c.IsNull(row) {
		return append(dst, 0xff, 0xff, 0xff, 0xff), 0
	}
	head := len(dst)
	dst, print := c.append(append(dst, 0, 0, 0, 0), row, seed)
	bin.BigEndian.PutUint32(dst[head:], uint32(len(dst)-head-4))
	return dst, print
}

func appendInt(dst []byte, v int64) []byte {
	return bin.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v))
}

func appendText(dst []byte, v string) []byte {
	return append(bin.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}

// appendOwn appends all of our columns but the print, and returns what they
// add to it.
func (c *copying) appendOwn(dst []byte, in *arriving) ([]byte, warehouse.Print) {
	r, row, seeds, print := in.record, in.row, c.table.ownSeeds, warehouse.Print(0)
	add := func(value cell, own int) {
		var p warehouse.Print
		dst, p = appendCell(dst, value, row, seeds[own])
		print += p
	}
	add(r.created, ownCreated)
	add(r.updated, ownUpdated)
	why := r.Why.Value(row)
	dst = appendBool(append(dst, 0, 0, 0, 1), why != "")
	print += boolPrint(why != "", seeds[ownDeleted])
	add(r.deleted, ownDeletedAt)
	if why == "" {
		dst = append(dst, 0xff, 0xff, 0xff, 0xff)
	} else {
		dst = appendText(dst, why)
		print += seeds[ownWhy].Text(why)
	}
	if in.MergedInto == 0 {
		dst = append(dst, 0xff, 0xff, 0xff, 0xff)
	} else {
		dst = appendInt(dst, in.MergedInto)
		print += seeds[ownMergedInto].Integer(in.MergedInto)
	}
	dst = appendInt(dst, moment(c.at.Now.UnixMilli()).micros())
	dst = appendInt(dst, c.table.next())
	dst = appendInt(dst, in.Stamp)
	return dst, print + seeds[ownStamp].Integer(in.Stamp)
}

// entomb makes rows gone. Their values and dates stay, and so does an earlier
// deletion's moment.
func (l *load) entomb(t *table, keys *keySet, since, stamps []int64) error {
	if keys.empty() {
		return nil
	}
	if len(since) != len(stamps) {
		return errors.New("each grave has a moment and a stamp")
	}
	casts, args := keys.args(0)
	n := len(args)
	l.conn.exec(fmt.Sprintf(`UPDATE %s AS t SET _deleted = true,
		_deleted_at = coalesce(t._deleted_at, 'epoch'::timestamptz + k._since * interval '1 millisecond'), _deleted_why = '%s',
		_merged_into = NULL, _synced_at = %s, _load = %s, _stamp = k._of
		FROM unnest(%s, %s::bigint[], %s::bigint[]) AS k(%s, _since, _of) WHERE %s`, quote(t.parts[0]), penstock.Gone,
		param(n+2), param(n+3), casts, param(n), param(n+1), keyList("", t.keys), sameKey("k", "t", t.keys)),
		append(args, since, stamps, moment(l.at.Now.UnixMilli()), t.next())...)
	return t.reprint(l.conn, keys)
}

func (s *keySet) empty() bool { return len(s.integers[0])+len(s.texts[0]) == 0 }
