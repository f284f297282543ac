// Command bench measures penstock sync on this machine, beside a naive
// extractor in the same run: the same simulated account, the same rows, the
// same durability. `make bench` runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are what is measured.
type options struct {
	Contacts   int     `default:"100000" help:"Contacts of the account."`
	Properties int     `default:"100" help:"Properties of a contact."`
	Rounds     int     `default:"3" help:"Runs of each; the median counts."`
	Ratio      float64 `default:"0" help:"Fail when sync is not this many times as fast as the naive extractor."`
	Large      int     `default:"0" help:"Also sync an account of so many contacts, for the memory it takes."`
	Naive      string  `hidden:"" help:"Be the naive extractor of the account at this address."`
	Into       string  `hidden:"" help:"The naive extractor's file."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measures penstock sync beside a naive extractor."))
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.Naive != "" {
		return extract(o.Naive, o.Into)
	}
	dir, err := os.MkdirTemp("", "penstock-bench")
	if err != nil {
		return err
	}
	b := bench{options: o, dir: dir}
	return errors.Join(b.measure(), os.RemoveAll(dir))
}

// bench is one measurement.
type bench struct {
	options
	dir string
}

// result is what a process took.
type result struct {
	wall   time.Duration
	cpu    time.Duration
	memory int64 // peak resident bytes
}

func (b *bench) measure() error {
	build := exec.Command("go", "build", "-o", filepath.Join(b.dir, "penstock"), "penstock/cmd/penstock")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build penstock: %w\n%s", err, out)
	}
	fmt.Printf("%d contacts of %d properties, from a simulated account without limits into SQLite\n\n", b.Contacts, b.Properties)
	fmt.Printf("%-22s %10s %10s %10s %12s %12s\n", "", "seconds", "rows/s", "CPU s", "peak MB", "account MB")
	var ours, naive []result
	for range b.Rounds {
		one, err := b.round("penstock sync", b.Contacts, b.sync)
		if err != nil {
			return err
		}
		other, err := b.round("naive extractor", b.Contacts, b.naive)
		if err != nil {
			return err
		}
		ours, naive = append(ours, one), append(naive, other)
	}
	if b.Large > 0 {
		if _, err := b.round("penstock sync, large", b.Large, b.sync); err != nil {
			return err
		}
	}
	return b.judge(median(ours), median(naive))
}

func (b *bench) judge(ours, naive result) error {
	ratio := naive.wall.Seconds() / ours.wall.Seconds()
	fmt.Printf("\nmedian: %.0f rows/s, %.1f times the naive extractor's %.0f; CPU per 100,000 rows %.1f s\n",
		float64(b.Contacts)/ours.wall.Seconds(), ratio, float64(b.Contacts)/naive.wall.Seconds(),
		ours.cpu.Seconds()*100_000/float64(b.Contacts))
	if ratio < b.Ratio {
		return fmt.Errorf("sync was %.2f times as fast as the naive extractor, and %.2f times was asked for", ratio, b.Ratio)
	}
	return nil
}

func median(results []result) result {
	best := results[0]
	for _, candidate := range results {
		slower := 0
		for _, r := range results {
			if r.wall > candidate.wall {
				slower++
			}
		}
		if slower == len(results)/2 {
			best = candidate
		}
	}
	return best
}

// round starts an account, runs what is measured against it and prints a line.
func (b *bench) round(name string, contacts int, run func(address, dir string) (*exec.Cmd, error)) (result, error) {
	address, stop, err := b.account(contacts)
	if err != nil {
		return result{}, err
	}
	dir, err := os.MkdirTemp(b.dir, "round")
	if err != nil {
		return result{}, errors.Join(err, stop(nil))
	}
	cmd, err := run(address, dir)
	if err != nil {
		return result{}, errors.Join(err, stop(nil))
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return result{}, errors.Join(fmt.Errorf("%s: %w\n%s", name, err, out), stop(nil))
	}
	r := result{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	r.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	var account int64
	if err := stop(&account); err != nil {
		return r, err
	}
	fmt.Printf("%-22s %10.2f %10.0f %10.2f %12d %12d\n", name, r.wall.Seconds(), float64(contacts)/r.wall.Seconds(),
		r.cpu.Seconds(), r.memory>>20, account>>20)
	return r, os.RemoveAll(dir)
}

// account serves a simulated account in a process of its own.
func (b *bench) account(contacts int) (address string, stop func(memory *int64) error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(filepath.Join(b.dir, "penstock"), "hubspot-sim", "--listen", address, "--unlimited",
		"--contacts", fmt.Sprint(contacts), "--properties", fmt.Sprint(b.Properties))
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func(memory *int64) error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		err := cmd.Wait()
		if memory != nil {
			*memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if conn, err := net.Dial("tcp", address); err == nil {
			return "http://" + address, stop, conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return "", nil, errors.Join(errors.New("the simulated account does not answer"), stop(nil))
}

func (b *bench) sync(address, dir string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(b.dir, "penstock"), "sync", "--quiet", "--stream", "contacts")
	cmd.Env = append(withoutPenstock(os.Environ()), "HUBSPOT_BASE_URL="+address, "HUBSPOT_ACCESS_TOKEN=bench", "PENSTOCK_DATA_DIR="+filepath.Join(dir, "data"))
	return cmd, nil
}

func (b *bench) naive(address, dir string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, "--naive", address, "--into", filepath.Join(dir, "naive.db")), nil
}

// withoutPenstock is an environment in which only what is set here counts.
func withoutPenstock(environ []string) []string {
	var out []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "PENSTOCK_") && !strings.HasPrefix(e, "HUBSPOT_") {
			out = append(out, e)
		}
	}
	return out
}
