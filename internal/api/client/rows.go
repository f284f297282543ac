package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"penstock/internal/api"
	"penstock/internal/warehouse"
)

// RowsOptions say which rows to read.
type RowsOptions struct {
	Fields  []string // column names; empty means all
	Deleted bool     // also the rows of what is deleted in HubSpot
	Limit   int      // at most; 0 means all
}

// maxRows is the most rows of a page.
const maxRows = 1000

// Rows reads the rows of a stream in key order, as a warehouse yields them.
// Pages are fetched as the rows are taken; an error of the first page is
// returned at once.
func (c *Client) Rows(ctx context.Context, connection, stream string, o RowsOptions) (*warehouse.Result, error) {
	query := url.Values{"fields": {strings.Join(o.Fields, ",")}, "deleted": {strconv.FormatBool(o.Deleted)}}
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
		return nil, err
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
	}}, nil
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
