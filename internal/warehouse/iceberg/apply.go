package iceberg

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"penstock"
	"penstock/internal/warehouse"
)

// An applying is one batch on its way into its table.
type applying struct {
	*load
	table   *streamTable
	batch   *penstock.Batch
	applied penstock.Applied

	named    map[string]int // the batch's properties, with their places in the record
	rejected map[string][]penstock.Reject
	carriers map[string]bool // keys that came with values
	keys     map[string]bool // keys that came at all; only with an inventory

	// Of the record in hand:
	record *record
	values []arrow.Array // by place in the layout
	bare   []arrow.Array // the same of the key alone
	whole  bool          // it names all columns of the table
}

func (a *applying) rows() error {
	if len(a.batch.Rejects) > 0 {
		a.rejected, a.carriers = map[string][]penstock.Reject{}, map[string]bool{}
		for _, r := range a.batch.Rejects {
			a.rejected[r.Key] = append(a.rejected[r.Key], r)
		}
	}
	if a.batch.Inventory != nil {
		a.keys = map[string]bool{}
	}
	if !a.table.made && !warehouse.MakesTable(a.batch) {
		return nil
	}
	if len(a.batch.Rows) == 0 {
		return a.table.evolve(nil)
	}
	for _, raw := range a.batch.Rows {
		r, err := readRecord(a.batch.Stream, raw)
		if err != nil {
			return err
		}
		if err := a.prepare(r); err != nil {
			return err
		}
		for row := range r.Length {
			if err := a.row(row); err != nil {
				return fmt.Errorf("row %s: %w", r.Key(row).Text(), err)
			}
		}
	}
	return nil
}

// prepare makes the record's columns, and reads ahead what its rows will meet.
func (a *applying) prepare(r *record) error {
	t := a.table
	if err := t.evolve(r.Columns); err != nil {
		return err
	}
	if r.Whole {
		if err := t.attend(r.Columns); err != nil {
			return err
		}
	}
	a.record, a.named = r, make(map[string]int, len(r.Columns))
	a.bare = make([]arrow.Array, len(t.layout.columns))
	copy(a.bare, r.Keys)
	a.values = make([]arrow.Array, len(t.layout.columns))
	copy(a.values, r.Keys)
	for i, c := range r.Columns {
		a.named[c.Property] = i
		a.values[t.places[c]] = r.cells[i]
	}
	a.whole = len(r.Columns) == len(t.columns)
	for _, u := range r.unfit {
		a.misfit(u)
	}
	if err := t.readAhead(r); err != nil {
		return err
	}
	return a.fetchBases()
}

// misfit rejects a value that a column of Iceberg's type cannot hold (V2).
func (a *applying) misfit(u unfit) {
	if a.rejected == nil {
		a.rejected = map[string][]penstock.Reject{}
	}
	key := a.record.Key(u.row).Text()
	reason := fmt.Sprintf("a column of %s cannot hold it", u.kind)
	a.rejected[key] = append(a.rejected[key], penstock.Reject{
		Stream: a.batch.Stream.Name, Key: key, Property: u.property, Original: u.text, Reason: reason, At: a.record.at(u.row, a.at.Now),
	})
}

// fetchBases reads the rows whose values arrivals will keep in part, all at
// once.
func (a *applying) fetchBases() error {
	var at []location
	for row := range a.record.Length {
		in := a.arriving(row)
		if in.Op == penstock.Missing || in.Op == penstock.Put && a.whole || in.Op == penstock.Fill && in.Bare {
			continue
		}
		old, err := a.table.find(a.record, row)
		if err != nil {
			return err
		}
		if old == nil {
			continue
		}
		switch warehouse.Replace(a.batch.Stream.Dated(), &old.Standing, in.Arrival) {
		case warehouse.Write, warehouse.FillIn:
			at = append(at, old.at)
		}
	}
	return a.table.fetch(at)
}

// An arriving is a row of the record in hand, and what it meets.
type arriving struct {
	warehouse.Arrival
	row     int
	carries bool      // values, and not a tombstone or an absence only
	old     *standing // nil where nothing stands
}

func (a *applying) arriving(row int) *arriving {
	in := &arriving{Arrival: a.record.Arrival(row), row: row}
	in.carries = in.Op == penstock.Put || in.Op == penstock.Fill
	return in
}

func (a *applying) row(row int) (err error) {
	in := a.arriving(row)
	if a.keys != nil {
		a.keys[a.record.Key(row).Text()] = true
	}
	if in.carries && a.carriers != nil {
		a.carriers[a.record.Key(row).Text()] = true
	}
	if in.old, err = a.table.find(a.record, row); err != nil {
		return err
	}
	return a.act(in)
}

// act does what warehouse.Replace decides.
func (a *applying) act(in *arriving) error {
	var old *warehouse.Standing
	if in.old != nil {
		old = &in.old.Standing
	}
	switch warehouse.Replace(a.batch.Stream.Dated(), old, in.Arrival) {
	case warehouse.Write:
		return a.replace(in)
	case warehouse.Observe:
		if err := a.observe(in); err != nil {
			return err
		}
		return a.answered(in)
	case warehouse.FillIn:
		return a.fillIn(in)
	case warehouse.Want:
		a.applied.Superseded++
		return a.want(penstock.Want{Key: a.record.Key(in.row).Text(), Reason: warehouse.FillReason(a.batch.Lane), Stamp: in.Stamp})
	case warehouse.Doubt:
		return a.doubt(in)
	}
	if in.Op == penstock.Fill {
		a.applied.Superseded++
		return nil // a fill answers no want
	}
	if in.Op == penstock.Put {
		a.applied.Superseded++
	}
	return a.answered(in)
}
