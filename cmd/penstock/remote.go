package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"penstock/cmd/internal/wire"
	"penstock/internal/api"
	"penstock/internal/api/client"
)

// onServer runs f with a client of the server that holds the data folder. When
// none runs, the API of this process answers over the same folder: it can say
// and set everything, and only does not read HubSpot.
func onServer(ctx context.Context, s *wire.Settings, std streams, f func(*client.Client) error) error {
	if address := wire.ServerOf(s.DataDir); address != "" {
		return f(client.New(address, s.APIToken))
	}
	if !exists(s.DataDir) {
		return fmt.Errorf("there is no data folder %s yet: run `penstock up` or `penstock sync` first, or name it with PENSTOCK_DATA_DIR", s.DataDir)
	}
	server, err := wire.Open(ctx, *s, s.Logger(std.err))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, server.Close())
	}
	serving, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- server.ServeAPI(serving, listener) }()
	err = f(client.New("http://"+listener.Addr().String(), s.APIToken))
	cancel()
	return errors.Join(err, <-served, server.Close())
}

// at names the connection that a command is about.
type at struct {
	Connection string `default:"default" help:"The connection."`
}

type startCmd struct {
	at
}

func (c *startCmd) Run(ctx context.Context, s *wire.Settings, std streams, parsed given) error {
	every := time.Duration(0)
	if parsed("every") {
		every = s.Every
	}
	return onServer(ctx, s, std, func(server *client.Client) error {
		schedule, err := server.Start(ctx, c.Connection, every)
		if err == nil {
			fmt.Fprintf(std.out, "%s is fetched every %v.\n", c.Connection, schedule.Every)
		}
		return err
	})
}

type stopCmd struct {
	at
}

func (c *stopCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server *client.Client) error {
		_, err := server.Stop(ctx, c.Connection)
		if err == nil {
			fmt.Fprintf(std.out, "%s is paused; `penstock start` goes on from there.\n", c.Connection)
		}
		return err
	})
}

type backfillCmd struct {
	at
	Stream string `arg:"" help:"The stream, such as contacts."`
}

func (c *backfillCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server *client.Client) error {
		err := server.Backfill(ctx, c.Connection, c.Stream)
		if err == nil {
			fmt.Fprintf(std.out, "All objects of %s are read again from now on; its rows stay meanwhile.\n", c.Stream)
		}
		return err
	})
}

type statusCmd struct{}

func (c *statusCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server *client.Client) error {
		connections, err := server.Status(ctx)
		if err != nil {
			return err
		}
		return table(std.out, "CONNECTION\tACCOUNT\tSTATE\tEVERY\tCALLS TODAY\tMESSAGE", connections, func(c api.Connection) string {
			return fmt.Sprintf("%s\t%d\t%s\t%v\t%s\t%s", c.Name, c.Account, c.State, c.Schedule.Every, thousands(c.Calls.Spent), c.Message)
		})
	})
}

type streamsCmd struct {
	at
}

func (c *streamsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server *client.Client) error {
		all, err := server.Streams(ctx, c.Connection)
		if err != nil {
			return err
		}
		return table(std.out, "STREAM\tSTATE\tROWS\tDELETED\tREJECTS\tFRESH AT\tSETTLED AT\tWHY", all, func(st api.Stream) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", st.Stream, st.State, thousands(st.Rows), thousands(st.Deleted),
				thousands(st.Rejects), clock(st.FreshAt), clock(st.SettledAt), st.Why)
		})
	})
}

type errorsCmd struct {
	at
	All bool `help:"Also what is over."`
}

func (c *errorsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server *client.Client) error {
		troubles, err := server.Errors(ctx, c.Connection, c.All)
		if err == nil && len(troubles) == 0 {
			fmt.Fprintln(std.out, "No errors.")
		}
		for _, t := range troubles {
			heals := "does not heal by itself"
			if t.Heals {
				heals = "may heal by itself"
			}
			fmt.Fprintf(std.out, "%s  %s %s: %s\n    %d times, %s; %s\n", clock(t.Last), t.Stream, t.Lane, t.Message, t.Count, heals, t.Remedy)
		}
		return err
	})
}

func (c *syncCmd) ask(ctx context.Context, s *wire.Settings, std streams, address string) error {
	server := client.New(address, s.APIToken)
	connections, err := server.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.err, "A server runs on this folder; asking it to catch up.")
	for _, connection := range connections {
		if c.Connection != "" && c.Connection != connection.Name {
			continue
		}
		if err := server.CatchUp(ctx, connection.Name, c.Stream); err != nil {
			return fmt.Errorf("%s: %w", connection.Name, err)
		}
	}
	fmt.Fprintln(std.out, "Caught up.")
	return nil
}

// table prints aligned columns.
func table[T any](out io.Writer, head string, rows []T, line func(T) string) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, r := range rows {
		fmt.Fprintln(w, strings.TrimRight(line(r), "\t "))
	}
	return w.Flush()
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
