package datastreams

import (
	"context"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// A describer is a warehouse whose columns take comments.
type describer interface {
	// Describe gives the columns of a stream's properties their labels, by the
	// property's name.
	Describe(ctx context.Context, stream string, labels map[string]string) error
}

// describeEvery is how often it is looked whether labels have changed.
const describeEvery = 30 * time.Second

// describes gives columns HubSpot's labels as comments, where a warehouse has
// such, each time the property definitions have been loaded anew.
func (c *connection) describes(ctx context.Context) error {
	type described struct{ definitions, table int64 }
	known := map[string]described{} // by warehouse and stream
	for sleep(ctx, describeEvery) {
		stores := map[string]describer{}
		if d, ok := c.Store.(describer); ok && c.loader.claimed.Load() && c.loader.down.Load() == nil {
			stores[""] = d
		}
		for _, f := range c.following {
			if d, ok := f.Store.(describer); ok && f.shown().State == followerCurrent {
				stores[f.Name] = d
			}
		}
		if len(stores) == 0 {
			continue
		}
		tables, err := c.Store.Tables(ctx)
		if err != nil {
			continue // the loader tells
		}
		definitions := int64(0)
		for _, t := range tables {
			if t.Stream.Family == penstock.Properties {
				definitions = t.Load
			}
		}
		for _, t := range tables {
			now := described{definitions, int64(len(t.Columns))}
			for name, store := range stores {
				if t.Stream.Family != penstock.Objects || definitions == 0 || known[name+" "+t.Stream.Name] == now {
					continue
				}
				labels, err := c.labels(ctx, t.Stream)
				if err == nil {
					err = store.Describe(ctx, t.Stream.Name, labels)
				}
				if err != nil {
					c.logger().Warn("the columns could not be given their labels yet", "stream", t.Stream.Name, "error", err)
					continue
				}
				known[name+" "+t.Stream.Name] = now
			}
		}
	}
	return nil
}

// labels are those of the properties of a stream's objects, by the names that
// they have in the warehouse.
func (c *connection) labels(ctx context.Context, of penstock.Stream) (map[string]string, error) {
	result, err := c.Store.Rows(ctx, warehouse.Query{
		Stream: string(penstock.Properties), Fields: []string{"name", "label"},
		Filters: []warehouse.Filter{{Column: "object_type", Op: warehouse.Equal, Values: []string{of.ObjectType}}},
	})
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	rename := c.Columns[of.Name].Rename
	for row, err := range result.Rows {
		if err != nil {
			return nil, err
		}
		name, _ := row[0].(string)
		label, _ := row[1].(string)
		if as := rename[name]; as != "" {
			name = as
		}
		labels[name] = label
	}
	return labels, nil
}
