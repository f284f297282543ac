package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/api/client"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestTheClientCommandsAndHearsWhatBecameOfIt(t *testing.T) {
	w := setup(t, "secret")
	c := client.New(w.server.URL+"/", "secret")
	ctx := t.Context()
	started, err := c.Start(ctx, "default", 90*time.Second)
	if want := (api.Schedule{Connection: "default", On: true, Every: "1m30s", Since: moment()}); err != nil || started != want {
		t.Errorf("start: %+v %v", started, err)
	}
	if kept, err := c.Start(ctx, "default", 0); err != nil || kept.Every != "5m0s" {
		t.Errorf("start: %+v %v", kept, err)
	}
	if stopped, err := c.Stop(ctx, "default"); err != nil || stopped.On {
		t.Errorf("stop: %+v %v", stopped, err)
	}
	if err := errors.Join(c.Backfill(ctx, "default", "contacts"), c.CatchUp(ctx, "default", []string{"deals", "owners"}), c.CatchUp(ctx, "default", nil)); err != nil {
		t.Error(err)
	}
	want := []string{
		"start default 1m30s", "start default 0s", "stop default",
		"backfill default contacts", "catch up default [deals owners]", "catch up default []",
	}
	if !slices.Equal(w.commands, want) {
		t.Errorf("%q, want %q", w.commands, want)
	}
	if reasons, err := c.Ready(ctx); err != nil || len(reasons) != 0 {
		t.Errorf("ready: %q %v", reasons, err)
	}
	w.reasons = []string{"default: no worker", "the catalog does not answer"}
	if reasons, err := c.Ready(ctx); err != nil || !slices.Equal(reasons, w.reasons) {
		t.Errorf("not ready: %q %v", reasons, err)
	}
}

func TestTheClientAsksWhatIsKnown(t *testing.T) {
	w := setup(t, "")
	c, ctx := client.New(w.server.URL, ""), t.Context()
	e, err := c.Explain(ctx, "default", "contacts", 1<<60+1)
	if err != nil || e.ID != 1<<60+1 || e.Stream != "contacts" || fmt.Sprint(e.Row["id"]) != "1152921504606846977" {
		t.Errorf("explain: %+v %v", e, err)
	}
	if p, err := c.Plan(ctx, "default"); err != nil || p.Connection != "default" || p.Calls != 12 {
		t.Errorf("plan: %+v %v", p, err)
	}
	if q, err := c.Quota(ctx, "default"); err != nil || q.Connection != "default" || q.Spent != 17 {
		t.Errorf("quota: %+v %v", q, err)
	}
	if found, err := c.Probe(ctx, "default"); err != nil || !slices.Equal(found, []penstock.Finding{{Assumed: "a", Result: penstock.Holds}}) {
		t.Errorf("probe: %+v %v", found, err)
	}
	if err := c.ConfirmSweep(ctx, "default", "contacts"); err != nil || !slices.Equal(w.commands, []string{"confirm default contacts"}) {
		t.Errorf("%q %v", w.commands, err)
	}
	if done, err := c.Repair(ctx, "default"); err != nil || !slices.Equal(done, []string{"one", "two"}) {
		t.Errorf("repair: %q %v", done, err)
	}
}

func TestTheClientReadsWholeLists(t *testing.T) {
	w := setup(t, "")
	for id := range int64(2505) {
		w.troubles = append(w.troubles, catalog.Trouble{ID: id + 1, First: moment(), Last: moment(), Count: 3})
	}
	w.troubles[0].Resolved = moment()
	for i := range 1503 {
		w.streams = append(w.streams, datastreams.StreamStatus{Stream: fmt.Sprintf("stream_%04d", i)})
	}
	c := client.New(w.server.URL, "")
	open, err := c.Errors(t.Context(), "default", false)
	if err != nil || len(open) != 2504 {
		t.Errorf("%d open errors %v", len(open), err)
	}
	if all, err := c.Errors(t.Context(), "default", true); err != nil || len(all) != 2505 {
		t.Errorf("%d errors %v", len(all), err)
	}
	streams, err := c.Streams(t.Context(), "default")
	if err != nil || len(streams) != 1504 || !streams[0].FreshAt.Equal(moment()) {
		t.Errorf("%d streams %v", len(streams), err)
	}
	connections, err := c.Status(t.Context())
	if err != nil || len(connections) != 1 || connections[0].Account != 4711 || connections[0].WorkerAge != "2s" {
		t.Errorf("%+v %v", connections, err)
	}
}

func TestTheClientReadsRowsAsTheWarehouseYieldsThem(t *testing.T) {
	w := setup(t, "")
	columns := []penstock.Column{
		{Property: "note", Type: penstock.Text}, {Property: "amount", Type: penstock.Number},
		{Property: "open", Type: penstock.Bool}, {Property: "at", Type: penstock.DateTime},
	}
	batch := warehousetest.NewBatch(warehousetest.Contacts(), columns...)
	for id := range int64(2300) {
		batch.Put(id+1, moment().UnixMilli(), 1, fmt.Sprint("note ", id), []any{"7", "7.5", "1.000000000000000000001"}[id%3], id%2 == 0, moment().UnixMilli())
	}
	w.load(batch.Bury(2301, 1, 1, 1).Put(9007199254740993, 1, 1))
	c := client.New(w.server.URL, "")
	for _, o := range []client.RowsOptions{
		{}, {Deleted: true}, {Limit: 1}, {Limit: 1000}, {Limit: 1001}, {Limit: 5000}, {Fields: []string{"amount", "note"}}, {Limit: 2, Fields: []string{"_load"}},
	} {
		want, err := w.store.Rows(t.Context(), warehouse.Query{Stream: "contacts", Limit: o.Limit, Fields: o.Fields, Deleted: o.Deleted})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := c.Rows(t.Context(), "default", "contacts", o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if !slices.Equal(got.Columns, want.Columns) {
			t.Errorf("%+v: columns %q, want %q", o, got.Columns, want.Columns)
		}
		expected, again := collect(t, want), collect(t, got)
		if !slices.EqualFunc(collect(t, got), expected, slices.Equal) || !slices.EqualFunc(again, expected, slices.Equal) {
			t.Errorf("%+v: %d rows that differ from the warehouse's %d", o, len(again), len(expected))
		}
	}
}

func TestTheClientAsksForSomeRowsAndForWhatChanged(t *testing.T) {
	w := setup(t, "")
	batch := warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "Note", Type: penstock.Text})
	for id := range int64(1500) {
		batch.Put(id+1, 1, 1, []any{"a & b", "c,d"}[id%2])
	}
	w.load(batch.Bury(1501, 1, 1, 1))
	c := client.New(w.server.URL, "")
	for want, o := range map[int]client.RowsOptions{
		750:  {Where: []client.Where{{Property: "Note", Op: "eq", Value: "a & b"}}},
		700:  {Where: []client.Where{{Property: "note", Op: "in", Value: `"c,d",x`}, {Property: "id", Op: "gt", Value: "100"}}},
		10:   {Where: []client.Where{{Property: "id", Op: "gt", Value: "1490"}}},
		1501: {ChangedSince: "0"},
	} {
		result, changes, err := c.Rows(t.Context(), "default", "contacts", o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if rows := collect(t, result); len(rows) != want || changes == "" {
			t.Errorf("%+v: %d rows, want %d, with the token %q", o, len(rows), want, changes)
		}
		none, _, err := c.Rows(t.Context(), "default", "contacts", client.RowsOptions{ChangedSince: changes})
		if err != nil || len(collect(t, none)) != 0 {
			t.Errorf("nothing was loaded since, but there are rows, or %v", err)
		}
	}
}

func TestTheClientWritesFiles(t *testing.T) {
	w := setup(t, "")
	batch := warehousetest.NewBatch(warehousetest.Contacts())
	for id := range int64(1500) {
		batch.Put(id+1, 1, 1)
	}
	w.load(batch)
	c := client.New(w.server.URL, "")
	var all, some bytes.Buffer
	token, err := c.Export(t.Context(), "default", "contacts", client.RowsOptions{}, client.Export{Format: client.Parquet, Out: &all})
	if err != nil || token == "" || !bytes.HasPrefix(all.Bytes(), []byte("PAR1")) || !bytes.HasSuffix(all.Bytes(), []byte("PAR1")) {
		t.Errorf("%d bytes, the token %q, %v", all.Len(), token, err)
	}
	token, err = c.Export(t.Context(), "default", "contacts", client.RowsOptions{Limit: 9}, client.Export{Format: client.Arrow, Out: &some})
	if err != nil || token != "" || some.Len() == 0 {
		t.Errorf("a part: %d bytes, the token %q, %v", some.Len(), token, err)
	}
	_, err = c.Export(t.Context(), "default", "nothing", client.RowsOptions{}, client.Export{Format: client.Arrow, Out: &some})
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Type != "urn:penstock:unknown-stream" {
		t.Errorf("%v, want a problem", err)
	}
	calls := 0
	w.rows = func(r *warehouse.Result) {
		if calls++; calls == 3 { // when a load was written, the first page, the second
			r.Rows = func(yield func([]any, error) bool) { yield(nil, errors.New("the disk is on fire")) }
		}
	}
	if _, err = c.Export(t.Context(), "default", "contacts", client.RowsOptions{}, client.Export{Format: client.Arrow, Out: &some}); err == nil {
		t.Error("half a file is called whole")
	}
}

func collect(t *testing.T, result *warehouse.Result) (rows [][]any) {
	for row, err := range result.Rows {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestTheClientHandsOnWhatIsWrongAndWhatToDo(t *testing.T) {
	w := setup(t, "secret")
	c := client.New(w.server.URL, "secret")
	_, _, rowsErr := c.Rows(t.Context(), "default", "nothing", client.RowsOptions{})
	_, startErr := c.Start(t.Context(), "default", time.Second)
	_, otherErr := c.Streams(t.Context(), "../other?x")
	w.fails = errors.New("deals (fresh): forbidden")
	_, tokenErr := client.New(w.server.URL, "wrong").Status(t.Context())
	_, readyErr := client.New(w.server.URL, "wrong").Ready(t.Context())
	for want, err := range map[string]error{
		"unknown-stream": rowsErr, "bad-interval": startErr, "unknown-connection": otherErr, "unauthorized": tokenErr,
		"not-caught-up": c.CatchUp(t.Context(), "default", nil), "no-backfill": c.Backfill(t.Context(), "default", "contacts"),
	} {
		p, ok := errors.AsType[*api.Problem](err)
		if !ok || p.Type != "urn:penstock:"+want || p.Detail == "" || p.Remedy == "" || err.Error() != p.Detail+"; "+p.Remedy {
			t.Errorf("%v, want a problem %s", err, want)
		}
	}
	if readyErr != nil {
		t.Errorf("readiness needs a token: %v", readyErr)
	}
}
