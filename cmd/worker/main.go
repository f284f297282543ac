// Command worker reads HubSpot as data-streams tells it over messages, and
// sends back what it reads. It keeps nothing and listens on no port.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"penstock/cmd/internal/wire"
)

func main() {
	var settings wire.WorkerSettings
	wire.Main("worker", "Reads HubSpot for Penstock's data-streams.", &settings, func(ctx context.Context) error {
		return run(ctx, settings)
	})
}

func run(ctx context.Context, s wire.WorkerSettings) error {
	if s.NATS == "" {
		return wire.Usage("PENSTOCK_NATS_URL is not set: data-streams and worker meet there; `penstock up` runs both without it")
	}
	log := s.Logger(os.Stderr)
	b, err := wire.JoinBus(ctx, s.NATS, log)
	if err != nil {
		return err
	}
	worker, err := wire.NewWorker(b, s.HubSpotSettings, s.Token, log)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	fmt.Println("worker takes its orders from the message server.")
	return errors.Join(worker.Run(ctx), b.Close())
}
