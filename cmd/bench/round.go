package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// account is a simulated one.
type account struct {
	contacts int
	flags    []string
}

func (b *bench) unlimited(contacts int) account { return account{contacts, []string{"--unlimited"}} }

// underLimits is an account as HubSpot's Professional tier limits it. Nothing
// is reserved for other tools.
func (b *bench) underLimits(contacts int) account {
	return account{contacts, []string{"--latency", "150ms", "--window", "190"}}
}

// What HubSpot's two windows allow of an account under limits: 19,000 objects
// each ten seconds by the list, and a thousand a second by search.
const (
	listed   = 19_000
	span     = 10
	searched = 1_000
)

// allowed is in how many seconds the contacts can be read at best.
func allowed(contacts int) float64 {
	for seconds := 0.0; ; seconds += 0.1 {
		windows := int(seconds/span) + 1
		if float64(windows*listed)+seconds*searched >= float64(contacts) {
			return seconds
		}
	}
}

// limited measures under limits, where a calls' number counts and not the
// machine. One page after the other takes as long for each object however many
// there are, so the naive extractor is measured on a fifth of the contacts.
func (b *bench) limited() error {
	fmt.Printf("\nUnder HubSpot's limits: 190 calls in ten seconds, five searches a second, 150 ms an answer\n\n")
	ours, err := b.round("penstock sync", b.underLimits(b.Limited), b.sync)
	if err != nil {
		return err
	}
	part := max(1, b.Limited/5)
	naive, err := b.round("naive extractor", b.underLimits(part), b.naive)
	if err != nil {
		return err
	}
	whole := naive.wall.Seconds() * float64(b.Limited) / float64(part)
	fmt.Printf("\n%d contacts: %.1f s, %.2f times what the windows allow (%.1f s); the naive extractor would take %.0f s, computed from %d\n",
		b.Limited, ours.wall.Seconds(), ours.wall.Seconds()/allowed(b.Limited), allowed(b.Limited), whole, part)
	if ours.refused > 0 {
		return fmt.Errorf("HubSpot refused %d calls because a limit was exceeded", ours.refused)
	}
	if ratio := whole / ours.wall.Seconds(); ratio < b.Faster {
		return fmt.Errorf("under limits sync was %.2f times as fast as the naive extractor, and %.2f times was asked for", ratio, b.Faster)
	}
	return nil
}

// refused is how many calls the account has refused.
func refused(address string) (int64, error) {
	resp, err := http.Get(address + "/_sim/counters")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var counters struct {
		Limited int64 `json:"limited"`
	}
	return counters.Limited, json.NewDecoder(resp.Body).Decode(&counters)
}

// round starts an account, runs what is measured against it and prints a line.
func (b *bench) round(name string, of account, run func(address, dir string) (*exec.Cmd, error)) (result, error) {
	address, stop, err := b.start(of)
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
	if r.refused, err = refused(address); err != nil {
		return r, errors.Join(err, stop(nil))
	}
	var account int64
	if err := stop(&account); err != nil {
		return r, err
	}
	fmt.Printf("%-22s %10.2f %10.0f %10.2f %12d %12d\n", name, r.wall.Seconds(), float64(of.contacts)/r.wall.Seconds(),
		r.cpu.Seconds(), r.memory>>20, account>>20)
	return r, os.RemoveAll(dir)
}

// start serves a simulated account in a process of its own.
func (b *bench) start(of account) (address string, stop func(memory *int64) error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	flags := []string{"hubspot-sim", "--listen", address, "--contacts", fmt.Sprint(of.contacts), "--properties", fmt.Sprint(b.Properties)}
	cmd := exec.Command(filepath.Join(b.dir, "penstock"), append(flags, of.flags...)...)
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
