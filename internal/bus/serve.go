package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"penstock"
)

const (
	servedAtOnce = 32
	servedHeld   = 1024 // questions that wait for one of these; later ones are dropped and asked again
)

// A Handler answers workers. Its methods are called from many goroutines;
// their contexts end when the worker no longer waits.
type Handler interface {
	Look() penstock.Announcement
	Beat(context.Context, penstock.Beat) penstock.BeatReply
	Discover(context.Context, penstock.Discovery) ([]penstock.Stream, error)
	Grant(context.Context, penstock.GrantRequest) penstock.Grant
	End(context.Context, penstock.RunEnd) error
}

// Announce tells all workers that listen. Nobody listening is not an error.
func (b *Bus) Announce(_ context.Context, a penstock.Announcement) error {
	msg, err := b.message(subjectAnnounce, a)
	if err != nil {
		return err
	}
	if err := b.conn.PublishMsg(msg); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

// Serve answers workers until ctx ends and the answers in hand are given.
func (b *Bus) Serve(ctx context.Context, h Handler) error {
	asked := make(chan *nats.Msg, servedHeld)
	var subs []*nats.Subscription
	for _, subject := range []string{subjectLook, subjectBeat, subjectDiscover, subjectGrant, subjectEnd} {
		sub, err := b.conn.ChanSubscribe(subject, asked)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
		subs = append(subs, sub)
	}
	return b.serve(ctx, asked, func(msg *nats.Msg) { b.answer(ctx, h, msg) }, subs...)
}

// serve answers a bounded number of questions at once until ctx ends and the
// answers in hand are given.
func (b *Bus) serve(ctx context.Context, asked <-chan *nats.Msg, answer func(*nats.Msg), subs ...*nats.Subscription) error {
	var answering sync.WaitGroup
	defer answering.Wait()
	slots := make(chan struct{}, servedAtOnce)
	for {
		select {
		case <-ctx.Done():
			return b.unsubscribe(subs...)
		case slots <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return b.unsubscribe(subs...)
		case msg := <-asked:
			answering.Go(func() {
				defer func() { <-slots }()
				answer(msg)
			})
		}
	}
}

// answer answers one question.
func (b *Bus) answer(ctx context.Context, h Handler, msg *nats.Msg) {
	var reply *nats.Msg
	var err error
	switch msg.Subject {
	case subjectLook:
		reply, err = b.message(msg.Reply, h.Look())
	case subjectBeat:
		reply, err = handle(ctx, b, msg, answers[penstock.Beat, penstock.BeatReply]{beatTimeout, sure(h.Beat)})
	case subjectDiscover:
		reply, err = handle(ctx, b, msg, answers[penstock.Discovery, []penstock.Stream]{discoverTimeout, h.Discover})
	case subjectGrant:
		reply, err = handle(ctx, b, msg, answers[penstock.GrantRequest, penstock.Grant]{grantTimeout, sure(h.Grant)})
	case subjectEnd:
		reply, err = handle(ctx, b, msg, answers[penstock.RunEnd, struct{}]{endTimeout,
			func(ctx context.Context, end penstock.RunEnd) (struct{}, error) { return struct{}{}, h.End(ctx, end) }})
	}
	b.reply(msg, reply, err)
}

// reply sends the answer, or why there is none.
func (b *Bus) reply(msg, reply *nats.Msg, err error) {
	if err == nil && int64(len(reply.Data)) > b.conn.MaxPayload() {
		err = fmt.Errorf("the answer has %d bytes, the message server takes %d", len(reply.Data), b.conn.MaxPayload())
	}
	if err != nil {
		reply = nats.NewMsg(msg.Reply)
		reply.Header.Set(headerError, err.Error())
	}
	if err := b.conn.PublishMsg(reply); err != nil {
		b.log.Warn("a question goes unanswered", "subject", msg.Subject, "error", err)
	}
}

// answers is how questions of one subject are answered, and in what time.
type answers[Q, A any] struct {
	within time.Duration
	answer func(context.Context, Q) (A, error)
}

// sure is for a method that always has an answer.
func sure[Q, A any](f func(context.Context, Q) A) func(context.Context, Q) (A, error) {
	return func(ctx context.Context, q Q) (A, error) { return f(ctx, q), nil }
}

func handle[Q, A any](ctx context.Context, b *Bus, msg *nats.Msg, how answers[Q, A]) (*nats.Msg, error) {
	var q Q
	if err := b.read(msg, &q); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, how.within)
	defer cancel()
	a, err := how.answer(ctx, q)
	if err != nil {
		return nil, err
	}
	return b.message(msg.Reply, a)
}
