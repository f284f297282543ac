package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"penstock/cmd/internal/wire"
	"penstock/internal/api/client"
	"penstock/internal/warehouse"
)

// rowsCmd prints rows.
type rowsCmd struct {
	at
	Stream  string   `arg:"" help:"The stream, such as contacts."`
	Output  string   `short:"o" default:"table" enum:"table,json,ndjson,csv" help:"table, json, ndjson or csv."`
	Limit   int      `default:"20" help:"Rows at most; 0 means all."`
	Field   []string `short:"f" help:"Only this column; may be given several times."`
	Deleted bool     `help:"Also rows of what is deleted in HubSpot."`
}

func (c *rowsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		result, err := server.Rows(ctx, c.Connection, c.Stream, client.RowsOptions{Fields: c.Field, Deleted: c.Deleted, Limit: c.Limit})
		if err != nil {
			return err
		}
		switch c.Output {
		case "csv":
			return printCSV(std.out, result)
		case "table":
			return printTable(std.out, result)
		}
		return printJSON(std.out, result, c.Output == "ndjson")
	})
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
