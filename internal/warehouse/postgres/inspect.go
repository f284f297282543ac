package postgres

import (
	"fmt"

	"penstock/internal/warehouse"
)

// inspect refuses a table that lacks a column of ours or has it with another
// type: what was loaded into it then would not be what came.
func (t *table) inspect(conn *conn) error {
	missing, err := t.differences(conn)
	if err != nil || len(missing) == 0 {
		return err
	}
	return &explained{&fault{missing[0].err()}}
}

// A difference is a column that is not as it was made.
type difference struct {
	table, column string // column is empty where the whole table is missing
	storage, is   string // what it has to be and what it is; empty where it is missing
	part          int
}

func (d difference) err() error {
	switch {
	case d.column == "":
		return fmt.Errorf("%w: %s is missing", warehouse.ErrAltered, d.table)
	case d.is == "":
		return fmt.Errorf("%w: %s.%s is missing", warehouse.ErrAltered, d.table, d.column)
	}
	return fmt.Errorf("%w: %s.%s is of type %s and not %s: rename it with ALTER TABLE %s RENAME COLUMN %s TO %s, and have it added again with penstock repair",
		warehouse.ErrAltered, d.table, d.column, d.is, d.storage, quote(d.table), quote(d.column), quote("my_"+d.column))
}

// differences compares the table's columns with what is recorded of them.
func (t *table) differences(conn *conn) ([]difference, error) {
	var found []difference
	for part, name := range t.parts {
		is := map[string]string{}
		err := conn.query(`SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`, func(r row) error {
			is[r.text(0)] = r.text(1)
			return nil
		}, quote(name))
		if err != nil {
			return nil, err
		}
		if len(is) == 0 {
			found = append(found, difference{table: name, part: part})
			continue
		}
		for _, f := range t.layout(part) {
			if want := storage(f.kind); is[f.name] != full(want) {
				found = append(found, difference{name, f.name, want, is[f.name], part})
			}
		}
	}
	return found, nil
}

// layout are the columns that a part has to have.
func (t *table) layout(part int) []field {
	var all []field
	for _, k := range t.keys {
		all = append(all, field{name: k.Name, kind: keyKind(k)})
	}
	for _, c := range t.columns {
		if c.part == part {
			all = append(all, field{c.Name, c.Type, part})
		}
	}
	for _, c := range ownColumns {
		if part == 0 {
			all = append(all, field{name: c.name, kind: c.kind})
		}
	}
	return all
}

// full is a type's name as the server prints it.
func full(storage string) string {
	if storage == "timestamptz" {
		return "timestamp with time zone"
	}
	return storage
}
