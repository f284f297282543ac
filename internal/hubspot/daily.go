package hubspot

import (
	"errors"
	"maps"
	"sync"
	"time"
)

const (
	dayFormat   = "2006-01-02"
	resetMargin = time.Minute // after midnight: HubSpot's clock and ours differ, and asking early costs a whole day
	overtaking  = 1000        // calls: more than are ever in flight
	askAgain    = time.Hour   // when the budget is used up and nobody knows where the account's midnight is
)

// daily is the account's budget of calls a day. Days are the account's, which
// begin at midnight in its time zone (developers.hubspot.com, usage
// guidelines); until that is known they are UTC's.
type daily struct {
	mu        sync.Mutex
	zone      *time.Location
	zoneKnown bool
	reserve   float64
	spent     map[string]int // ours, by day
	calls     labelled       // ours that this process knows the labels of
	limit     int            // everybody's; 0 is unknown
	left      int            // of limit, as of day
	day       string         // the day that left belongs to
	usedUp    time.Time      // until then HubSpot has refused
}

// spend takes one call from the budget, or says until when there is none for
// calls of the priority.
func (d *daily) spend(priority int, label Label) *Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	day := d.turn(now)
	if now.Before(d.usedUp) {
		return &Error{Kind: Daily, ResetsAt: d.usedUp}
	}
	if d.limit > 0 && d.left <= 0 {
		d.usedUp, d.limit = d.refused(now), 0
		return &Error{Kind: Daily, ResetsAt: d.usedUp}
	}
	if d.limit > 0 {
		budget := int(float64(d.limit)*(1-d.reserve) + 1e-9)
		switch left := min(d.left, budget-d.spent[day]); {
		case left <= 0:
			return &Error{Kind: Daily, ResetsAt: d.refused(now)}
		case left <= keptBack(priority, budget):
			return &Error{Kind: Daily, ResetsAt: d.refused(now), Err: errKeptBack}
		}
	}
	d.spent[day]++
	d.calls.add(day, label, 1)
	d.left--
	return nil
}

var errKeptBack = errors.New("the rest of the day's calls is kept for more urgent reading")

// keptBack is how many calls of a day's budget those of a priority leave
// untouched: when a day runs short, what can wait for tomorrow stops first. The
// most urgent, of priority 0, may use all.
func keptBack(priority, budget int) int {
	percent := [...]int{0, 2, 4, 6, 10, 25}
	return budget * percent[min(max(priority, 0), len(percent)-1)] / 100
}

// learn takes over what an answer says. Answers overtake each other, and
// within a day what is left only falls, so the lowest is believed, unless the
// limit was raised or the rise is too large for that: then HubSpot's day began
// at another moment than ours.
func (d *daily) learn(r *remaining) {
	if r == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn(time.Now())
	if d.limit != r.limit || r.left < d.left || r.left > d.left+overtaking {
		d.limit, d.left = r.limit, r.left
	}
}

// exhausted says that HubSpot refused a call for the budget, and returns until
// when there is no point in asking again.
func (d *daily) exhausted() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.turn(now)
	d.usedUp = d.refused(now)
	return d.usedUp
}

// refused is when a call may be let through again. The lock is held.
func (d *daily) refused(now time.Time) time.Time {
	if !d.zoneKnown {
		return now.Add(askAgain)
	}
	return d.midnight(now).Add(resetMargin)
}

// turn begins a new day when one has begun; what HubSpot said of the last one
// is void then. The lock is held.
func (d *daily) turn(now time.Time) string {
	day := now.Add(-resetMargin).In(d.zone).Format(dayFormat)
	if day == d.day {
		return day
	}
	for old := range d.spent {
		if old != d.day && old < day {
			delete(d.spent, old)
		}
	}
	d.calls.forget(d.day, day)
	d.day, d.limit, d.left = day, 0, 0
	return day
}

func (d *daily) midnight(now time.Time) time.Time {
	year, month, day := now.Add(-resetMargin).In(d.zone).Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, d.zone)
}

// useZone learns where the account's midnight is. What was spent before it was
// known counts for the account's day, too.
func (d *daily) useZone(zone *time.Location) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	before := d.turn(now)
	limit, left := d.limit, d.left
	moved := d.spent[before]
	known := d.zoneKnown
	d.zone, d.zoneKnown = zone, true
	if day := d.turn(now); day != before {
		d.limit, d.left = limit, left
		if !known {
			d.spent[day] += moved
			d.calls.move(before, day)
		}
	}
}

// moveTo adds what was spent here, and takes along where midnight is.
func (d *daily) moveTo(to *daily) {
	d.mu.Lock()
	zone, known, spent, calls := d.zone, d.zoneKnown, d.spent, d.calls
	d.spent, d.calls = map[string]int{}, labelled{}
	d.mu.Unlock()
	if known {
		to.useZone(zone)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.turn(time.Now())
	for day, n := range spent {
		to.spent[day] += n
	}
	for day, byLabel := range calls {
		for label, n := range byLabel {
			to.calls.add(day, label, n)
		}
	}
}

func (d *daily) today() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turn(time.Now())
}

func (d *daily) spentOn(day string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spent[day]
}

func (d *daily) restore(day string, spent int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn(time.Now())
	d.spent[day] = max(d.spent[day], spent)
}

func (d *daily) callsToday() map[Label]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.calls[d.turn(time.Now())])
}

func (d *daily) restoreCalls(day string, calls map[Label]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn(time.Now())
	for label, n := range calls {
		d.calls.add(day, label, max(0, n-d.calls[day][label]))
	}
}

func (d *daily) leave(share float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reserve = share
}

func (d *daily) state() DailyState {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	day := d.turn(now)
	return DailyState{
		Day: day, Limit: d.limit, Left: d.left, Spent: d.spent[day],
		Reserved: d.limit - int(float64(d.limit)*(1-d.reserve)+1e-9), ResetsAt: d.midnight(now),
	}
}
