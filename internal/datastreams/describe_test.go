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
