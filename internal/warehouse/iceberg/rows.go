package iceberg

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// rowsAtOnce is how many rows of the index are read from the lake together.
const rowsAtOnce = 2048

// A view is a table in one snapshot of the index.
type view struct {
	streamTable
	conn  *sqlite.Conn
	store *Store
}

// lookAt runs f with a table in one snapshot.
func (s *Store) lookAt(ctx context.Context, stream string, f func(*view) error) error {
	if err := s.notice(ctx, stream); err != nil {
		return err
	}
	return s.readBy(ctx, s.scans, func(conn *sqlite.Conn) error {
		v, err := s.view(conn, stream)
		if err != nil {
			return err
		}
		return f(v)
	})
}

// notice brings the index to what another program has made of the table since
// our last commit.
func (s *Store) notice(ctx context.Context, stream string) error {
	version := int64(0)
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT version FROM _local_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
			version = row.ColumnInt64(0)
			return nil
		}, stream)
	})
	if err != nil || version == 0 {
		return err
	}
	later, err := s.lake.exists(ctx, versionName(stream, version+1))
	if err != nil || !later {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index == nil {
		return errClosed
	}
	return s.catchUp(ctx)
}

// view reads as much of a table's description as a query needs.
func (s *Store) view(conn *sqlite.Conn, stream string) (*view, error) {
	v := &view{conn: conn, store: s}
	err := query(conn, `SELECT family, object_type, to_type, belongs, whole FROM _penstock_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		v.stream = penstock.Stream{
			Name: stream, Family: penstock.Family(row.ColumnText(0)), ObjectType: row.ColumnText(1),
			ToType: row.ColumnText(2), Of: row.ColumnText(3), Whole: row.ColumnBool(4),
		}
		return nil
	}, stream)
	if err != nil {
		return nil, err
	}
	if v.stream.Name == "" {
		return nil, warehouse.ErrNoTable
	}
	v.keys = v.stream.Key()
	v.index = rowIndex{stream: stream, keys: v.keys}
	v.columns, err = readColumns(conn, stream)
	v.layout = newLayout(v.keys, v.columns)
	return v, err
}

// rows are up to limit rows after a key, as the index has them.
func (v *view) rows(after penstock.Key, limit int) ([]*standing, error) {
	term, args, err := v.bound(after, ">", 0)
	if err != nil {
		return nil, err
	}
	return v.selected(fmt.Sprintf("WHERE %s ORDER BY %s LIMIT %d", term, keyList(v.keys), limit), args)
}

func (v *view) selected(rest string, args []any) ([]*standing, error) {
	var rows []*standing
	err := query(v.conn, v.index.selection()+" "+rest, func(row *sqlite.Stmt) error {
		rows = append(rows, v.index.read(row))
		return nil
	}, args...)
	return rows, err
}

// shelf reads the table's rows from the lake.
func (v *view) shelf(want []bool) *shelf {
	name := func(id int64) (string, error) { return dataName(v.conn, id) }
	return &shelf{lake: v.store.lake, name: name, layout: v.layout, want: want}
}

// each calls f for the rows' values in the lake, in the order of the files.
func (v *view) each(ctx context.Context, rows []*standing, want []bool, f func(i int, row stored) error) (err error) {
	s := v.shelf(want)
	defer func() { err = errors.Join(err, s.close()) }()
	return s.each(ctx, locations(rows), f)
}

func locations(rows []*standing) []location {
	at := make([]location, len(rows))
	for i, s := range rows {
		at[i] = s.at
	}
	return at
}

// Rows reads rows in the order that the query asks for, all of them from one
// snapshot. What was loaded meanwhile is not among them.
func (s *Store) Rows(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	result := &warehouse.Result{}
	var places []int
	err := s.lookAt(ctx, q.Stream, func(v *view) (err error) {
		if places, err = v.places(q.Fields); err != nil {
			return err
		}
		for _, place := range places {
			result.Columns = append(result.Columns, v.layout.columns[place].name)
		}
		if _, err = v.tests(q.Filters); err != nil {
			return err
		}
		_, _, err = v.bound(q.After, ">", 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.address, err)
	}
	result.Rows = func(yield func([]any, error) bool) {
		err := s.lookAt(ctx, q.Stream, func(v *view) error {
			r := &reading{view: v, query: q, places: places}
			return r.run(ctx, func(row []any) bool { return yield(row, nil) })
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, fmt.Errorf("read rows of %s in %s: %w", q.Stream, s.address, err))
		}
	}
	return result, nil
}

// errEnough ends a reading whose reader wants no more rows.
var errEnough = errors.New("enough")

// places are those of the columns asked for; without any, of all in the order
// that readers see them, but the stamp and the print.
func (v *view) places(names []string) ([]int, error) {
	if len(names) == 0 {
		return v.shown(), nil
	}
	places := make([]int, len(names))
	for i, name := range names {
		if places[i] = v.layout.find(name); places[i] < 0 {
			return nil, fmt.Errorf("%w: %q", warehouse.ErrNoColumn, name)
		}
	}
	return places, nil
}

func (v *view) shown() []int {
	var places []int
	add := func(from, to int) {
		for place := from; place < to; place++ {
			places = append(places, place)
		}
	}
	add(0, v.layout.keys)
	add(v.layout.properties(), len(v.layout.columns))
	add(v.layout.keys, v.layout.own(ownStamp))
	return places
}

// A reading is a query on its way through a table.
type reading struct {
	*view
	query  warehouse.Query
	places []int
	tests  []test
	last   *standing // the last row looked at
	given  int
}

func (r *reading) run(ctx context.Context, yield func([]any) bool) (err error) {
	if r.tests, err = r.view.tests(r.query.Filters); err != nil {
		return err
	}
	want := make([]bool, len(r.layout.columns))
	for _, place := range r.places {
		want[place] = true
	}
	for _, t := range r.tests {
		want[t.place] = true
	}
	s := r.shelf(want)
	defer func() { err = errors.Join(err, s.close()) }()
	for {
		rows, err := r.next()
		if err != nil || len(rows) == 0 {
			return err
		}
		values := make([][]any, len(rows))
		err = s.each(ctx, locations(rows), func(i int, row stored) error {
			values[i] = r.values(row)
			return nil
		})
		if err != nil {
			return err
		}
		if err := r.give(ctx, values, yield); err != nil {
			return err
		}
		r.last = rows[len(rows)-1]
	}
}

// give yields the rows that passed.
func (r *reading) give(ctx context.Context, values [][]any, yield func([]any) bool) error {
	for _, row := range values {
		if row == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !yield(row) {
			return errEnough
		}
		if r.given++; r.given == r.query.Limit {
			return errEnough
		}
	}
	return nil
}

// values are the row's as asked for; nil when it does not pass.
func (r *reading) values(row stored) []any {
	for _, t := range r.tests {
		if !t.passes(valueOf(row.column(t.place), row.row)) {
			return nil
		}
	}
	values := make([]any, len(r.places))
	for i, place := range r.places {
		values[i] = valueOf(row.column(place), row.row)
	}
	return values
}

// next are the next rows of the index that the query may be about.
func (r *reading) next() ([]*standing, error) {
	q := r.query
	n := rowsAtOnce
	if q.Limit > 0 && len(q.Filters) == 0 {
		n = min(n, q.Limit-r.given)
	}
	after := q.After
	if r.last != nil {
		after = r.last.whole()
	}
	live := ""
	if !q.Deleted {
		live = "deleted = 0 AND "
	}
	if q.Loaded == nil {
		term, args, err := r.bound(after, ">", 0)
		if err != nil {
			return nil, err
		}
		return r.selected(fmt.Sprintf("WHERE %s%s ORDER BY %s LIMIT %d", live, term, keyList(r.keys), n), args)
	}
	from := q.Loaded.From
	if r.last != nil {
		from = r.last.load
	}
	term, args, err := r.bound(after, ">", 2)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		term = "FALSE"
	}
	args = append([]any{from, q.Loaded.To}, args...)
	return r.selected(fmt.Sprintf("WHERE %s(load > ?1 OR load = ?1 AND %s) AND load BETWEEN ?1 AND ?2 ORDER BY load, %s LIMIT %d",
		live, term, keyList(r.keys), n), args)
}
