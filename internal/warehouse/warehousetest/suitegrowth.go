package warehousetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/warehouse"
)

// growth are the tests of columns and values.
var growth = []promise{
	{"ColumnNamesAreSafeUniqueAndStable", func(b *bench) {
		long := strings.Repeat("x", 300)
		columns := []penstock.Column{
			text("Email"), text("email"), text("select"), text(long), text("🙂"), text("_deleted"), text("id"), text(`q"; --`),
		}
		builder := NewBatch(Contacts(), columns...).Put(1, at(1), 1, "a", "b", "c", "d", "e", "f", "g", "h")
		b.load(builder)
		names := recordedNames(b.described())
		b.store = b.opened()
		b.claim(b.store, "again")
		b.load(NewBatch(Contacts(), append(columns, text("late"))...).Put(1, at(2), 2, "A", "B", "C", "D", "E", "F", "G", "H", "I"))
		if again := recordedNames(b.described()); !slices.Equal(again[:len(names)], names) || again[len(names)] != "late" {
			b.Errorf("names were %v and are %v", names, again)
		}
		line := b.table("contacts", append([]string{"id"}, recordedNames(b.described())...)...)
		letters := strings.Fields(line[0])[1:]
		slices.Sort(letters)
		if got := strings.Join(letters, ""); got != "ABCDEFGHI" {
			b.Errorf("the row holds %v", line)
		}
	}},
	{"AChangedTypeGetsAColumnBesideTheOld", func(b *bench) {
		b.load(NewBatch(Contacts(), text("x")).Put(1, at(1), 1, "old"))
		b.load(NewBatch(Contacts(), number("x")).Put(1, at(2), 2, "5"))
		b.same("rows", b.table("contacts", "id", "x", "x__number"), "1 old 5")
	}},
	{"ABatchOfNoRowsMakesTheTableAndItsColumns", func(b *bench) {
		b.load(contact().Page())
		b.same("rows", b.contacts())
		if d := b.described(); d.Load != 0 || len(d.Columns) != 1 || !reflect.DeepEqual(d.Stream, Contacts()) {
			b.Errorf("described as %+v", d)
		}
	}},
	{"EveryValueComesBackAsItWas", func(b *bench) {
		digits := strings.Repeat("1234567890", 40)
		numbers := []string{
			"0", "5", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "0.1", "-12.5", "0.0001", "10000",
			"1000", "0.30000000000000004", "0.3000000000000000444", "12345678901234567890", "5.0", digits, "-" + digits,
		}
		if b.typed {
			numbers = slices.DeleteFunc(numbers, func(n string) bool {
				whole, fraction, _ := strings.Cut(n, ".")
				return len(whole) > 29 || len(fraction) > 9 || strings.HasSuffix(n, ".0")
			})
		}
		builder := NewBatch(Contacts(), number("n"), text("t"), penstock.Column{Property: "b", Type: penstock.Bool},
			penstock.Column{Property: "d", Type: penstock.Date}, penstock.Column{Property: "dt", Type: penstock.DateTime})
		for i, n := range numbers {
			builder.Put(int64(i+1), at(1), 1, n, "a\x01b\\"+n, i%2 == 0, int64(i*5000), at(int64(i*1e6))+1)
		}
		builder.Put(99, at(1), 1, nil, "", nil, nil, nil)
		b.load(builder)
		agreed := start(b.T, func(*testing.T) (func() warehouse.Store, func(Tampering)) {
			m := NewModel()
			return func() warehouse.Store { return m.Reopen() }, m.Tamper
		})
		agreed.load(builder)
		b.same("rows", b.table("contacts"), agreed.table("contacts")...)
		applied := b.load(builder)
		if applied[0].Unchanged != len(numbers)+1 {
			b.Errorf("the same again: %+v, want all %d unchanged", applied[0], len(numbers)+1)
		}
	}},
	{"TheLoadNumberGrowsWithEachTransactionThatWrites", func(b *bench) {
		b.load(contact().Put(1, at(1), 1, "A"), contact().Put(2, at(1), 2, "A"))
		b.load(contact().Put(1, at(1), 3, "A")) // unchanged
		b.load(contact().Put(2, at(2), 4, "B"))
		b.same("rows", b.table("contacts", "id", "_load", "_stamp"), "1 1 1", "2 2 4")
		d := b.described()
		if d.Load != 2 || d.Rows != 2 || d.Deleted != 0 {
			b.Errorf("described as %+v", d)
		}
	}},
	{"RowsComeInKeyOrderAPageAtATime", func(b *bench) {
		b.load(contact().Put(3, at(1), 1, "C").Put(20, at(1), 1, "T").Put(1, at(1), 1, "A").Bury(2, at(1), 1, 1))
		var ids []string
		for after := penstock.Key(nil); ; {
			result, err := b.store.Rows(b.Context(), warehouse.Query{Stream: "contacts", After: after, Limit: 2, Fields: []string{"id"}})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for row, err := range result.Rows {
				if err != nil {
					b.Fatal(err)
				}
				after = penstock.Key{fmt.Sprint(row[0])}
				ids, n = append(ids, after[0]), n+1
			}
			if n == 0 {
				break
			}
		}
		b.same("ids", ids, "1", "3", "20")
		_, err := b.store.Rows(b.Context(), warehouse.Query{Stream: "contacts", Fields: []string{"nothing"}})
		if !errors.Is(err, warehouse.ErrNoColumn) {
			b.Errorf("an unknown column: %v", err)
		}
		if _, err = b.store.Rows(b.Context(), warehouse.Query{Stream: "deals"}); !errors.Is(err, warehouse.ErrNoTable) {
			b.Errorf("an unknown table: %v", err)
		}
	}},
}

func recordedNames(d warehouse.TableState) []string {
	names := make([]string, len(d.Columns))
	for i, c := range d.Columns {
		names[i] = c.Name
	}
	return names
}
