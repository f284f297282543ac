package datastreams

import (
	"context"
	"time"

	"penstock/internal/warehouse"
)

// A maintainer is a warehouse that must be tidied from time to time.
type maintainer interface {
	Maintain(ctx context.Context) error
}

// maintainEvery is how often a warehouse is tidied that asks for it.
const maintainEvery = 10 * time.Minute

// maintains tidies the connection's warehouses again and again.
func (c *connection) maintains(ctx context.Context) error {
	for sleep(ctx, maintainEvery) {
		c.maintain(ctx)
	}
	return nil
}

// maintain tidies the connection's warehouses. What fails is tried again the next
// time: nothing but space and speed depends on it.
func (c *connection) maintain(ctx context.Context) {
	stores := []warehouse.Store{c.Store}
	for _, f := range c.following {
		stores = append(stores, f.Store)
	}
	for _, store := range stores {
		m, ok := store.(maintainer)
		if !ok {
			continue
		}
		if err := m.Maintain(ctx); err != nil && ctx.Err() == nil {
			c.logger().Warn("a warehouse could not be tidied; it is tried again", "error", err)
		}
	}
}
