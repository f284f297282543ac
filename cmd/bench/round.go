package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"penstock/internal/warehouse/postgres/pgserver"
)

// A place is the kind of warehouse that a round fills.
type place string

const (
	inFile   place = "SQLite"
	inServer place = "PostgreSQL"
	inLake   place = "Iceberg"
)

// result is what a process took.
type result struct {
	wall   time.Duration
	cpu    time.Duration
	server time.Duration // CPU of the warehouse's own server
	memory int64         // peak resident bytes

	requests int64
	refused  int64 // calls, because a limit was exceeded
}

// world is what a round runs in.
type world struct {
	*bench
	of      account
	address string // the account's
	serving *exec.Cmd
	dir     string
	into    place
	server  *pgserver.Server // nil where the warehouse needs none
}

// round runs one program in a world of its own and prints a line.
func (b *bench) round(name string, of account, into place, program func(*world) (*exec.Cmd, error)) (result, error) {
	w, err := b.open(of, into)
	if err != nil {
		return result{}, err
	}
	r, err := w.run(name, of.contacts, program)
	return r, errors.Join(err, w.close())
}

func (b *bench) open(of account, into place) (w *world, err error) {
	w = &world{bench: b, of: of, into: into}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp(b.dir, "round"); err != nil {
		return w, err
	}
	if into == inServer {
		if err := w.startServer(); err != nil {
			return w, err
		}
	}
	return w, w.startAccount()
}

func (w *world) close() error {
	var errs []error
	if w.serving != nil {
		errs = append(errs, w.serving.Process.Signal(os.Interrupt), w.serving.Wait())
	}
	if w.server != nil {
		errs = append(errs, w.server.Remove())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// run measures one program that moves so many rows, and prints a line.
func (w *world) run(name string, rows int, program func(*world) (*exec.Cmd, error)) (result, error) {
	cmd, err := program(w)
	if err != nil {
		return result{}, err
	}
	before, err := w.now()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return result{}, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	wall := time.Since(began)
	r, err := w.now()
	if err != nil {
		return r, err
	}
	r.wall, r.requests, r.refused, r.server = wall, r.requests-before.requests, r.refused-before.refused, r.server-before.server
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	account, err := peak(w.serving.Process.Pid)
	if err != nil {
		return r, err
	}
	server := "-"
	if w.server != nil {
		server = fmt.Sprintf("%.2f", r.server.Seconds())
	}
	fmt.Printf("%-22s %9.2f %9.0f %9d %9.2f %9s %9d %11d\n", name, r.wall.Seconds(), float64(rows)/r.wall.Seconds(),
		r.requests, r.cpu.Seconds(), server, r.memory>>20, account>>20)
	return r, nil
}

// now is what account and server have done so far.
func (w *world) now() (r result, err error) {
	resp, err := http.Get(w.address + "/_sim/counters")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	var counters struct {
		Agents  map[string]int64 `json:"agents"` // requests
		Limited int64            `json:"limited"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&counters); err != nil {
		return r, err
	}
	r.refused = counters.Limited
	for _, n := range counters.Agents {
		r.requests += n
	}
	if w.server != nil {
		r.server, err = family(w.server.Process())
	}
	return r, err
}

// warehouse is the address that penstock takes.
func (w *world) warehouse() string {
	switch w.into {
	case inServer:
		return w.server.DSN() + "&schema=hubspot"
	case inLake:
		return "iceberg:" + filepath.Join(w.dir, "lake")
	}
	return "sqlite:" + filepath.Join(w.dir, "hubspot.db")
}

func (w *world) sync() (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(w.bench.dir, "penstock"), "sync", "--quiet", "--stream", "contacts")
	cmd.Env = w.environment()
	return cmd, nil
}

// environment is that of penstock's programs, in which only what is set here
// counts.
func (w *world) environment() []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PENSTOCK_") && !strings.HasPrefix(e, "HUBSPOT_") {
			out = append(out, e)
		}
	}
	return append(out, "HUBSPOT_BASE_URL="+w.address, "HUBSPOT_ACCESS_TOKEN=bench", "PENSTOCK_RESERVE=0",
		"PENSTOCK_DATA_DIR="+filepath.Join(w.dir, "data"), "PENSTOCK_WAREHOUSE="+w.warehouse())
}

// naive is what sync is measured beside: this program, as another process.
func (w *world) naive() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	into := filepath.Join(w.dir, "naive.db")
	if w.into == inServer {
		into = w.server.DSN()
	}
	return exec.Command(self, "--naive", w.address, "--into", into), nil
}
