package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"penstock"
	"penstock/internal/warehouse"
)

// values are a key's columns, or the first of them, as they are bound.
func (t *table) values(key penstock.Key) ([]any, error) {
	if err := warehouse.CheckKey(t.stream, key); err != nil {
		return nil, err
	}
	values := make([]any, len(key))
	for i, text := range key {
		values[i] = text
		if t.keys[i].Integer {
			values[i], _ = strconv.ParseInt(text, 10, 64) // CheckKey has looked
		}
	}
	return values, nil
}

// bound is a term that compares the rows' keys with one, column by column,
// and its values, whose parameters follow the first given ones. An empty key
// bounds nothing.
func (t *table) bound(key penstock.Key, operator string, given int) (string, []any, error) {
	values, err := t.values(key)
	if err != nil || len(values) == 0 {
		return "TRUE", nil, err
	}
	params := make([]string, len(values))
	for i := range params {
		params[i] = param(given + i)
	}
	return fmt.Sprintf("(%s) %s (%s)", keyList(t.keys[:len(values)]), operator, strings.Join(params, ", ")), values, nil
}

// seenName is a key as _penstock_seen has it: an integer where it is one.
func (t *table) seenName(key penstock.Key) (any, error) {
	if len(t.keys) > 1 {
		return key.Text(), nil
	}
	values, err := t.values(key)
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func keyList(keys []penstock.KeyColumn) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = quote(k.Name)
	}
	return strings.Join(names, ", ")
}

// param is the i-th parameter of a statement, counted from 0.
func param(i int) string { return "?" + strconv.Itoa(i+1) }
