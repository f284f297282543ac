package warehousetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"penstock"
	"penstock/internal/warehouse"
)

// ownColumns are Penstock's columns of every table as a reader sees them.
var ownColumns = []string{
	"_created_at", "_updated_at", "_deleted", "_deleted_at", "_deleted_why", "_merged_into", "_synced_at", "_load",
}

// Rows reads rows of a table in the order asked for.
func (m *Model) Rows(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	t := m.view().tables[q.Stream]
	if t == nil {
		return nil, fmt.Errorf("rows of %s: %w", q.Stream, warehouse.ErrNoTable)
	}
	all := t.names()
	columns := q.Fields
	if len(columns) == 0 {
		columns = all
	}
	for _, name := range columns {
		if name != "_stamp" && name != "_print" && !slices.Contains(all, name) {
			return nil, fmt.Errorf("rows of %s: %w: %q", q.Stream, warehouse.ErrNoColumn, name)
		}
	}
	if err := warehouse.CheckKey(t.stream, q.After); err != nil {
		return nil, fmt.Errorf("rows of %s: %w", q.Stream, err)
	}
	rows, err := t.selected(q)
	if err != nil {
		return nil, fmt.Errorf("rows of %s: %w", q.Stream, err)
	}
	return &warehouse.Result{Columns: columns, Rows: func(yield func([]any, error) bool) {
		for _, r := range rows {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			values := make([]any, len(columns))
			for i, name := range columns {
				values[i] = r.columns[name]
			}
			if !yield(values, nil) {
				return
			}
		}
	}}, nil
}

// names are the table's columns in the order of a result.
func (t *modelTable) names() []string {
	var names []string
	for _, k := range t.stream.Key() {
		names = append(names, k.Name)
	}
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	return append(names, ownColumns...)
}

func (t *modelTable) selected(q warehouse.Query) ([]*modelRow, error) {
	passes, err := t.passing(q.Filters)
	if err != nil {
		return nil, err
	}
	order, place := t.compareRows, &modelRow{key: q.After}
	if q.Loaded != nil {
		order, place.columns = t.compareLoads, map[string]any{"_load": q.Loaded.From}
	}
	var rows []*modelRow
	for _, r := range slices.SortedFunc(maps.Values(t.rows), order) {
		begun := (q.After == nil && q.Loaded == nil) || order(r, place) > 0
		if !begun || !q.Deleted && r.version.Why != penstock.Live || !passes(r) || q.Loaded != nil && loadOf(r) > q.Loaded.To {
			continue
		}
		if q.Limit > 0 && len(rows) == q.Limit {
			break
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// compareLoads orders rows by load and then key, and places without a key
// behind the rows of their load.
func (t *modelTable) compareLoads(a, b *modelRow) int {
	return cmp.Or(cmp.Compare(loadOf(a), loadOf(b)), t.compareRows(a, b))
}

// loadOf is 0 for a row that was added by hand: no load has written it.
func loadOf(r *modelRow) int64 {
	load, _ := r.columns["_load"].(int64)
	return load
}

func (t *modelTable) compareRows(a, b *modelRow) int { return t.compare(a.key, b.key) }

// compare orders keys column by column, as far as both go.
func (t *modelTable) compare(a, b penstock.Key) int {
	for i, k := range t.stream.Key()[:min(len(a), len(b))] {
		c := cmp.Compare(a[i], b[i])
		if k.Integer {
			c = cmp.Compare(integer(a[i]), integer(b[i]))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// integer reads a column of a key that CheckKey has let pass.
func integer(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
