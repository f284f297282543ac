package hubspotsim

import (
	"cmp"
	"maps"
	"time"
)

// Options say what account is simulated. The zero value is a small account
// with the limits of HubSpot's Free and Starter tiers and no trouble.
type Options struct {
	Seed      uint64
	AccountID int64  // default 147000001
	TimeZone  string // IANA name, default America/New_York; the daily budget ends at its midnight
	Token     string // the bearer token that is wanted; empty takes any

	Counts     map[string]int // base objects by type name, objectTypeId or fullyQualifiedName; nil is a small account
	Properties map[string]int // properties by type, at least those HubSpot brings; default 60 for contacts, else 30
	Hostile    bool           // some values and property names are hostile

	Latency  time.Duration // of each answer
	Jitter   time.Duration // more or less, evenly
	IndexLag time.Duration // how late the search index may be

	Unlimited         bool // no limits; peaks are counted all the same
	Window            int  // requests per rolling 10 s and credential, default 100
	AssociationWindow int  // association reads per rolling 10 s and account, default 100
	SearchPerSecond   int  // searches per rolling second and account, default 5
	DailyLimit        int  // requests per account and day, default 250,000
	MaxURL            int  // bytes of a request's URL before it gets a 414, default 16,000
	LinkPage          int  // associations of one object that an answer names, default 500

	OAuth OAuth // a way in besides Token; with it and no Token, the only one

	PreservePrimaryID bool // a merge keeps the primary's id, as in HubSpot's opt-in beta
	ArchiveTouches    bool // archiving and restoring raise the modification date
	ExclusiveAfter    bool // a list begins behind the id in after, against HubSpot's documents
	TextIDs           bool // search compares ids as text, which nobody has seen but nobody has ruled out

	Faults Faults
}

// Defaults of Options.
const (
	defaultAccount = 147_000_001
	defaultZone    = "America/New_York"
)

func (o Options) withDefaults() Options {
	o.AccountID = cmp.Or(o.AccountID, defaultAccount)
	o.TimeZone = cmp.Or(o.TimeZone, defaultZone)
	o.Window = cmp.Or(o.Window, 100)
	o.AssociationWindow = cmp.Or(o.AssociationWindow, 100)
	o.LinkPage = cmp.Or(o.LinkPage, 500)
	o.SearchPerSecond = cmp.Or(o.SearchPerSecond, 5)
	o.DailyLimit = cmp.Or(o.DailyLimit, 250_000)
	o.MaxURL = cmp.Or(o.MaxURL, 16_000)
	o.OAuth.AccessLife = cmp.Or(o.OAuth.AccessLife, 30*time.Minute)
	o.Counts = maps.Clone(o.Counts)
	if o.Counts == nil {
		o.Counts = defaultCounts()
	}
	return o
}

// properties is how many properties a type has.
func (o Options) properties(k kind) int {
	fallback := 30
	if k.id == "0-1" {
		fallback = 60
	}
	for _, name := range k.names() {
		if n, ok := o.Properties[name]; ok {
			return n
		}
	}
	return fallback
}

// count is how many base objects a type has.
func (o Options) count(k kind) int {
	for _, name := range k.names() {
		if n, ok := o.Counts[name]; ok {
			return n
		}
	}
	return 0
}
