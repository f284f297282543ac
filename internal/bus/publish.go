package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"penstock"
)

const (
	publishTimeout = 5 * time.Second // for one part to be stored
	firstBackoff   = 50 * time.Millisecond
	lastBackoff    = time.Second
	codeStoreError = 10077
)

// Publish puts a batch on the bus and returns when it is stored there. What
// may pass - no connection, no room, a wiped bus - is waited for until ctx
// ends; Full tells when it is room. ErrTooLarge and ErrName are final. The
// batch is not released. A batch may come to be on the bus more than once.
//
// The batches of one range are published one after the other.
func (b *Bus) Publish(ctx context.Context, batch *penstock.Batch) error {
	if err := errors.Join(checkName(batch.Connection), checkName(string(batch.Lane))); err != nil {
		return fmt.Errorf("publish a batch: %w", err)
	}
	payload, err := b.codec.encode(batch)
	if err != nil {
		return fmt.Errorf("publish a batch of %s: %w", batch.Stream.Name, err)
	}
	if most := b.options.MaxBytes / 2; int64(len(payload)) > most {
		return fmt.Errorf("publish a batch of %s: %w: %d bytes, at most half of the bus, %d",
			batch.Stream.Name, ErrTooLarge, len(payload), most)
	}
	parts := messages(labelOf(batch), payload, b.codec.sum(payload))
	if len(parts) > 1 {
		// Half-published batches can never be acked. Only one at a time keeps
		// them from filling the bus, or the reader's share of it.
		select {
		case b.large <- struct{}{}:
			defer func() { <-b.large }()
		case <-ctx.Done():
			return fmt.Errorf("publish a batch of %s: %w", batch.Stream.Name, ctx.Err())
		}
	}
	if err := b.store(ctx, batch.Connection, parts); err != nil {
		return fmt.Errorf("publish a batch of %s: %w", batch.Stream.Name, err)
	}
	return nil
}

// store publishes the messages in order until each is stored.
func (b *Bus) store(ctx context.Context, connection string, msgs []*nats.Msg) error {
	wait := waiting{bus: b, connection: connection}
	defer wait.end()
	for next := 0; next < len(msgs); {
		err := b.storeOne(ctx, msgs[next])
		if err == nil {
			wait.end()
			next++
			continue
		}
		if b.conn.IsClosed() {
			return ErrClosed
		}
		if err := wait.after(ctx, err); err != nil {
			return err
		}
		if !fullError(err) {
			// Whatever it was, the parts before may have gone with it.
			next = 0
			b.makePlace(ctx, connection)
		}
	}
	return nil
}

// makePlace makes the NATS stream if it is gone. That it cannot be made is
// told by the next attempt to publish as well.
func (b *Bus) makePlace(ctx context.Context, connection string) {
	if _, err := b.ensureStream(ctx, connection); err != nil && ctx.Err() == nil {
		b.log.Debug("no place for batches", "connection", connection, "error", err)
	}
}

func (b *Bus) storeOne(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	// The answer to what was sent over a connection dies with it.
	defer context.AfterFunc(b.session(), cancel)()
	_, err := b.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	if b.embedded != nil && errors.Is(err, context.DeadlineExceeded) {
		b.embedded.doubt()
	}
	return err
}

// waiting is one publisher's patience: it backs off, says once why, and
// counts itself among the blocked while the bus is full.
type waiting struct {
	bus        *Bus
	connection string
	backoff    time.Duration
	full       bool
	attempts   int
}

// after waits after a failure; its error is that of ctx.
func (w *waiting) after(ctx context.Context, cause error) error {
	full := fullError(cause)
	if full && !w.full {
		w.full = true
		w.bus.blocked.Add(1)
	}
	// The first failure may only say that there is no place yet.
	if w.attempts++; w.attempts == 2 {
		if full {
			w.bus.log.Warn("the bus is full: reading waits until the warehouse has caught up", "connection", w.connection)
		} else {
			w.bus.log.Warn("a batch waits for the bus", "connection", w.connection, "error", cause)
		}
	}
	w.backoff = min(max(2*w.backoff, firstBackoff), lastBackoff)
	if err := sleep(ctx, w.backoff); err != nil {
		return fmt.Errorf("%w while waiting for the bus: %w", err, cause)
	}
	return nil
}

// end says that the publisher waits no more.
func (w *waiting) end() {
	if w.full {
		w.bus.blocked.Add(-1)
	}
	*w = waiting{bus: w.bus, connection: w.connection}
}

// storeError tells whether JetStream was reached and could not store.
func storeError(err error) bool {
	var refusal *jetstream.APIError
	return errors.As(err, &refusal) && refusal.ErrorCode == codeStoreError
}

// fullError tells whether the cap of a connection's batches is reached. The
// server has no code of its own for it.
func fullError(err error) bool {
	return storeError(err) && strings.Contains(err.Error(), "maximum bytes exceeded")
}
