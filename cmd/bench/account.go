package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// account is a simulated one.
type account struct {
	contacts   int
	properties int
	flags      []string
}

func (b *bench) unlimited(contacts int) account {
	return account{contacts, b.Properties, []string{"--unlimited", "--index-lag", "0s"}}
}

// startAccount serves the account in a process of its own.
func (w *world) startAccount() error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	flags := []string{"hubspot-sim", "--listen", address, "--contacts", fmt.Sprint(w.of.contacts), "--properties", fmt.Sprint(w.of.properties)}
	serving := exec.Command(filepath.Join(w.bench.dir, "penstock"), append(flags, w.of.flags...)...)
	if err := serving.Start(); err != nil {
		return err
	}
	w.address, w.serving = "http://"+address, serving
	return until("the simulated account does not answer", func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	})
}

// freeAddress is one of this machine's that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until waits for something that does not say when it is done.
func until(complaint string, done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			return errors.New(complaint)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// edit changes every so many'th contact, and returns how many that were.
func (w *world) edit(every int) (edited int, err error) {
	seen := 0
	for after := ""; ; {
		p, err := list(w.address, []string{"firstname"}, after)
		if err != nil {
			return edited, err
		}
		for _, o := range p.Results {
			if seen++; seen%every != 0 {
				continue
			}
			if err := w.rename(o.ID); err != nil {
				return edited, err
			}
			edited++
		}
		if after = p.Paging.Next.After; after == "" {
			return edited, nil
		}
	}
}

func (w *world) rename(id string) error {
	body := strings.NewReader(`{"properties":{"firstname":"Somebody else"}}`)
	req, err := http.NewRequest(http.MethodPatch, w.address+"/crm/v3/objects/contacts/"+id, body)
	if err != nil {
		return err
	}
	return send(req, nil)
}
