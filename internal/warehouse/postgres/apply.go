package postgres

import (
	"slices"

	"penstock"
	"penstock/internal/warehouse"
)

// maxStretch is how many rows wait to be written together at most.
const maxStretch = 20_000

// An applying is one batch on its way into its table.
type applying struct {
	*load
	table   *table
	batch   *penstock.Batch
	applied *penstock.Applied

	rejected map[string][]penstock.Reject
	carriers map[string]bool // keys that came with values
	keys     map[string]bool // keys that came at all; only with an inventory
}

// A stretch is rows of one table with the same columns, none of which has the
// key of another: what one does depends on none of the others, so that all of
// them are looked up and written together. Batches of nothing but rows share a
// stretch.
type stretch struct {
	table   *table
	columns []penstock.Column
	named   map[string]int // the columns' properties, with their places
	rows    []arriving
	keys    map[string]struct{}
}

// An arriving is a row, and what it meets.
type arriving struct {
	warehouse.Arrival
	of      *applying
	record  *record
	row     int
	key     string
	carries bool // values, and not a tombstone or an absence only
	old     *standing
	same    bool            // old equals it in every column
	rest    warehouse.Print // what old adds to the print of what is written over it
}

// A standing is the row that is there.
type standing struct {
	warehouse.Standing
	seen  int64 // of an observation that changed nothing, kept apart
	print warehouse.Print
}

func (a *applying) rows() error {
	if len(a.batch.Rejects) > 0 {
		a.reckon()
	}
	if a.batch.Inventory != nil {
		a.keys = map[string]bool{}
	}
	if !a.table.made && !warehouse.MakesTable(a.batch) {
		return a.flushRows()
	}
	if len(a.batch.Rows) == 0 {
		if err := a.flushRows(); err != nil {
			return err
		}
		return a.evolve(a.table, nil)
	}
	var r *record
	for _, raw := range a.batch.Rows {
		var err error
		if r, err = readRecord(a.batch.Stream, raw, r); err != nil {
			return err
		}
		if err := a.prepare(r); err != nil {
			return err
		}
		for row := range r.Length {
			if err := a.arrive(r, row); err != nil {
				return err
			}
		}
	}
	if len(a.batch.Rejects) > 0 || len(a.batch.Wanted) > 0 || a.batch.Inventory != nil {
		return a.flushRows()
	}
	return nil
}

// reckon sorts the batch's rejects by their keys.
func (a *applying) reckon() {
	a.rejected, a.carriers = map[string][]penstock.Reject{}, map[string]bool{}
	for _, r := range a.batch.Rejects {
		a.rejected[visible(r.Key)] = append(a.rejected[visible(r.Key)], r)
	}
}

// prepare makes the record's columns, and a stretch for its rows.
func (a *applying) prepare(r *record) error {
	if s := a.stretch; s != nil && (s.table != a.table || !slices.Equal(s.columns, r.Columns)) {
		if err := a.flushRows(); err != nil {
			return err
		}
	}
	if a.stretch == nil {
		if err := a.evolve(a.table, r.Columns); err != nil {
			return err
		}
	}
	if r.Whole {
		a.attend(a.table, r.Columns)
	}
	for _, lack := range r.lacking {
		lack.At = a.at.Now.UnixMilli()
		if a.rejected == nil {
			a.reckon()
		}
		a.rejected[lack.Key] = append(a.rejected[lack.Key], lack)
	}
	if a.stretch == nil {
		a.stretch = &stretch{table: a.table, columns: r.Columns, named: map[string]int{}, keys: map[string]struct{}{}}
		for i, c := range r.Columns {
			a.stretch.named[c.Property] = i
		}
	}
	return nil
}

// arrive adds a row to the stretch, which is written first if it has the same
// key already.
func (a *applying) arrive(r *record, row int) error {
	in := arriving{Arrival: r.arrival(row), of: a, record: r, row: row, key: r.Key(row).Text()}
	in.carries = in.Op == penstock.Put || in.Op == penstock.Fill
	if a.keys != nil {
		a.keys[in.key] = true
	}
	if in.carries && a.carriers != nil {
		a.carriers[in.key] = true
	}
	if !fitText(in.key) {
		a.refuse(&in, unfitText)
		return nil
	}
	s := a.stretch
	_, twice := s.keys[in.key]
	if twice || len(s.rows) == maxStretch {
		if err := a.flushRows(); err != nil {
			return err
		}
		s = &stretch{table: s.table, columns: s.columns, named: s.named, keys: map[string]struct{}{}}
		a.stretch = s
	}
	s.keys[in.key] = struct{}{}
	s.rows = append(s.rows, in)
	return nil
}

// refuse makes a reject of a row that cannot be written at all (V2).
func (a *applying) refuse(in *arriving, reason string) {
	if in.carries {
		a.applied.Superseded++
	}
	a.reject(penstock.Reject{
		Key: visible(in.key), Original: visible(in.key), Reason: reason, At: a.at.Now.UnixMilli(),
	})
}

// flushRows writes the rows of the stretch.
func (l *load) flushRows() error {
	s := l.stretch
	l.stretch = nil
	switch {
	case s == nil || len(s.rows) == 0:
		return nil
	case l.careful:
		return l.tryRows(s)
	}
	return l.writeRows(s)
}

// writeRows looks up the rows of a stretch, decides about each, and writes what
// comes of it.
func (l *load) writeRows(s *stretch) error {
	w := &writing{load: l, stretch: s, lists: &lists{}}
	if err := w.find(); err != nil {
		return err
	}
	if err := w.recall(); err != nil {
		return err
	}
	for i := range s.rows {
		w.act(&s.rows[i])
	}
	if err := w.rows(); err != nil {
		return err
	}
	return w.beside()
}

// tryRows writes the rows of a stretch but for those that no page can hold,
// which become rejects (V2): it undoes what failed and tries each half.
func (l *load) tryRows(s *stretch) error {
	table, applied := *s.table, map[*applying]penstock.Applied{}
	for i := range s.rows {
		applied[s.rows[i].of] = *s.rows[i].of.applied
	}
	l.conn.exec("SAVEPOINT stretch")
	err := l.writeRows(s)
	if err == nil {
		l.conn.exec("RELEASE SAVEPOINT stretch")
		err = l.conn.flush()
	}
	if codeOf(err) != codeTooLarge {
		return err
	}
	clear(l.conn.temps)
	if err := l.conn.query("ROLLBACK TO SAVEPOINT stretch", nil); err != nil {
		return err
	}
	*s.table = table
	for of, counts := range applied {
		*of.applied = counts
	}
	if len(s.rows) == 1 {
		s.rows[0].of.refuse(&s.rows[0], "PostgreSQL cannot hold the row: "+err.Error())
		return nil
	}
	for _, half := range [][]arriving{s.rows[:len(s.rows)/2], s.rows[len(s.rows)/2:]} {
		part := *s
		part.rows = slices.Clone(half)
		for i := range part.rows {
			part.rows[i].old, part.rows[i].same, part.rows[i].rest = nil, false, 0
		}
		if err := l.tryRows(&part); err != nil {
			return err
		}
	}
	return nil
}

// A writing is what is to be done about the rows of a stretch.
type writing struct {
	*load
	*stretch
	*lists

	inserts, puts, buries, fills []*arriving
	gone                         []*arriving
	since                        []int64 // of those that are gone
}

// act does what warehouse.Replace decides.
func (w *writing) act(in *arriving) {
	var old *warehouse.Standing
	if in.old != nil {
		old = &in.old.Standing
	}
	applied := in.of.applied
	switch warehouse.Replace(w.table.stream.Dated(), old, in.Arrival) {
	case warehouse.Write:
		w.replace(in)
	case warehouse.Observe:
		w.observe(in)
		w.answered(in)
	case warehouse.FillIn:
		w.fillIn(in)
	case warehouse.Want:
		applied.Superseded++
		w.wants = append(w.wants, wanting{
			stream: w.table.stream.Name, applied: applied,
			Want: penstock.Want{Key: in.key, Reason: warehouse.FillReason(in.of.batch.Lane), Stamp: in.Stamp},
		})
	case warehouse.Doubt:
		w.doubt(in)
	default:
		if in.carries {
			applied.Superseded++
		}
		if in.Op != penstock.Fill { // a fill answers no want
			w.answered(in)
		}
	}
}

// replace writes the arrival over the standing row, or into its empty place.
func (w *writing) replace(in *arriving) {
	switch {
	case in.old == nil:
		w.inserts = append(w.inserts, in)
		w.table.wrote(nil, in.Why)
	case in.same:
		in.of.applied.Unchanged++
		w.observe(in)
		w.settle(in)
		return
	default:
		if in.Op == penstock.Bury {
			w.buries = append(w.buries, in)
		} else {
			w.puts = append(w.puts, in)
		}
		w.table.wrote(&in.old.Why, in.Why)
		if in.old.seen > in.Stamp {
			w.unseen = append(w.unseen, in.key)
		}
	}
	w.written(in)
}

// fillIn writes the named columns of a row that stands at the same version.
func (w *writing) fillIn(in *arriving) {
	if in.same {
		in.of.applied.Unchanged++
		w.settle(in)
		return
	}
	w.fills = append(w.fills, in)
	w.table.wrote(&in.old.Why, in.old.Why)
	w.written(in)
}

// written counts a row that is written.
func (w *writing) written(in *arriving) {
	if in.Op != penstock.Fill {
		w.follow(in)
	}
	if in.Op == penstock.Bury {
		in.of.applied.Buried++
		w.answered(in)
		return
	}
	in.of.applied.Loaded++
	w.settle(in)
}

// settle brings the lists beside the table in line with a row that now holds
// the arrival's values.
func (w *writing) settle(in *arriving) {
	w.rowRejects(in)
	if in.Op != penstock.Fill {
		w.answered(in)
	}
}
