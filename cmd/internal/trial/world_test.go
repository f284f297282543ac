// Package trial_test tries the programs as a whole: real processes, a real
// message server, the simulated account, kills.
package trial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"penstock/internal/bus"
	"penstock/internal/hubspot/hubspotsim"
)

// world is a simulated account, a message server and the two programs.
type world struct {
	t       *testing.T
	bin     string
	dir     string
	account *hubspotsim.Account
	hubspot *httptest.Server
	flying  atomic.Int64 // pages that the account is answering right now
	slow    atomic.Int64 // ns by which objects are answered later than the account would
	again   atomic.Int64 // objects that were served for sweeps, archived lists and histories, which are read again and again
	natsDir string
	nats    *bus.Bus
	natsAt  string
	listen  string
	lag     time.Duration
	log     *lines
}

const token = "pat-na1-trial"

// settings choose the streams of the trials, so that the search budget of four
// a second is spent on them.
const settings = `
connections:
  - name: default
    token_env: HUBSPOT_ACCESS_TOKEN
    streams: [contacts, companies, deals, owners, pipelines, pipeline_stages]
`

// sweepEvery is how often the trials sweep everything, as far as the account's
// limits allow.
const sweepEvery = "3s"

// build makes the programs once, as they are shipped.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"data-streams", "worker", "penstock"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, program), "penstock/cmd/"+program)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", program, err, out)
		}
	}
	return dir
}

func newWorld(t *testing.T, bin string, o hubspotsim.Options) *world {
	t.Helper()
	o.Token = token
	account, err := hubspotsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &world{
		t: t, bin: bin, dir: filepath.Join(dir, "data"), natsDir: filepath.Join(dir, "nats"), account: account,
		lag: 3 * time.Second, log: &lines{},
	}
	w.hubspot = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.hubspot.Close)
	w.configure(settings)
	w.natsAt, w.listen = freeAddress(t), freeAddress(t)
	w.startNATS()
	t.Cleanup(func() { w.stopNATS() })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the programs said:\n%s", w.log.tail(60))
		}
	})
	return w
}

// configure writes the settings that programs begin with.
func (w *world) configure(text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.dir), "penstock.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// serve has the account answer, and counts on the way what it cannot know.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/objects/") {
		w.flying.Add(1)
		defer w.flying.Add(-1)
		select {
		case <-time.After(time.Duration(w.slow.Load())):
		case <-r.Context().Done(): // the program was killed
		}
	}
	query := r.URL.Query()
	repeats := r.Method == http.MethodGet && query.Has("properties") &&
		(query.Get("archived") == "true" || !strings.Contains(r.URL.RawQuery, "createdate"))
	if strings.HasSuffix(r.URL.Path, "/batch/read") && strings.Contains(r.URL.Path, "/objects/") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the program was killed
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		repeats = bytes.Contains(body, []byte("propertiesWithHistory"))
	}
	if repeats {
		rw = &counted{ResponseWriter: rw, objects: &w.again}
	}
	w.account.ServeHTTP(rw, r)
}

// counted counts the objects of an answer.
type counted struct {
	http.ResponseWriter

	objects *atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	c.objects.Add(int64(bytes.Count(b, []byte(`"createdAt":`))))
	return c.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

func (w *world) startNATS() {
	w.t.Helper()
	b, err := bus.Open(context.WithoutCancel(w.t.Context()), bus.Options{
		Dir: w.natsDir, Listen: w.natsAt, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.nats = b
}

func (w *world) stopNATS() {
	if w.nats != nil {
		if err := w.nats.Close(); err != nil {
			w.t.Error(err)
		}
	}
	w.nats = nil
}

// program is one process.
type program struct {
	w    *world
	name string
	cmd  *exec.Cmd
	gone chan struct{}
}

// start runs a program with the world's environment.
func (w *world) start(name string) *program {
	w.t.Helper()
	p := &program{w: w, name: name, cmd: exec.Command(filepath.Join(w.bin, name)), gone: make(chan struct{})}
	p.cmd.Dir = filepath.Dir(w.dir)
	p.cmd.Env = append(os.Environ(), w.env()...)
	p.cmd.Stdout, p.cmd.Stderr = w.log.of(name), w.log.of(name)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // a killed process ends with an error
	}()
	w.t.Cleanup(func() { p.kill() })
	return p
}

func (w *world) env() []string {
	return []string{
		"PENSTOCK_NATS_URL=nats://" + w.natsAt, "PENSTOCK_DATA_DIR=" + w.dir, "PENSTOCK_LISTEN=" + w.listen,
		"HUBSPOT_BASE_URL=" + w.hubspot.URL, "HUBSPOT_ACCESS_TOKEN=" + token,
		"PENSTOCK_LAG=" + w.lag.String(), "PENSTOCK_EVERY=10s", "PENSTOCK_LIST_EVERY=2s", "PENSTOCK_LEASE=3s", "PENSTOCK_LOG_LEVEL=debug",
		"PENSTOCK_SWEEP=100%", "PENSTOCK_SWEEP_EVERY=" + sweepEvery, "PENSTOCK_HISTORY=" + strings.Join(histories(), ","),
	}
}

// kill ends the process at once, wherever it is.
func (p *program) kill() {
	select {
	case <-p.gone:
	default:
		_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself meanwhile
		<-p.gone
	}
}

// ask sends a request to the API until it is answered with 2xx or the time is
// over.
func (w *world) ask(method, path string, body any, within time.Duration) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	var last string
	for ctx.Err() == nil {
		status, answer, err := w.once(ctx, method, path, body)
		if err == nil && status/100 == 2 {
			return answer
		}
		last = fmt.Sprint(status, " ", err, " ", string(answer))
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	w.t.Fatalf("%s %s: not answered within %s: %s", method, path, within, last)
	return nil
}

func (w *world) once(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+w.listen+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// catchUp has everything read and waits until it is committed.
func (w *world) catchUp(streams ...string) {
	w.t.Helper()
	w.ask("POST", "/v1/connections/default/catchups", map[string]any{"streams": append([]string{}, streams...)}, 100*time.Second)
}

// lines keeps what programs said.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) of(name string) io.Writer { return &tagged{l: l, name: name} }

// count is how many lines hold the text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.text {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *lines) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text[max(0, len(l.text)-n):], "\n")
}

type tagged struct {
	l    *lines
	name string
}

func (t *tagged) Write(p []byte) (int, error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimRight(string(p), "\n"), "\n") {
		t.l.text = append(t.l.text, t.name+": "+line)
	}
	return len(p), nil
}

// metric reads a number from the metrics page; -1 when it is not there.
func metric(page, name string) int {
	for line := range strings.SplitSeq(page, "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(rest, 64)
			if err == nil {
				return int(n)
			}
		}
	}
	return -1
}
