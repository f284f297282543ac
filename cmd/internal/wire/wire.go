// Package wire puts the parts together for the three programs: it reads
// settings, opens the data folder and the bus, and builds the services. It
// decides nothing else.
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/bus"
	"penstock/internal/catalog"
	"penstock/internal/credential"
	"penstock/internal/datastreams"
	"penstock/internal/secret"
	"penstock/internal/warehouse"
	"penstock/internal/worker"
)

// A Server is data-streams with all that it needs: folder, bus, catalog and
// warehouses.
type Server struct {
	Service *datastreams.Service
	Bus     *bus.Bus

	settings Settings
	places   map[string]string // the warehouses' addresses by connection
	folder   *Folder
	catalog  *catalog.Catalog
	consents map[string]*credential.Consent // of the connections that use OAuth
	stores   []warehouse.Store
	key      *secret.Identity // of the key file, once something needs it
	log      *slog.Logger
}

// Open takes the data folder and opens everything in it.
func Open(ctx context.Context, s Settings, log *slog.Logger) (_ *Server, err error) {
	connections, err := s.Connections()
	if err != nil {
		return nil, err
	}
	if writesFiles(connections) {
		limitMemory(lakeMemoryLimit)
	}
	server := &Server{settings: s, places: map[string]string{}, consents: map[string]*credential.Consent{}, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, server.Close())
		}
	}()
	if server.folder, err = OpenFolder(s.DataDir); err != nil {
		return nil, err
	}
	if server.Bus, err = s.openBus(ctx, log); err != nil {
		return nil, err
	}
	if server.catalog, err = catalog.Open(ctx, filepath.Join(s.DataDir, "catalog.db")); err != nil {
		return nil, err
	}
	if s.NATS == "" {
		if err = server.freeAccounts(ctx, connections); err != nil {
			return nil, err
		}
	}
	if err = server.openConsents(connections, log); err != nil {
		return nil, err
	}
	sources := make([]datastreams.Source, len(connections))
	for i, c := range connections {
		store, err := server.open(c.Warehouse)
		if err != nil {
			return nil, err
		}
		server.places[c.Name] = shownAddress(c.Warehouse)
		sources[i] = c.source(store, server.consents[c.Name])
		for _, address := range c.Followers {
			store, err := server.open(address)
			if err != nil {
				return nil, err
			}
			sources[i].Followers = append(sources[i].Followers, datastreams.Follower{Name: shownAddress(address), Store: store})
		}
		if sources[i].HashKey, err = server.hashKey(c, log); err != nil {
			return nil, err
		}
	}
	server.Service, err = datastreams.New(ctx, datastreams.Config{
		Sources: sources, Catalog: server.catalog, Bus: queues{server.Bus}, Seal: secret.Seal,
		Installation: server.folder.Installation, ListEvery: s.ListEvery, VerifyEvery: s.VerifyEvery, KeepGone: s.KeepGone, Lease: s.Lease, CatchUpOnly: s.CatchUpOnly, Log: log,
	})
	return server, err
}

// open opens a warehouse, and closes it with the server.
func (s *Server) open(address string) (warehouse.Store, error) {
	store, err := OpenStore(address, s.settings.DataDir)
	if err == nil {
		s.stores = append(s.stores, store)
	}
	return store, err
}

// freeAccounts takes the accounts from the workers that the catalog remembers.
// A message server inside the process has no listener, and the folder is held
// by this process alone: those workers are gone, and waiting for their leases
// would only make the next start slow.
func (s *Server) freeAccounts(ctx context.Context, connections []ConnectionSettings) error {
	for _, c := range connections {
		account, err := s.catalog.Account(ctx, c.Name)
		if err != nil {
			return err
		}
		if account.ID == 0 {
			continue
		}
		if err := s.catalog.SetLease(ctx, account.ID, ""); err != nil {
			return err
		}
	}
	return nil
}

// Warehouse is the address of a connection's warehouse.
func (s *Server) Warehouse(connection string) string { return s.places[connection] }

// openBus joins the NATS server at the URL, or starts one of its own.
func (s Settings) openBus(ctx context.Context, log *slog.Logger) (*bus.Bus, error) {
	return bus.Open(ctx, bus.Options{URL: s.NATS, Dir: filepath.Join(s.DataDir, "nats"), Log: log})
}

// Close closes everything in the reverse order.
func (s *Server) Close() error {
	var errs []error
	for _, store := range s.stores {
		errs = append(errs, store.Close())
	}
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close())
	}
	if s.Bus != nil {
		errs = append(errs, s.Bus.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.Close())
	}
	return errors.Join(errs...)
}

// Run answers workers, loads and renews access tokens until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Bus.Serve(ctx, s.Service) })
	group.Go(func() error { return s.Service.Run(ctx) })
	for _, consent := range s.consents {
		group.Go(func() error { return consent.Run(ctx) })
	}
	return group.Wait()
}

// Listener opens the API's address before anything else runs, so that a port in
// use is said at once.
func (s Settings) Listener() (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, Usage("the address %q to listen on is not host:port; set PENSTOCK_LISTEN, for example 127.0.0.1:8080", s.Listen)
	}
	if s.APIToken == "" && !loopback(host) {
		return nil, Usage("listening on %s needs PENSTOCK_API_TOKEN: without a token the API is for this machine only", s.Listen)
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; stop the program that uses it, or choose another address with PENSTOCK_LISTEN", s.Listen, err)
	}
	return listener, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// ServeAPI serves the HTTP API until ctx ends, and leaves its address in the
// folder for the other commands.
func (s *Server) ServeAPI(ctx context.Context, listener net.Listener) error {
	handler := api.New(api.Options{Service: s.Service, Token: s.settings.APIToken, Version: Version(), Log: s.log})
	if err := s.folder.Publish("http://" + listener.Addr().String()); err != nil {
		return err
	}
	return api.Serve(ctx, listener, handler)
}

// NewWorker makes a worker on the bus. own is the token it uses for the
// default connection instead of data-streams'; empty for none.
func NewWorker(b *bus.Bus, s HubSpotSettings, own string, log *slog.Logger) (*worker.Worker, error) {
	hub, err := s.client()
	if err != nil {
		return nil, err
	}
	identity, err := secret.NewIdentity()
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{}
	if own != "" {
		tokens[DefaultConnection] = own
	}
	return worker.New(worker.Config{
		Orders: b, Questions: b, Out: b, Identity: identity, Tokens: tokens, HubSpot: hub, Log: log,
	}), nil
}

// source is the connection as data-streams needs it.
func (c ConnectionSettings) source(store warehouse.Store, consent *credential.Consent) datastreams.Source {
	source := datastreams.Source{
		Connection: penstock.Connection{
			Name: c.Name, BaseURL: c.BaseURL, Lag: c.Lag, Streams: c.Streams, Columns: c.Columns,
			Schedule: penstock.Schedule{On: c.On, Every: c.Every},
		},
		Store: store, Sweep: c.policy, History: c.histories,
	}
	switch {
	case consent != nil:
		source.Token, source.Refused = consent.Token, consent.Refused
	case c.hasToken():
		source.Token = c.Token
	}
	return source
}

// queues hands the bus's queues to data-streams in its own words.
type queues struct{ *bus.Bus }

func (q queues) Batches(ctx context.Context, connection string) (datastreams.Queue, error) {
	batches, err := q.Bus.Batches(ctx, connection)
	if err != nil {
		return nil, err
	}
	return queue{batches}, nil
}

type queue struct{ *bus.Queue }

func (q queue) Next(ctx context.Context) (datastreams.Delivery, error) {
	d, err := q.Queue.Next(ctx)
	if err != nil {
		return datastreams.Delivery{}, err
	}
	return datastreams.Delivery{Batch: d.Batch, Err: d.Err, Grant: d.Grant, Ack: d.Ack}, nil
}
