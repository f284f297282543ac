package datastreams_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"penstock"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

// labelling is a warehouse whose columns take comments.
type labelling struct {
	*store
	said []string
}

func (l *labelling) Describe(_ context.Context, stream string, labels map[string]string) error {
	l.said = append(l.said, fmt.Sprint(stream, labels))
	return nil
}

func TestColumnsGetTheirLabelsEachTimeTheDefinitionsChange(t *testing.T) {
	l := &labelling{}
	f := &followed{runs: map[string]*warehousetest.Range{}}
	inWorld(t, func(w *world) {
		f.world, l.store = w, w.store
		w.alter = func(c *datastreams.Config) {
			c.Sources[0].Store = l
			c.Sources[0].Columns = map[string]penstock.ColumnRules{"contacts": {Rename: map[string]string{"t": "title"}}}
		}
	}, func(w *world) {
		w.worker("a").beat()
		definitions := func(label string, stamp int64) *warehousetest.Builder {
			stream := penstock.Stream{Name: "properties", Family: penstock.Properties}
			return warehousetest.NewBatch(stream, column("label", penstock.Text)).Add(
				warehousetest.Row{Key: penstock.Key{"0-1", "t"}, Stamp: stamp, Values: []any{label}},
				warehousetest.Row{Key: penstock.Key{"0-1", "n"}, Stamp: stamp, Values: []any{"Number"}},
				warehousetest.Row{Key: penstock.Key{"0-2", "t"}, Stamp: stamp, Values: []any{"of companies"}},
			)
		}
		f.loads(f.people(1, 3, "x"))
		pass(time.Minute)
		f.loads(definitions("Title", 1))
		pass(2 * time.Minute)
		f.loads(definitions("New title", 2))
		pass(2 * time.Minute)
		want := "[contactsmap[n:Number title:Title] contactsmap[n:Number title:New title]]"
		if got := fmt.Sprint(l.said); got != want {
			t.Errorf("the labels were %s, want %s", got, want)
		}
	})
}

// dear is a warehouse whose transactions are dear, and that must be tidied.
type dear struct {
	*store
	tidied int
}

func (*dear) Gather() (time.Duration, int64) { return 5 * time.Second, 1 << 20 }

func (d *dear) Maintain(context.Context) error {
	d.tidied++
	return errAway // which stops nothing
}

func TestADearWarehouseIsLoadedSeldomAndTidied(t *testing.T) {
	d := &dear{}
	inWorld(t, func(w *world) {
		d.store = w.store
		w.alter = func(c *datastreams.Config) { c.Sources[0].Store = d }
	}, func(w *world) {
		r := w.worker("a").granted(warehousetest.Contacts(), penstock.Backfill)
		for id := range int64(4) {
			r.publish(id + 1)
			r.k.live(800 * time.Millisecond)
		}
		if got := w.committed(penstock.Backfill); got != 0 {
			t.Errorf("%d batches were committed before the time was over", got)
		}
		r.k.live(2 * time.Second)
		tables, err := w.store.Tables(w.Context())
		if err != nil || len(tables) != 1 || tables[0].Load != 1 || tables[0].Rows != 4 {
			t.Errorf("the tables are %+v, %v", tables, err)
		}
		pass(21 * time.Minute)
		if d.tidied != 2 {
			t.Errorf("tidied %d times in 21 minutes", d.tidied)
		}
	})
}
