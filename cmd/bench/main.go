// Command bench measures penstock sync on this machine, beside what one writes
// first, in the same run: the same simulated account, the same rows, the same
// durability. `make bench` runs it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

// options are what is measured.
type options struct {
	Contacts      int     `default:"100000" help:"Contacts of the account."`
	Properties    int     `default:"100" help:"Properties of a contact."`
	Rounds        int     `default:"3" help:"Runs of each; the median counts."`
	SQLite        bool    `name:"sqlite" help:"Measure SQLite; so does no warehouse at all."`
	Postgres      bool    `help:"Measure a PostgreSQL server that is started for it, with its default durability."`
	Iceberg       bool    `help:"Measure an Iceberg folder."`
	Ratio         float64 `default:"0" help:"Fail when sync into SQLite is not this many times as fast as the naive extractor."`
	PostgresRatio float64 `default:"0" help:"Fail when sync into PostgreSQL is not this many times as fast as batched INSERTs, with half of their CPU."`
	Large         int     `default:"0" help:"Also sync an account of so many contacts into SQLite, for the memory it takes."`
	Limited       int     `default:"0" help:"Also read so many contacts under HubSpot's limits, at 150 ms an answer."`
	Faster        float64 `default:"0" help:"Fail when sync is not this many times as fast as the naive extractor under the limits."`
	Wide          int     `default:"0" help:"Also load so many contacts of 300 properties into each warehouse, and fail when data-streams takes too much memory."`
	Naive         string  `hidden:"" help:"Be the extractor of the account at this address that sync is measured beside."`
	Into          string  `hidden:"" help:"The extractor's file, or the address of its PostgreSQL database."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measures penstock sync beside what one writes first."))
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	switch {
	case strings.HasPrefix(o.Into, "postgres:"):
		return extractBatched(o.Naive, o.Into)
	case o.Naive != "":
		return extract(o.Naive, o.Into)
	}
	o.SQLite = o.SQLite || !o.Postgres && !o.Iceberg
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

func (b *bench) measure() error {
	for _, program := range []string{"penstock", "data-streams", "worker"} {
		build := exec.Command("go", "build", "-o", filepath.Join(b.dir, program), "penstock/cmd/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", program, err, out)
		}
	}
	for _, part := range []struct {
		wanted  bool
		measure func() error
	}{
		{b.SQLite, b.sqlite},
		{b.Postgres, b.postgres},
		{b.Iceberg, b.iceberg},
		{b.Limited > 0, b.limited},
		{b.Wide > 0, b.wide},
	} {
		if !part.wanted {
			continue
		}
		if err := part.measure(); err != nil {
			return err
		}
	}
	return nil
}

// heading says what the lines below it measure.
func (b *bench) heading(into string, contacts, properties int) {
	fmt.Printf("\n%d contacts of %d properties, from a simulated account without limits into %s\n\n", contacts, properties, into)
	columns()
}

func columns() {
	fmt.Printf("%-22s %9s %9s %9s %9s %9s %9s %11s\n", "", "seconds", "rows/s", "requests", "CPU s", "server s", "peak MB", "account MB")
}

func (b *bench) sqlite() error {
	b.heading("SQLite", b.Contacts, b.Properties)
	ours, naive, err := b.beside("naive extractor", inFile)
	if err != nil {
		return err
	}
	if b.Large > 0 {
		if _, err := b.round("penstock sync, large", b.unlimited(b.Large), inFile, (*world).sync); err != nil {
			return err
		}
	}
	return b.judge(ours, naive, b.Ratio)
}

// beside measures sync and what it is compared with, in turns.
func (b *bench) beside(name string, into place) (ours, other result, err error) {
	var all, others []result
	for range max(1, b.Rounds) {
		one, err := b.round("penstock sync", b.unlimited(b.Contacts), into, (*world).sync)
		if err != nil {
			return one, one, err
		}
		two, err := b.round(name, b.unlimited(b.Contacts), into, (*world).naive)
		if err != nil {
			return one, two, err
		}
		all, others = append(all, one), append(others, two)
	}
	return median(all), median(others), nil
}

func (b *bench) judge(ours, naive result, wanted float64) error {
	ratio := naive.wall.Seconds() / ours.wall.Seconds()
	fmt.Printf("\nmedian: %.0f rows/s, %.1f times the other's %.0f; CPU per 100,000 rows %.1f s beside %.1f s\n",
		float64(b.Contacts)/ours.wall.Seconds(), ratio, float64(b.Contacts)/naive.wall.Seconds(),
		ours.cpu.Seconds()*100_000/float64(b.Contacts), naive.cpu.Seconds()*100_000/float64(b.Contacts))
	if ratio < wanted {
		return fmt.Errorf("sync was %.2f times as fast as what it is measured beside, and %.2f times was asked for", ratio, wanted)
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

// iceberg has nothing beside it: what one writes first for a lake is a file of
// objects that nobody can update.
func (b *bench) iceberg() error {
	b.heading("Iceberg", b.Contacts, b.Properties)
	var all []result
	for range max(1, b.Rounds) {
		one, err := b.round("penstock sync", b.unlimited(b.Contacts), inLake, (*world).sync)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	ours := median(all)
	fmt.Printf("\nmedian: %.0f rows/s; CPU per 100,000 rows %.1f s\n",
		float64(b.Contacts)/ours.wall.Seconds(), ours.cpu.Seconds()*100_000/float64(b.Contacts))
	return nil
}
