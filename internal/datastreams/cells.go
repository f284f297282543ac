package datastreams

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// counts compares HubSpot's count with the table's per range of ids and per
// window of modification dates. A cell that differs is cut, until its objects
// are few enough to be listed.
func (v *verifier) counts(ctx context.Context) error {
	ids, windows, err := v.cells(ctx)
	if err != nil {
		return err
	}
	var cells []penstock.Span
	for _, kind := range []struct {
		name  string
		spans []penstock.Span
	}{{"id ranges", ids}, {"modified windows", windows}} {
		differing, err := v.stay(ctx, kind.spans)
		if err != nil {
			return err
		}
		v.report.Checks = append(v.report.Checks, Check{
			Name: kind.name, Resolution: fmt.Sprintf("about %d objects a cell", v.report.Rows/int64(len(kind.spans))),
			Cells: len(kind.spans), Differing: len(differing),
		})
		cells = append(cells, differing...)
	}
	v.report.Unknown = append(v.report.Unknown,
		"differences that cancel within one cell of each kind; values of an object whose date is HubSpot's and whose print is right; both are the sweep's to find, or --every-object's")
	listed := map[[2]int64]bool{}
	for len(cells) > 0 {
		var next []penstock.Span
		for _, cell := range cells {
			parts, err := v.cut(ctx, cell)
			if err != nil {
				return err
			}
			if len(parts) > 0 {
				next = append(next, parts...)
				continue
			}
			if at := [2]int64{cell.From, cell.To}; !listed[at] {
				listed[at] = true
				if err := v.list(ctx, cell.From, cell.To); err != nil {
					return err
				}
			}
		}
		if cells, err = v.differing(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// everyObject compares each object that HubSpot lists with its row.
func (v *verifier) everyObject(ctx context.Context) error {
	before := v.report.Missing + v.report.Extra + v.report.Stale
	if err := v.list(ctx, 0, 0); err != nil {
		return err
	}
	v.report.Checks = append(v.report.Checks, Check{
		Name: "every object", Resolution: "id and modified date", Cells: int(v.report.Rows),
		Differing: v.report.Missing + v.report.Extra + v.report.Stale - before,
	})
	v.report.Unknown = append(v.report.Unknown,
		"values of an object whose date is HubSpot's and whose print is right; the sweep compares computed ones")
	return nil
}

// cells are the first: ranges of ids and windows of dates with about as many
// rows each.
func (v *verifier) cells(ctx context.Context) (ids, windows []penstock.Span, err error) {
	result, err := v.c.Store.Rows(ctx, warehouse.Query{Stream: v.stream.Name, Fields: []string{"id", "_updated_at"}})
	if err != nil {
		return nil, nil, err
	}
	step := max(v.report.Rows/idCells, cellLeast)
	every := max(v.report.Rows/10_000, 1)
	var dates []int64
	first, n := int64(0), int64(0)
	for row, err := range result.Rows {
		if err != nil {
			return nil, nil, err
		}
		id, updated := rowOf(row)
		if n > 0 && n%step == 0 {
			ids = append(ids, penstock.Span{From: first, To: id, Until: v.settled})
			first = id
		}
		if n%every == 0 && updated <= v.settled {
			dates = append(dates, updated)
		}
		n++
	}
	ids = append(ids, penstock.Span{From: first, Until: v.settled})
	slices.Sort(dates)
	since := int64(0)
	for i := 1; i < windowCells && len(dates) >= windowCells; i++ {
		until := dates[i*len(dates)/windowCells]
		if until > since {
			windows = append(windows, penstock.Span{Since: since, Until: until})
			since = until + 1
		}
	}
	return ids, append(windows, penstock.Span{Since: since, Until: v.settled}), nil
}

// rowOf reads a row of an id and a modified date, in ms since 1970.
func rowOf(row []any) (id, updated int64) {
	id, _ = row[0].(int64)
	switch at := row[1].(type) {
	case string:
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
			updated = t.UnixMilli()
		}
	case int64:
		updated = at
	}
	return id, updated
}

// stay are the cells that differ, and differ still when they are counted again:
// what was on its way has come then.
func (v *verifier) stay(ctx context.Context, cells []penstock.Span) ([]penstock.Span, error) {
	differing, err := v.differing(ctx, cells)
	if err != nil || len(differing) == 0 {
		return nil, err
	}
	return v.differing(ctx, differing)
}

// differing are the cells of which HubSpot counts more or fewer objects than
// the table has.
func (v *verifier) differing(ctx context.Context, cells []penstock.Span) ([]penstock.Span, error) {
	var differing []penstock.Span
	for some := range slices.Chunk(cells, penstock.MaxSpans) {
		answer, err := v.c.ask(ctx, penstock.Question{Stream: v.stream, For: penstock.ForVerify, Count: some})
		if err != nil {
			return nil, err
		}
		v.report.Calls += int64(len(some))
		v.stamp = max(v.stamp, answer.Stamp)
		ours, err := v.c.Store.Count(ctx, v.stream.Name, some)
		if err != nil {
			return nil, err
		}
		if len(answer.Counts) != len(some) {
			return nil, fmt.Errorf("the worker counted %d of %d ranges", len(answer.Counts), len(some))
		}
		for i, cell := range some {
			if answer.Counts[i] != ours[i] {
				differing = append(differing, cell)
			}
		}
	}
	return differing, nil
}

// cut is the cell in parts with about as many of our rows each; none when it
// has few enough.
func (v *verifier) cut(ctx context.Context, cell penstock.Span) ([]penstock.Span, error) {
	counts, err := v.c.Store.Count(ctx, v.stream.Name, []penstock.Span{{From: cell.From, To: cell.To}})
	if err != nil || counts[0] <= cellLeast {
		return nil, err
	}
	size := max(counts[0]/cutInto, cellLeast/2)
	var parts []penstock.Span
	for from := cell.From; ; {
		ids, err := v.c.Store.IDs(ctx, v.stream.Name, from, cell.To, int(size)+1)
		if err != nil {
			return nil, err
		}
		part := cell
		part.From = from
		if int64(len(ids)) <= size {
			return append(parts, part), nil
		}
		part.To = ids[size]
		parts, from = append(parts, part), part.To
	}
}

// list compares each object in a range of ids with its row.
func (v *verifier) list(ctx context.Context, from, to int64) error {
	after := ""
	if from > 0 {
		after = strconv.FormatInt(from, 10)
	}
	for {
		answer, err := v.c.ask(ctx, penstock.Question{
			Stream: v.stream, For: penstock.ForVerify, IDs: &penstock.IDs{After: after, Limit: penstock.MaxIDs},
		})
		if err != nil {
			return err
		}
		if answer.Listing == nil {
			return fmt.Errorf("the worker did not list any objects")
		}
		v.report.Calls += int64(len(answer.Listing.IDs)/100 + 1)
		v.stamp = max(v.stamp, answer.Stamp)
		theirs := map[int64]int64{}
		until := to
		for _, o := range answer.Listing.IDs {
			if to == 0 || o.ID < to {
				theirs[o.ID] = o.Updated.UnixMilli()
			}
		}
		next, numeric := strconv.ParseInt(answer.Listing.Next, 10, 64)
		more := answer.Listing.Next != "" && (to == 0 || numeric == nil && next < to)
		if more {
			if numeric != nil {
				return fmt.Errorf("the list's cursors are no ids on this account: its objects cannot be compared range by range")
			}
			until = next
		}
		if err := v.match(ctx, from, until, theirs); err != nil {
			return err
		}
		if !more {
			return nil
		}
		from, after = next, answer.Listing.Next
	}
}

// match compares what HubSpot lists in [from, to) with the table's rows.
func (v *verifier) match(ctx context.Context, from, to int64, theirs map[int64]int64) error {
	q := warehouse.Query{Stream: v.stream.Name, Fields: []string{"id", "_updated_at"}}
	if from > 0 {
		q.After = penstock.Key{strconv.FormatInt(from-1, 10)}
	}
	result, err := v.c.Store.Rows(ctx, q)
	if err != nil {
		return err
	}
	for row, err := range result.Rows {
		if err != nil {
			return err
		}
		id, updated := rowOf(row)
		if to > 0 && id >= to {
			break
		}
		key := strconv.FormatInt(id, 10)
		at, listed := theirs[id]
		delete(theirs, id)
		switch {
		case !listed && updated <= v.settled:
			v.want(key, penstock.WantAbsent, &v.report.Extra)
		case listed && at != updated && at <= v.settled:
			v.want(key, penstock.WantVerify, &v.report.Stale)
		}
	}
	for id, at := range theirs {
		if at <= v.settled {
			v.want(strconv.FormatInt(id, 10), penstock.WantVerify, &v.report.Missing)
		}
	}
	return nil
}
