package hubspot

import (
	"context"
	"time"
)

// A phase bounds how long one stretch of an exchange may be silent.
type phase struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	bound  time.Duration
}

func startPhase(ctx context.Context, bound time.Duration) (*phase, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &phase{cancel: cancel, bound: bound}
	p.timer = time.AfterFunc(bound, func() { cancel(errStalled) })
	return p, ctx
}

// next begins a phase with another bound.
func (p *phase) next(bound time.Duration) {
	p.bound = bound
	p.touch()
}

// touch says that something came.
func (p *phase) touch() { p.timer.Reset(p.bound) }

func (p *phase) end() {
	p.timer.Stop()
	p.cancel(nil)
}
