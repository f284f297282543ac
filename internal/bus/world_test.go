package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"penstock"
	"penstock/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// open joins the bus for the length of the test.
func open(t *testing.T, o bus.Options) *bus.Bus {
	t.Helper()
	if o.URL == "" && o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := bus.Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// within is a context that ends a test that hangs.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wire is a bare NATS connection to a listening bus: what a stranger or a
// fault could put on it.
func wire(t *testing.T, b *bus.Bus) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect("nats://" + b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// batch is the seq-th of a range, with rows rows whose texts have width
// characters that do not compress.
func batch(seq uint64, rows, width int) *penstock.Batch {
	contacts := penstock.Stream{Name: "contacts", Family: penstock.Objects, ObjectType: "0-1"}
	table := penstock.Table{Stream: contacts, Columns: []penstock.Column{{Property: "email", Type: penstock.Text}}}
	b := &penstock.Batch{
		Connection: "default", Stream: contacts, Lane: penstock.Backfill, Grant: "grant-1", Range: 7, Seq: seq,
		Before: penstock.Cursor(fmt.Sprint(seq - 1)), After: penstock.Cursor(fmt.Sprint(seq)),
		Counts: penstock.Counts{Fetched: rows}, Stamp: int64(seq),
	}
	if rows > 0 {
		b.Rows = []arrow.RecordBatch{record(table, int64(seq), rows, width)}
	}
	return b
}

func record(table penstock.Table, seed int64, rows, width int) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, table.Schema())
	defer builder.Release()
	dice := rand.New(rand.NewPCG(uint64(seed), 1))
	for row := range rows {
		for i := range builder.Schema().NumFields() {
			switch f := builder.Field(i).(type) {
			case *array.Int64Builder:
				f.Append(seed*1000 + int64(row))
			case *array.Uint8Builder:
				f.Append(1)
			case *array.StringBuilder:
				f.Append(text(dice, width))
			default:
				f.AppendNull()
			}
		}
	}
	return builder.NewRecordBatch()
}

func text(dice *rand.Rand, width int) string {
	out := make([]byte, width)
	for i := range out {
		out[i] = byte('!' + dice.IntN(90))
	}
	return string(out)
}

func publish(t *testing.T, b *bus.Bus, batches ...*penstock.Batch) {
	t.Helper()
	for _, batch := range batches {
		if err := b.Publish(within(t), batch); err != nil {
			t.Fatal(err)
		}
	}
}

func queue(t *testing.T, b *bus.Bus) *bus.Queue {
	t.Helper()
	q, err := b.Batches(within(t), "default")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func next(t *testing.T, q *bus.Queue) *bus.Delivery {
	t.Helper()
	d, err := q.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// take takes n batches that must be readable and tells their sequences.
func take(t *testing.T, q *bus.Queue, n int) (seqs []uint64, taken []*bus.Delivery) {
	t.Helper()
	for range n {
		d := next(t, q)
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		seqs, taken = append(seqs, d.Batch.Seq), append(taken, d)
	}
	return seqs, taken
}

// idle fails if a batch comes though none should.
func idle(t *testing.T, q *bus.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if d, err := q.Next(ctx); err == nil {
		t.Fatalf("batch %d of grant %q came though nothing is left (%v)", d.Seq, d.Grant, d.Err)
	}
}

func ack(t *testing.T, ds ...*bus.Delivery) {
	t.Helper()
	for _, d := range ds {
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx := within(t); !ok(); {
		select {
		case <-ctx.Done():
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// left waits until n messages lie on the bus for the default connection.
func left(t *testing.T, conn *nats.Conn, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d messages are left", n), func() bool {
		reply, err := conn.Request("$JS.API.STREAM.INFO.PENSTOCK_default", nil, patience)
		if err != nil {
			t.Fatal(err)
		}
		var info struct{ State struct{ Messages int } }
		if err := json.Unmarshal(reply.Data, &info); err != nil {
			t.Fatal(err)
		}
		return info.State.Messages == n
	})
}
