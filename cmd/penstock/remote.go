package main

import (
	"cmp"
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

// reached is the API that answers a command.
type reached struct {
	*client.Client
	idle bool // nothing reads HubSpot: this process answers for itself
}

// hint says, where it matters, that nothing happens by itself.
func (r reached) hint(std streams) {
	if r.idle {
		fmt.Fprintln(std.err, "No penstock runs on this folder: HubSpot is read once `penstock up` or `penstock sync` does.")
	}
}

// onServer runs f with a client of the server that holds the data folder. When
// none runs, the API of this process answers over the same folder: it can say
// everything and set schedules, but does not read HubSpot.
func onServer(ctx context.Context, s *wire.Settings, std streams, f func(reached) error) error {
	if address := wire.ServerOf(s.DataDir); address != "" {
		return inWords(f(reached{Client: client.New(address, s.APIToken)}))
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
	err = inWords(f(reached{client.New("http://"+listener.Addr().String(), s.APIToken), true}))
	cancel()
	return errors.Join(err, <-served, server.Close())
}

// inWords says what the API's problems need in the words of the command line.
func inWords(err error) error {
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return err
	}
	remedy, known := map[string]string{
		"urn:penstock:unknown-stream":     "; `penstock streams` lists them",
		"urn:penstock:unknown-connection": "; `penstock status` lists them",
		"urn:penstock:unknown-field":      "; leave -f away to see all columns",
		"urn:penstock:bad-filter":         "; see penstock rows --help",
		"urn:penstock:bad-token":          "; give what a former call printed, or 0 to begin with everything",
		"urn:penstock:changes-lost":       "; begin again with --changed-since 0, and replace what you have",
		"urn:penstock:not-loaded-yet":     "; `penstock streams` tells how far the first load is",
		"urn:penstock:not-caught-up":      "", // it says itself what each failure needs
		"urn:penstock:no-backfill":        "",
		"urn:penstock:not-held":           "",
		"urn:penstock:no-objects":         "",
		"urn:penstock:no-worker":          "; `penstock status` and `penstock errors` tell more",
		"urn:penstock:not-verified":       "",
		"urn:penstock:unauthorized":       "; set PENSTOCK_API_TOKEN to the server's",
	}[problem.Type]
	if !known {
		return err
	}
	return errors.New(problem.Detail + remedy)
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
	return onServer(ctx, s, std, func(server reached) error {
		schedule, err := server.Start(ctx, c.Connection, every)
		if err == nil {
			fmt.Fprintf(std.out, "%s is fetched every %v.\n", c.Connection, schedule.Every)
			server.hint(std)
		}
		return err
	})
}

type stopCmd struct {
	at
}

func (c *stopCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
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
	return onServer(ctx, s, std, func(server reached) error {
		if server.idle {
			return errors.New("reading a stream again needs a penstock that runs on this folder: start `penstock up`, then ask again")
		}
		err := server.Backfill(ctx, c.Connection, c.Stream)
		if err == nil {
			fmt.Fprintf(std.out, "All objects of %s are read again from now on; its rows stay meanwhile.\n", c.Stream)
		}
		return err
	})
}

type statusCmd struct{}

func (c *statusCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		connections, err := server.Status(ctx)
		if err != nil {
			return err
		}
		server.hint(std)
		err = table(std.out, "CONNECTION\tACCOUNT\tSTATE\tEVERY\tCALLS TODAY\tMESSAGE", connections, func(c api.Connection) string {
			return fmt.Sprintf("%s\t%d\t%s\t%v\t%s\t%s", c.Name, c.Account, c.State, c.Schedule.Every, thousands(c.Calls.Spent), c.Message)
		})
		for _, c := range connections {
			for _, f := range c.Followers {
				fmt.Fprintln(std.out, "follower "+strings.TrimSuffix(fmt.Sprintf("%s: %s, %s loads behind: %s", f.Warehouse, f.State, thousands(f.Behind), f.Message), ": "))
			}
			q, quotaErr := server.Quota(ctx, c.Name)
			if quotaErr != nil {
				return errors.Join(err, quotaErr)
			}
			err = errors.Join(err, printQuota(std.out, q))
		}
		return err
	})
}

type streamsCmd struct {
	at
}

func (c *streamsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		all, err := server.Streams(ctx, c.Connection)
		if err != nil {
			return err
		}
		err = table(std.out, "STREAM\tSTATE\tROWS\tDELETED\tREJECTS\tFRESH AT\tSETTLED AT\tSWEPT AT\tUNSEEN AT MOST\tWHY", all, func(st api.Stream) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", st.Stream, cmp.Or(st.State, "-"), thousands(st.Rows), thousands(st.Deleted),
				thousands(st.Rejects), clock(st.FreshAt), clock(st.SettledAt), clock(st.SweptAt), cmp.Or(st.Within, "-"), st.Why)
		})
		fmt.Fprintln(std.out, "UNSEEN AT MOST: so long may a mere change of links, or a deletion that nothing else tells of, go unseen.")
		return err
	})
}

type errorsCmd struct {
	at
	All bool `help:"Also what is over."`
}

func (c *errorsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		troubles, err := server.Errors(ctx, c.Connection, c.All)
		if err == nil && len(troubles) == 0 {
			fmt.Fprintln(std.out, "No errors.")
		}
		for _, t := range troubles {
			heals := "does not heal by itself"
			if t.Heals {
				heals = "may heal by itself"
			}
			where := "the whole connection"
			if t.Stream != "" {
				where = t.Stream + " " + t.Lane
			}
			fmt.Fprintf(std.out, "%s  %s: %s\n    %d x, %s; %s\n", clock(t.Last), where, t.Message, t.Count, heals, t.Remedy)
		}
		return err
	})
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
