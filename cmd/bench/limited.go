package main

import "fmt"

// underLimits is an account as HubSpot's Professional tier limits it. Nothing
// is reserved for other tools.
func (b *bench) underLimits(contacts int) account {
	return account{contacts, b.Properties, []string{"--latency", "150ms", "--window", "190"}}
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
	columns()
	ours, err := b.round("penstock sync", b.underLimits(b.Limited), inFile, (*world).sync)
	if err != nil {
		return err
	}
	part := max(1, b.Limited/5)
	naive, err := b.round("naive extractor", b.underLimits(part), inFile, (*world).naive)
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
