// Package bus carries announcements, beats, questions and batches between
// data-streams and its workers.
//
// It alone knows NATS: subjects, headers, streams, consumers, acks. It does
// not know what a batch means, whether it may be applied or when it is
// committed; whoever takes a batch from a Queue says when it may be
// forgotten (B1). The bus is a pipe and not a store: all that lies on it may
// vanish at any moment, and docs/protocol.md says how each loss is survived.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DefaultMaxBytes caps what the batches of one connection may take on the bus.
const DefaultMaxBytes = 1 << 30

const (
	dialTimeout    = 5 * time.Second
	reconnectWait  = 500 * time.Millisecond
	pingEvery      = 10 * time.Second // two unanswered pings are a lost connection
	waitingLogged  = 30 * time.Second // between two lines that the server is not there
	closeFlush     = 2 * time.Second
	downTimeout    = 2 * time.Second
	connectRetry   = time.Second
	minimumPayload = partBytes + 16<<10 // a part and its headers
)

// The errors a caller can act on.
var (
	// ErrNobody: no data-streams answers, or the bus cannot be reached; ask again later.
	ErrNobody = errors.New("nobody answers on the bus")
	// ErrTooLarge: the batch does not fit on the bus; its largest row is a reject.
	ErrTooLarge = errors.New("batch too large for the bus")
	// ErrName: the connection's or lane's name cannot be part of a subject.
	ErrName = errors.New("not a name the bus can carry")
	// ErrClosed: the bus or the queue was closed.
	ErrClosed = errors.New("the bus is closed")
)

// Options says where the bus is.
type Options struct {
	URL      string // of a NATS server with JetStream; empty: one inside this process
	Dir      string // embedded: the folder of JetStream
	Listen   string // embedded: host:port where other processes may join; empty: no listener
	MaxBytes int64  // cap of the batches of one connection on the bus; 0: DefaultMaxBytes
	Log      *slog.Logger
}

// A Bus is one process's place on the bus. Its methods may be called from
// any goroutine.
type Bus struct {
	options  Options
	log      *slog.Logger
	embedded *embedded // nil with a URL
	conn     *nats.Conn
	js       jetstream.JetStream
	codec    *codec
	large    chan struct{} // held by the one batch of several parts that is being published
	blocked  atomic.Int64  // publishers that wait for room

	mu     sync.Mutex
	queues map[*Queue]struct{}
	joined context.Context // ends when the connection breaks
	parted context.CancelFunc
}

// Open joins the bus. With a URL it tries until the server answers or ctx
// ends; without one it starts the server inside this process. A server that
// cannot be used at all (credential refused, no JetStream, messages too
// small) is an error at once.
func Open(ctx context.Context, options Options) (*Bus, error) {
	if options.MaxBytes <= 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bus{
		options: options, log: options.Log,
		large: make(chan struct{}, 1), queues: map[*Queue]struct{}{},
	}
	b.joined, b.parted = context.WithCancel(context.Background())
	var err error
	if b.codec, err = newCodec(); err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	if options.URL == "" {
		if b.embedded, err = startEmbedded(options); err != nil {
			return nil, fmt.Errorf("start the embedded message server: %w", err)
		}
	}
	if err := b.join(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// join connects and checks that the server can carry batches.
func (b *Bus) join(ctx context.Context) error {
	var err error
	if b.conn, err = b.connect(ctx); err != nil {
		return err
	}
	if largest := b.conn.MaxPayload(); largest < minimumPayload {
		return fmt.Errorf("the message server at %s takes %d bytes a message, at least %d are needed: raise its max_payload",
			b.where(), largest, minimumPayload)
	}
	if b.js, err = jetstream.New(b.conn); err != nil {
		return fmt.Errorf("use JetStream at %s: %w", b.where(), err)
	}
	_, err = b.js.AccountInfo(ctx)
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("the message server at %s has no JetStream: enable it there: %w", b.where(), err)
	}
	// Any other trouble may pass; Down tells of it and publishing retries.
	return nil
}

func (b *Bus) connect(ctx context.Context) (*nats.Conn, error) {
	var logged time.Time
	for {
		conn, err := nats.Connect(b.options.URL, b.natsOptions()...)
		if err == nil {
			return conn, nil
		}
		var malformed *url.Error
		if errors.As(err, &malformed) {
			// The error's own text holds the URL, and with it a password.
			return nil, fmt.Errorf("connect to the message server at %s: %w", b.where(), malformed.Err)
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("connect to the message server at %s: %w", b.where(), err)
		}
		if time.Since(logged) >= waitingLogged {
			logged = time.Now()
			b.log.Warn("waiting for the message server at "+b.where(), "error", err)
		}
		if err := sleep(ctx, connectRetry); err != nil {
			return nil, fmt.Errorf("the message server at %s did not answer: %w", b.where(), err)
		}
	}
}

func (b *Bus) natsOptions() []nats.Option {
	options := []nats.Option{
		nats.Name("penstock"),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.PingInterval(pingEvery),
		// What could not be sent fails at once: an ack or a beat that is sent
		// after a reconnect would speak of a world that may be gone.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.disconnected(err)
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.reconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("message server", "error", err)
		}),
	}
	if b.embedded != nil {
		options = append(options, nats.InProcessServer(b.embedded))
	}
	return options
}

// session ends when the connection of now breaks.
func (b *Bus) session() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.joined
}

func (b *Bus) disconnected(err error) {
	if err != nil {
		b.log.Warn("lost the message server at "+b.where(), "error", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parted()
	b.joined, b.parted = context.WithCancel(context.Background())
}

// reconnected lets every queue begin again at its oldest batch: what was on
// its way when the connection broke would otherwise come after later ones.
func (b *Bus) reconnected() {
	b.log.Info("joined the message server again", "at", b.where())
	b.mu.Lock()
	defer b.mu.Unlock()
	for q := range b.queues {
		q.expire()
	}
}

// where names the server without the credential its URL may hold.
func (b *Bus) where() string {
	if b.embedded != nil {
		return "this process"
	}
	servers := strings.Split(b.options.URL, ",")
	for i, server := range servers {
		if at := strings.LastIndex(server, "@"); at >= 0 {
			servers[i] = server[at+1:]
		}
	}
	return strings.Join(servers, ",")
}

// Addr is the address where an embedded server listens for other processes;
// empty when there is none.
func (b *Bus) Addr() string {
	if b.embedded == nil {
		return ""
	}
	return b.embedded.addr()
}

// Down is nil while the bus is connected and JetStream answers, and says
// what is wrong else. It takes at most two seconds.
func (b *Bus) Down() error {
	if b.embedded != nil {
		if err := b.embedded.failure(); err != nil {
			return fmt.Errorf("the embedded message server is down: %w", err)
		}
	}
	if !b.conn.IsConnected() {
		return fmt.Errorf("not connected to the message server at %s", b.where())
	}
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("JetStream at %s does not answer: %w", b.where(), err)
	}
	return nil
}

// Full tells whether a Publish of this process is waiting for room on the bus.
func (b *Bus) Full() bool { return b.blocked.Load() > 0 }

// Close sends what is still to be sent, leaves the bus and stops the embedded
// server.
func (b *Bus) Close() error {
	b.mu.Lock()
	for q := range b.queues {
		q.end()
	}
	b.mu.Unlock()
	var err error
	if b.conn != nil {
		// Without a connection there is nobody to send to, and what was not
		// sent is sent or asked again.
		if b.conn.IsConnected() {
			err = b.conn.FlushTimeout(closeFlush)
		}
		if !b.conn.IsConnected() {
			err = nil
		}
		b.conn.Close()
	}
	if b.embedded != nil {
		b.embedded.stop()
	}
	if err != nil {
		return fmt.Errorf("leave the bus: %w", err)
	}
	return nil
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
