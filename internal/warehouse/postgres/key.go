package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"penstock"
	"penstock/internal/warehouse"
)

// values are a key's columns, or the first of them, as they are sent.
func (t *table) values(key penstock.Key) ([]any, error) {
	if err := warehouse.CheckKey(t.stream, key); err != nil {
		return nil, err
	}
	values := make([]any, len(key))
	for i, text := range key {
		values[i] = visible(text)
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
	return fmt.Sprintf("(%s) %s (%s)", keyList("t", t.keys[:len(values)]), operator, params(given, len(values))), values, nil
}

// keyList are the key's columns with an alias before each, if there is one.
func keyList(alias string, keys []penstock.KeyColumn) string {
	if alias != "" {
		alias += "."
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = alias + quote(k.Name)
	}
	return strings.Join(names, ", ")
}

// sameKey compares the keys of two aliases.
func sameKey(a, b string, keys []penstock.KeyColumn) string {
	terms := make([]string, len(keys))
	for i, k := range keys {
		terms[i] = a + "." + quote(k.Name) + " = " + b + "." + quote(k.Name)
	}
	return strings.Join(terms, " AND ")
}

// alias is how statements call a part.
func alias(part int) string {
	if part == 0 {
		return "t"
	}
	return "p" + strconv.Itoa(part)
}

// from joins the parts. A row has no place in a part where it has no value.
func (t *table) from() string {
	text := quote(t.parts[0]) + " AS t"
	for part := 1; part < len(t.parts); part++ {
		text += fmt.Sprintf(" LEFT JOIN %s AS %s ON %s", quote(t.parts[part]), alias(part), sameKey("t", alias(part), t.keys))
	}
	return text
}

// param is the i-th parameter of a statement, counted from 0.
func param(i int) string { return "$" + strconv.Itoa(i+1) }

func params(first, count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = param(first + i)
	}
	return strings.Join(all, ", ")
}

// A keySet is keys by their columns, as arrays to be sent.
type keySet struct {
	keys     []penstock.KeyColumn
	integers [][]int64
	texts    [][]string
}

func newKeySet(keys []penstock.KeyColumn, room int) *keySet {
	s := &keySet{keys: keys, integers: make([][]int64, len(keys)), texts: make([][]string, len(keys))}
	for i, k := range keys {
		if k.Integer {
			s.integers[i] = make([]int64, 0, room)
		} else {
			s.texts[i] = make([]string, 0, room)
		}
	}
	return s
}

// add adds the key of a record's row.
func (s *keySet) add(r *warehouse.Record, row int) {
	for i, values := range r.Keys {
		switch values := values.(type) {
		case *array.Int64:
			s.integers[i] = append(s.integers[i], values.Value(row))
		case *array.String:
			s.texts[i] = append(s.texts[i], values.Value(row))
		}
	}
}

// put adds a key that has been checked.
func (s *keySet) put(key penstock.Key) {
	for i, k := range s.keys {
		if k.Integer {
			n, _ := strconv.ParseInt(key[i], 10, 64)
			s.integers[i] = append(s.integers[i], n)
		} else {
			s.texts[i] = append(s.texts[i], key[i])
		}
	}
}

// args are the arrays, and their casts with parameters after the given ones.
func (s *keySet) args(given int) (casts string, args []any) {
	var all []string
	for i, k := range s.keys {
		if k.Integer {
			all, args = append(all, param(given+i)+"::bigint[]"), append(args, s.integers[i])
		} else {
			all, args = append(all, param(given+i)+"::text[]"), append(args, s.texts[i])
		}
	}
	return strings.Join(all, ", "), args
}

func keySetOf(keys []penstock.KeyColumn, of []penstock.Key) *keySet {
	s := newKeySet(keys, len(of))
	for _, key := range of {
		s.put(key)
	}
	return s
}

// readKey reads a key from a row's columns from the first given one on.
func readKey(keys []penstock.KeyColumn, r row, first int) penstock.Key {
	key := make(penstock.Key, len(keys))
	for i, k := range keys {
		if k.Integer {
			key[i] = strconv.FormatInt(r.int(first+i), 10)
		} else {
			key[i] = r.text(first + i)
		}
	}
	return key
}
