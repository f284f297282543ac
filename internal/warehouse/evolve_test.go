package warehouse_test

import (
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/warehouse"
)

// TestNamesAreSafeUniqueAndStayHoweverColumnsCome grows a table by random
// properties in random steps.
func TestNamesAreSafeUniqueAndStayHoweverColumnsCome(t *testing.T) {
	property := rapid.OneOf(
		rapid.SampledFrom([]string{"Email", "email", "e-mail", "e_mail", "_deleted", "id", "x", "x__number", "1st", "🙂", ""}),
		rapid.StringMatching(`[aA_é]{0,4}`), rapid.StringMatching(`x{60,70}`), rapid.String(),
	)
	kinds := []penstock.Type{penstock.Text, penstock.Number, penstock.Bool}
	column := rapid.Custom(func(t *rapid.T) penstock.Column {
		return penstock.Column{Property: property.Draw(t, "property"), Type: rapid.SampledFrom(kinds).Draw(t, "type")}
	})
	key := penstock.Stream{Family: penstock.Objects}.Key()
	identifier := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	rapid.Check(t, func(t *rapid.T) {
		var table []warehouse.Recorded
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			incoming := rapid.SliceOfN(column, 0, 8).Draw(t, "columns")
			added := warehouse.Evolve(key, table, incoming)
			shuffled := rapid.Permutation(incoming).Draw(t, "shuffled")
			if again := warehouse.Evolve(key, table, shuffled); !slices.Equal(again, added) {
				t.Fatalf("the order of %v matters: %v and %v", incoming, added, again)
			}
			table = append(table, added...)
			if left := warehouse.Evolve(key, table, incoming); len(left) != 0 {
				t.Fatalf("%v are added again", left)
			}
		}
		names, columns := map[string]bool{"id": true}, map[penstock.Column]bool{}
		for _, r := range table {
			if names[r.Name] || columns[r.Column] || len(r.Name) > warehouse.MaxName || !identifier.MatchString(r.Name) {
				t.Fatalf("%q for %+v", r.Name, r.Column)
			}
			names[r.Name], columns[r.Column] = true, true
		}
	})
}

func TestAPropertyWhoseNameIsSafeKeepsItBesideOneThatFoldsToIt(t *testing.T) {
	added := warehouse.Evolve(nil, nil, []penstock.Column{
		{Property: "Email", Type: penstock.Text}, {Property: "email", Type: penstock.Text},
	})
	if added[0].Property != "email" || added[0].Name != "email" || added[1].Name == "email" {
		t.Errorf("named %+v", added)
	}
}
