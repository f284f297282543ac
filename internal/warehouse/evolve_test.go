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
		rapid.SampledFrom([]string{"Email", "email", "e-mail", "e_mail", "_deleted", "id", "x", "x__number", "1st", "🙂", "", "ctid", "XMin"}),
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
		names, columns := map[string]bool{"id": true, "ctid": true, "xmin": true}, map[penstock.Column]bool{}
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

func TestUnfilledAreThePropertiesWhoseValuesCanBeReadAndWereNot(t *testing.T) {
	column := func(property string, filled, absent bool) warehouse.Recorded {
		return warehouse.Recorded{Column: penstock.Column{Property: property}, Filled: filled, Absent: absent}
	}
	got := warehouse.Unfilled([]warehouse.Recorded{
		column("z", false, false), column("retyped", false, true), column("retyped", true, false), column("a", false, false),
		column("a", false, false), column("gone", false, true), column("whole", true, false),
	})
	if !slices.Equal(got, []string{"a", "z"}) {
		t.Errorf("unfilled are %v", got)
	}
}

// TestAColumnIsUnfilledWheneverRowsWereReadWithoutIt draws any course of
// columns named and filled.
func TestAColumnIsUnfilledWheneverRowsWereReadWithoutIt(t *testing.T) {
	v := penstock.Column{Property: "v", Type: penstock.Text}
	w := penstock.Column{Property: "w", Type: penstock.Text}
	rapid.Check(t, func(t *rapid.T) {
		recorded := []warehouse.Recorded{{Column: v, Filled: true}, {Column: w, Filled: true}}
		present, whole := true, true // of w
		for range rapid.IntRange(4, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"both", "v alone", "filled"}).Draw(t, "step") {
			case "both":
				present = true
				if changed := warehouse.ComeAndGo(recorded, []penstock.Column{w, v}, true); changed != nil {
					recorded = changed
				}
			case "v alone":
				present, whole = false, false
				if changed := warehouse.ComeAndGo(recorded, []penstock.Column{v}, true); changed != nil {
					recorded = changed
				}
			case "filled":
				whole = whole || present
				before := recorded[1]
				if recorded = warehouse.FillColumns(recorded, []string{"w"}); !present && recorded[1] != before {
					t.Fatalf("an absent column became %+v", recorded[1])
				}
			}
			if got := slices.Contains(warehouse.Unfilled(recorded), "w"); got != (present && !whole) {
				t.Fatalf("present %v, whole %v: %+v", present, whole, recorded[1])
			}
		}
	})
}
