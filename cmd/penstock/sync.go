package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/cmd/internal/wire"
	"penstock/internal/api/client"
)

// syncCmd catches up once.
type syncCmd struct {
	Stream     []string      `short:"s" help:"Only this stream; may be given several times."`
	Connection string        `help:"Only this connection; default all."`
	Patience   time.Duration `default:"5m" help:"Give up when nothing has moved for so long."`
	Once       bool          `hidden:"" help:"The same; accepted for those used to it."`
	Quiet      bool          `short:"q" help:"Show no progress."`
}

func (c *syncCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	began := time.Now()
	if c.Patience <= 0 {
		return wire.Usage("--patience %s is not possible: give a duration such as 5m", c.Patience)
	}
	if address := wire.ServerOf(s.DataDir); address != "" {
		fmt.Fprintln(std.err, "A penstock runs on this folder; asking it to catch up.")
		if err := c.ask(ctx, client.New(address, s.APIToken)); err != nil {
			return err
		}
	} else if err := c.alone(ctx, s, std); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Caught up in %s.\n", time.Since(began).Round(10*time.Millisecond))
	return nil
}

// alone catches up in this process, and shows how it goes.
func (c *syncCmd) alone(ctx context.Context, s *wire.Settings, std streams) error {
	if err := credentials(s, c.Connection); err != nil {
		return err
	}
	return alone(ctx, s, std, func(ctx context.Context, server *wire.Server, asked *client.Client) error {
		watching, enough := context.WithCancel(ctx)
		var showing errgroup.Group
		if !c.Quiet {
			showing.Go(func() error { return watch(watching, streams{std.err, std.err}, server.Service, "") })
		}
		err := c.ask(ctx, asked)
		enough()
		return errors.Join(err, showing.Wait())
	})
}

// alone runs everything in this process for as long as f takes. Schedules rest:
// only what f asks for is read. Other commands are answered meanwhile, and f
// itself, through the API.
func alone(ctx context.Context, s *wire.Settings, std streams, f func(context.Context, *wire.Server, *client.Client) error) error {
	resting := *s
	resting.CatchUpOnly = true
	log := s.Logger(std.err)
	server, err := wire.Open(ctx, resting, log)
	if err != nil {
		return err
	}
	worker, err := wire.NewWorker(server.Bus, s.HubSpotSettings, "", log)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, server.Close())
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return server.Run(running) })
	group.Go(func() error { return worker.Run(running) })
	group.Go(func() error { return server.ServeAPI(running, listener) })
	err = f(running, server, client.New("http://"+listener.Addr().String(), s.APIToken))
	cancel()
	return errors.Join(err, group.Wait(), server.Close())
}

// credentials checks what can be known of the tokens before anything is begun.
func credentials(s *wire.Settings, connection string) error {
	if s.Token == "" && s.TokenFile == "" && !s.OAuth.Given() && !exists(s.Config) {
		return wire.Usage("there is no credential: set HUBSPOT_ACCESS_TOKEN to a service key or private-app token of your HubSpot account, or try `penstock up --demo`")
	}
	if isDemo(s.DataDir) {
		return fmt.Errorf("the folder %s holds a demo: remove it, or choose another with PENSTOCK_DATA_DIR", s.DataDir)
	}
	return s.CheckTokens(connection)
}

// ask has a server catch all connections up, side by side: one that cannot be
// read keeps no other from it.
func (c *syncCmd) ask(ctx context.Context, server *client.Client) error {
	connections, err := server.Status(ctx)
	if err != nil {
		return inWords(err)
	}
	var all sync.WaitGroup
	errs := make([]error, len(connections))
	found := false
	for i, connection := range connections {
		if c.Connection != "" && c.Connection != connection.Name {
			continue
		}
		found = true
		all.Go(func() { errs[i] = c.catchUp(ctx, server, connection.Name) })
	}
	all.Wait()
	if !found {
		return wire.Usage("there is no connection %q; `penstock status` lists them", c.Connection)
	}
	return errors.Join(errs...)
}

// catchUp waits until the connection is caught up. It gives up when nothing
// has moved for as long as the user's patience lasts: a command that is run
// every hour must end.
func (c *syncCmd) catchUp(ctx context.Context, server *client.Client, connection string) error {
	waiting, giveUp := context.WithCancelCause(ctx)
	var stall sync.WaitGroup
	stall.Go(func() { giveUp(c.stalled(waiting, server, connection)) })
	err := server.CatchUp(waiting, connection, c.Stream)
	cause := context.Cause(waiting)
	giveUp(nil)
	stall.Wait()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: stopped before it was caught up; what is loaded stays, and the next sync goes on from there", connection)
	case cause != nil:
		return cause
	}
	return fmt.Errorf("%s: %w", connection, inWords(err))
}

// stalled returns an error when nothing has moved for too long, nil when ctx
// ends.
func (c *syncCmd) stalled(ctx context.Context, server *client.Client, connection string) error {
	before, moved := "", time.Now()
	ticker := time.NewTicker(min(time.Second, c.Patience))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		streams, err := server.Streams(ctx, connection)
		connections, statusErr := server.Status(ctx)
		now := fmt.Sprint(streams)
		for _, of := range connections {
			if of.Name == connection {
				now += fmt.Sprint(of.Followers)
			}
		}
		if err == nil && statusErr == nil && now != before {
			before, moved = now, time.Now()
		}
		if ctx.Err() == nil && time.Since(moved) > c.Patience {
			return fmt.Errorf("%s: not caught up, and given up since nothing has moved for %s (--patience): %s; what is loaded stays",
				connection, c.Patience, strings.Join(reasons(ctx, server, connection), "; "))
		}
	}
}

// reasons are what is known to be wrong.
func reasons(ctx context.Context, server *client.Client, connection string) []string {
	all, err := server.Ready(ctx)
	if err != nil {
		all = append(all, err.Error())
	}
	connections, err := server.Status(ctx)
	if err != nil {
		all = append(all, err.Error())
	}
	for _, c := range connections {
		if c.Name == connection && c.Message != "" {
			all = append(all, c.Message)
		}
	}
	if len(all) == 0 {
		all = append(all, "the lines above or `penstock errors` may tell why")
	}
	return all
}
