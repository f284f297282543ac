package warehouse

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"penstock"
)

// A Recorded column is a property's column as a warehouse keeps it. The name
// is chosen once and stays, so that a customer's queries do.
type Recorded struct {
	penstock.Column
	Name   string `json:"name"`
	Filled bool   `json:"filled"` // the rows loaded before the column came hold its values
	Absent bool   `json:"absent"` // rows are read without it: the property went away, or has another type
}

// MaxName is the longest column name in bytes that Evolve makes: what
// PostgreSQL takes, so that a table has the same names everywhere.
const MaxName = 63

// Evolve names the columns that the table does not have yet, in the order to
// add them. A table only grows: a property that went away keeps its column,
// and one whose type changed gets another beside it. key lists the names of
// the key's columns, and of those that somebody else has added; every name that begins with an underscore is Penstock's.
func Evolve(key []penstock.KeyColumn, recorded []Recorded, incoming []penstock.Column) []Recorded {
	taken := map[string]bool{}
	known := map[penstock.Column]bool{}
	retyped := map[string]bool{}
	for _, name := range systemNames() {
		taken[name] = true
	}
	for _, k := range key {
		taken[k.Name] = true
	}
	for _, r := range recorded {
		taken[r.Name], known[r.Column], retyped[r.Property] = true, true, true
	}
	var missing []penstock.Column
	for _, c := range incoming {
		if !known[c] {
			known[c] = true
			missing = append(missing, c)
		}
	}
	slices.SortStableFunc(missing, byClaim)
	added := make([]Recorded, len(missing))
	for i, c := range missing {
		name := free(c, retyped[c.Property], taken)
		taken[name], retyped[c.Property] = true, true
		added[i] = Recorded{Column: c, Name: name}
	}
	return added
}

// systemNames are those that PostgreSQL gives every table itself
// (postgresql.org/docs/current/ddl-system-columns.html).
func systemNames() []string {
	return []string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
}

// ComeAndGo is recorded once rows that name all columns of their stream have
// named these; nil when that changes nothing. A column that they do not name
// is absent from then on. One that comes back is not filled, if the backfill
// has begun: rows may have changed while nobody read its values.
func ComeAndGo(recorded []Recorded, named []penstock.Column, begun bool) []Recorded {
	names := make(map[penstock.Column]bool, len(named))
	for _, c := range named {
		names[c] = true
	}
	var changed []Recorded
	for i, c := range recorded {
		if c.Absent != names[c.Column] {
			continue
		}
		if changed == nil {
			changed = slices.Clone(recorded)
		}
		changed[i].Absent = !c.Absent
		if c.Absent {
			changed[i].Filled = !begun
		}
	}
	return changed
}

// FillColumns is recorded once the rows that were loaded before them hold the
// properties' values. A column that is absent was not read.
func FillColumns(recorded []Recorded, properties []string) []Recorded {
	filled := slices.Clone(recorded)
	for i, c := range filled {
		filled[i].Filled = c.Filled || !c.Absent && slices.Contains(properties, c.Property)
	}
	return filled
}

// Unfilled are the properties whose values old rows lack, sorted. A column
// that is absent has no values to read.
func Unfilled(columns []Recorded) []string {
	var properties []string
	for _, c := range columns {
		if !c.Filled && !c.Absent {
			properties = append(properties, c.Property)
		}
	}
	slices.Sort(properties)
	return slices.Compact(properties)
}

// byClaim lets a property whose name needs no folding have it before others
// that fold to the same.
func byClaim(a, b penstock.Column) int {
	exact := func(c penstock.Column) int {
		if Fold(c.Property) == c.Property {
			return 0
		}
		return 1
	}
	if d := exact(a) - exact(b); d != 0 {
		return d
	}
	if d := strings.Compare(a.Property, b.Property); d != 0 {
		return d
	}
	return strings.Compare(string(a.Type), string(b.Type))
}

// free is the first name for the column that nobody has.
func free(c penstock.Column, retyped bool, taken map[string]bool) string {
	base := Fold(c.Property)
	if !retyped && len(base) <= MaxName && !taken[base] {
		return base
	}
	if retyped {
		base += "__" + string(c.Type)
		if len(base) <= MaxName && !taken[base] {
			return base
		}
	}
	for salt := ""; ; salt += "+" {
		sum := sha256.Sum256([]byte(c.Property + "\x00" + string(c.Type) + salt))
		tail := "_" + hex.EncodeToString(sum[:4])
		name := base[:min(len(base), MaxName-len(tail))] + tail
		if !taken[name] {
			return name
		}
	}
}

// Fold turns a property's name into an identifier: lower case, letters of
// a-z, digits and underscores only, neither beginning with a digit nor with an
// underscore. Different names may fold to the same.
func Fold(property string) string {
	var b strings.Builder
	for _, r := range property {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r >= 'A' && r <= 'Z':
			b.WriteRune(r + 'a' - 'A')
		default:
			b.WriteByte('_')
		}
	}
	name := b.String()
	if strings.Trim(name, "_") == "" {
		return "property"
	}
	if name[0] == '_' {
		return "p" + name
	}
	if name[0] >= '0' && name[0] <= '9' {
		return "p_" + name
	}
	return name
}
