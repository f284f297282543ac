package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/cmd/internal/wire"
)

// syncCmd catches up once.
type syncCmd struct {
	Stream     []string `short:"s" help:"Only this stream; may be given several times."`
	Connection string   `help:"Only this connection; default all."`
	Once       bool     `hidden:"" help:"The same; accepted for those used to it."`
	Quiet      bool     `short:"q" help:"Show no progress."`
}

func (c *syncCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	if address := wire.ServerOf(s.DataDir); address != "" {
		return c.ask(ctx, s, std, address)
	}
	if s.Token == "" && s.TokenFile == "" && !exists(s.Config) {
		return wire.Usage("there is no credential: set HUBSPOT_ACCESS_TOKEN to a service key or private-app token of your HubSpot account")
	}
	s.CatchUpOnly = true
	log := s.Logger(std.err)
	server, err := wire.Open(ctx, *s, log)
	if err != nil {
		return err
	}
	worker, err := wire.NewWorker(server.Bus, "", log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return server.Run(running) })
	group.Go(func() error { return worker.Run(running) })
	if !c.Quiet {
		group.Go(func() error { return watch(running, streams{std.err, std.err}, server.Service) })
	}
	began := time.Now()
	err = c.catchUp(running, server)
	cancel()
	err = errors.Join(err, group.Wait(), server.Close())
	if err == nil {
		fmt.Fprintf(std.out, "Caught up in %s.\n", time.Since(began).Round(10*time.Millisecond))
	}
	return err
}

// catchUp catches all connections up, side by side.
func (c *syncCmd) catchUp(ctx context.Context, server *wire.Server) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, connection := range server.Service.Connections() {
		if c.Connection != "" && c.Connection != connection.Name {
			continue
		}
		group.Go(func() error {
			if err := server.Service.CatchUp(ctx, connection.Name, c.Stream); err != nil {
				return fmt.Errorf("%s: %w", connection.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}
