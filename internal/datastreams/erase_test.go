package datastreams_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// held are the rows of contacts: id, value, why they are deleted.
func (w *world) held() string {
	w.Helper()
	result, err := w.store.Rows(w.Context(), warehouse.Query{
		Stream: "contacts", Deleted: true, Fields: []string{"id", "v", "_deleted_why"},
	})
	if err != nil {
		w.Fatal(err)
	}
	text := ""
	for row, err := range result.Rows {
		if err != nil {
			w.Fatal(err)
		}
		text += fmt.Sprint(row)
	}
	return text
}

// gone loads three contacts, of which the first was not found so long ago, and
// again now, and the second is archived since 1970.
func (k *worker) gone(since time.Duration) {
	k.Helper()
	r := k.granted(warehousetest.Contacts(), penstock.Backfill)
	now, s := time.Now().UnixMilli(), k.stamp
	b := contacts().Put(1, 1000, s+1, "A").Put(3, 1000, s+1, "C").
		Add(warehousetest.Row{ID: 2, Updated: 1000, Stamp: s + 1, Why: penstock.Archived, Deleted: 1000, Values: []any{"B"}}).
		Missing(1, now-since.Milliseconds(), s+2).Missing(1, now, s+3)
	k.stamp += 3
	b.Batch.After = cursor.Pass{Done: true}.Cursor()
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
}

func TestValuesOfGoneRowsAreKeptAsLongAsIsSetAndThenErased(t *testing.T) {
	const before, after = "[1 A gone][2 B archived][3 C <nil>]", "[1 <nil> erased][2 B archived][3 C <nil>]"
	for _, c := range []struct{ set, kept time.Duration }{
		{0, 7 * 24 * time.Hour}, // by default
		{5 * time.Hour, 5 * time.Hour},
	} {
		inWorld(t, func(w *world) {
			w.alter = func(cfg *datastreams.Config) { cfg.KeepGone = c.set }
		}, func(w *world) {
			w.worker("a").gone(c.kept - 3*time.Hour)
			pass(3*time.Hour - time.Minute)
			w.restart() // the time is counted by the row, not by the process, which looks when it begins
			w.worker("a")
			pass(10 * time.Second)
			if got := w.held(); got != before {
				t.Errorf("set to %s, a minute before: %s", c.set, got)
			}
			pass(time.Hour + 2*time.Minute)
			if got := w.held(); got != after {
				t.Errorf("set to %s, an hour after: %s", c.set, got)
			}
		})
	}
}
