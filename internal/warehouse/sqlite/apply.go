package sqlite

import (
	"fmt"

	"penstock"
	"penstock/internal/warehouse"
)

// An applying is one batch on its way into its table.
type applying struct {
	*load
	table   *table
	batch   *penstock.Batch
	applied penstock.Applied

	named    map[string]int // the batch's properties, with their places
	rejected map[string][]penstock.Reject
	carriers map[string]bool // keys that came with values
	keys     map[string]bool // keys that came at all; only with an inventory

	// Of the record in hand:
	record *record
	values *plan // for rows with the batch's columns
	bare   *plan // for rows without any
	known  bool  // the row before was in the table, so this one probably is
}

// A standing is the row that is there.
type standing struct {
	warehouse.Standing
	seen  int64 // of an observation that changed nothing, kept apart
	print warehouse.Print
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
		return a.table.evolve(a.conn, nil)
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
			if err := a.row(row); err != nil {
				return fmt.Errorf("row %s: %w", r.Key(row).Text(), err)
			}
		}
	}
	return nil
}

// prepare makes the record's columns and statements.
func (a *applying) prepare(r *record) (err error) {
	if err := a.table.evolve(a.conn, r.Columns); err != nil {
		return err
	}
	if r.Whole {
		if err := a.table.attend(a.conn, r.Columns); err != nil {
			return err
		}
	}
	a.record, a.named = r, make(map[string]int, len(r.Columns))
	for i, c := range r.Columns {
		a.named[c.Property] = i
	}
	if a.bare, err = a.conn.plan(a.table, nil); err != nil {
		return err
	}
	a.values, err = a.conn.plan(a.table, r.Columns)
	return err
}

// An arriving is a row of the record in hand, and what it meets.
type arriving struct {
	warehouse.Arrival
	row     int
	carries bool // values, and not a tombstone or an absence only
	plan    *plan
	old     *standing       // nil where nothing stands
	same    bool            // old equals it in every column
	rest    warehouse.Print // what old adds to the print of what is written over it
}

func (a *applying) row(row int) error {
	in := &arriving{Arrival: a.record.Arrival(row), row: row, plan: a.bare}
	in.carries = in.Op == penstock.Put || in.Op == penstock.Fill
	if a.keys != nil {
		a.keys[a.record.Key(row).Text()] = true
	}
	if in.carries && a.carriers != nil {
		a.carriers[a.record.Key(row).Text()] = true
	}
	if in.carries {
		in.plan = a.values
	}
	// Most rows of a first load are new: it is cheaper to try than to look.
	if in.Op == penstock.Put && !a.known {
		if inserted, err := a.insert(in); err != nil || inserted {
			return err
		}
	}
	if err := a.find(in); err != nil {
		return err
	}
	a.known = in.old != nil
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
