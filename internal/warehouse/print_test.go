package warehouse_test

import (
	"fmt"
	"testing"

	"penstock/internal/warehouse"
)

// TestAPrintStaysWhatItWas has the values that stand in warehouses: another
// hash would make every row of them untrusted.
func TestAPrintStaysWhatItWas(t *testing.T) {
	s := warehouse.SeedOf("email")
	for _, c := range []struct{ got, want warehouse.Print }{
		{s.Text(""), 0xe91ea825896a11bd}, {s.Text("ada@example.com"), 0x9d3aaff24b70a1bd},
		{s.Integer(-1), 0x359103e8a57cd631}, {s.Real(1.5), 0x529ae8165ce35f62}, {s.Strange(), 0x1e22b9a7022584c7},
	} {
		if c.got != c.want {
			t.Errorf("a print is %#x, was %#x", c.got, c.want)
		}
	}
}

// TestSmallChangesOfTwoColumnsDoNotCancel looks for two rows with one print
// among those that a plain sum of a weak hash would confuse.
func TestSmallChangesOfTwoColumnsDoNotCancel(t *testing.T) {
	a, b := warehouse.SeedOf("a"), warehouse.SeedOf("b")
	rows := map[warehouse.Print]string{}
	add := func(name string, p warehouse.Print) {
		t.Helper()
		if other, is := rows[p]; is {
			t.Fatalf("%s and %s have the print %#x", name, other, p)
		}
		rows[p] = name
	}
	for i := range int64(64) {
		for j := range int64(64) {
			add(fmt.Sprint("whole ", i, j), a.Integer(i)+b.Integer(j))
			add(fmt.Sprint("text ", i, j), a.Text(fmt.Sprint(i))+b.Text(fmt.Sprint(j)))
			add(fmt.Sprint("float ", i, j), a.Real(float64(i))+b.Real(float64(j)))
		}
		add(fmt.Sprint("only a ", i), a.Integer(i))
	}
	for _, text := range []string{"x", "x\x00", "x\x00\x00\x00\x00\x00\x00\x00", "x\x00\x00\x00\x00\x00\x00\x00\x00"} {
		add(fmt.Sprintf("%q", text), a.Text(text))
	}
}
