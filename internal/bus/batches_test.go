package bus_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/nats-io/nats.go"

	"penstock"
	"penstock/internal/bus"
)

// same fails unless the batch came as it was sent.
func same(t *testing.T, got, sent *penstock.Batch) {
	t.Helper()
	a, b := *got, *sent
	a.Rows, b.Rows = nil, nil
	if !reflect.DeepEqual(a, b) {
		t.Errorf("batch came as %+v, was sent as %+v", a, b)
	}
	if !slices.EqualFunc(got.Rows, sent.Rows, array.RecordEqual) {
		t.Errorf("the rows of batch %d differ from those sent", sent.Seq)
	}
}

func TestBatchesComeWholeAndInTheOrderPublished(t *testing.T) {
	b := open(t, bus.Options{})
	sent := []*penstock.Batch{
		batch(1, 10, 20),
		batch(2, 1, 2_000_000), // travels in parts
		batch(3, 0, 0),
		batch(4, 1000, 100),
	}
	sent[2].Rejects = []penstock.Reject{{Key: "1", Property: "age", Original: "x", Reason: "no number"}}
	sent[2].Inventory = &penstock.Inventory{From: penstock.Key{"1"}, To: penstock.Key{"9"}, Stamp: 3}
	publish(t, b, sent...)
	q := queue(t, b)
	for _, want := range sent {
		d := next(t, q)
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		same(t, d.Batch, want)
		d.Batch.Release()
		ack(t, d)
	}
	idle(t, q)
}

func TestUnackedBatchesComeAgainInOrderAfterRewind(t *testing.T) {
	b := open(t, bus.Options{Listen: "127.0.0.1:0"})
	conn := wire(t, b)
	publish(t, b, batch(1, 1, 1), batch(2, 1, 700_000), batch(3, 1, 1), batch(4, 1, 1))
	q := queue(t, b)
	_, taken := take(t, q, 3)
	ack(t, taken[1])
	left(t, conn, 3)
	for range 2 { // the second time shows that the late ack did nothing
		if err := q.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		ack(t, taken[0])
		if seqs, _ := take(t, q, 3); !slices.Equal(seqs, []uint64{1, 3, 4}) {
			t.Fatalf("after a rewind came %v, want 1, 3, 4", seqs)
		}
	}
}

func TestUnackedBatchesOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	first, err := bus.Open(within(t), bus.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, first, batch(1, 5, 5), batch(2, 5, 5), batch(3, 5, 5))
	q, err := first.Batches(within(t), "default")
	if err != nil {
		t.Fatal(err)
	}
	_, taken := take(t, q, 2)
	ack(t, taken[0])
	left(t, wire(t, first), 2)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Next(within(t)); !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("a queue of a closed bus says %v", err)
	}
	if seqs, _ := take(t, queue(t, open(t, bus.Options{Dir: dir})), 2); !slices.Equal(seqs, []uint64{2, 3}) {
		t.Fatalf("after a restart came %v, want 2, 3", seqs)
	}
}

// recorded publishes a batch and returns the messages it travelled as.
func recorded(t *testing.T, b *bus.Bus, conn *nats.Conn, sent *penstock.Batch) []*nats.Msg {
	t.Helper()
	sub, err := conn.SubscribeSync("penstock.batch.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	publish(t, b, sent)
	var msgs []*nats.Msg
	for {
		msg, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, &nats.Msg{Subject: msg.Subject, Header: msg.Header, Data: msg.Data})
		if index, count, _ := strings.Cut(msg.Header.Get("Penstock-Part"), "/"); index == count {
			return msgs
		}
	}
}

func TestAnUnreadableBatchTellsWhichRunItBreaks(t *testing.T) {
	b := open(t, bus.Options{Listen: "127.0.0.1:0"})
	conn := wire(t, b)
	q := queue(t, b)
	sent := recorded(t, b, conn, batch(1, 3, 10))[0]
	_, taken := take(t, q, 1)
	ack(t, taken...)
	for what, damage := range map[string]func(*nats.Msg){
		"damaged":       func(m *nats.Msg) { m.Data[len(m.Data)/2] ^= 1 },
		"cut off":       func(m *nats.Msg) { m.Data = m.Data[:len(m.Data)-1] },
		"empty":         func(m *nats.Msg) { m.Data = nil },
		"newer codec":   func(m *nats.Msg) { m.Header.Set("Penstock-Codec", "ipc+zstd;v=2") },
		"other lane":    func(m *nats.Msg) { m.Header.Set("Penstock-Lane", "fresh") },
		"no part":       func(m *nats.Msg) { m.Header.Set("Penstock-Part", "2/1") },
		"no sequence":   func(m *nats.Msg) { m.Header.Del("Penstock-Seq") },
		"no such range": func(m *nats.Msg) { m.Header.Set("Penstock-Range", "all") },
	} {
		msg := &nats.Msg{Subject: sent.Subject, Header: nats.Header{}, Data: slices.Clone(sent.Data)}
		for name := range sent.Header {
			msg.Header.Set(name, sent.Header.Get(name))
		}
		damage(msg)
		if err := conn.PublishMsg(msg); err != nil {
			t.Fatal(err)
		}
		d := next(t, q)
		if d.Err == nil || d.Batch != nil || d.Grant != "grant-1" || d.Stream != "contacts" || d.Connection != "default" {
			t.Errorf("%s: came as %+v", what, d)
		}
		ack(t, d)
	}
	left(t, conn, 0)
	if err := q.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle(t, q)
}

func TestALostPartShowsWhenTheRangeGoesOn(t *testing.T) {
	b := open(t, bus.Options{Listen: "127.0.0.1:0"})
	conn := wire(t, b)
	q := queue(t, b)
	parts := recorded(t, b, conn, batch(1, 1, 1_500_000))
	_, taken := take(t, q, 1)
	ack(t, taken...)
	left(t, conn, 0)
	for _, part := range parts[:2] {
		if err := conn.PublishMsg(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := q.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, batch(2, 1, 1))
	lost := next(t, q)
	if lost.Err == nil || lost.Seq != 1 || lost.Grant != "grant-1" {
		t.Fatalf("the batch without its last part came as %+v", lost)
	}
	seqs, later := take(t, q, 1)
	if seqs[0] != 2 {
		t.Fatalf("then came %d, want 2", seqs[0])
	}
	ack(t, lost, later[0])
	left(t, conn, 0)
	if err := q.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle(t, q)
}

func TestAPartSentTwiceChangesNothing(t *testing.T) {
	b := open(t, bus.Options{Listen: "127.0.0.1:0"})
	conn := wire(t, b)
	q := queue(t, b)
	parts := recorded(t, b, conn, batch(1, 1, 1_500_000))
	_, taken := take(t, q, 1)
	ack(t, taken...)
	left(t, conn, 0)
	for i, part := range parts {
		for range 2 {
			part.Header.Set("Penstock-Grant", "grant-1")
			if err := conn.PublishMsg(part); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := q.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, batch(2, 1, 1))
	seqs, taken := take(t, q, 2)
	if !slices.Equal(seqs, []uint64{1, 2}) {
		t.Fatalf("came %v, want 1, 2", seqs)
	}
	ack(t, taken...)
	left(t, conn, 0)
	if err := q.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle(t, q)
}

func TestAWipedFolderHealsWithinSeconds(t *testing.T) {
	for what, wiped := range map[string]string{
		"everything":         ".",
		"JetStream's folder": "jetstream",
		"one stream":         "jetstream/$G/streams/PENSTOCK_default",
		"its messages":       "jetstream/$G/streams/PENSTOCK_default/msgs",
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, bus.Options{Dir: dir})
			q := queue(t, b)
			publish(t, b, batch(1, 1, 1))
			take(t, q, 1)
			if err := os.RemoveAll(filepath.Join(dir, wiped)); err != nil {
				t.Fatal(err)
			}
			// What is published before the loss shows may be lost with the rest.
			stored := filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk")
			seq := uint64(1)
			eventually(t, "batches are on disk again", func() bool {
				seq++
				publish(t, b, batch(seq, 1, 400_000))
				blocks, err := filepath.Glob(stored)
				return err == nil && len(blocks) > 0 && b.Down() == nil
			})
			publish(t, b, batch(seq+1, 1, 1))
			for got := uint64(0); got != seq+1; {
				seqs, taken := take(t, q, 1)
				ack(t, taken...)
				got = seqs[0]
			}
		})
	}
}

func TestAStreamRemovedByAnOperatorIsMadeAnew(t *testing.T) {
	b := open(t, bus.Options{Listen: "127.0.0.1:0"})
	conn := wire(t, b)
	q := queue(t, b)
	publish(t, b, batch(1, 1, 1))
	take(t, q, 1)
	if _, err := conn.Request("$JS.API.STREAM.DELETE.PENSTOCK_default", nil, patience); err != nil {
		t.Fatal(err)
	}
	publish(t, b, batch(2, 1, 1))
	if seqs, _ := take(t, q, 1); seqs[0] != 2 {
		t.Fatalf("then came %v, want 2", seqs)
	}
}

func TestAFullBusHoldsThePublisherUntilThereIsRoom(t *testing.T) {
	b := open(t, bus.Options{MaxBytes: 1 << 20})
	q := queue(t, b)
	const sent = 20
	published := make(chan error, 1)
	go func() {
		for seq := range uint64(sent) {
			if err := b.Publish(t.Context(), batch(seq+1, 1, 100_000)); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	eventually(t, "the bus is full", b.Full)
	select {
	case err := <-published:
		t.Fatalf("published though the bus is full: %v", err)
	default:
	}
	for seq := range uint64(sent) {
		seqs, taken := take(t, q, 1)
		if seqs[0] != seq+1 {
			t.Fatalf("batch %d came as number %d", seqs[0], seq+1)
		}
		ack(t, taken...)
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	if b.Full() {
		t.Error("still full though nobody waits")
	}
}

func TestAPublisherThatWaitsForRoomEndsWithItsContext(t *testing.T) {
	b := open(t, bus.Options{MaxBytes: 1 << 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var err error
	for seq := uint64(1); err == nil; seq++ {
		err = b.Publish(ctx, batch(seq, 1, 100_000))
	}
	if !errors.Is(err, context.DeadlineExceeded) || b.Full() {
		t.Fatalf("ended with %v, full: %v", err, b.Full())
	}
}

func TestWhatCannotTravelIsRefused(t *testing.T) {
	b := open(t, bus.Options{})
	if err := b.Publish(t.Context(), batch(1, 1, penstock.MaxRowBytes+9<<20)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("a row above the largest size: %v", err)
	}
	for _, name := range []string{"", "a.b", "a b", ">", "*", "Ä", strings.Repeat("a", 41)} {
		bad := batch(1, 0, 0)
		bad.Connection = name
		if err := b.Publish(t.Context(), bad); !errors.Is(err, bus.ErrName) {
			t.Errorf("connection %q is published: %v", name, err)
		}
		if _, err := b.Batches(t.Context(), name); !errors.Is(err, bus.ErrName) {
			t.Errorf("connection %q is read: %v", name, err)
		}
	}
}
