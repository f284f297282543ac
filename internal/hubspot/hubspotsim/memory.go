package hubspotsim

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// InProcess serves the account over connections in memory, which is how a
// test inside a synctest bubble can use it. The client reaches it under any
// host name; end closes both and waits.
func (a *Account) InProcess() (client *http.Client, end func()) {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: a}
	var served sync.WaitGroup
	served.Go(func() {
		_ = server.Serve(l) // always ErrServerClosed, by the end below
	})
	transport := &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 64}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		_ = server.Close() // the listener's close cannot fail
		served.Wait()
	}
}

// A listener accepts what its own dial makes.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

var errClosed = errors.New("the simulated account is closed")

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a dial.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, errClosed
	}
}

// Close ends the waiting.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is no address: the connections are in memory.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "hubspotsim", Net: "memory"} }
