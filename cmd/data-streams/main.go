// Command data-streams is the API, the schedules and the storage: it tells
// workers what to fetch, loads what they send into warehouses, and answers
// customers. It meets its workers at PENSTOCK_NATS_URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"penstock/cmd/internal/wire"
)

func main() {
	var settings wire.Settings
	wire.Main("data-streams", "The HTTP API, the schedules and the storage of Penstock.", &settings, func(ctx context.Context) error {
		return run(ctx, settings)
	})
}

func run(ctx context.Context, s wire.Settings) error {
	if s.NATS == "" {
		return wire.Usage("PENSTOCK_NATS_URL is not set: data-streams and worker meet there; `penstock up` runs both without it")
	}
	listener, err := s.Listener()
	if err != nil {
		return err
	}
	log := s.Logger(os.Stderr)
	server, err := wire.Open(ctx, s, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Printf("data-streams answers at http://%s and waits for workers at the message server.\n", listener.Addr())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return server.ServeAPI(ctx, listener) })
	return errors.Join(group.Wait(), server.Close())
}
