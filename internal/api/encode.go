package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock"
)

// The formats of rows.
const (
	asJSON  = "application/json"
	asLines = "application/x-ndjson"
	asCSV   = "text/csv"

	asParquet = "application/vnd.apache.parquet"
	asArrow   = "application/vnd.apache.arrow.stream"
)

func contentType(format string) string {
	if format == asCSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return format
}

// An encoder writes pages of rows.
type encoder interface {
	row(values []any) error
	size() int                     // of the page so far, in bytes or about as many
	take(e ending) ([]byte, error) // the page's bytes, or some later; the next page begins
}

// An ending is what follows a page.
type ending struct {
	last          bool
	next, changes string // tokens
}

func newEncoder(format string, columns []column) (encoder, error) {
	switch format {
	case asCSV:
		return newRecords(columns)
	case asParquet:
		return newParquet(columns)
	case asArrow:
		return newArrow(columns), nil
	}
	return newObjects(columns, format == asLines)
}

func namesOf(columns []column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// objects writes rows as JSON objects: a line each, or all in one document.
type objects struct {
	lines bool
	names []string // quoted, with colon
	head  []byte
	body  []byte
}

func newObjects(columns []column, lines bool) (*objects, error) {
	o := &objects{lines: lines, names: namesOf(columns)}
	head, err := json.Marshal(o.names)
	o.head = head
	for i, name := range o.names {
		o.names[i] = strconv.Quote(name) + ":" // a column's name is plain ASCII
	}
	return o, err
}

func (o *objects) row(values []any) error {
	if len(o.body) > 0 && !o.lines {
		o.body = append(o.body, ",\n"...)
	}
	o.body = append(o.body, '{')
	for i, value := range values {
		if i > 0 {
			o.body = append(o.body, ',')
		}
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("write column %s as JSON: %w", o.names[i], err)
		}
		o.body = append(append(o.body, o.names[i]...), text...)
	}
	o.body = append(o.body, '}')
	if o.lines {
		o.body = append(o.body, '\n')
	}
	return nil
}

func (o *objects) size() int { return len(o.body) }

func (o *objects) take(e ending) ([]byte, error) {
	body := o.body
	o.body = nil
	if o.lines {
		return body, nil
	}
	page := slices.Concat([]byte(`{"columns":`), o.head, []byte(`,"items":[`), body, []byte("]"))
	if e.next != "" {
		page = append(page, `,"next":`+strconv.Quote(e.next)...) // base64, as the next
	}
	return append(page, `,"changes":`+strconv.Quote(e.changes)+"}\n"...), nil
}

// records writes rows as CSV (RFC 4180), the names of the columns first.
type records struct {
	columns []column
	body    bytes.Buffer
	writer  *csv.Writer
}

func newRecords(columns []column) (*records, error) {
	r := &records{columns: columns}
	r.writer = csv.NewWriter(&r.body)
	return r, r.writer.Write(namesOf(columns))
}

func (r *records) row(values []any) error {
	cells := make([]string, len(values))
	for i, value := range values {
		switch value := value.(type) {
		case nil:
		case string:
			cells[i] = value
			if r.columns[i].kind != penstock.Number { // the text of a decimal is never a formula
				cells[i] = disarm(value)
			}
		case float64:
			cells[i] = strconv.FormatFloat(value, 'g', -1, 64)
		default:
			cells[i] = fmt.Sprint(value)
		}
	}
	if err := r.writer.Write(cells); err != nil {
		return err
	}
	r.writer.Flush()
	return r.writer.Error()
}

// disarm keeps a spreadsheet from taking a text for a formula (OWASP, "CSV
// Injection").
func disarm(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func (r *records) size() int { return r.body.Len() }

func (r *records) take(ending) ([]byte, error) {
	r.writer.Flush()
	body := bytes.Clone(r.body.Bytes())
	r.body.Reset()
	return body, r.writer.Error()
}
