package sqlite

import (
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A plan is the prepared statements for rows of one table with one set of
// columns. Insert, update and bury share their parameters: the key, our own
// columns, the properties.
type plan struct {
	insert, find, update, fillIn *sqlite.Stmt
	seeds                        []warehouse.Seed // of the properties

	prepared []*sqlite.Stmt
}

// The columns of find before the properties.
const (
	foundUpdated = iota
	foundStamp
	foundWhy
	foundMergedInto
	foundCreated
	foundDeletedAt
	foundDeleted
	foundPrint
	foundSeen
	foundProperties
)

// foundOwn are the columns of find that are our own and enter the print.
var foundOwn = map[int]int{
	foundUpdated: ownUpdated, foundStamp: ownStamp, foundWhy: ownWhy, foundMergedInto: ownMergedInto,
	foundCreated: ownCreated, foundDeletedAt: ownDeletedAt, foundDeleted: ownDeleted,
}

// bound keeps the number of plans small. It is called between batches, when
// none is in use.
func (c *conn) bound() error {
	if len(c.plans) < maxPlans {
		return nil
	}
	return c.forget()
}

func (c *conn) forget() error {
	var err error
	for _, p := range c.plans {
		for _, statement := range p.prepared {
			err = errors.Join(err, statement.Finalize())
		}
	}
	clear(c.plans)
	return err
}

// plan prepares the statements for rows that come with the columns.
func (c *conn) plan(t *table, columns []penstock.Column) (*plan, error) {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = quote(t.names[column])
	}
	id := t.stream.Name + "\x00" + strings.Join(names, "\x00")
	if p, ok := c.plans[id]; ok {
		return p, nil
	}
	p := &plan{}
	for _, column := range columns {
		p.seeds = append(p.seeds, warehouse.SeedOf(t.names[column]))
	}
	c.plans[id] = p // at once, so that forget finds what a failure leaves
	for _, want := range []struct {
		query string
		into  **sqlite.Stmt
	}{
		{insertQuery(t, names), &p.insert},
		{findQuery(t, names), &p.find},
		{updateQuery(t, names), &p.update},
		{fillQuery(t, names), &p.fillIn},
	} {
		statement, _, err := c.PrepareTransient(want.query)
		if err != nil {
			return nil, fmt.Errorf("prepare %.200s: %w", want.query, err)
		}
		*want.into = statement
		p.prepared = append(p.prepared, statement)
	}
	return p, nil
}

func insertQuery(t *table, names []string) string {
	all := keyList(t.keys)
	for _, c := range ownColumns {
		all += ", " + c.name
	}
	values := make([]string, len(t.keys)+len(ownColumns)+len(names))
	for i := range values {
		values[i] = param(i)
	}
	if len(names) > 0 {
		all += ", " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING",
		quote(t.stream.Name), all, strings.Join(values, ", "))
}

// updateQuery keeps the date of creation where an answer does not tell it.
func updateQuery(t *table, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "UPDATE %s SET ", quote(t.stream.Name))
	for i, c := range ownColumns {
		value := param(len(t.keys) + i)
		if c.name == "_created_at" {
			value = "coalesce(" + value + ", _created_at)"
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name + " = " + value)
	}
	for i, name := range names {
		b.WriteString(", " + name + " = " + param(len(t.keys)+len(ownColumns)+i))
	}
	return b.String() + " WHERE " + t.isKey()
}

// fillQuery leaves the row's version alone.
func fillQuery(t *table, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "UPDATE %s SET _synced_at = %s, _load = %s, _print = %s", quote(t.stream.Name),
		param(len(t.keys)+ownSyncedAt), param(len(t.keys)+ownLoad), param(len(t.keys)+ownPrint))
	for i, name := range names {
		b.WriteString(", " + name + " = " + param(len(t.keys)+len(ownColumns)+i))
	}
	return b.String() + " WHERE " + t.isKey()
}

// findQuery reads the standing row, and the stamp of the latest observation
// that changed nothing. The two parameters after the key name that.
func findQuery(t *table, names []string) string {
	all := fmt.Sprintf(`_updated_at, _stamp, _deleted_why, _merged_into, _created_at, _deleted_at, _deleted, _print,
		(SELECT stamp FROM _penstock_seen WHERE stream = %s AND key = %s)`, param(len(t.keys)), param(len(t.keys)+1))
	if len(names) > 0 {
		all += ", " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", all, quote(t.stream.Name), t.isKey())
}

// isKey compares the key's columns with the first parameters.
func (t *table) isKey() string {
	terms := make([]string, len(t.keys))
	for i, k := range t.keys {
		terms[i] = quote(k.Name) + " = " + param(i)
	}
	return strings.Join(terms, " AND ")
}
