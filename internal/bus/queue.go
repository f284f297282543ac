package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"penstock"
)

const (
	ackWait       = 10 * time.Minute
	maxAckPending = 512
	pullMessages  = 16 // with partBytes, 8 MB on their way to us
	pullHeartbeat = 2 * time.Second
	abandoned     = time.Hour // a reader that does not ask for so long is forgotten
)

// A Delivery is a batch taken from the bus. Err says why it could not be
// read; Batch is then nil, and what follows is as much as the headers told.
type Delivery struct {
	Batch *penstock.Batch
	Err   error

	Connection string
	Stream     string
	Lane       penstock.Lane
	Grant      string
	Range      int64
	Seq        uint64

	queue      *Queue
	generation uint64
	ack        func() error
}

// Ack lets the bus forget the batch: call it only once the batch has taken
// effect for good (B1). An ack that is lost, or that comes after the queue
// began again, does nothing: the batch comes once more, which is harmless
// (W2).
func (d *Delivery) Ack() error {
	if d.generation != d.queue.wanted.Load() {
		return nil
	}
	if err := d.ack(); err != nil {
		return fmt.Errorf("ack batch %d of %s: %w", d.Seq, d.Stream, err)
	}
	return nil
}

// A Queue hands out the batches of a connection in the order they were
// published. Next and Rewind are for one goroutine at a time; deliveries may
// be acked from any.
type Queue struct {
	bus        *Bus
	connection string
	wanted     atomic.Uint64 // the generation: one more whenever all must begin again
	kick       chan struct{} // wakes Next up for a new generation
	life       context.Context
	end        context.CancelFunc

	// What follows belongs to Next.
	built    uint64 // the generation that the consumer is of
	consumer jetstream.Consumer
	pulls    context.Context
	stop     context.CancelFunc // ends pulls
	pull     jetstream.MessageBatch
	last     uint64 // the consumer's sequence
	assembly *assembly
	ready    []*Delivery
}

// Batches makes the place for the batches of a connection, if there is none,
// and a Queue that begins at the oldest batch that is not acked. There is one
// queue of a connection: a later one takes its place, whatever process the
// earlier is in.
func (b *Bus) Batches(ctx context.Context, connection string) (*Queue, error) {
	if err := checkName(connection); err != nil {
		return nil, fmt.Errorf("read batches: %w", err)
	}
	q := &Queue{bus: b, connection: connection, kick: make(chan struct{}, 1)}
	q.life, q.end = context.WithCancel(context.Background())
	q.wanted.Store(1)
	if err := q.build(ctx); err != nil {
		q.end()
		return nil, fmt.Errorf("read batches of %s: %w", connection, err)
	}
	b.mu.Lock()
	b.queues[q] = struct{}{}
	b.mu.Unlock()
	return q, nil
}

// Next is the next batch. It waits for one, and over anything that befalls
// the bus, until ctx or the queue ends.
func (q *Queue) Next(ctx context.Context) (*Delivery, error) {
	for pause := firstBackoff; ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.life.Done():
			q.drop()
			return nil, ErrClosed
		default:
		}
		err := q.advance(ctx)
		if err != nil && ctx.Err() == nil {
			q.bus.log.Warn("reading the bus begins again", "connection", q.connection, "error", err)
			q.expire()
			if sleep(ctx, pause) == nil {
				pause = min(2*pause, lastBackoff)
			}
			continue
		}
		if len(q.ready) > 0 && q.built == q.wanted.Load() {
			d := q.ready[0]
			q.ready = q.ready[1:]
			return d, nil
		}
	}
}

// Rewind begins again at the oldest batch that is not acked, in order.
// Deliveries taken before can no longer be acked.
func (q *Queue) Rewind(ctx context.Context) error {
	q.expire()
	return ctx.Err()
}

// Close ends the queue. What is not acked stays on the bus.
func (q *Queue) Close() {
	q.bus.mu.Lock()
	delete(q.bus.queues, q)
	q.bus.mu.Unlock()
	q.end()
}

// expire ends the generation: its acks no longer count and Next begins again.
func (q *Queue) expire() {
	q.wanted.Add(1)
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// advance does one step towards a delivery: begins again if it must, and
// takes a message if nothing is ready.
func (q *Queue) advance(ctx context.Context) error {
	if q.built != q.wanted.Load() {
		return q.build(ctx)
	}
	if len(q.ready) > 0 {
		return nil
	}
	msg, err := q.receive(ctx)
	if err != nil || msg == nil {
		return err
	}
	return q.take(msg)
}

// build makes a consumer of its own name and removes all others. A new name
// fences the acks of the old one off: they would count for other messages
// where the bus was wiped in between.
func (q *Queue) build(ctx context.Context) error {
	generation := q.wanted.Load()
	q.drop()
	stream, err := q.bus.ensureStream(ctx, q.connection)
	if err != nil {
		return err
	}
	if err := removeConsumers(ctx, stream); err != nil {
		return err
	}
	q.consumer, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Name: "load-" + rand.Text(), DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: maxAckPending,
		MaxRequestBatch: pullMessages, InactiveThreshold: abandoned,
		// Its state may go with the server: what is acked is off the stream.
		MemoryStorage: true,
	})
	if err != nil {
		return fmt.Errorf("make a consumer: %w", err)
	}
	q.pulls, q.stop = context.WithCancel(q.life)
	q.built, q.last, q.assembly = generation, 0, newAssembly()
	return nil
}

func removeConsumers(ctx context.Context, stream jetstream.Stream) error {
	names := stream.ConsumerNames(ctx)
	for name := range names.Name() {
		if err := stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("remove the consumer before: %w", err)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("list consumers: %w", err)
	}
	return nil
}

// drop lets go of all that belongs to the generation before.
func (q *Queue) drop() {
	if q.stop != nil {
		q.stop()
	}
	for _, d := range q.ready {
		if d.Batch != nil {
			d.Batch.Release()
		}
	}
	q.pull, q.ready, q.built = nil, nil, 0
}

// receive is the next message; nil without an error when there was none or
// something else is to be done first.
func (q *Queue) receive(ctx context.Context) (jetstream.Msg, error) {
	if q.pull == nil {
		var err error
		q.pull, err = q.consumer.Fetch(pullMessages,
			jetstream.FetchContext(q.pulls), jetstream.FetchHeartbeat(pullHeartbeat))
		if err != nil {
			return nil, fmt.Errorf("ask for messages: %w", err)
		}
	}
	select {
	case msg, more := <-q.pull.Messages():
		if more {
			return msg, nil
		}
		err := q.pull.Error()
		q.pull = nil
		return nil, err
	case <-q.kick:
	case <-q.life.Done():
	case <-ctx.Done():
	}
	return nil, nil
}

// take adds a message to what has come and readies the deliveries it
// completes.
func (q *Queue) take(msg jetstream.Msg) error {
	at, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("read the place of a message: %w", err)
	}
	if at.Sequence.Consumer != q.last+1 {
		return fmt.Errorf("message %d follows %d: one was lost on its way", at.Sequence.Consumer, q.last)
	}
	q.last = at.Sequence.Consumer
	p, err := readPart(msg.Headers(), msg.Data())
	p.place, p.forget = at.Sequence.Stream, msg.Ack
	if at.NumDelivered > 1 {
		// Not acked for long: it was handed out and its ack is still to come,
		// or it belongs to a batch that nobody will complete.
		if held := q.assembly.late(p); held != nil {
			q.ready = append(q.ready, q.delivery(held.label, held.ack, errTruncated))
		}
		return nil
	}
	if err != nil {
		q.ready = append(q.ready, q.delivery(p.label, msg.Ack, err))
		return nil
	}
	complete, lost, err := q.assembly.add(p)
	for _, held := range lost {
		q.ready = append(q.ready, q.delivery(held.label, held.ack, errTruncated))
	}
	if complete != nil {
		q.ready = append(q.ready, q.open(complete))
	}
	return err
}

func (q *Queue) delivery(l label, ack func() error, err error) *Delivery {
	return &Delivery{
		Err: err, Connection: l.connection, Stream: l.stream, Lane: l.lane, Grant: l.grant, Range: l.first, Seq: l.seq,
		queue: q, generation: q.built, ack: ack,
	}
}

// open decodes a batch that is all there.
func (q *Queue) open(complete *pile) *Delivery {
	d := q.delivery(complete.label, complete.ack, nil)
	batch, err := q.bus.codec.decode(complete.payload(), complete.sum)
	switch {
	case err != nil:
		d.Err = fmt.Errorf("batch %d of %s: %w", d.Seq, d.Stream, err)
	case labelOf(batch) != complete.label:
		batch.Release()
		d.Err = fmt.Errorf("batch %d of %s: its headers are those of another batch", d.Seq, d.Stream)
	default:
		d.Batch = batch
	}
	return d
}
