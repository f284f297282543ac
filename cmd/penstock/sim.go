package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/cmd/internal/wire"
	"penstock/internal/hubspot/hubspotsim"
)

// simAddress is where the simulated account answers unless --listen says so:
// not where the API does.
const simAddress = "127.0.0.1:8089"

// simCmd serves a simulated account. It takes the global --listen.
type simCmd struct {
	Seed         uint64        `default:"1" help:"What the account holds is derived from it."`
	Account      int64         `default:"147000001" help:"The account's portal id."`
	RequireToken string        `help:"The bearer token that is wanted; default any." placeholder:"TOKEN"`
	Contacts     int           `default:"1000" help:"Number of contacts."`
	Companies    int           `default:"200" help:"Number of companies."`
	Deals        int           `default:"300" help:"Number of deals."`
	Tickets      int           `default:"100" help:"Number of tickets."`
	Properties   int           `default:"60" help:"Properties of a contact."`
	Latency      time.Duration `default:"0s" help:"Of each answer."`
	IndexLag     time.Duration `default:"5s" help:"How late the search index is."`
	Unlimited    bool          `help:"Without HubSpot's limits."`
	Window       int           `default:"100" help:"Calls per ten seconds."`
	LinkWindow   int           `default:"100" help:"Reads of associations per ten seconds."`
	LinkPage     int           `default:"500" help:"Associations of one object that an answer names."`
	ClientID     string        `help:"Of an OAuth app; with an app and no wanted token its access tokens are the only way in." placeholder:"ID"`
	ClientSecret string        `help:"The app's." placeholder:"SECRET"`
	RefreshToken string        `help:"The app's, with which it gets access tokens." placeholder:"TOKEN"`
	Hostile      bool          `help:"With hostile values and property names."`
	Faults       string        `help:"Trouble that heals by itself, such as rate=0.05,kinds=500+html,seed=7." placeholder:"PLAN"`
	Churn        float64       `help:"Edits a minute that the account makes by itself."`
}

func (c *simCmd) Run(ctx context.Context, s *wire.Settings, std streams, parsed given) error {
	faults, err := hubspotsim.ParseFaults(c.Faults)
	if err != nil {
		return wire.Usage("--faults: %v", err)
	}
	account, err := hubspotsim.New(hubspotsim.Options{
		Seed: c.Seed, AccountID: c.Account, Token: c.RequireToken,
		Counts:     map[string]int{"contacts": c.Contacts, "companies": c.Companies, "deals": c.Deals, "tickets": c.Tickets},
		Properties: map[string]int{"contacts": c.Properties}, Hostile: c.Hostile,
		Latency: c.Latency, Jitter: c.Latency / 3, IndexLag: c.IndexLag,
		Unlimited: c.Unlimited, Window: c.Window, AssociationWindow: c.LinkWindow, LinkPage: c.LinkPage, Faults: faults,
		OAuth: hubspotsim.OAuth{ClientID: c.ClientID, ClientSecret: c.ClientSecret, RefreshToken: c.RefreshToken},
	})
	if err != nil {
		return wire.Usage("%v", err)
	}
	address := simAddress
	if parsed("listen") {
		address = s.Listen
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another address", address, err)
	}
	fmt.Fprintf(std.out, "A simulated HubSpot account answers at http://%s (truth: /_sim/truth/contacts, counters: /_sim/counters)\n", listener.Addr())
	return serveSim(ctx, account, listener, c.Churn)
}

// serveSim serves the account until ctx ends.
func serveSim(ctx context.Context, account *hubspotsim.Account, listener net.Listener, churn float64) error {
	server := &http.Server{Handler: account, ReadHeaderTimeout: 10 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	if churn > 0 {
		group.Go(func() error { return account.Churn(ctx, churn) })
	}
	return group.Wait()
}
