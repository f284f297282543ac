package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// The limits of a connection and a request.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 30 * time.Second // but for a catch-up, see there
	writeTimeout   = time.Minute      // of an answer, and of each page of a streamed one
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 1 << 20

	// What shutting down may take, three seconds in all at most.
	graceForShort = 1500 * time.Millisecond // requests end by themselves
	graceForLong  = time.Second             // catch-ups are told to end
)

// Server is an HTTP server with limits that suit the handler. There is none
// on how long a request may be worked on.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// Serve answers on the listener until ctx ends. Then short requests end as if
// nothing were the matter, long ones are broken off, and within three seconds
// every connection is closed.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	requests, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	server := Server(handler)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	over := make(chan error, 1)
	go func() { over <- server.Serve(listener) }()
	select {
	case err := <-over:
		return fmt.Errorf("serve HTTP on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	err := shutdown(server, graceForShort)
	if err != nil {
		breakOff()
		err = shutdown(server, graceForLong)
	}
	if err != nil {
		err = server.Close()
	}
	if closed := <-over; !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

func shutdown(server *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return server.Shutdown(ctx)
}

// patient lifts the limit on the answer of a request that may take hours.
func patient(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	if err := allow(w, 0); err != nil {
		newProblem(unavailable, "the connection does not allow a long answer: "+err.Error(), "ask again").write(w)
		return
	}
	next(ctx)
}

// allow gives writing to w another stretch of time; 0 means for ever.
func allow(w http.ResponseWriter, stretch time.Duration) error {
	until := time.Time{}
	if stretch > 0 {
		until = time.Now().Add(stretch)
	}
	err := http.NewResponseController(w).SetWriteDeadline(until)
	if errors.Is(err, http.ErrNotSupported) {
		return nil // not a network connection: nothing limits it
	}
	return err
}
