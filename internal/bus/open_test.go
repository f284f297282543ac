package bus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/bus"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// freePort is an address where nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestAProcessWaitsForTheMessageServerAndSaysSo(t *testing.T) {
	addr := freePort(t)
	var log lines
	opened := make(chan error, 1)
	go func() {
		b, err := bus.Open(within(t), bus.Options{URL: "nats://someone:secret@" + addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			err = errors.Join(b.Down(), b.Close())
		}
		opened <- err
	}()
	eventually(t, "the log says what is waited for", func() bool {
		return log.has("waiting for the message server at " + addr)
	})
	open(t, bus.Options{Listen: addr})
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if log.has("secret") {
		t.Error("the log holds the server's password")
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := bus.Open(ctx, bus.Options{URL: "nats://" + freePort(t)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("gave up with %v", err)
	}
}

func TestAnEmbeddedServerThatCannotStartSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := open(t, bus.Options{Listen: "127.0.0.1:0"}).Addr()
	for want, o := range map[string]bus.Options{
		"cannot be written":      {Dir: file},
		"address already in use": {Dir: t.TempDir(), Listen: taken},
		"is not host:port":       {Dir: t.TempDir(), Listen: "4222"},
	} {
		if _, err := bus.Open(within(t), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestAnEmbeddedServerListensOnlyWhenAsked(t *testing.T) {
	if addr := open(t, bus.Options{}).Addr(); addr != "" {
		t.Errorf("listens at %s", addr)
	}
}

func TestAfterTheServerWasAwayUnackedBatchesComeFirst(t *testing.T) {
	dir, addr := t.TempDir(), freePort(t)
	server, err := bus.Open(within(t), bus.Options{Dir: dir, Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	streams, worker := open(t, bus.Options{URL: "nats://" + addr}), open(t, bus.Options{URL: "nats://" + addr})
	q := queue(t, streams)
	publish(t, worker, batch(1, 1, 1), batch(2, 1, 1), batch(3, 1, 1))
	_, taken := take(t, q, 2)
	ack(t, taken[0])
	left(t, wire(t, server), 2)

	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss shows", func() bool { return streams.Down() != nil && worker.Down() != nil })
	published := make(chan error, 1)
	go func() { published <- worker.Publish(within(t), batch(4, 1, 1)) }()
	open(t, bus.Options{Dir: dir, Listen: addr})
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	seqs, _ := take(t, q, 1)
	if seqs[0] == 3 {
		seqs = nil // it had come before the loss, behind 2, and the loss was not noticed yet
	}
	more, _ := take(t, q, 3-len(seqs))
	if seqs = append(seqs, more...); !slices.Equal(seqs, []uint64{2, 3, 4}) {
		t.Errorf("came %v, want 2, 3, 4", seqs)
	}
	if err := streams.Down(); err != nil {
		t.Error(err)
	}
}

func TestALaterReaderTakesTheConnectionOver(t *testing.T) {
	streams, other := pair(t)
	publish(t, streams, batch(1, 1, 1))
	old := queue(t, streams)
	_, before := take(t, old, 1)
	q := queue(t, other)
	if seqs, _ := take(t, q, 1); seqs[0] != 1 {
		t.Fatalf("came %v, want 1", seqs)
	}
	ack(t, before...) // of a consumer that is no more: must not count
	left(t, wire(t, streams), 1)
}
