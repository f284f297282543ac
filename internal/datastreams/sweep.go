package datastreams

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock"
	"penstock/internal/cursor"
)

// sweepOnce is how often everything is swept, where the day's calls allow it:
// a change that nothing else tells of is found within two of them at most.
const sweepOnce = 12 * time.Hour

// A SweepPolicy says what of the day a sweep may use: a share of the daily
// budget, and a time of day in the account's zone. The zero value forbids it.
type SweepPolicy struct {
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

// prepareSweep finds out whether a rolling sweep may go on.
func (c *connection) prepareSweep(stream penstock.Stream, g penstock.Grant) (penstock.Grant, error) {
	var place cursor.Pass
	if len(g.Heads) > 0 {
		var err error
		if place, err = cursor.ParsePass(g.Heads[0].Cursor); err != nil {
			return g, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lane(laneID{stream.Name, penstock.Sweep})
	l.swept = moment(place.Swept)
	if backfill := c.lanes[laneID{stream.Name, penstock.Backfill}]; backfill == nil || !backfill.complete {
		g.Refused, g.Again = "the backfill is not complete", askSoon
		return g, nil
	}
	if rest := sweepOnce - time.Since(l.swept); place.Began == 0 && rest > 0 {
		g.Refused, g.Again = "swept not long ago", min(rest, askLater)
		return g, nil
	}
	zone, err := time.LoadLocation(c.account.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	spent := c.service.leases.spentOn(c.account.ID)
	if rest, why := c.Sweep.wait(time.Now().In(zone), spent, c.service.leases.sweeps(c.account.ID)); why != "" {
		g.Refused, g.Again = why, min(rest, askLater)
	}
	return g, nil
}
