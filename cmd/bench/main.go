// Command bench measures penstock sync on this machine, beside a naive
// extractor in the same run: the same simulated account, the same rows, the
// same durability. `make bench` runs it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	Limited    int     `default:"0" help:"Also read so many contacts under HubSpot's limits, at 150 ms an answer."`
	Faster     float64 `default:"0" help:"Fail when sync is not this many times as fast as the naive extractor under the limits."`
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

	refused int64 // calls, because a limit was exceeded
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
		one, err := b.round("penstock sync", b.unlimited(b.Contacts), b.sync)
		if err != nil {
			return err
		}
		other, err := b.round("naive extractor", b.unlimited(b.Contacts), b.naive)
		if err != nil {
			return err
		}
		ours, naive = append(ours, one), append(naive, other)
	}
	if b.Large > 0 {
		if _, err := b.round("penstock sync, large", b.unlimited(b.Large), b.sync); err != nil {
			return err
		}
	}
	if err := b.judge(median(ours), median(naive)); err != nil || b.Limited == 0 {
		return err
	}
	return b.limited()
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

func (b *bench) sync(address, dir string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(b.dir, "penstock"), "sync", "--quiet", "--stream", "contacts")
	cmd.Env = append(withoutPenstock(os.Environ()), "HUBSPOT_BASE_URL="+address, "HUBSPOT_ACCESS_TOKEN=bench", "PENSTOCK_DATA_DIR="+filepath.Join(dir, "data"), "PENSTOCK_RESERVE=0")
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
