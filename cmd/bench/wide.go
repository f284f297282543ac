package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"penstock/cmd/internal/wire"
	"penstock/internal/bus"
)

const wideProperties = 300

// wide loads wide contacts by programs of their own, as where there is much to
// load, and fails when data-streams takes more memory than it may.
func (b *bench) wide() error {
	for _, into := range []struct {
		place
		wanted bool
		most   int64 // bytes of data-streams
	}{
		{inFile, b.SQLite, 256 << 20},
		{inServer, b.Postgres, 256 << 20},
		{inLake, b.Iceberg, 512 << 20},
	} {
		if !into.wanted {
			continue
		}
		took, err := b.apart(into.place)
		if err != nil {
			return err
		}
		if took > into.most {
			return fmt.Errorf("data-streams took %d MB of memory to load %s, and may take %d MB", took>>20, into.place, into.most>>20)
		}
	}
	return nil
}

// apart syncs with data-streams and worker as two programs and returns the
// most memory that data-streams had.
func (b *bench) apart(into place) (took int64, err error) {
	fmt.Printf("\n%d contacts of %d properties into %s, with data-streams and worker apart\n\n", b.Wide, wideProperties, into)
	fmt.Printf("%-22s %9s %9s %9s %9s %9s %10s %9s\n", "", "seconds", "rows/s", "streams s", "worker s", "server s", "streams MB", "worker MB")
	w, err := b.open(account{b.Wide, wideProperties, []string{"--unlimited", "--companies", "0", "--deals", "0", "--tickets", "0"}}, into)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	messages, address, err := w.messages()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, messages.Close()) }()
	var running []*exec.Cmd
	for _, name := range []string{"data-streams", "worker"} {
		program := exec.Command(filepath.Join(b.dir, name))
		program.Env = append(w.environment(), "PENSTOCK_NATS_URL=nats://"+address, "PENSTOCK_LISTEN=127.0.0.1:0", "PENSTOCK_SWEEP=none", "PENSTOCK_VERIFY_EVERY=0")
		said := &bytes.Buffer{}
		program.Stderr = said
		if err := program.Start(); err != nil {
			return 0, err
		}
		defer func() {
			if err = errors.Join(err, program.Process.Signal(os.Interrupt), program.Wait()); err != nil {
				err = fmt.Errorf("%w\n%s said: %s", err, name, said)
			}
		}()
		running = append(running, program)
	}
	if err := until("data-streams does not answer", func() bool { return wire.ServerOf(filepath.Join(w.dir, "data")) != "" }); err != nil {
		return 0, err
	}
	return w.watch(running[0], running[1])
}

// messages is the server at which the two programs meet.
func (w *world) messages() (*bus.Bus, string, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	b, err := bus.Open(context.Background(), bus.Options{Dir: filepath.Join(w.dir, "messages"), Listen: address})
	return b, address, err
}

// watch waits until the two have caught up, prints what they took, and returns
// the memory of the first.
func (w *world) watch(streams, worker *exec.Cmd) (int64, error) {
	before, err := w.now()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	sync, err := w.sync()
	if err != nil {
		return 0, err
	}
	if out, err := sync.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("penstock sync: %w\n%s", err, out)
	}
	wall := time.Since(began).Seconds()
	after, err := w.now()
	if err != nil {
		return 0, err
	}
	var cpu [2]time.Duration
	var memory [2]int64
	for i, program := range []*exec.Cmd{streams, worker} {
		if cpu[i], err = family(program.Process.Pid); err != nil {
			return 0, err
		}
		if memory[i], err = peak(program.Process.Pid); err != nil {
			return 0, err
		}
	}
	fmt.Printf("%-22s %9.2f %9.0f %9.2f %9.2f %9.2f %10d %9d\n", "penstock sync", wall, float64(w.of.contacts)/wall,
		cpu[0].Seconds(), cpu[1].Seconds(), (after.server - before.server).Seconds(), memory[0]>>20, memory[1]>>20)
	return memory[0], nil
}
