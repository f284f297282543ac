package datastreams

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/warehouse"
)

// sweepOnce is how often everything is swept by default.
const sweepOnce = 12 * time.Hour

// A SweepPolicy says how often everything is swept, where the day's calls allow
// it: a change that nothing else tells of is found within two such times. And
// what of the day sweeps may use: a share of the daily budget, and a time of
// day in the account's zone. The zero value forbids them.
type SweepPolicy struct {
	Every    time.Duration // 0: every twelve hours
	Share    float64       // of the daily budget, above 0 to 1; 0: no sweep
	From, To time.Duration // since midnight; equal: the whole day
}

// DefaultSweep is the policy where none is set.
func DefaultSweep() SweepPolicy { return SweepPolicy{Share: 0.25} }

// ParseSweep reads a policy: "none", or a share such as "25%", a time of day
// such as "22:00-06:00", or both.
func ParseSweep(text string) (SweepPolicy, error) {
	p := DefaultSweep()
	words := strings.Fields(text)
	if len(words) == 1 && words[0] == "none" {
		return SweepPolicy{}, nil
	}
	for _, word := range words {
		var err error
		if share, percent := strings.CutSuffix(word, "%"); percent {
			p.Share, err = parseShare(share)
		} else {
			p.From, p.To, err = parseHours(word)
		}
		if err != nil {
			return p, fmt.Errorf(`%q is no time for sweeps: write none, a share of the daily budget such as 25%%, a time of day such as 22:00-06:00, or both: %w`, text, err)
		}
	}
	return p, nil
}

func parseShare(text string) (float64, error) {
	percent, err := strconv.ParseFloat(text, 64)
	if err == nil && !(percent > 0 && percent <= 100) {
		err = fmt.Errorf("%s%% is not above 0 and at most 100", text)
	}
	return percent / 100, err
}

func parseHours(text string) (from, to time.Duration, err error) {
	begin, end, two := strings.Cut(text, "-")
	if !two {
		return 0, 0, fmt.Errorf("%q has no end", text)
	}
	var clock [2]time.Time
	for i, t := range []string{begin, end} {
		if clock[i], err = time.Parse("15:04", t); err != nil {
			return 0, 0, fmt.Errorf("%q is no time of day", t)
		}
	}
	midnight := time.Date(clock[0].Year(), clock[0].Month(), clock[0].Day(), 0, 0, 0, 0, time.UTC)
	return clock[0].Sub(midnight), clock[1].Sub(midnight), nil
}

// wait is how long a sweep has to wait now, for which reason; now is in the
// account's zone.
func (p SweepPolicy) wait(now time.Time, spent penstock.Spent, sweeps int64) (time.Duration, string) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch since := now.Sub(midnight); {
	case p.Share == 0:
		return askLater, "sweeps are switched off"
	case p.From < p.To && since < p.From:
		return p.From - since, "sweeps wait for their time of day"
	case p.From < p.To && since >= p.To, p.From > p.To && since >= p.To && since < p.From:
		return (p.From - since + 24*time.Hour) % (24 * time.Hour), "sweeps wait for their time of day"
	case spent.Limit > 0 && float64(sweeps) >= p.Share*float64(spent.Limit):
		return midnight.AddDate(0, 0, 1).Sub(now), "sweeps have used their share of the day's calls"
	}
	return 0, ""
}

// rolling tells whether the lane reads everything again and again, a part at a
// time and at rest: nobody waits for it.
func rolling(stream penstock.Stream, lane penstock.Lane) bool {
	return lane == penstock.Sweep && !stream.Whole
}

// keysAtOnce is how many objects one run of a rolling sweep reads for a stream
// that belongs to theirs.
const keysAtOnce = 10_000

// prepareSweep finds out whether a rolling sweep may go on, and of which objects.
func (c *connection) prepareSweep(ctx context.Context, stream penstock.Stream, g penstock.Grant) (penstock.Grant, error) {
	var place cursor.Pass
	if len(g.Heads) > 0 {
		var err error
		if place, err = cursor.ParsePass(g.Heads[0].Cursor); err != nil {
			return g, err
		}
	}
	if g.Refused, g.Again = c.sweepWaits(stream, place); g.Refused != "" || stream.Of == "" {
		return g, nil
	}
	return c.keys(ctx, stream, place, g)
}

// keys are the objects to read for a stream that belongs to theirs; deleted ones
// too, whose links may have been left behind.
func (c *connection) keys(ctx context.Context, stream penstock.Stream, place cursor.Pass, g penstock.Grant) (penstock.Grant, error) {
	q := warehouse.Query{Stream: stream.Of, Limit: keysAtOnce, Fields: []string{"id"}, Deleted: true}
	if place.After != "" {
		q.After = penstock.Key{place.After}
	}
	result, err := c.Store.Rows(ctx, q)
	if err != nil {
		return g, err
	}
	for row, err := range result.Rows {
		if err != nil {
			return g, err
		}
		g.Keys = append(g.Keys, fmt.Sprint(row[0]))
	}
	g.Last = len(g.Keys) < keysAtOnce
	return g, nil
}

// sweepWaits tells why a rolling sweep may not go on now, and when to ask again.
// The first sweep of what belongs to objects is its first load, which waits for
// nothing but theirs.
func (c *connection) sweepWaits(stream penstock.Stream, place cursor.Pass) (why string, again time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lane(laneID{stream.Name, penstock.Sweep})
	l.swept = moment(place.Swept)
	if l.passed != place.Began && place.Began != 0 { // another pass
		l.passed, l.asked = place.Began, nil
	}
	of := stream.Name
	if stream.Of != "" {
		of = stream.Of
	}
	if backfill := c.lanes[laneID{of, penstock.Backfill}]; !c.wholeType(of) && (backfill == nil || !backfill.complete) {
		return "the backfill is not complete", askSoon
	}
	if l.held > 0 {
		return "the sweep has stopped and asks to be confirmed", askSoon
	}
	if stream.Of != "" && place.Swept == 0 {
		return "", 0
	}
	if rest := cmp.Or(c.Sweep.Every, sweepOnce) - time.Since(l.swept); place.Began == 0 && rest > 0 {
		return "swept not long ago", min(rest, askLater)
	}
	zone, err := time.LoadLocation(c.account.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	spent := c.service.leases.spentOn(c.account.ID)
	rest, why := c.Sweep.wait(time.Now().In(zone), spent, c.service.leases.sweeps(c.account.ID))
	return why, min(rest, askLater)
}

// wholeType tells whether the stream is read whole each time and so has no
// backfill; the caller holds mu.
func (c *connection) wholeType(name string) bool {
	for _, s := range c.discovered {
		if s.Name == name {
			return s.Whole
		}
	}
	return false
}

// relates tells whether the stream is one of those that belong to others; the
// caller holds mu.
func (c *connection) relates(stream penstock.Stream) bool {
	for _, r := range c.related {
		if r.stream.Name == stream.Name {
			return true
		}
	}
	return false
}
