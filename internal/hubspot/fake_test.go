package hubspot_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/hubspot"
)

const token = "pat-na1-secret-of-the-test"

// answers plays HubSpot: it is called with the number of the request, from 0,
// and the request.
type answers func(n int, r *http.Request) (*http.Response, error)

// fake counts requests and passes them on.
type fake struct {
	answers answers
	calls   atomic.Int64
	mu      sync.Mutex
	bodies  []string
	paths   []string
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	f.bodies = append(f.bodies, string(body))
	f.paths = append(f.paths, r.Method+" "+r.URL.RequestURI())
	f.mu.Unlock()
	return f.answers(int(f.calls.Add(1))-1, r)
}

// setup makes a client of a HubSpot that answers as it is told.
func setup(t *testing.T, a answers, change ...func(*hubspot.Config)) (*hubspot.Client, *fake) {
	t.Helper()
	f := &fake{answers: a}
	var stamp atomic.Int64
	cfg := hubspot.Config{Token: token, Transport: f, Stamp: func() int64 { return stamp.Add(1) }}
	for _, c := range change {
		c(&cfg)
	}
	c, err := hubspot.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// always gives the same answer to every request.
func always(status int, body string, header ...string) answers {
	return func(int, *http.Request) (*http.Response, error) { return respond(status, body, header...), nil }
}

// inTurn gives one answer after another, and then the last for ever.
func inTurn(list ...*http.Response) answers {
	return func(n int, _ *http.Request) (*http.Response, error) {
		r := *list[min(n, len(list)-1)]
		r.Body = text{strings.NewReader(r.Body.(text).content), r.Body.(text).content}
		return &r, nil
	}
}

// respond is an answer with the headers that HubSpot's have.
func respond(status int, body string, header ...string) *http.Response {
	r := &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: text{strings.NewReader(body), body}, ContentLength: int64(len(body)),
	}
	r.Header.Set("Content-Type", "application/json;charset=utf-8")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// text is a body that can be sent again.
type text struct {
	*strings.Reader
	content string
}

func (text) Close() error { return nil }

// withLeft adds what HubSpot says of the ten-second window.
func withLeft(r *http.Response, limit, left int) *http.Response {
	r.Header.Set("X-Hubspot-Ratelimit-Interval-Milliseconds", "10000")
	r.Header.Set("X-Hubspot-Ratelimit-Max", strconv.Itoa(limit))
	r.Header.Set("X-Hubspot-Ratelimit-Remaining", strconv.Itoa(left))
	return r
}

const onePage = `{"results":[{"id":"101","properties":{"email":"contact-000101@example.com"}}]}`

func pageTo(next string) string {
	return fmt.Sprintf(`{"results":[{"id":"101","properties":{}}],"paging":{"next":{"after":%q,"link":"https://elsewhere.example/"}}}`, next)
}

// broken is a body that fails after some bytes.
type broken struct {
	head io.Reader
	err  error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.head.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func (b *broken) Close() error { return nil }

// silent is a body that stops coming, until its request is given up.
type silent struct{ r *http.Request }

func (s silent) Read([]byte) (int, error) {
	<-s.r.Context().Done()
	return 0, s.r.Context().Err()
}

func (s silent) Close() error { return nil }

// slow is a body of which a byte comes every 20 seconds.
type slow struct {
	req  *http.Request
	rest string
}

func (s *slow) Read(p []byte) (int, error) {
	if s.rest == "" {
		return 0, io.EOF
	}
	select {
	case <-time.After(20 * time.Second):
	case <-s.req.Context().Done():
		return 0, s.req.Context().Err()
	}
	n := copy(p[:1], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *slow) Close() error { return nil }

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
