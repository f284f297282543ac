package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/cmd/internal/wire"
	"penstock/internal/hubspot/hubspotsim"
)

// upCmd runs everything in one process.
type upCmd struct {
	Demo bool `help:"Read a simulated HubSpot account that changes by itself."`
}

// The demo's account: small enough to be there in seconds, and lively.
const (
	demoToken  = "demo"
	demoLag    = 20 * time.Second
	demoEvery  = 30 * time.Second
	demoEdits  = 6 // a minute
	demoMarker = "demo"
)

func (u *upCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	if wire.ServerOf(s.DataDir) != "" { // said before the port that the other one has
		return fmt.Errorf("%w (%s): look at it with `penstock status`, or choose another folder with PENSTOCK_DATA_DIR", wire.ErrInUse, s.DataDir)
	}
	group, ctx := errgroup.WithContext(ctx)
	if u.Demo {
		if err := startDemo(ctx, group, s); err != nil {
			return err
		}
	} else if err := credentials(s, ""); err != nil {
		return err
	}
	listener, err := s.Listener()
	if err != nil {
		return err
	}
	log := s.Logger(std.err)
	server, err := wire.Open(ctx, *s, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	worker, err := wire.NewWorker(server.Bus, s.HubSpotSettings, "", log)
	if err != nil {
		return errors.Join(err, listener.Close(), server.Close())
	}
	u.greet(std, server, listener)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return worker.Run(ctx) })
	group.Go(func() error { return server.ServeAPI(ctx, listener) })
	group.Go(func() error { return watch(ctx, std, server.Service, "Syncing from now on.") })
	err = group.Wait()
	fmt.Fprintln(std.out, "Stopped. What is loaded stays; the next start goes on from there.")
	return errors.Join(err, server.Close())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// greet says what runs and where to look.
func (u *upCmd) greet(std streams, server *wire.Server, listener net.Listener) {
	what := "HubSpot"
	if u.Demo {
		what = "a simulated HubSpot account that changes by itself"
	}
	fmt.Fprintf(std.out, "Penstock copies %s into a warehouse.\n", what)
	for _, c := range server.Service.Connections() {
		when := fmt.Sprintf("every %s", c.Schedule.Every)
		if !c.Schedule.On {
			when = "paused: `penstock start` goes on"
		}
		fmt.Fprintf(std.out, "  %-9s%s; rows in %s\n", c.Name, when, server.Warehouse(c.Name))
	}
	fmt.Fprintf(std.out, "  API      http://%s/data   (all of it: /openapi.json)\n", listener.Addr())
	fmt.Fprintf(std.out, "  look     penstock status, penstock streams, penstock rows contacts, penstock errors\n")
	fmt.Fprintf(std.out, "Ctrl-C stops it.\n\n")
}

// startDemo serves the simulated account on this machine and points the
// settings at it. The account begins anew at each start, and so does its
// folder, which must be a demo's.
func startDemo(ctx context.Context, group *errgroup.Group, s *wire.Settings) error {
	if err := freshDemoFolder(s.DataDir); err != nil {
		return err
	}
	account, err := hubspotsim.New(hubspotsim.Options{
		Seed: 1, Token: demoToken, Latency: 30 * time.Millisecond, Jitter: 20 * time.Millisecond, IndexLag: 5 * time.Second,
		Window: 190, Counts: map[string]int{"contacts": 5000, "companies": 1200, "deals": 1500, "tickets": 600},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	group.Go(func() error { return serveSim(ctx, account, listener, demoEdits) })
	s.BaseURL, s.Token, s.TokenFile, s.Config = "http://"+listener.Addr().String(), demoToken, "", ""
	s.OAuth = wire.OAuthSettings{}
	s.Lag, s.Every, s.ListEvery = demoLag, demoEvery, time.Minute
	return nil
}

// isDemo tells whether a folder was made by a demo.
func isDemo(dir string) bool { return exists(filepath.Join(dir, demoMarker)) }

// freshDemoFolder empties the folder of an earlier demo and marks a new one.
func freshDemoFolder(dir string) error {
	if isDemo(dir) {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("begin the demo anew: %w", err)
		}
	} else if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("the folder %s is not a demo's: the demo would mix with what it holds; set PENSTOCK_DATA_DIR to another", dir)
	}
	folder, err := wire.OpenFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, demoMarker), []byte("made by penstock up --demo; removed by the next one\n"), 0o600), folder.Close())
}
