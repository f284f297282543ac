package cursor_test

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/cursor"
)

// account is a list of ids that is read in ranges, and what of it was read.
type account struct {
	ids   []int64
	heads map[int64]penstock.Cursor // as committed
	read  map[int64]bool
	fill  []string
}

func (a *account) parts(t *rapid.T) []cursor.Part {
	var heads []penstock.Head
	for first, at := range a.heads {
		heads = append(heads, penstock.Head{Range: first, Cursor: at})
	}
	parts, err := cursor.Parts(heads)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// left are the parts to read, in a pass that fills properties too.
func (a *account) left(t *rapid.T) []cursor.Part {
	parts := a.parts(t)
	left := cursor.Left(parts)
	if len(left) == 0 && len(a.fill) > 0 {
		left = cursor.Fill(parts, a.fill)
	}
	return left
}

// page reads some ids of a part from its place and commits where it comes to.
func (a *account) page(t *rapid.T, p cursor.Part) {
	after, _ := strconv.ParseInt(p.Place.After, 10, 64)
	n := rapid.IntRange(1, 4).Draw(t, "objects")
	next := ""
	for _, id := range a.ids {
		switch {
		case id < after:
		case n > 0:
			n--
			a.read[id] = true
		case next == "":
			next = strconv.FormatInt(id, 10)
		}
	}
	a.heads[p.Range] = p.Place.To(next).Cursor()
}

// split cuts a part at an id, as its reader does.
func (a *account) split(t *rapid.T, p cursor.Part) {
	at := rapid.SampledFrom(a.ids).Draw(t, "at") + rapid.Int64Range(-1, 1).Draw(t, "beside")
	rest, cut, ok := p.Split(at)
	if !ok {
		return
	}
	if _, taken := a.heads[cut.Range]; taken {
		t.Fatalf("the new range %d exists already", cut.Range)
	}
	if rest.Place.Past(rest.Place.After) {
		rest.Place = rest.Place.To(rest.Place.After)
	}
	a.heads[p.Range], a.heads[cut.Range] = rest.Place.Cursor(), cut.Place.Cursor()
}

// through reads until nothing is left, with splits at any time: each step
// begins at what is committed, so each is a crash as well.
func (a *account) through(t *rapid.T) {
	for steps := 0; ; steps++ {
		left := a.left(t)
		if len(left) == 0 || steps > 500 {
			break
		}
		p := rapid.SampledFrom(left).Draw(t, "part")
		if steps < 100 && rapid.IntRange(0, 2).Draw(t, "do") == 0 {
			a.split(t, p)
		} else {
			a.page(t, p)
		}
		if len(a.fill) > 0 && slices.Equal(cursor.Filled(a.parts(t)), a.fill) {
			break
		}
	}
	for _, id := range a.ids {
		if !a.read[id] {
			t.Fatalf("%d was never read: %v", id, a.heads)
		}
	}
}

func TestW3RangesTogetherAreAllThatIsThereHoweverTheyAreSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 200), 1, 40, rapid.ID).Draw(t, "ids")
		slices.Sort(ids)
		a := &account{ids: ids, heads: map[int64]penstock.Cursor{}, read: map[int64]bool{}}
		a.through(t)
		for _, properties := range [][]string{{"a", "b"}, {"c"}} {
			a.fill, a.read = properties, map[int64]bool{}
			a.through(t)
			if filled := cursor.Filled(a.parts(t)); !slices.Equal(filled, properties) {
				t.Fatalf("%v counts as filled after a pass of %v", filled, properties)
			}
		}
		if left := cursor.Left(a.parts(t)); len(left) > 0 {
			t.Fatalf("%+v is left after all passes", left)
		}
	})
}

func TestAPropertyThatOnePartDidNotReadIsNotFilled(t *testing.T) {
	parts := []cursor.Part{
		{Place: cursor.Pass{Done: true, Below: "9", Turn: 2, Filled: []string{"a", "b"}}},
		{Range: 9, Place: cursor.Pass{Done: true, Turn: 2, Filled: []string{"b"}}}, // a had left the account meanwhile
	}
	if filled := cursor.Filled(parts); !slices.Equal(filled, []string{"b"}) {
		t.Errorf("%v is filled", filled)
	}
	parts[1].Place = cursor.Pass{Done: true, Turn: 1, Filled: []string{"a"}} // not begun in this pass
	if filled := cursor.Filled(parts); len(filled) > 0 {
		t.Errorf("%v is filled though a part was not read in this pass", filled)
	}
	left := cursor.Left(parts)
	if len(left) != 1 || left[0].Range != 9 || left[0].Place.After != "8" || !slices.Equal(left[0].Place.Fill, []string{"a", "b"}) {
		t.Errorf("%+v is left", left)
	}
}
