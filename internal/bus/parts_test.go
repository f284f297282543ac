package bus

import "testing"

// TestRangesThatCameAndWentAreForgotten completes a batch of two parts in each
// of many ranges, as backfill after backfill does.
func TestRangesThatCameAndWentAreForgotten(t *testing.T) {
	a := newAssembly()
	for first := range int64(3 * maxDone) {
		var complete *pile
		for index := range 2 {
			p := part{
				label: label{stream: "contacts", first: first, seq: 1}, index: index, count: 2,
				data: []byte("half"), forget: func() error { return nil },
			}
			var err error
			if complete, _, err = a.add(p); err != nil {
				t.Fatal(err)
			}
		}
		if complete == nil || string(complete.payload()) != "halfhalf" {
			t.Fatalf("range %d: the batch is not complete", first)
		}
	}
	if len(a.piles) > 0 || len(a.done) > maxDone {
		t.Errorf("%d piles and %d ranges are held", len(a.piles), len(a.done))
	}
}
