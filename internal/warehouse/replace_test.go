package warehouse_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/warehouse"
)

// standing is what a written arrival leaves.
func standing(a warehouse.Arrival) *warehouse.Standing {
	return &warehouse.Standing{Updated: a.Updated, Stamp: a.Stamp, Why: a.Why, MergedInto: a.MergedInto}
}

// arrival is a whole read of a row.
func arrival(t *rapid.T) warehouse.Arrival {
	return warehouse.Arrival{
		Op:  penstock.Put,
		Via: rapid.SampledFrom([]penstock.Via{penstock.ByList, penstock.ByID}).Draw(t, "via"),

		Updated: rapid.Int64Range(1, 3).Draw(t, "updated"), Stamp: rapid.Int64Range(1, 5).Draw(t, "stamp"),
		Why: rapid.SampledFrom([]penstock.Why{penstock.Live, penstock.Archived}).Draw(t, "why"),
	}
}

// TestW5TheNewestVersionStandsInWhateverOrderTheyCome shuffles whole reads.
func TestW5TheNewestVersionStandsInWhateverOrderTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dated := rapid.Bool().Draw(t, "dated")
		version := func(a warehouse.Arrival) [2]int64 {
			if dated {
				return [2]int64{a.Updated, a.Stamp}
			}
			return [2]int64{a.Stamp}
		}
		arrivals := rapid.SliceOfNDistinct(rapid.Custom(arrival), 1, 6, version).Draw(t, "arrivals")
		var old *warehouse.Standing
		for _, a := range arrivals {
			if warehouse.Replace(dated, old, a) == warehouse.Write {
				old = standing(a)
			}
		}
		newest := slices.MaxFunc(arrivals, func(a, b warehouse.Arrival) int {
			va, vb := version(a), version(b)
			return slices.Compare(va[:], vb[:])
		})
		if *old != *standing(newest) {
			t.Fatalf("%+v stands, not %+v", *old, newest)
		}
	})
}

// TestReplacing is each rule with the shortest case that would break it.
func TestReplacing(t *testing.T) {
	live := warehouse.Standing{Updated: 10, Stamp: 5}
	with := func(why penstock.Why) *warehouse.Standing {
		s := live
		s.Why = why
		return &s
	}
	untrusted := func(why penstock.Why) *warehouse.Standing {
		return &warehouse.Standing{Updated: 999, Stamp: 999, Why: why, Untrusted: true}
	}
	put := func(via penstock.Via, updated, stamp int64) warehouse.Arrival {
		return warehouse.Arrival{Op: penstock.Put, Via: via, Updated: updated, Stamp: stamp}
	}
	of := func(op penstock.Op, updated, stamp int64, why penstock.Why) warehouse.Arrival {
		return warehouse.Arrival{Op: op, Via: penstock.ByID, Updated: updated, Stamp: stamp, Why: why}
	}
	bare := func(updated, stamp int64) warehouse.Arrival {
		return warehouse.Arrival{Op: penstock.Fill, Via: penstock.ByList, Updated: updated, Stamp: stamp, Bare: true}
	}
	for name, c := range map[string]struct {
		old  *warehouse.Standing
		new  warehouse.Arrival
		want warehouse.Action
	}{
		"of the same answer the later wins":             {&live, put(penstock.ByList, 10, 5), warehouse.Write},
		"a search hit wins no tie":                      {&live, put(penstock.BySearch, 10, 9), warehouse.Drop},
		"a search hit of a later date is written":       {&live, put(penstock.BySearch, 11, 1), warehouse.Write},
		"a search hit lifts no tombstone":               {with(penstock.Archived), put(penstock.BySearch, 11, 9), warehouse.Drop},
		"a later list lifts archived at the same date":  {with(penstock.Archived), put(penstock.ByList, 10, 6), warehouse.Write},
		"an earlier list does not":                      {with(penstock.Archived), put(penstock.ByList, 10, 4), warehouse.Drop},
		"a list lifts no erasure":                       {with(penstock.Erased), put(penstock.ByList, 99, 99), warehouse.Drop},
		"a read of the id lifts an erasure":             {with(penstock.Erased), put(penstock.ByID, 99, 99), warehouse.Write},
		"a tombstone of what was never held is written": {nil, of(penstock.Bury, 1, 1, penstock.Merged), warehouse.Write},
		"the same tombstone is observed":                {with(penstock.Merged), of(penstock.Bury, 11, 9, penstock.Merged), warehouse.Observe},
		"a tombstone of an older version is dropped":    {&live, of(penstock.Bury, 9, 9, penstock.Merged), warehouse.Drop},
		"erased is final for other tombstones":          {with(penstock.Erased), of(penstock.Bury, 99, 99, penstock.Merged), warehouse.Drop},
		"a fill of the same version":                    {&live, of(penstock.Fill, 10, 5, penstock.Live), warehouse.FillIn},
		"a fill of another date":                        {&live, of(penstock.Fill, 11, 9, penstock.Live), warehouse.Want},
		"a fill from before the last observation":       {&live, of(penstock.Fill, 10, 4, penstock.Live), warehouse.Want},
		"a live fill of a tombstone":                    {with(penstock.Archived), of(penstock.Fill, 10, 9, penstock.Live), warehouse.Want},
		"a fill of nothing":                             {nil, of(penstock.Fill, 10, 9, penstock.Live), warehouse.Want},
		"a bare fill of the same version":               {&live, bare(10, 9), warehouse.FillIn},
		"a bare fill of another date":                   {&live, bare(9, 9), warehouse.Want},
		"a bare fill from before the last observation":  {&live, bare(10, 4), warehouse.Nothing},
		"a bare fill from before, of an older date":     {&live, bare(9, 4), warehouse.Nothing},
		"a bare fill from before, of a later date":      {&live, bare(11, 4), warehouse.Want},
		"a bare fill from before a tombstone":           {with(penstock.Archived), bare(10, 4), warehouse.Nothing},
		"a bare fill of nothing":                        {nil, bare(10, 4), warehouse.Want},
		"a whole read of an untrusted row":              {untrusted(penstock.Live), put(penstock.ByList, 10, 5), warehouse.Write},
		"a search hit of an untrusted row":              {untrusted(penstock.Archived), put(penstock.BySearch, 10, 5), warehouse.Want},
		"a list of an untrusted erased row":             {untrusted(penstock.Erased), put(penstock.ByList, 10, 5), warehouse.Drop},
		"an untrusted erased row is read as archived":   {untrusted(penstock.Erased), of(penstock.Put, 10, 5, penstock.Archived), warehouse.Write},
		"an untrusted row is merged as it says":         {untrusted(penstock.Merged), of(penstock.Bury, 10, 5, penstock.Merged), warehouse.Write},
		"an untrusted erased row is merged":             {untrusted(penstock.Erased), of(penstock.Bury, 10, 5, penstock.Merged), warehouse.Drop},
		"a fill of an untrusted row":                    {untrusted(penstock.Live), of(penstock.Fill, 999, 999, penstock.Live), warehouse.Want},
		"a bare fill of an untrusted row":               {untrusted(penstock.Live), bare(10, 4), warehouse.Want},
		"an untrusted row is missing":                   {untrusted(penstock.Merged), of(penstock.Missing, 10, 4, penstock.Live), warehouse.Doubt},
		"missing":                                       {&live, of(penstock.Missing, 20, 5, penstock.Live), warehouse.Doubt},
		"missing before the last observation":           {&live, of(penstock.Missing, 20, 4, penstock.Live), warehouse.Drop},
		"an archived row is missing":                    {with(penstock.Archived), of(penstock.Missing, 20, 9, penstock.Live), warehouse.Doubt},
		"what was never held is missing":                {nil, of(penstock.Missing, 20, 9, penstock.Live), warehouse.Nothing},
	} {
		if got := warehouse.Replace(true, c.old, c.new); got != c.want {
			t.Errorf("%s: action %d, want %d", name, got, c.want)
		}
	}
}

func TestV3GoneNeedsTwoAnswersAnHourApart(t *testing.T) {
	hour := warehouse.GoneAfter.Milliseconds()
	for _, c := range []struct {
		first, now int64
		want       bool
	}{{0, hour * 9, false}, {1, hour, false}, {1, hour + 1, true}} {
		if got := warehouse.GoneNow(c.first, c.now); got != c.want {
			t.Errorf("missing at %d and at %d: gone is %v", c.first, c.now, got)
		}
	}
	answered := time.UnixMilli(5)
	if due := warehouse.DueAgain(answered); due.Sub(answered) != warehouse.GoneAfter {
		t.Errorf("answered at %v, due again at %v", answered, due)
	}
}
