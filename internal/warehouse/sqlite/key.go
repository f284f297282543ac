package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"penstock"
)

// values are a key's columns, or the first of them, as they are bound.
func (t *table) values(key penstock.Key) ([]any, error) {
	if len(key) > len(t.keys) {
		return nil, fmt.Errorf("the key %s has more columns than the table %s", key.Text(), t.stream.Name)
	}
	values := make([]any, len(key))
	for i, text := range key {
		values[i] = text
		if t.keys[i].Integer {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the key %q of %s is not a 64-bit integer", text, t.stream.Name)
			}
			values[i] = n
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
