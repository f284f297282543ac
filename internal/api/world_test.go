package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// fake is a service with one connection, whose rows are in a warehouse of its own.
type fake struct {
	store   warehouse.Store
	path    string    // of the store's file
	at      time.Time // of the loads
	version int64     // of the rows that put writes
	grants  int
	streams []datastreams.StreamStatus
	reasons []string
	catchUp func(ctx context.Context, streams []string) error
	down    error // what every store answers
	rows    func(*warehouse.Result)

	mu       sync.Mutex
	commands []string
	runs     []catalog.Run
	troubles []catalog.Trouble
}

var _ api.Service = (*fake)(nil)
var _ api.Service = (*datastreams.Service)(nil)

func (f *fake) did(command string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, fmt.Sprintf(command, args...))
}

func (f *fake) Start(_ context.Context, connection string, every time.Duration) (penstock.Schedule, error) {
	f.did("start %s %s", connection, every)
	if every == 0 {
		every = penstock.DefaultEvery
	}
	return penstock.Schedule{On: true, Every: every, Since: moment()}, f.down
}

func (f *fake) Stop(_ context.Context, connection string) (penstock.Schedule, error) {
	f.did("stop %s", connection)
	return penstock.Schedule{Every: penstock.DefaultEvery, Since: moment()}, f.down
}

func (f *fake) Backfill(_ context.Context, connection, stream string) error {
	f.did("backfill %s %s", connection, stream)
	if stream == "owners" {
		return fmt.Errorf("stream %q has no backfill", stream)
	}
	return f.down
}

func (f *fake) CatchUp(ctx context.Context, connection string, streams []string) error {
	f.did("catch up %s %v", connection, streams)
	return f.catchUp(ctx, streams)
}

func (f *fake) Repair(_ context.Context, connection string) ([]string, error) {
	f.did("repair %s", connection)
	return []string{"added the column v to the table contacts, empty"}, f.down
}

func (f *fake) ConfirmSweep(_ context.Context, connection, stream string) error {
	f.did("confirm %s %s", connection, stream)
	if stream != "contacts" {
		return fmt.Errorf("the sweep of %q does not wait to be confirmed", stream)
	}
	return f.down
}

func (f *fake) Explain(_ context.Context, connection, stream string, id int64) (*datastreams.Explanation, error) {
	switch stream {
	case "nothing":
		return nil, datastreams.ErrNoStream
	case "owners":
		return nil, datastreams.ErrNotObjects
	}
	return &datastreams.Explanation{
		Connection: connection, Stream: stream, ID: id, Summary: "The row is equal to HubSpot's object.",
		Reasons: []string{}, Differences: []datastreams.Difference{}, Row: map[string]any{"id": id},
	}, f.down
}

func (f *fake) Plan(_ context.Context, connection string) (datastreams.Plan, error) {
	return datastreams.Plan{Connection: connection, Calls: 12, Notes: []string{}}, f.down
}

func (f *fake) Quota(_ context.Context, connection string) (datastreams.Quota, error) {
	return datastreams.Quota{Connection: connection, Spent: 17, Limit: 250_000, Left: 249_983,
		By: []datastreams.QuotaUse{{Stream: "contacts", Lane: "fresh", Calls: 17}}}, f.down
}

func (f *fake) Verify(_ context.Context, connection string, streams []string, every bool) ([]datastreams.Verification, error) {
	f.did("verify %s %v %v", connection, streams, every)
	if len(streams) > 0 && streams[0] == "nothing" {
		return nil, errors.New("there is no table \"nothing\" in the warehouse")
	}
	return []datastreams.Verification{verification(1)}, f.down
}

func (f *fake) Verifications(_ context.Context, _ string, before int64, limit int) ([]datastreams.Verification, error) {
	all := []datastreams.Verification{verification(3), verification(2), verification(1)}
	for len(all) > 0 && before != 0 && all[0].ID >= before {
		all = all[1:]
	}
	return all[:min(limit, len(all))], f.down
}

func verification(id int64) datastreams.Verification {
	return datastreams.Verification{ID: id, Stream: "contacts", Missing: 2, Repaired: 2, Checks: []datastreams.Check{}, Unknown: []string{}}
}

func (f *fake) Probe(context.Context, string) ([]penstock.Finding, error) {
	if f.down != nil {
		return nil, f.down
	}
	return []penstock.Finding{{Assumed: "a", Result: penstock.Holds, Text: "t"}}, nil
}

func (f *fake) Connections() []datastreams.ConnectionStatus {
	return []datastreams.ConnectionStatus{{
		Name: "default", Account: 4711, State: "up to date", Lag: time.Hour, Round: 1200 * time.Millisecond,
		Schedule: penstock.Schedule{On: true, Every: penstock.DefaultEvery, Since: moment()},
		Spent:    penstock.Spent{Day: "2026-11-21", Calls: 17, Limit: 250000}, WorkerAge: 2 * time.Second,
	}}
}

func (f *fake) Connection(name string) (datastreams.ConnectionStatus, error) {
	if name != "default" {
		return datastreams.ConnectionStatus{}, fmt.Errorf("there is no connection %q", name)
	}
	return f.Connections()[0], nil
}

func (f *fake) Streams(context.Context, string) ([]datastreams.StreamStatus, error) {
	return f.streams, f.down
}

func (f *fake) Ready(context.Context) []string { return f.reasons }

func (f *fake) Runs(_ context.Context, q catalog.RunQuery) ([]catalog.Run, error) {
	var found []catalog.Run
	for _, r := range slices.Backward(f.runs) {
		if (q.Before == 0 || r.ID < q.Before) && (q.Stream == "" || q.Stream == r.Stream) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, f.down
}

func (f *fake) Troubles(_ context.Context, q catalog.TroubleQuery) ([]catalog.Trouble, error) {
	var found []catalog.Trouble
	for _, t := range slices.Backward(f.troubles) {
		if (q.Before == 0 || t.ID < q.Before) && (!q.Open || t.Resolved.IsZero()) && len(found) < q.Limit {
			found = append(found, t)
		}
	}
	return found, f.down
}

func (f *fake) Rejects(ctx context.Context, _, stream, after string, limit int) ([]penstock.Reject, string, error) {
	return f.store.Rejects(ctx, stream, after, limit)
}

func (f *fake) Tables(ctx context.Context, _ string) ([]warehouse.TableState, error) {
	tables, err := f.store.Tables(ctx)
	if f.down != nil {
		return nil, f.down
	}
	return tables, err
}

func (f *fake) Rows(ctx context.Context, _ string, q warehouse.Query) (*warehouse.Result, error) {
	result, err := f.store.Rows(ctx, q)
	if err == nil && f.rows != nil {
		f.rows(result)
	}
	return result, err
}

// world is a server in front of a fake, and a caller.
type world struct {
	*testing.T
	*fake
	server *httptest.Server
}

func setup(t *testing.T, token string) *world {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{store: store, path: path, at: moment(), catchUp: func(context.Context, []string) error { return nil }}
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"contacts", "deals", "owners", "pipeline_stages"} {
		f.streams = append(f.streams, datastreams.StreamStatus{
			Stream: name, State: "current", Rows: 3, FreshAt: moment(), SettledAt: moment().Add(-time.Hour),
		})
	}
	for id := range int64(5) {
		f.runs = append(f.runs, catalog.Run{ID: id + 1, Stream: "contacts", Lane: penstock.Fresh, Outcome: penstock.Done, Began: moment(), Ended: moment()})
		trouble := catalog.Trouble{
			ID: id + 1, Place: catalog.Place{Stream: "deals", Lane: penstock.Fresh}, First: moment(), Last: moment(), Count: 3,
		}
		trouble.Trouble = penstock.Trouble{Kind: "forbidden", Message: "deals may not be read", Remedy: "add a scope"}
		if id == 0 {
			trouble.Resolved = moment()
		}
		f.troubles = append(f.troubles, trouble)
	}
	handler := api.New(api.Options{Service: f, Token: token, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	w := &world{T: t, fake: f, server: httptest.NewServer(handler)}
	t.Cleanup(w.server.Close)
	return w
}

// tiny is a number that only text holds exactly.
const tiny = "-123456789.000000000000000001"

// contacts fills a table with rows from 1 on, one per value.
func (w *world) contacts(values ...string) {
	w.Helper()
	batch := warehousetest.NewBatch(warehousetest.Contacts(),
		penstock.Column{Property: "note", Type: penstock.Text}, penstock.Column{Property: "amount", Type: penstock.Number})
	for i, value := range values {
		batch.Put(int64(i+1), moment().UnixMilli(), 1, value, tiny)
	}
	w.load(batch)
}

func (w *world) load(batches ...*warehousetest.Builder) {
	w.Helper()
	if err := w.store.Claim(w.Context(), warehouse.Claim{Loader: "loader", Installation: "here", Account: 4711}); err != nil {
		w.Fatalf("claim: %v", err)
	}
	for _, b := range batches {
		w.grants++
		run := warehousetest.Range{Lane: penstock.Named, Grant: fmt.Sprint("grant ", w.grants)}
		heads, err := w.store.Heads(w.Context(), b.Build().Stream.Name, penstock.Named)
		if err != nil {
			w.Fatalf("heads: %v", err)
		}
		for _, h := range heads {
			run.Cursor = h.Cursor
		}
		item := warehouse.Item{Batch: run.Next(b), Current: run.Grant}
		if _, err := w.store.Load(w.Context(), []warehouse.Item{item}, warehouse.Moment{Now: w.at, Account: 4711}); err != nil {
			w.Fatalf("load: %v", err)
		}
	}
}

// ask sends a request; headers are name and value in turn.
func (w *world) ask(method, path, body string, headers ...string) (*http.Response, string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
		if pair[0] == "Host" {
			request.Host = pair[1]
		}
	}
	response, err := w.server.Client().Do(request)
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	return response, string(text)
}

// get reads a JSON answer.
func get[T any](w *world, path string) T {
	w.Helper()
	response, text := w.ask("GET", path, "")
	var out T
	if err := json.Unmarshal([]byte(text), &out); err != nil || response.StatusCode != http.StatusOK {
		w.Fatalf("GET %s: %s %s (%v)", path, response.Status, text, err)
	}
	return out
}

// problem checks that an answer is a whole problem document of the kind.
func (w *world) problem(response *http.Response, text, kind string) {
	w.Helper()
	var p api.Problem
	err := json.Unmarshal([]byte(text), &p)
	if err != nil || response.Header.Get("Content-Type") != "application/problem+json" ||
		p.Type != "urn:penstock:"+kind || p.Status != response.StatusCode || p.Title == "" || p.Detail == "" || p.Remedy == "" {
		w.Errorf("%s %s: %s %s, want a problem %s", response.Request.Method, response.Request.URL, response.Status, text, kind)
	}
}
