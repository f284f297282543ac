// Command penstock copies HubSpot accounts into data warehouses: everything in
// one process, and the command line for a server that runs.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"penstock/cmd/internal/wire"
)

// cli is the command line.
type cli struct {
	wire.Settings

	Up         upCmd            `cmd:"" help:"Run data-streams, the worker and the message bus in one process, until Ctrl-C."`
	Sync       syncCmd          `cmd:"" help:"Catch up once and exit: 0 when every stream is caught up and committed."`
	Start      startCmd         `cmd:"" help:"Fetch at once and then at each interval."`
	Stop       stopCmd          `cmd:"" help:"Pause fetching; what was read stays, and start goes on from there."`
	Status     statusCmd        `cmd:"" help:"Show how the connections stand."`
	Streams    streamsCmd       `cmd:"" help:"Show how each stream stands."`
	Rows       rowsCmd          `cmd:"" help:"Print rows of a stream."`
	Errors     errorsCmd        `cmd:"" help:"Show what failed, whether it heals by itself, and what to do."`
	Backfill   backfillCmd      `cmd:"" help:"Read all objects of a stream again."`
	Explain    explainCmd       `cmd:"" help:"Show what HubSpot says of an object, what the warehouse holds, and why they differ."`
	Plan       planCmd          `cmd:"" help:"Show what reading the account costs, before anything is read."`
	Repair     repairCmd        `cmd:"" help:"Add back columns and tables of Penstock's that somebody has dropped."`
	Sweep      sweepCmd         `cmd:"" help:"Let a sweep go on that has stopped and asks."`
	Verify     verifyCmd        `cmd:"" help:"Compare the warehouse with HubSpot, and repair what differs."`
	HubspotSim simCmd           `cmd:"" name:"hubspot-sim" help:"Serve a simulated HubSpot account on this machine."`
	Doctor     doctorCmd        `cmd:"" help:"Check settings, folder, credential and what is assumed of HubSpot."`
	Version    kong.VersionFlag `help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	out io.Writer
	err io.Writer
}

// given tells whether a flag stands on the command line.
type given func(flag string) bool

func main() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) }

// run does what the arguments say and returns the exit status: 0, 1 for what
// failed, 2 for a mistake in how it was called.
func run(args []string, std streams) int {
	wire.LimitMemory()
	var c cli
	parser, err := kong.New(&c, kong.Name("penstock"),
		kong.Description("HubSpot to your data warehouse: complete, current, provably so."),
		kong.Vars{"version": wire.Version()}, kong.UsageOnError(), kong.Writers(std.out, std.err))
	if err != nil {
		return report(std, err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(std.err, "penstock: %v; `penstock --help` tells what there is\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	flagged := given(func(name string) bool {
		for _, element := range parsed.Path {
			if element.Flag != nil && element.Flag.Name == name {
				return true
			}
		}
		return false
	})
	return report(std, parsed.Run(&c.Settings, std, flagged))
}

func report(std streams, err error) int { return wire.Report(std.err, "penstock", err) }
