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
}

// MaxName is the longest column name in bytes that Evolve makes: what
// PostgreSQL takes, so that a table has the same names everywhere.
const MaxName = 63

// Evolve names the columns that the table does not have yet, in the order to
// add them. A table only grows: a property that went away keeps its column,
// and one whose type changed gets another beside it. key lists the names of
// the key's columns; every name that begins with an underscore is Penstock's.
func Evolve(key []penstock.KeyColumn, recorded []Recorded, incoming []penstock.Column) []Recorded {
	taken := map[string]bool{}
	known := map[penstock.Column]bool{}
	retyped := map[string]bool{}
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
