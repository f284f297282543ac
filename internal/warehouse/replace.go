package warehouse

import (
	"time"

	"penstock"
)

// A Standing is a row as the warehouse holds it, as far as replacing it is
// concerned.
type Standing struct {
	Updated    int64 // ms since 1970; 0 in an undated stream
	Stamp      int64 // of the latest observation, also one that changed nothing
	Why        penstock.Why
	MergedInto int64
	Untrusted  bool // it has no print: we did not write what it holds, or Want found that it was altered
}

// An Arrival is a row of a batch, as far as replacing another is concerned.
type Arrival struct {
	Op         penstock.Op
	Via        penstock.Via
	Updated    int64
	Stamp      int64
	Why        penstock.Why
	MergedInto int64
	Bare       bool // it names no property: all it can tell is the version
}

// An Action is what to do with an arrival.
type Action int

// The actions.
const (
	Write   Action = iota + 1 // write the row: it is new, or it replaces the standing one unless equal in every column
	Observe                   // equal as far as it goes: only remember the stamp
	Drop                      // superseded: something newer stands (W5)
	FillIn                    // write the named columns, leave the version
	Want                      // too little to decide with: have the row read by id
	Doubt                     // named as not found: GoneNow decides
	Nothing                   // there is nothing to do it to, or nothing to learn from it
)

// Replace decides what an arrival does to the standing row; old is nil where
// there is none. dated says whether HubSpot dates the stream's rows: if not,
// the stamp alone orders them.
//
// Version = (Updated, Stamp). Two observations of the same version and stamp
// come from one answer; the later one in it wins. The version of a row that is
// not trusted is the lowest, whatever it says: any whole read replaces it.
func Replace(dated bool, old *Standing, new Arrival) Action {
	switch new.Op {
	case penstock.Put:
		return replacePut(dated, old, new)
	case penstock.Bury:
		return replaceBury(dated, old, new)
	case penstock.Fill:
		return replaceFill(dated, old, new)
	case penstock.Missing:
		return replaceMissing(old, new)
	}
	return Drop
}

func replacePut(dated bool, old *Standing, new Arrival) Action {
	if old == nil {
		return Write
	}
	// What may replace what was decided where the copy comes from.
	if new.Via == penstock.ByCopy {
		if !old.Untrusted && new.Stamp < old.Stamp {
			return Drop
		}
		return Write
	}
	// Erased is final: only an answer about that very id brings it back. That an
	// untrusted row is erased is no more than a hint.
	if old.Why == penstock.Erased && (new.Via != penstock.ByID || new.Why != penstock.Live && !old.Untrusted) {
		return Drop
	}
	if old.Untrusted && new.Via == penstock.BySearch {
		return Want // neither of them can be trusted
	}
	if old.Untrusted {
		return Write
	}
	// A search hit may hold values older than its date.
	if new.Via == penstock.BySearch {
		if old.Why != penstock.Live || !newer(dated, old, new) || (dated && old.Updated == new.Updated) {
			return Drop
		}
		return Write
	}
	if !newer(dated, old, new) {
		return Drop
	}
	return Write
}

func replaceBury(dated bool, old *Standing, new Arrival) Action {
	switch {
	case old == nil:
		return Write // even if we never held the loser
	case old.Untrusted && old.Why != penstock.Erased:
		return Write
	case old.Why == penstock.Erased, !newer(dated, old, new):
		return Drop
	case old.Why == new.Why && old.MergedInto == new.MergedInto:
		return Observe
	}
	return Write
}

// replaceFill lets a partial read in only where it cannot lie: the row stands
// at the same date and has not been observed since. A bare one, such as the
// sweep's, compares versions only: what was observed later than it, at the same
// or a later date, needs no second look.
func replaceFill(dated bool, old *Standing, new Arrival) Action {
	switch {
	case old == nil, old.Untrusted:
		return Want
	case new.Bare && new.Stamp < old.Stamp && (!dated || old.Updated >= new.Updated):
		return Nothing
	case old.Why != new.Why, dated && old.Updated != new.Updated, new.Stamp < old.Stamp:
		return Want
	}
	return FillIn
}

// replaceMissing doubts live rows and archived ones, which HubSpot drops for
// good some time after: were they left archived, every sweep would miss them
// in the archived list and ask again. One that is not trusted says nothing of
// why it is deleted.
func replaceMissing(old *Standing, new Arrival) Action {
	switch {
	case old != nil && old.Untrusted:
		return Doubt
	case old == nil, old.Why != penstock.Live && old.Why != penstock.Archived:
		return Nothing
	case new.Stamp < old.Stamp:
		return Drop
	}
	return Doubt
}

func newer(dated bool, old *Standing, new Arrival) bool {
	if dated && old.Updated != new.Updated {
		return new.Updated > old.Updated
	}
	return new.Stamp >= old.Stamp
}

// GoneNow tells whether an id that HubSpot names as not found at ms now, and
// named so first at ms first (0: never before), both on its own clock, is gone
// (V3).
func GoneNow(first, now int64) bool {
	return first > 0 && now-first >= GoneAfter.Milliseconds()
}

// DueAgain is when a wanted key is to be asked for again whose latest answer,
// that it was not found, was loaded at the given moment. That is on our own
// clock, and whether it is gone is decided on HubSpot's: were both on
// HubSpot's, a clock that is ahead of ours would have it asked all the time.
func DueAgain(answered time.Time) time.Time {
	return answered.Add(GoneAfter)
}

// FillReason says why a row is wanted that a fill could not decide about.
func FillReason(l penstock.Lane) string {
	if l == penstock.Sweep {
		return penstock.WantDiffers
	}
	return penstock.WantFill
}
