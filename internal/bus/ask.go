package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"penstock"
)

// How long a worker waits for each answer, and how often it looks while
// nobody has ever answered.
const (
	lookTimeout     = 2 * time.Second
	beatTimeout     = 5 * time.Second
	discoverTimeout = 10 * time.Second
	grantTimeout    = 10 * time.Second
	endTimeout      = 10 * time.Second
	lookEvery       = 2 * time.Second
)

const (
	announcementsHeld = 16
	plainBytes        = 64 << 10 // a larger question or answer travels compressed
	jsonCodec         = "json;v=1"
	jsonZstdCodec     = "json+zstd;v=1"
)

// Watch calls f with each announcement until ctx ends, one at a time. It
// looks at once, and again every two seconds until something was heard.
func (b *Bus) Watch(ctx context.Context, f func(penstock.Announcement)) error {
	heard := make(chan *nats.Msg, announcementsHeld)
	sub, err := b.conn.ChanSubscribe(subjectAnnounce, heard)
	if err != nil {
		return fmt.Errorf("listen for announcements: %w", err)
	}
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		var a penstock.Announcement
		select {
		case <-ctx.Done():
			return b.unsubscribe(sub)
		case msg := <-heard:
			if err := b.read(msg, &a); err != nil {
				b.log.Warn("an announcement cannot be read", "error", err)
				continue
			}
		case <-look.C:
			if a, err = b.look(ctx); err != nil {
				if !errors.Is(err, ErrNobody) && ctx.Err() == nil {
					b.log.Warn("data-streams cannot be asked for its schedules", "error", err)
				}
				look.Reset(lookEvery)
				continue
			}
		}
		look.Stop()
		f(a)
	}
}

// unsubscribe stops listening, and waits until the server knows, so that
// whoever asks next hears at once that nobody is there. A connection that is
// gone has told it.
func (b *Bus) unsubscribe(subs ...*nats.Subscription) error {
	if !b.conn.IsConnected() {
		return nil
	}
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil && b.conn.IsConnected() {
			return fmt.Errorf("stop listening on %s: %w", sub.Subject, err)
		}
	}
	if err := b.conn.FlushTimeout(closeFlush); err != nil && b.conn.IsConnected() {
		return fmt.Errorf("stop listening: %w", err)
	}
	return nil
}

func (b *Bus) look(ctx context.Context) (penstock.Announcement, error) {
	return ask[penstock.Announcement](ctx, b, question{subjectLook, lookTimeout, struct{}{}})
}

// Beat asks data-streams for an account's lease, or keeps it.
func (b *Bus) Beat(ctx context.Context, beat penstock.Beat) (penstock.BeatReply, error) {
	return ask[penstock.BeatReply](ctx, b, question{subjectBeat, beatTimeout, beat})
}

// Discover tells data-streams what was found in an account; the answer is
// the streams to make of it.
func (b *Bus) Discover(ctx context.Context, discovery penstock.Discovery) ([]penstock.Stream, error) {
	return ask[[]penstock.Stream](ctx, b, question{subjectDiscover, discoverTimeout, discovery})
}

// Grant asks for a run.
func (b *Bus) Grant(ctx context.Context, request penstock.GrantRequest) (penstock.Grant, error) {
	return ask[penstock.Grant](ctx, b, question{subjectGrant, grantTimeout, request})
}

// End tells that a run is over.
func (b *Bus) End(ctx context.Context, end penstock.RunEnd) error {
	_, err := ask[struct{}](ctx, b, question{subjectEnd, endTimeout, end})
	return err
}

type question struct {
	subject string
	timeout time.Duration
	content any
}

// ask sends a question and waits for the answer. ErrNobody means that the
// question may or may not have been heard.
func ask[A any](ctx context.Context, b *Bus, q question) (A, error) {
	var answer A
	msg, err := b.message(q.subject, q.content)
	if err != nil {
		return answer, err
	}
	limited, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	reply, err := b.conn.RequestMsgWithContext(limited, msg)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return answer, ctx.Err()
	case errors.Is(err, nats.ErrMaxPayload):
		return answer, fmt.Errorf("ask %s: %w", q.subject, err)
	default:
		return answer, fmt.Errorf("ask %s: %w: %w", q.subject, ErrNobody, err)
	}
	if refusal := reply.Header.Get(headerError); refusal != "" {
		return answer, fmt.Errorf("ask %s: there is no answer: %s", q.subject, refusal)
	}
	if err := b.read(reply, &answer); err != nil {
		return answer, fmt.Errorf("ask %s: %w", q.subject, err)
	}
	return answer, nil
}

// message makes a message of JSON.
func (b *Bus) message(subject string, content any) (*nats.Msg, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode for %s: %w", subject, err)
	}
	msg := nats.NewMsg(subject)
	msg.Data = data
	msg.Header.Set(headerCodec, jsonCodec)
	if len(data) <= plainBytes {
		return msg, nil
	}
	msg.Header.Set(headerCodec, jsonZstdCodec)
	if msg.Data, err = b.codec.compress(nil, data); err != nil {
		return nil, fmt.Errorf("encode for %s: %w", subject, err)
	}
	return msg, nil
}

// read reads what message made.
func (b *Bus) read(msg *nats.Msg, content any) error {
	data := msg.Data
	switch codec := msg.Header.Get(headerCodec); codec {
	case jsonCodec:
	case jsonZstdCodec:
		var err error
		if data, err = b.codec.decompress(nil, data); err != nil {
			return fmt.Errorf("read %s: %w", msg.Subject, err)
		}
	default:
		return fmt.Errorf("read %s: unknown codec %q: is the other side of another version?", msg.Subject, codec)
	}
	if err := json.Unmarshal(data, content); err != nil {
		return fmt.Errorf("read %s: %w", msg.Subject, err)
	}
	return nil
}
