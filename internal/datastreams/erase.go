package datastreams

import (
	"context"
	"errors"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// keepGone is how long the values of rows are kept by default that HubSpot does
// not know any more.
const keepGone = 7 * 24 * time.Hour

// eraseEvery is how often it is looked for values to erase.
const eraseEvery = time.Hour

// erases takes the values of rows that have been gone for long enough: without
// the change feed nobody can tell whether somebody asked HubSpot to erase them.
func (c *connection) erases(ctx context.Context) error {
	keep := c.service.cfg.KeepGone
	if keep == 0 {
		keep = keepGone
	}
	for wait := time.Second; sleep(ctx, wait); {
		if wait = time.Second; !c.loader.claimed.Load() || c.loader.down.Load() != nil {
			continue
		}
		c.mu.Lock()
		streams := c.discovered
		c.mu.Unlock()
		if len(streams) == 0 {
			continue
		}
		wait = eraseEvery
		for _, stream := range streams {
			if stream.Family != penstock.Objects {
				continue
			}
			now := time.Now()
			n, err := c.Store.Erase(ctx, stream.Name, now.Add(-keep), now)
			if err != nil && ctx.Err() == nil && !errors.Is(err, warehouse.ErrNoTable) {
				c.logger().Warn("the values of gone rows could not be erased yet", "stream", stream.Name, "error", err)
			}
			if n > 0 {
				c.logger().Info("the values of gone rows are erased", "stream", stream.Name, "rows", n)
			}
		}
	}
	return nil
}
