package datastreams_test

import (
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// archived loads one live contact and so many that are deleted.
func (k *worker) archived(n int64) {
	k.Helper()
	r := k.granted(warehousetest.Contacts(), penstock.Backfill)
	b := contacts().Put(1, 1000, k.stamp, "v")
	for id := range n {
		b.Add(warehousetest.Row{ID: id + 2, Updated: 1000, Stamp: k.stamp, Why: penstock.Archived, Deleted: 1000, Values: []any{"v"}})
	}
	b.Batch.After, b.Batch.Begin = cursor.Pass{Done: true}.Cursor(), cursor.Window{From: 1000}.Cursor()
	k.bus.queue.publish(&message{batch: r.next(b)})
	synctest.Wait()
	r.tell(penstock.Done)
	k.live(5 * time.Second)
}

// TestAnArchivedListIsReadHourlyWhileItIsShort checks that a long one, of ten
// calls a thousand objects, costs no more an hour than a short one does.
func TestAnArchivedListIsReadHourlyWhileItIsShort(t *testing.T) {
	for deleted, period := range map[int64]time.Duration{
		0: time.Hour, 999: time.Hour, 1000: 2 * time.Hour, 5500: 6 * time.Hour, 30_000: 24 * time.Hour,
	} {
		inWorld(t, func(w *world) {
			w.alter = func(cfg *datastreams.Config) { cfg.ListEvery = time.Hour }
		}, func(w *world) {
			k := w.worker("a")
			k.archived(deleted)
			r := k.granted(warehousetest.Contacts(), penstock.Archive)
			if r.grant.Again != period {
				t.Errorf("%d deleted: to be asked for again after %s, not %s", deleted, r.grant.Again, period)
			}
			r.tell(penstock.Done)
			if period > 2*time.Hour {
				return
			}
			pass(period - time.Minute)
			k.beat()
			if g := k.ask(warehousetest.Contacts(), penstock.Archive); g.Token != "" {
				t.Errorf("%d deleted: read again before %s have passed", deleted, period)
			}
			pass(2 * time.Minute)
			k.beat()
			k.granted(warehousetest.Contacts(), penstock.Archive)
		})
	}
}
