// Package trial_test tries the programs as a whole: real processes, a real
// message server, the simulated account, kills.
package trial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
    streams: [contacts, companies, deals, owners]
`

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
	w.hubspot = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/objects/") {
			w.flying.Add(1)
			defer w.flying.Add(-1)
		}
		account.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.hubspot.Close)
	if err := os.WriteFile(filepath.Join(dir, "penstock.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
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

// edits a minute, each by the account itself and by mix.
const edits = 150

// churn changes the account until stop is called, one kind of change after the
// other, while the account edits itself besides.
func (w *world) churn() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.account.Churn(ctx, edits) }()
	go func() { done <- w.mix(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			w.t.Error(err)
		}
	})
}

// mix creates, archives, restores, merges and changes contacts in turn.
func (w *world) mix(ctx context.Context) error {
	var ids []int64
	for o := range w.account.Truth("contacts") {
		if ids = append(ids, o.ID); len(ids) == 600 {
			break
		}
	}
	ticker := time.NewTicker(time.Minute / edits)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := w.change(n, ids[n%len(ids)], ids[(n+300)%len(ids)]); err != nil && !errors.Is(err, hubspotsim.ErrNotFound) {
			return err
		}
	}
}

func (w *world) change(n int, id, other int64) (err error) {
	switch n % 5 {
	case 0:
		_, err = w.account.Create("contacts", map[string]string{"email": fmt.Sprintf("contact-new-%06d@example.com", n)})
	case 1:
		err = w.account.Archive("contacts", id)
	case 2:
		for o := range w.account.Archived("contacts") {
			return w.account.Restore("contacts", o.ID)
		}
	case 3:
		_, err = w.account.Merge("contacts", id, other)
	case 4:
		err = w.account.Update("contacts", id, map[string]string{"email": fmt.Sprintf("contact-%06d@example.com", n)})
	}
	return err
}

// settle waits until the search index knows everything and the lag has
// passed, and then has everything read.
func (w *world) settle() {
	w.t.Helper()
	<-time.After(w.lag + 2*time.Second)
	w.catchUp()
}

// lines keeps what programs said.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) of(name string) io.Writer { return &tagged{l: l, name: name} }

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
