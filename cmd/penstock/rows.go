package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"penstock/cmd/internal/wire"
	"penstock/internal/api/client"
	"penstock/internal/warehouse"
)

// rowsCmd prints rows.
type rowsCmd struct {
	at
	Stream       string   `arg:"" help:"The stream, such as contacts."`
	Output       string   `short:"o" default:"table" enum:"table,json,ndjson,csv,parquet,arrow" help:"table, json, ndjson, csv, parquet or arrow (an IPC stream)."`
	Limit        int      `default:"20" help:"Rows at most; 0 means all. With --changed-since all unless it is given."`
	Field        []string `short:"f" help:"Only this column; may be given several times."`
	Where        []string `short:"w" sep:"none" placeholder:"'amount ge 100'" help:"Only rows whose property or column compares so, by eq, ne, lt, le, gt, ge, in (a,b,\"c,d\") or null; may be given several times."`
	ChangedSince *string  `placeholder:"TOKEN" help:"Only rows loaded since a former call, which printed the token; 0 begins with everything."`
	Deleted      bool     `help:"Also rows of what is deleted in HubSpot."`
}

func (c *rowsCmd) Run(ctx context.Context, s *wire.Settings, std streams, parsed given) error {
	o := client.RowsOptions{Fields: c.Field, Deleted: c.Deleted, Limit: c.Limit}
	if c.ChangedSince != nil {
		o.ChangedSince = cmp.Or(*c.ChangedSince, "0")
		if !parsed("limit") {
			o.Limit = 0
		}
	}
	for _, text := range c.Where {
		where, err := parseWhere(text)
		if err != nil {
			return err
		}
		o.Where = append(o.Where, where)
	}
	return onServer(ctx, s, std, func(server reached) error {
		changes, err := c.print(ctx, server, o, std.out)
		if err == nil && c.ChangedSince != nil && changes == "" {
			fmt.Fprintln(std.err, "There are more rows than --limit: begin again with a higher one to have a token to go on from.")
		} else if err == nil && c.ChangedSince != nil {
			fmt.Fprintf(std.err, "What is loaded from now on: --changed-since %s\n", changes)
		}
		return err
	})
}

// parseWhere reads a property, a comparison and a value, with spaces between.
func parseWhere(text string) (client.Where, error) {
	property, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	op, value, given := strings.Cut(strings.TrimSpace(rest), " ")
	if op == "null" && !given {
		value = "true"
	} else if op == "" || !given {
		return client.Where{}, fmt.Errorf("--where %q is not a property, a comparison and a value, such as 'amount ge 100'", text)
	}
	return client.Where{Property: property, Op: op, Value: strings.TrimSpace(value)}, nil
}

// print prints the rows. It returns the token to go on from, empty when the
// limit left rows away.
func (c *rowsCmd) print(ctx context.Context, server reached, o client.RowsOptions, out io.Writer) (string, error) {
	if format := map[string]string{"parquet": client.Parquet, "arrow": client.Arrow}[c.Output]; format != "" {
		if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			return "", fmt.Errorf("%s is not for a terminal: send it to a file, as in penstock rows %s -o %s > %s.%s", c.Output, c.Stream, c.Output, c.Stream, c.Output)
		}
		return server.Export(ctx, c.Connection, c.Stream, o, client.Export{Format: format, Out: out})
	}
	if o.Limit > 0 {
		o.Limit++ // tells whether there are more
	}
	result, changes, err := server.Rows(ctx, c.Connection, c.Stream, o)
	if err != nil {
		return "", err
	}
	if o.Limit > 0 {
		result = first(result, o.Limit-1, func() { changes = "" })
	}
	switch c.Output {
	case "csv":
		err = printCSV(out, result)
	case "table":
		err = printTable(out, result)
	default:
		err = printJSON(out, result, c.Output == "ndjson")
	}
	return changes, err
}

// first are at most n rows; cut is called when there are more.
func first(result *warehouse.Result, n int, cut func()) *warehouse.Result {
	return &warehouse.Result{Columns: result.Columns, Rows: func(yield func([]any, error) bool) {
		count := 0
		for row, err := range result.Rows {
			if count == n && err == nil {
				cut()
				return
			}
			if !yield(row, err) {
				return
			}
			count++
		}
	}}
}

func printCSV(out io.Writer, result *warehouse.Result) error {
	w := csv.NewWriter(out)
	if err := w.Write(result.Columns); err != nil {
		return err
	}
	for row, err := range result.Rows {
		if err != nil {
			return err
		}
		if err := w.Write(texts(row)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// tableColumns is how many columns a terminal can show; -f chooses others.
const tableColumns = 8

func printTable(out io.Writer, result *warehouse.Result) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	shown := min(tableColumns, len(result.Columns))
	line := func(cells []string) {
		for _, cell := range cells[:shown] {
			if runes := []rune(cell); len(runes) > 30 {
				cell = string(runes[:29]) + "…"
			}
			quoted := strconv.Quote(cell) // what would move the cursor is shown, not done
			fmt.Fprintf(w, "%s\t", quoted[1:len(quoted)-1])
		}
		fmt.Fprintln(w)
	}
	line(result.Columns)
	for row, err := range result.Rows {
		if err != nil {
			return err
		}
		line(texts(row))
	}
	if hidden := len(result.Columns) - shown; hidden > 0 {
		fmt.Fprintf(w, "(%d more columns: choose with -f, or see all with -o json)\n", hidden)
	}
	return w.Flush()
}

func texts(row []any) []string {
	out := make([]string, len(row))
	for i, value := range row {
		if value != nil {
			out[i] = fmt.Sprint(value)
		}
	}
	return out
}

// printJSON writes an array, or with lines an object a line, in the order of
// the columns.
func printJSON(out io.Writer, result *warehouse.Result, lines bool) error {
	before, between, after := "[\n", ",\n", "\n]\n"
	if lines {
		before, between, after = "", "\n", "\n"
	}
	next := before
	for row, err := range result.Rows {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, next); err != nil {
			return err
		}
		if err := object(out, result.Columns, row); err != nil {
			return err
		}
		next = between
	}
	if next == before {
		after = map[bool]string{true: "", false: "[]\n"}[lines]
	}
	_, err := io.WriteString(out, after)
	return err
}

func object(out io.Writer, columns []string, row []any) error {
	for i, value := range row {
		name, err := json.Marshal(columns[i])
		if err != nil {
			return err
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		open := ","
		if i == 0 {
			open = "{"
		}
		if _, err := fmt.Fprintf(out, "%s%s:%s", open, name, text); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, "}")
	return err
}
