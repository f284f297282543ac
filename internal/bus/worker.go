package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"penstock"
)

// Ask asks the worker that holds the connection's account, and waits for its
// answer until ctx ends or QuestionWithin has passed. ErrNobody means that no
// worker holds it, or that its answer was lost.
func (b *Bus) Ask(ctx context.Context, q penstock.Question) (penstock.Answer, error) {
	if err := checkName(q.Connection); err != nil {
		return penstock.Answer{}, err
	}
	return ask[penstock.Answer](ctx, b, question{askSubject(q.Connection), penstock.QuestionWithin, q})
}

// Answer has f answer what data-streams asks of workers, until ctx ends and
// the answers in hand are given. f is called from many goroutines; where it
// returns false the question is another worker's.
func (b *Bus) Answer(ctx context.Context, f func(context.Context, penstock.Question) (penstock.Answer, bool)) error {
	asked := make(chan *nats.Msg, servedHeld)
	sub, err := b.conn.ChanSubscribe(subjectsAsk, asked)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", subjectsAsk, err)
	}
	how := answers[penstock.Question, penstock.Answer]{penstock.QuestionWithin,
		func(ctx context.Context, q penstock.Question) (penstock.Answer, error) {
			answer, ours := f(ctx, q)
			if !ours {
				return answer, errNotOurs
			}
			return answer, nil
		}}
	return b.serve(ctx, asked, func(msg *nats.Msg) {
		reply, err := handle(ctx, b, msg, how)
		if !errors.Is(err, errNotOurs) {
			b.reply(msg, reply, err)
		}
	}, sub)
}

// errNotOurs keeps a worker silent.
var errNotOurs = errors.New("another worker holds the account")
