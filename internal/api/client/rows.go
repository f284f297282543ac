package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"penstock/internal/api"
	"penstock/internal/warehouse"
)

// RowsOptions say which rows to read.
type RowsOptions struct {
	Fields       []string // column names; empty means all
	Where        []Where  // rows that pass all of them
	ChangedSince string   // only rows loaded since, by load, tombstones too: what a former call gave, or 0 for all; empty means all, by key
	Deleted      bool     // also the rows of what is deleted in HubSpot
	Limit        int      // at most; 0 means all
}

// A Where keeps the rows whose value of a property compares so: by eq, ne, lt,
// le, gt, ge, in (values separated by commas, quoted as in CSV) or null (true or
// false).
type Where struct {
	Property string // by its name in HubSpot, or the column's
	Op       string
	Value    string
}

// The formats of Export.
const (
	Parquet = "application/vnd.apache.parquet"
	Arrow   = "application/vnd.apache.arrow.stream"
)

// maxRows is the most rows of a page.
const maxRows = 1000

// query is what the options are in a URL.
func (o RowsOptions) query() url.Values {
	query := url.Values{"fields": {strings.Join(o.Fields, ",")}, "deleted": {strconv.FormatBool(o.Deleted)}}
	for _, w := range o.Where {
		query.Add("filter["+w.Property+"]["+w.Op+"]", w.Value)
	}
	if o.ChangedSince != "" {
		query.Set("changed_since", o.ChangedSince)
	}
	return query
}

// Export writes rows in one of the formats. It returns what to give as
// ChangedSince the next time; empty when the limit left rows away. After an
// error what is written is not whole.
func (c *Client) Export(ctx context.Context, connection, stream string, o RowsOptions, into Export) (changes string, err error) {
	query := o.query()
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	request, err := c.request(ctx, http.MethodGet, under(connection, "rows", stream)+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", into.Format)
	response, err := c.http.Do(request)
	if err != nil {
		return "", c.unreachable(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return "", fmt.Errorf("read the answer of %s: %w", c.base, err)
		}
		return "", c.refused(response, text)
	}
	if _, err := io.Copy(into.Out, response.Body); err != nil {
		return "", fmt.Errorf("the rows are not whole: %w", err)
	}
	if response.Header.Get("Link") != "" {
		return "", nil
	}
	return response.Header.Get("Penstock-Changes"), nil
}

// An Export says where rows go, and how.
type Export struct {
	Format string // Parquet or Arrow
	Out    io.Writer
}

// Rows reads the rows of a stream in key order, or in the order of their loads,
// as a warehouse yields them. Pages are fetched as the rows are taken; an error
// of the first page is returned at once. changes is what to give as ChangedSince
// the next time, once all rows were taken and no limit left any away.
func (c *Client) Rows(ctx context.Context, connection, stream string, o RowsOptions) (result *warehouse.Result, changes string, err error) {
	query := o.query()
	ask := func(after string, left int) (page api.RowPage, err error) {
		query.Set("limit", strconv.Itoa(maxRows))
		if o.Limit > 0 {
			query.Set("limit", strconv.Itoa(min(left, maxRows)))
		}
		query.Set("after", after)
		return page, c.ask(ctx, http.MethodGet, under(connection, "rows", stream)+"?"+query.Encode(), nil, &page)
	}
	first, err := ask("", o.Limit)
	if err != nil {
		return nil, "", err
	}
	return &warehouse.Result{Columns: first.Columns, Rows: func(yield func([]any, error) bool) {
		page, left := first, o.Limit
		for {
			for _, item := range page.Items {
				if !yield(values(first.Columns, item), nil) {
					return
				}
			}
			left -= len(page.Items)
			if page.Next == "" || (o.Limit > 0 && left <= 0) {
				return
			}
			var err error
			if page, err = ask(page.Next, left); err != nil {
				yield(nil, err)
				return
			}
		}
	}}, first.Changes, nil
}

func values(columns []string, item map[string]any) []any {
	out := make([]any, len(columns))
	for i, name := range columns {
		out[i] = item[name]
		if number, ok := item[name].(json.Number); ok {
			out[i] = exact(number)
		}
	}
	return out
}

// exact is a number as the warehouse yielded it: whole ones as int64.
func exact(number json.Number) any {
	if whole, err := number.Int64(); err == nil {
		return whole
	}
	if decimal, err := number.Float64(); err == nil {
		return decimal
	}
	return number.String()
}
