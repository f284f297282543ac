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
	"penstock/internal/warehouse"
)

// The formats of rows.
const (
	asJSON  = "application/json"
	asLines = "application/x-ndjson"
	asCSV   = "text/csv"
)

func contentType(format string) string {
	if format == asCSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return format
}

// An encoder writes pages of rows.
type encoder interface {
	columns(names []string) error // of the page that follows; the same for each
	row(values []any) error
	size() int
	take(next string) []byte // the page's bytes; the next page begins
}

func newEncoder(format string, columns []warehouse.Recorded) encoder {
	if format != asCSV {
		return &objects{lines: format == asLines}
	}
	return newRecords(columns)
}

// objects writes rows as JSON objects: a line each, or all in one document.
type objects struct {
	lines bool
	names []string // quoted, with colon
	head  []byte
	body  []byte
}

func (o *objects) columns(names []string) error {
	head, err := json.Marshal(names)
	o.head, o.names = head, make([]string, len(names))
	for i, name := range names {
		o.names[i] = strconv.Quote(name) + ":" // a column's name is plain ASCII
	}
	return err
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

func (o *objects) take(next string) []byte {
	body := o.body
	o.body = nil
	if o.lines {
		return body
	}
	page := slices.Concat([]byte(`{"columns":`), o.head, []byte(`,"items":[`), body, []byte("]"))
	if next != "" {
		page = append(page, `,"next":`+strconv.Quote(next)...) // base64
	}
	return append(page, "}\n"...)
}

// records writes rows as CSV (RFC 4180), the names of the columns first.
type records struct {
	numbers map[string]bool // columns whose text is a decimal and never a formula
	names   []string
	body    bytes.Buffer
	writer  *csv.Writer
}

func newRecords(columns []warehouse.Recorded) *records {
	r := &records{numbers: map[string]bool{}}
	r.writer = csv.NewWriter(&r.body)
	for _, c := range columns {
		r.numbers[c.Name] = c.Type == penstock.Number
	}
	return r
}

func (r *records) columns(names []string) error {
	if r.names != nil {
		return nil
	}
	r.names = names
	return r.writer.Write(names)
}

func (r *records) row(values []any) error {
	cells := make([]string, len(values))
	for i, value := range values {
		switch value := value.(type) {
		case nil:
		case string:
			cells[i] = value
			if !r.numbers[r.names[i]] {
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

func (r *records) take(string) []byte {
	r.writer.Flush()
	body := bytes.Clone(r.body.Bytes())
	r.body.Reset()
	return body
}
