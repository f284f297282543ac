package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	maxAge      = 7 * 24 * time.Hour
	dedupWindow = time.Second // JetStream's own de-duplication is not used (W2)
)

// ensureStream makes the NATS stream of a connection, or brings an existing
// one to what this process was told. What an operator chose for it on a
// cluster, such as replicas, stays.
func (b *Bus) ensureStream(ctx context.Context, connection string) (jetstream.Stream, error) {
	stream, err := b.js.Stream(ctx, natsStream(connection))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.js.CreateStream(ctx, b.settle(jetstream.StreamConfig{
			Name: natsStream(connection), Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy,
		}, connection))
	}
	if err != nil {
		return nil, fmt.Errorf("make the place for batches of %s: %w", connection, err)
	}
	is := stream.CachedInfo().Config
	if is.Retention != jetstream.WorkQueuePolicy || is.Storage != jetstream.FileStorage {
		return nil, fmt.Errorf("the NATS stream %s is not a work queue on disk: remove it, it is made anew", is.Name)
	}
	wanted := b.settle(is, connection)
	if slices.Equal(is.Subjects, wanted.Subjects) && is.MaxBytes == wanted.MaxBytes &&
		is.MaxAge == wanted.MaxAge && is.Discard == wanted.Discard {
		return stream, nil
	}
	stream, err = b.js.UpdateStream(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("change the place for batches of %s: %w", connection, err)
	}
	return stream, nil
}

// settle sets what is ours to say about a NATS stream.
func (b *Bus) settle(config jetstream.StreamConfig, connection string) jetstream.StreamConfig {
	config.Subjects = []string{batchSubjects(connection)}
	config.MaxBytes = b.options.MaxBytes
	config.MaxAge = maxAge
	config.Discard = jetstream.DiscardNew
	config.Duplicates = dedupWindow
	return config
}
