package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"penstock/cmd/internal/wire"
	"penstock/internal/datastreams"
)

type verifyCmd struct {
	at
	Stream      []string `arg:"" optional:"" help:"The streams; default all."`
	EveryObject bool     `help:"Compare each object, which costs a call per hundred, instead of counts."`
}

// errDiffers says that the warehouse was not HubSpot's equal, and is not yet.
var errDiffers = errors.New("not everything that differed is repaired yet; the streams go on being read, ask again in an hour")

func (c *verifyCmd) Run(ctx context.Context, s *wire.Settings, std streams) error {
	return onServer(ctx, s, std, func(r reached) error {
		if r.idle {
			return errors.New("to compare with HubSpot a penstock must run: start `penstock up`, or both programs")
		}
		verified, err := r.Verify(ctx, c.Connection, c.Stream, c.EveryObject)
		if err != nil {
			return err
		}
		open := 0
		for _, v := range verified.Items {
			fmt.Fprintln(std.out, inShort(v))
			open += v.Open
		}
		if open > 0 {
			return errDiffers
		}
		return nil
	})
}

// inShort is a report in a few lines.
func inShort(v datastreams.Verification) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d rows, %d calls", v.Stream, v.Rows, v.Calls)
	if v.Equal() {
		b.WriteString(", equal")
	} else {
		fmt.Fprintf(&b, "; %d missing, %d extra, %d stale, %d altered; %d repaired, %d open", v.Missing, v.Extra, v.Stale, v.Altered, v.Repaired, v.Open)
	}
	for _, check := range v.Checks {
		fmt.Fprintf(&b, "\n  %s (%s): %d of %d differ", check.Name, check.Resolution, check.Differing, check.Cells)
	}
	for _, unknown := range v.Unknown {
		fmt.Fprintf(&b, "\n  not known: %s", unknown)
	}
	return b.String()
}
