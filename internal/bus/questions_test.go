package bus_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock"
	"penstock/internal/bus"
)

// office answers each question with what was asked, as far as it fits.
type office struct {
	looked atomic.Int64
	hold   chan struct{} // Grant waits for it when it is there
	busy   atomic.Int64
	most   atomic.Int64
}

func (o *office) Look() penstock.Announcement {
	o.looked.Add(1)
	return penstock.Announcement{Instance: "looked"}
}

func (o *office) Beat(_ context.Context, b penstock.Beat) penstock.BeatReply {
	return penstock.BeatReply{Epoch: b.Worker, Secret: []byte(b.PublicKey), StampFrom: b.Stamp}
}

func (o *office) Discover(_ context.Context, d penstock.Discovery) ([]penstock.Stream, error) {
	if len(d.Found) == 0 {
		return nil, errors.New("nothing was found")
	}
	return []penstock.Stream{{Name: d.Found[0].Name, Family: penstock.Objects}}, nil
}

func (o *office) Grant(ctx context.Context, r penstock.GrantRequest) penstock.Grant {
	busy := o.busy.Add(1)
	defer o.busy.Add(-1)
	for most := o.most.Load(); busy > most && !o.most.CompareAndSwap(most, busy); most = o.most.Load() {
	}
	if o.hold != nil {
		select {
		case <-o.hold:
		case <-ctx.Done():
		}
	}
	if r.Connection != "large" {
		return penstock.Grant{}
	}
	heads := make([]penstock.Head, 20_000) // above a megabyte of JSON
	for i := range heads {
		heads[i] = penstock.Head{Stream: r.Stream.Name, Lane: r.Lane, Range: int64(i), Grant: "grant-0", Seq: 1, Cursor: "c"}
	}
	return penstock.Grant{Token: "token-of-" + r.Worker, Heads: heads}
}

func (o *office) End(_ context.Context, e penstock.RunEnd) error {
	if e.Grant == "" {
		return errors.New("no such run")
	}
	return nil
}

// serve answers on b until the test ends.
func serve(t *testing.T, b *bus.Bus, o *office) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, o) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	eventually(t, "somebody answers", func() bool {
		_, err := b.Beat(t.Context(), penstock.Beat{})
		return err == nil
	})
	return stop
}

// pair is data-streams' bus and a worker's, in two processes' worth.
func pair(t *testing.T) (streams, worker *bus.Bus) {
	streams = open(t, bus.Options{Listen: "127.0.0.1:0"})
	return streams, open(t, bus.Options{URL: "nats://" + streams.Addr()})
}

func TestQuestionsAreAnsweredAcrossProcesses(t *testing.T) {
	streams, worker := pair(t)
	serve(t, streams, &office{})
	ctx := within(t)

	reply, err := worker.Beat(ctx, penstock.Beat{Worker: "w1", PublicKey: "key", Stamp: 9})
	if want := (penstock.BeatReply{Epoch: "w1", Secret: []byte("key"), StampFrom: 9}); err != nil || !reflect.DeepEqual(reply, want) {
		t.Errorf("beat: %+v, %v", reply, err)
	}
	found, err := worker.Discover(ctx, penstock.Discovery{Found: []penstock.Found{{Name: "cars", ObjectType: "2-7"}}})
	if want := []penstock.Stream{{Name: "cars", Family: penstock.Objects}}; err != nil || !reflect.DeepEqual(found, want) {
		t.Errorf("discover: %+v, %v", found, err)
	}
	grant, err := worker.Grant(ctx, penstock.GrantRequest{Worker: "w1", Connection: "large", Lane: penstock.Fresh})
	if err != nil || grant.Token != "token-of-w1" || len(grant.Heads) != 20_000 || grant.Heads[19_999].Range != 19_999 {
		t.Errorf("grant: %q with %d heads, %v", grant.Token, len(grant.Heads), err)
	}
	if err := worker.End(ctx, penstock.RunEnd{Grant: "g"}); err != nil {
		t.Errorf("end: %v", err)
	}
	for what, ask := range map[string]func() error{
		"no such run":       func() error { return worker.End(ctx, penstock.RunEnd{}) },
		"nothing was found": func() error { _, err := worker.Discover(ctx, penstock.Discovery{}); return err },
	} {
		if err := ask(); err == nil || errors.Is(err, bus.ErrNobody) || !strings.Contains(err.Error(), what) {
			t.Errorf("the answer %q came as %v", what, err)
		}
	}
}

func TestNobodyAnswersIsToldApart(t *testing.T) {
	streams, worker := pair(t)
	if _, err := worker.Beat(within(t), penstock.Beat{}); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("without data-streams: %v", err)
	}
	serve(t, streams, &office{})()
	if err := worker.End(within(t), penstock.RunEnd{}); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("after data-streams has ended: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := worker.Beat(ctx, penstock.Beat{}); !errors.Is(err, context.Canceled) {
		t.Errorf("asked without the time to: %v", err)
	}
}

func TestABoundedNumberOfQuestionsIsInHandAtOnce(t *testing.T) {
	b := open(t, bus.Options{})
	o := &office{hold: make(chan struct{})}
	serve(t, b, o)
	const asked = 100
	answers := make(chan error, asked)
	for range asked {
		go func() {
			_, err := b.Grant(within(t), penstock.GrantRequest{})
			answers <- err
		}()
	}
	eventually(t, "as many are in hand as may be", func() bool { return o.busy.Load() == 32 })
	close(o.hold)
	for range asked {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if most := o.most.Load(); most != 32 {
		t.Errorf("%d questions were in hand at once", most)
	}
}

func TestAWorkerHearsWhatIsAnnouncedAndLooksAtItsStart(t *testing.T) {
	streams, worker := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan penstock.Announcement, 100)
	watched := make(chan error, 1)
	go func() { watched <- worker.Watch(ctx, func(a penstock.Announcement) { heard <- a }) }()
	o := &office{}
	serve(t, streams, o) // after the worker began to look
	if first := <-heard; first.Instance != "looked" {
		t.Fatalf("first heard %+v", first)
	}
	want := penstock.Announcement{Instance: "told", Connections: []penstock.Connection{{
		Name: "default", BaseURL: "https://api.hubapi.com",
		Schedule: penstock.Schedule{On: true, Every: time.Minute, Since: time.UnixMilli(5).UTC()},
	}}}
	if err := streams.Announce(ctx, want); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; !reflect.DeepEqual(got, want) {
		t.Errorf("heard %+v", got)
	}
	cancel()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
