package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/api"
)

// pipes is a listener whose connections are in memory, so that its time is the
// test's.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialled:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.dialled <- far
	return near, nil
}

// served runs Serve in a bubble; the returned stop ends it and tells how long
// that took.
func served(t *testing.T, f *fake) (client *http.Client, stop func() time.Duration) {
	listener := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	handler := api.New(api.Options{Service: f, Log: slog.New(slog.DiscardHandler)})
	go func() { over <- api.Serve(ctx, listener, handler) }()
	transport := &http.Transport{DialContext: listener.DialContext}
	return &http.Client{Transport: transport}, func() time.Duration {
		began := time.Now()
		cancel()
		if err := <-over; err != nil {
			t.Errorf("serve: %v", err)
		}
		transport.CloseIdleConnections()
		return time.Since(began)
	}
}

func catchUpAt(client *http.Client, body string) (int, string, error) {
	response, err := client.Post("http://localhost"+v1+"/catchups", jsonType, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := readAll(response.Body)
	return response.StatusCode, text, err
}

func TestACatchUpMayTakeHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{catchUp: func(ctx context.Context, _ []string) error {
			select {
			case <-time.After(5 * time.Hour):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		client, stop := served(t, f)
		for _, body := range []string{"", "{}"} {
			status, text, err := catchUpAt(client, body)
			if status != http.StatusOK || !strings.Contains(text, `"took":"5h0m0s"`) {
				t.Errorf("with the body %q: %d %s %v", body, status, text, err)
			}
		}
		stop()
	})
}

func TestTheServerEndsWithinThreeSecondsAndSaysSo(t *testing.T) {
	for name, stubborn := range map[string]bool{"a catch-up that ends when told": false, "one that does not": true} {
		synctest.Test(t, func(t *testing.T) {
			begun, free := make(chan struct{}), make(chan struct{})
			f := &fake{catchUp: func(ctx context.Context, _ []string) error {
				close(begun)
				if stubborn {
					<-free
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}}
			client, stop := served(t, f)
			answer := make(chan string, 1)
			go func() {
				_, text, err := catchUpAt(client, "{}")
				answer <- text + errorText(err)
			}()
			<-begun
			if took := stop(); took > 3*time.Second {
				t.Errorf("%s: it took %s", name, took)
			}
			if text := <-answer; stubborn == strings.Contains(text, "urn:penstock:unavailable") {
				t.Errorf("%s: the answer is %s", name, text)
			}
			close(free)
		})
	}
}

func TestACallerThatLeavesEndsItsCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		ctx, leave := context.WithCancel(t.Context())
		f := &fake{catchUp: func(ctx context.Context, _ []string) error {
			leave()
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}}
		client, stop := served(t, f)
		request, err := http.NewRequestWithContext(ctx, "POST", "http://localhost"+v1+"/catchups", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Do(request); !errors.Is(err, context.Canceled) {
			t.Errorf("the caller gets %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the catch-up ends with %v", err)
		}
		stop()
	})
}

func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := api.Serve(t.Context(), listener, http.NotFoundHandler()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving on a listener that is closed ends with %v", err)
	}
}

func newRequest(w *world, path, accept string) *http.Request {
	request, err := http.NewRequestWithContext(w.Context(), "GET", w.server.URL+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	return request
}

func readAll(r io.Reader) (string, error) {
	text, err := io.ReadAll(r)
	return string(text), err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
