package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"penstock"
	"penstock/cmd/internal/wire"
	"penstock/docs"
	"penstock/internal/api/client"
	"penstock/internal/hubspot"
)

// doctorCmd checks what can go wrong before and around a sync.
type doctorCmd struct {
	Assumptions bool `help:"Print what is assumed of HubSpot that nobody has verified, and how it is noticed when it is wrong."`
}

// errUnwell makes the exit status 1 after the findings were printed.
var errUnwell = errors.New("something needs attention; see the lines marked with !! above")

func (c *doctorCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	if c.Assumptions {
		fmt.Fprint(std.out, docs.Assumptions)
		return nil
	}
	d := doctor{std: std}
	connections, err := s.Connections()
	d.finding(err, "settings: %d connection(s)", len(connections))
	if address := wire.ServerOf(s.DataDir); address != "" {
		d.finding(nil, "folder %s: a server runs at %s", s.DataDir, address)
	} else if !exists(s.DataDir) {
		d.finding(nil, "folder %s: does not exist yet", s.DataDir)
	} else {
		folder, err := wire.OpenFolder(s.DataDir)
		if err == nil {
			err = folder.Close()
		}
		d.finding(err, "folder %s: penstock's, and free", s.DataDir)
	}
	var well []string
	for _, connection := range connections {
		if d.connection(ctx, connection) {
			well = append(well, connection.Name)
		}
	}
	if len(well) > 0 && (wire.ServerOf(s.DataDir) != "" || s.NATS == "" && exists(s.DataDir)) {
		d.probes(ctx, s, well)
	}
	fmt.Fprintln(std.out, "`penstock doctor --assumptions` prints what is assumed of HubSpot.")
	if d.unwell {
		return errUnwell
	}
	return nil
}

// doctor collects findings.
type doctor struct {
	std    streams
	unwell bool
}

// finding tells what is well, or the error, which says itself what it is about.
func (d *doctor) finding(err error, format string, args ...any) {
	if err != nil {
		d.unwell = true
		fmt.Fprintf(d.std.out, "!! %v\n", err)
		return
	}
	fmt.Fprintf(d.std.out, "ok %s\n", fmt.Sprintf(format, args...))
}

// probes tries what is assumed of HubSpot. There is a way to go on for each
// assumption that does not hold, so none is an ailment.
func (d *doctor) probes(ctx context.Context, s *wire.Settings, connections []string) {
	err := onWorker(ctx, s, streams{io.Discard, d.std.err}, func(ctx context.Context, server *client.Client) error {
		for _, name := range connections {
			found, err := server.Probe(ctx, name)
			if err != nil {
				return err
			}
			for _, f := range found {
				fmt.Fprintf(d.std.out, "%s connection %s: %s: %s (%s)\n", marks()[f.Result], name, f.Assumed, f.Result, f.Text)
			}
		}
		return nil
	})
	if err != nil {
		fmt.Fprintf(d.std.out, "?? what is assumed of HubSpot could not be tried: %v\n", err)
	}
}

// marks stand before the results of probes.
func marks() map[string]string {
	return map[string]string{penstock.Holds: "ok", penstock.DoesNotHold: "--", penstock.Unknown: "??"}
}

// connection asks HubSpot whose account the token opens; false when it does not
// say. A refresh token is not tried: HubSpot may answer with a new one, which
// only data-streams stores.
func (d *doctor) connection(ctx context.Context, c wire.ConnectionSettings) bool {
	if c.UsesOAuth() {
		d.finding(c.CheckCredential(), "connection %s: has the settings of an OAuth app; whether HubSpot takes them, `penstock status` tells once penstock runs", c.Name)
		return false
	}
	token, err := c.Token()
	d.finding(err, "connection %s: has a token", c.Name)
	if err != nil {
		return false
	}
	var stamps atomic.Int64
	hub, err := hubspot.New(hubspot.Config{BaseURL: c.BaseURL, Token: token, Stamp: func() int64 { return stamps.Add(1) }})
	if err != nil {
		d.finding(err, "")
		return false
	}
	defer hub.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	account, err := hub.Account(ctx)
	var known *hubspot.Error
	if errors.As(err, &known) {
		err = fmt.Errorf("connection %s: %w; %s", c.Name, err, known.Remedy())
	}
	d.finding(err, "connection %s: HubSpot account %d (%s), day ends in %s", c.Name, account.PortalID, account.Type, account.TimeZone)
	for _, w := range hub.Quota().Windows {
		fmt.Fprintf(d.std.out, "   limit %s: %d calls in %s, of which penstock uses up to %d\n", w.Name, w.Limit, w.Span, w.Share)
	}
	return err == nil
}
