package warehouse

import (
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMomentsAreWrittenAsTimeDoesAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-70_000_000_000_000, 400_000_000_000_000).Draw(t, "ms")
		got := MomentText(ms)
		if want := time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("%d is %s, want %s", ms, got, want)
		}
		if back, err := ParseMoment(got); err != nil || back != ms {
			t.Fatalf("%s is read as %d, %v", got, back, err)
		}
		days := int32(ms / 86_400_000)
		if got, want := DayText(days), time.Unix(int64(days)*86400, 0).UTC().Format(time.DateOnly); got != want {
			t.Fatalf("day %d is %s, want %s", days, got, want)
		}
	})
}

func TestANumberIsKeptExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{1,25}(\.[0-9]{1,20})?`),
			rapid.StringMatching(`-?[1-9]\.?[0-9]?e[0-9]{1,2}`),
			rapid.Map(rapid.Float64(), func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }),
		).Draw(t, "number")
		back := text
		switch kind, n, f := Classify(text); kind {
		case AsInteger:
			back = strconv.FormatInt(n, 10)
		case AsReal:
			if math.IsNaN(f) || math.IsInf(f, 0) {
				t.Fatalf("%s became %v, which no engine keeps", text, f)
			}
			back = strconv.FormatFloat(f, 'f', -1, 64)
		}
		if back != text {
			t.Fatalf("%s comes back as %s", text, back)
		}
	})
}
