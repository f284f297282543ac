package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/sqlite"
	"penstock/internal/warehouse/warehousetest"
)

// moment is when everything happened.
func moment() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// world is the API in front of a service with one connection, whose rows are
// in a warehouse of its own. What no client asks for is not there.
type world struct {
	api.Service
	*testing.T
	server   *httptest.Server
	store    warehouse.Store
	streams  []datastreams.StreamStatus
	troubles []catalog.Trouble
	reasons  []string
	fails    error // what catching up and reading again end with
	commands []string
	rows     func(*warehouse.Result)
}

func setup(t *testing.T, token string) *world {
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "warehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, store: store, streams: []datastreams.StreamStatus{{Stream: "contacts", FreshAt: moment()}}}
	w.server = httptest.NewServer(api.New(api.Options{Service: w, Token: token, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) load(b *warehousetest.Builder) {
	w.Helper()
	if err := w.store.Claim(w.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 4711}); err != nil {
		w.Fatalf("claim: %v", err)
	}
	run := warehousetest.Range{Lane: penstock.Named, Grant: "grant"}
	item := warehouse.Item{Batch: run.Next(b), Current: "grant"}
	if _, err := w.store.Load(w.Context(), []warehouse.Item{item}, warehouse.Moment{Now: moment(), Account: 4711}); err != nil {
		w.Fatalf("load: %v", err)
	}
}

func (w *world) did(command ...any) {
	w.commands = append(w.commands, strings.TrimSpace(fmt.Sprintln(command...)))
}

func (w *world) Start(_ context.Context, connection string, every time.Duration) (penstock.Schedule, error) {
	w.did("start", connection, every)
	if every == 0 {
		every = penstock.DefaultEvery
	}
	return penstock.Schedule{On: true, Every: every, Since: moment()}, nil
}

func (w *world) Stop(_ context.Context, connection string) (penstock.Schedule, error) {
	w.did("stop", connection)
	return penstock.Schedule{Every: penstock.DefaultEvery, Since: moment()}, nil
}

func (w *world) Backfill(_ context.Context, connection, stream string) error {
	w.did("backfill", connection, stream)
	return w.fails
}

func (w *world) CatchUp(_ context.Context, connection string, streams []string) error {
	w.did("catch up", connection, streams)
	return w.fails
}

func (w *world) Repair(_ context.Context, connection string) ([]string, error) {
	w.did("repair", connection)
	return []string{"one", "two"}, w.fails
}

func (w *world) ConfirmSweep(_ context.Context, connection, stream string) error {
	w.did("confirm", connection, stream)
	return w.fails
}

func (w *world) Explain(_ context.Context, connection, stream string, id int64) (*datastreams.Explanation, error) {
	return &datastreams.Explanation{Connection: connection, Stream: stream, ID: id, Row: map[string]any{"id": id}}, nil
}

func (w *world) Plan(_ context.Context, connection string) (datastreams.Plan, error) {
	return datastreams.Plan{Connection: connection, Calls: 12}, nil
}

func (w *world) Quota(_ context.Context, connection string) (datastreams.Quota, error) {
	return datastreams.Quota{Connection: connection, Spent: 17}, nil
}

func (w *world) Probe(context.Context, string) ([]penstock.Finding, error) {
	return []penstock.Finding{{Assumed: "a", Result: penstock.Holds}}, nil
}

func (w *world) Connections() []datastreams.ConnectionStatus {
	return []datastreams.ConnectionStatus{{Name: "default", Account: 4711, WorkerAge: 2 * time.Second}}
}

func (w *world) Connection(name string) (datastreams.ConnectionStatus, error) {
	if name != "default" {
		return datastreams.ConnectionStatus{}, fmt.Errorf("there is no connection %q", name)
	}
	return w.Connections()[0], nil
}

func (w *world) Streams(context.Context, string) ([]datastreams.StreamStatus, error) {
	return w.streams, nil
}

func (w *world) Ready(context.Context) []string { return w.reasons }

func (w *world) Troubles(_ context.Context, q catalog.TroubleQuery) ([]catalog.Trouble, error) {
	var found []catalog.Trouble
	for _, t := range slices.Backward(w.troubles) {
		if (q.Before == 0 || t.ID < q.Before) && (!q.Open || t.Resolved.IsZero()) && len(found) < q.Limit {
			found = append(found, t)
		}
	}
	return found, nil
}

func (w *world) Tables(ctx context.Context, _ string) ([]warehouse.TableState, error) {
	return w.store.Tables(ctx)
}

func (w *world) Rows(ctx context.Context, _ string, q warehouse.Query) (*warehouse.Result, error) {
	result, err := w.store.Rows(ctx, q)
	if err == nil && w.rows != nil {
		w.rows(result)
	}
	return result, err
}
