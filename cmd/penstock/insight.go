package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"penstock/cmd/internal/wire"
	"penstock/internal/api/client"
	"penstock/internal/datastreams"
)

// onWorker runs f with a client of a server that can ask HubSpot: the one that
// holds the data folder, else one in this process in which reading is off.
func onWorker(ctx context.Context, s *wire.Settings, std streams, f func(context.Context, *client.Client) error) error {
	if address := wire.ServerOf(s.DataDir); address != "" {
		return inWords(f(ctx, client.New(address, s.APIToken)))
	}
	if err := credentials(s, ""); err != nil {
		return err
	}
	return alone(ctx, s, std, func(ctx context.Context, _ *wire.Server, server *client.Client) error {
		return inWords(f(ctx, server))
	})
}

// as names how a command answers.
type as struct {
	Output string `short:"o" default:"text" enum:"text,json" help:"text or json."`
}

func (a as) print(out io.Writer, found any, text func(io.Writer) error) error {
	if a.Output == "text" {
		return text(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(found)
}

type explainCmd struct {
	at
	as
	Stream string `arg:"" help:"The stream, such as contacts."`
	ID     int64  `arg:"" help:"The object's id."`
}

func (c *explainCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	if c.ID < 1 {
		return wire.Usage("an id is a number above 0, such as 123, and not %d", c.ID)
	}
	return onWorker(ctx, s, std, func(ctx context.Context, server *client.Client) error {
		e, err := server.Explain(ctx, c.Connection, c.Stream, c.ID)
		if err != nil {
			return err
		}
		return c.print(std.out, e, func(out io.Writer) error { return printExplanation(out, e) })
	})
}

func printExplanation(out io.Writer, e *datastreams.Explanation) error {
	fmt.Fprintf(out, "%s %d: %s\n", e.Stream, e.ID, e.Summary)
	for _, reason := range e.Reasons {
		fmt.Fprintf(out, "  - %s\n", shown(reason))
	}
	fmt.Fprintln(out, "\nHubSpot now")
	if e.HubSpot == nil {
		fmt.Fprintf(out, "  not asked: %s\n", e.NotAsked)
	} else {
		fmt.Fprintf(out, "  %s, modified %s\n", e.HubSpot.State, clock(e.HubSpot.Updated))
		for _, said := range e.HubSpot.Said {
			fmt.Fprintf(out, "  %s: %s %s\n", said.How, said.State, some(said.ID))
		}
	}
	fmt.Fprintln(out, "\nThe row")
	for _, column := range slices.Sorted(maps.Keys(e.Row)) {
		if value := e.Row[column]; value != nil && (column[0] == '_' || column == "id") {
			fmt.Fprintf(out, "  %s: %s\n", column, shown(fmt.Sprint(value)))
		}
	}
	if e.Row == nil {
		fmt.Fprintln(out, "  there is none")
	}
	for _, r := range e.Rejects {
		fmt.Fprintf(out, "  rejected: %s %s (%s)\n", cmp.Or(r.Property, "the object"), shown(r.Original), r.Reason)
	}
	for i, d := range e.Differences {
		if i == 0 {
			fmt.Fprintln(out, "\nColumns that differ")
		}
		theirs := "none"
		if d.HubSpot != nil {
			theirs = shown(*d.HubSpot)
		}
		fmt.Fprintf(out, "  %s: HubSpot %s, warehouse %s; %s\n", d.Column, theirs, shown(fmt.Sprint(d.Warehouse)), d.Why)
	}
	fmt.Fprintln(out, "\nThe last runs")
	return table(out, "  LANE\tBEGAN\tENDED\tOUTCOME\tLOADED\tWHY", e.Lanes, func(l datastreams.LaneRun) string {
		return fmt.Sprintf("  %s\t%s\t%s\t%s\t%d\t%s", l.Lane, clock(l.Began), clock(l.Ended), cmp.Or(l.Outcome, "open"), l.Loaded, l.Why)
	})
}

func some(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// shown is a value on one line: what would move the cursor is shown, not done.
func shown(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

type planCmd struct {
	at
	as
}

func (c *planCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onWorker(ctx, s, std, func(ctx context.Context, server *client.Client) error {
		p, err := server.Plan(ctx, c.Connection)
		if err != nil {
			return err
		}
		return c.print(std.out, p, func(out io.Writer) error { return printPlan(out, p) })
	})
}

func printPlan(out io.Writer, p datastreams.Plan) error {
	err := table(out, "STREAM\tOBJECTS\tLIST CALLS\tSEARCH CALLS\tLINK CALLS\tCALLS A DAY\tNOTE", p.Streams, func(st datastreams.StreamPlan) string {
		objects := "?"
		if st.Objects >= 0 {
			objects = thousands(st.Objects)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", st.Stream, objects, thousands(st.List), thousands(st.Search), thousands(st.Links), thousands(st.PerDay), shown(st.Note))
	})
	fmt.Fprintf(out, "\nFirst load: %s rows in about %s calls and %s", thousands(p.Rows), thousands(p.Calls), time.Duration(p.Seconds)*time.Second)
	if p.Days > 1 {
		fmt.Fprintf(out, ", on %d days: the budget is %s calls a day", p.Days, thousands(p.Budget))
	}
	fmt.Fprintf(out, ".\nA day afterwards: about %s calls", thousands(p.PerDay))
	if p.Budget > 0 {
		fmt.Fprintf(out, " of %s", thousands(p.Budget))
	}
	fmt.Fprintln(out, ".")
	printUses(out, p.Uses)
	for _, note := range p.Notes {
		fmt.Fprintf(out, "- %s\n", note)
	}
	return err
}

func printUses(out io.Writer, uses []datastreams.Use) {
	for _, u := range uses {
		if u.Calls > 0 {
			fmt.Fprintf(out, "  %10s  %s\n", thousands(u.Calls), u.For)
		}
	}
}

// printQuota tells of the daily budget below the connections.
func printQuota(out io.Writer, q datastreams.Quota) error {
	fmt.Fprintf(out, "\nCalls of %s today: %s", q.Connection, thousands(q.Spent))
	if q.Limit > 0 {
		fmt.Fprintf(out, " of %s; %s left, %s reserved for other tools", thousands(q.Limit), thousands(q.Left), thousands(q.Reserved))
	}
	fmt.Fprintf(out, ". A day of these settings uses about %s.\n", thousands(q.Expected))
	if !q.SleepsUntil.IsZero() {
		fmt.Fprintf(out, "The budget is used up; reading goes on at %s.\n", clock(q.SleepsUntil))
	}
	if len(q.By) == 0 {
		return nil
	}
	return table(out, "CALLS\tSTREAM\tLANE", q.By[:min(len(q.By), quotaLines)], func(u datastreams.QuotaUse) string {
		return fmt.Sprintf("%s\t%s\t%s", thousands(u.Calls), cmp.Or(u.Stream, "the account"), cmp.Or(u.Lane, "-"))
	})
}

// quotaLines is how many lanes are shown; /v1/quota has them all.
const quotaLines = 10

type repairCmd struct{ at }

func (c *repairCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		done, err := server.Client.Repair(ctx, c.Connection)
		for _, what := range done {
			fmt.Fprintln(std.out, what)
		}
		switch {
		case err != nil:
			return err
		case len(done) == 0:
			fmt.Fprintln(std.out, "Nothing is missing.")
		default:
			fmt.Fprintln(std.out, "It is read again from the beginning; `penstock streams` tells how far that is.")
		}
		return nil
	})
}

type sweepCmd struct {
	at
	Confirm string `required:"" placeholder:"STREAM" help:"Let the sweep of this stream go on: what it did not find is asked for by id, and deleted where HubSpot says so."`
}

func (c *sweepCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(server reached) error {
		if server.idle {
			return errors.New("a sweep goes on in a penstock that runs on this folder: start `penstock up`, then confirm")
		}
		err := server.ConfirmSweep(ctx, c.Connection, c.Confirm)
		if err == nil {
			fmt.Fprintf(std.out, "The sweep of %s goes on: what it did not find is asked for by id.\n", c.Confirm)
		}
		return err
	})
}
