package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	startTimeout   = time.Minute // recovering what lies in the folder included
	watchEvery     = time.Second
	restartPause   = 5 * time.Second // after starting anew
	maxPayload     = 1 << 20
	maxConnections = 64 // connections whose batches the folder has room for
	markerName     = "penstock-bus"
)

// embedded is a NATS server inside this process, and the keeper that starts
// it anew when its folder was wiped or it has stopped storing.
type embedded struct {
	options Options
	log     *slog.Logger
	cancel  context.CancelFunc
	kept    chan struct{}   // closed when the keeper has ended
	doubted chan error      // a publisher waits in vain
	listen  *server.Options // host and port, fixed at the first start

	mu        sync.Mutex
	server    *server.Server // nil while down
	trouble   error
	complaint error // the last thing that went wrong inside the server
}

func startEmbedded(options Options) (*embedded, error) {
	ctx, cancel := context.WithCancel(context.Background())
	e := &embedded{
		options: options, log: options.Log, cancel: cancel,
		kept: make(chan struct{}), doubted: make(chan error, 1),
		listen: &server.Options{DontListen: true},
	}
	if options.Listen != "" {
		host, port, err := listenAddress(options.Listen)
		if err != nil {
			cancel()
			return nil, err
		}
		e.listen = &server.Options{Host: host, Port: port}
	}
	if err := e.start(); err != nil {
		cancel()
		return nil, err
	}
	go e.keep(ctx)
	return e, nil
}

func listenAddress(text string) (string, int, error) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q is not host:port: %w", text, err)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q has no port number: %w", text, err)
	}
	if port == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(port), nil
}

func (e *embedded) serverOptions() *server.Options {
	return &server.Options{
		ServerName: "penstock", Host: e.listen.Host, Port: e.listen.Port, DontListen: e.listen.DontListen,
		NoSigs: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: e.options.Dir, SyncAlways: true,
		JetStreamMaxStore: maxConnections * e.options.MaxBytes, DisableJetStreamBanner: true,
	}
}

// start starts a server on the folder and waits until it answers.
func (e *embedded) start() error {
	if err := writeMarker(e.options.Dir); err != nil {
		return fmt.Errorf("the folder %s cannot be written: %w", e.options.Dir, err)
	}
	s, err := server.NewServer(e.serverOptions())
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	fatal := make(chan error, 1)
	s.SetLoggerV2(&serverLog{log: e.log, fatal: fatal, complain: e.complain}, false, false, false)
	s.Start()
	if err := e.ready(s, fatal); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if addr, ok := s.Addr().(*net.TCPAddr); ok {
		e.listen.Port = addr.Port // a later start must be found at the same place
	}
	e.server, e.trouble, e.complaint = s, nil, nil
	return nil
}

func (e *embedded) ready(s *server.Server, fatal <-chan error) error {
	for begun := time.Now(); ; {
		select {
		case err := <-fatal:
			return err
		default:
		}
		if s.ReadyForConnections(50*time.Millisecond) && s.JetStreamEnabled() {
			return nil
		}
		if time.Since(begun) > startTimeout {
			return fmt.Errorf("not ready within %s: is the disk of %s very slow?", startTimeout, e.options.Dir)
		}
	}
}

// keep looks after the server until ctx ends.
func (e *embedded) keep(ctx context.Context) {
	defer close(e.kept)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		var cause error
		select {
		case <-ctx.Done():
			return
		case cause = <-e.doubted:
		case <-ticker.C:
			cause = e.broken()
		}
		if cause == nil {
			continue
		}
		e.log.Warn("starting the embedded message server anew; batches that were on it are read again", "cause", cause)
		e.shutdown(cause)
		if err := e.start(); err != nil {
			e.log.Error("the embedded message server does not start", "error", err)
			e.fail(err)
		}
		if sleep(ctx, restartPause) != nil {
			return
		}
	}
}

// broken says what is wrong with the server, if anything. A server whose
// folder was removed goes on writing into the void, so nobody else would tell.
func (e *embedded) broken() error {
	e.mu.Lock()
	s, trouble := e.server, e.trouble
	e.mu.Unlock()
	if s == nil {
		return trouble
	}
	if _, err := os.Stat(filepath.Join(e.options.Dir, markerName)); err != nil {
		return fmt.Errorf("its folder is not what it was: %w", err)
	}
	if _, err := os.Stat(filepath.Join(e.options.Dir, server.JetStreamStoreDir)); err != nil {
		return fmt.Errorf("JetStream's folder is gone: %w", err)
	}
	if !s.JetStreamEnabled() {
		return errors.New("JetStream has stopped: is the disk full?")
	}
	return nil
}

// doubt has the server started anew if it has complained: one that cannot
// write does not answer its publishers, but a slow disk does not either.
func (e *embedded) doubt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.complaint == nil {
		return
	}
	select {
	case e.doubted <- e.complaint:
	default: // it is already asked for
	}
	e.complaint = nil
}

func (e *embedded) complain(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.complaint = err
}

func (e *embedded) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = err
}

func (e *embedded) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trouble
}

func (e *embedded) shutdown(cause error) {
	e.mu.Lock()
	s := e.server
	e.server, e.trouble = nil, cause
	e.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

func (e *embedded) stop() {
	e.cancel()
	<-e.kept
	e.shutdown(ErrClosed)
}

func (e *embedded) addr() string {
	if e.listen.DontListen {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return net.JoinHostPort(e.listen.Host, strconv.Itoa(e.listen.Port))
}

// InProcessConn connects the client of this process to the server of the day.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	s, trouble := e.server, e.trouble
	e.mu.Unlock()
	if s == nil {
		return nil, fmt.Errorf("the embedded message server is down: %w", trouble)
	}
	return s.InProcessConn()
}

// writeMarker makes the folder and leaves a file by which its removal shows.
func writeMarker(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, markerName))
	if err != nil {
		return err
	}
	_, err = f.WriteString("The message server's files. They may be removed; no data is lost.\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// serverLog turns the server's log lines into ours. A server that cannot
// start says so in a fatal line only.
type serverLog struct {
	log      *slog.Logger
	fatal    chan error
	complain func(error)
}

func (l *serverLog) Noticef(format string, v ...any) { l.debug(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.debug(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.debug(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.debug(format, v...) }

func (l *serverLog) Errorf(format string, v ...any) {
	l.debug(format, v...)
	l.complain(fmt.Errorf(format, v...))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default: // the first reason is enough
	}
}

func (l *serverLog) debug(format string, v ...any) {
	l.log.Debug("message server: " + fmt.Sprintf(format, v...))
}
