package api

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"penstock"
	"penstock/internal/warehouse"
)

// reading is a stream's rows on their way to a caller.
type reading struct {
	contents   Contents
	connection string
	table      warehouse.TableState
	columns    []column // of the query; of these the first are shown
	shown      int
	query      warehouse.Query
	upTo       mark // everything that was loaded up to then is in the answer or before it
	limit      int
	all        bool
	rows       encoder
	next       penstock.Key // where the next page begins; nil when there is none
}

func (s *site) reading(ctx context.Context, connection string, in WhichRows) (*reading, error) {
	if err := s.exists(connection); err != nil {
		return nil, err
	}
	tables, err := s.Tables(ctx, connection)
	if err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	at := slices.IndexFunc(tables, func(t warehouse.TableState) bool { return t.Stream.Name == in.Stream })
	if at < 0 {
		return nil, s.unreadable(ctx, connection, in.Stream, warehouse.ErrNoTable)
	}
	r := &reading{contents: s, connection: connection, table: tables[at]}
	if err := r.choose(in); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, in); err != nil {
		return nil, trouble(err, mendWarehouse)
	}
	return r, nil
}

// choose says which columns to read, those asked for and those that tell where
// a page ends, and which rows. Columns are named even where all are meant: one
// that comes to the table meanwhile is not in this answer.
func (r *reading) choose(in WhichRows) (err error) {
	all := columnsOf(r.table)
	r.query = warehouse.Query{Stream: in.Stream, Deleted: in.Deleted || in.changes}
	if r.columns, err = chosen(all, unique(in.Fields)); err != nil {
		return err
	}
	if r.query.Filters, err = filtersOf(in.query, all); err != nil {
		return err
	}
	r.shown = len(r.columns)
	r.columns = slices.Clone(r.columns)
	for _, c := range all {
		place := c.name == loadColumn || slices.ContainsFunc(r.table.Stream.Key(), func(k penstock.KeyColumn) bool { return k.Name == c.name })
		if place && !slices.Contains(r.columns, c) {
			r.columns = append(r.columns, c)
		}
	}
	for _, c := range r.columns {
		r.query.Fields = append(r.query.Fields, c.name)
	}
	return nil
}

// unreadable says why there are no rows: no such stream, or not yet, or the
// warehouse fails.
func (s *site) unreadable(ctx context.Context, connection, stream string, err error) error {
	if !errors.Is(err, warehouse.ErrNoTable) {
		return trouble(err, mendWarehouse)
	}
	if err := s.knowsStream(ctx, connection, stream); err != nil {
		return err
	}
	return newProblem(notLoaded, "nothing of "+stream+" has been loaded yet", "GET /data tells how far the first load is; POST /start begins it")
}

// page takes the next page from the warehouse. One row more than it holds
// tells whether there is another.
func (r *reading) page(ctx context.Context) error {
	query := r.query
	query.Limit = r.limit + 1
	result, err := r.contents.Rows(ctx, r.connection, query)
	if err != nil {
		return err
	}
	r.next = nil
	var last []any
	count := 0
	for values, err := range result.Rows {
		if err != nil {
			return err
		}
		if count == r.limit || r.rows.size() >= maxPageBytes {
			r.goOnAfter(last)
			return nil
		}
		if err := r.rows.row(values[:r.shown]); err != nil {
			return err
		}
		last = values
		count++
	}
	return nil
}

// goOnAfter makes the row the end of the page.
func (r *reading) goOnAfter(row []any) {
	value := func(name string) any { return row[slices.Index(r.query.Fields, name)] }
	r.next = nil
	for _, k := range r.table.Stream.Key() {
		switch value := value(k.Name).(type) {
		case int64:
			r.next = append(r.next, strconv.FormatInt(value, 10))
		case string:
			r.next = append(r.next, value)
		}
	}
	r.query.After = r.next
	if r.query.Loaded != nil {
		load, _ := value(loadColumn).(int64)
		r.query.Loaded = &warehouse.Loaded{From: load, To: r.query.Loaded.To}
	}
}
