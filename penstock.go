// Package penstock names what moves from a HubSpot account to a warehouse:
// connections, streams, lanes, runs, batches, rows and cursors, and the
// trouble that can befall them.
//
// It knows neither HubSpot's words nor NATS's nor any warehouse's; every
// other package of the project speaks in the words defined here. It imports
// the standard library and Arrow only.
package penstock

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Family says how the things of a stream are read and what dates them.
type Family string

// The families of streams.
const (
	Objects         Family = "objects"          // CRM records, one table per object type
	Owners          Family = "owners"           // users that own records
	Pipelines       Family = "pipelines"        // pipelines of every object type
	PipelineStages  Family = "pipeline_stages"  // stages of those pipelines
	Properties      Family = "properties"       // property definitions of every object type
	PropertyOptions Family = "property_options" // options of enumeration properties
	Associations    Family = "associations"     // links from the objects of one stream to those of another
	PropertyHistory Family = "property_history" // what the chosen properties of a stream's objects were before
)

// A Stream is one kind of thing copied from a connection into one table.
type Stream struct {
	Name       string `json:"name"`                  // the table's name, unique in a connection
	Family     Family `json:"family"`                // how it is read
	ObjectType string `json:"object_type,omitempty"` // HubSpot's objectTypeId such as "0-1"; of the objects at the beginning for Associations
	ToType     string `json:"to_type,omitempty"`     // the objectTypeId at the end; only for Associations
	Of         string `json:"of,omitempty"`          // the stream whose objects it belongs to; only for Associations and PropertyHistory
	Whole      bool   `json:"whole,omitempty"`       // read whole each time, because nothing tells what changed

	Properties []string `json:"properties,omitempty"` // whose history is read, by HubSpot's internal names; only for PropertyHistory
}

// Lanes lists the lanes that read the stream, in the order of their priority
// for the quota.
func (s Stream) Lanes() []Lane {
	if s.Whole || s.Of != "" {
		return []Lane{Named, Sweep}
	}
	return []Lane{Fresh, Settled, Named, Archive, Backfill, Sweep}
}

// Dated tells whether HubSpot gives the stream's rows a modification date
// that orders their versions. Rows of an undated stream are ordered by stamp
// alone (W5).
func (s Stream) Dated() bool { return s.Family == Objects }

// A KeyColumn is one column of a table's key.
type KeyColumn struct {
	Name    string
	Integer bool // a 64-bit integer; else text
}

// Key lists the key columns of the stream's table, in order.
func (s Stream) Key() []KeyColumn {
	switch s.Family {
	case Objects:
		return []KeyColumn{{Name: "id", Integer: true}}
	case Owners:
		return []KeyColumn{{Name: "id"}}
	case Pipelines:
		return []KeyColumn{{Name: "object_type"}, {Name: "id"}}
	case PipelineStages:
		return []KeyColumn{{Name: "object_type"}, {Name: "pipeline_id"}, {Name: "id"}}
	case Properties:
		return []KeyColumn{{Name: "object_type"}, {Name: "name"}}
	case PropertyOptions:
		return []KeyColumn{{Name: "object_type"}, {Name: "property"}, {Name: "value"}}
	case Associations:
		return []KeyColumn{{Name: "from_id", Integer: true}, {Name: "to_id", Integer: true}, {Name: "type_id", Integer: true}}
	case PropertyHistory:
		return []KeyColumn{{Name: "id", Integer: true}, {Name: "property"}, {Name: "at"}, {Name: "n", Integer: true}}
	}
	return nil
}

// A Key holds the values of a row's key columns as text, in the table's
// order; an integer is in canonical decimal form.
type Key []string

// Text is the key as one string: the value itself where the key has one
// column, else a JSON array.
func (k Key) Text() string {
	if len(k) == 1 {
		return k[0]
	}
	text, _ := json.Marshal([]string(k)) // strings always marshal
	return string(text)
}

// ParseKey reads what Text wrote for a key of n columns.
func ParseKey(text string, n int) (Key, error) {
	if n == 1 {
		return Key{text}, nil
	}
	var key Key
	if err := json.Unmarshal([]byte(text), &key); err != nil || len(key) != n {
		return nil, fmt.Errorf("key %q does not have %d columns", text, n)
	}
	return key, nil
}

// A Lane is one way of reading a stream, with its own grant, fence and cursor.
type Lane string

// The lanes.
const (
	Backfill Lane = "backfill" // everything, once, by id; also the values of a new property for old rows
	Fresh    Lane = "fresh"    // what changed lately, as soon as the search index shows it
	Settled  Lane = "settled"  // what changed, once the search index is sure to know it; moves the cursor
	Archive  Lane = "archive"  // the list of archived objects
	Sweep    Lane = "sweep"    // everything again, to find what nothing else tells; families that are read whole
	Named    Lane = "named"    // ids that something wants read
	Follow   Lane = "follow"   // rows of a connection's first warehouse, into one that follows it; not read by workers
)

// Priority orders the lanes for the quota: the lower goes first.
func (l Lane) Priority() int {
	return slices.Index([]Lane{Fresh, Settled, Named, Archive, Backfill, Sweep}, l)
}

// A Schedule says how often a connection is read, and whether at all.
type Schedule struct {
	On    bool          `json:"on"`
	Every time.Duration `json:"every"` // 10 s to 30 days
	Since time.Time     `json:"since"` // when it was last set; a new start fetches at once
}

// The bounds of a schedule's interval.
const (
	MinEvery     = 10 * time.Second
	MaxEvery     = 30 * 24 * time.Hour
	DefaultEvery = 5 * time.Minute
)

// A Connection is one HubSpot account as a worker needs to know it: what to
// read, how often and from where. Its credential travels apart, sealed.
type Connection struct {
	Name     string        `json:"name"`
	BaseURL  string        `json:"base_url"`
	Schedule Schedule      `json:"schedule"`
	Lag      time.Duration `json:"lag"`               // how late HubSpot's search index may be
	Streams  []string      `json:"streams,omitempty"` // the chosen streams; empty means all that can be read
	Once     string        `json:"once,omitempty"`    // a catch-up asked for by number, apart from the schedule

	Columns map[string]ColumnRules `json:"columns,omitempty"` // by stream
}

// ColumnRules say which properties of a stream are not loaded as they are. The
// worker applies them: what they conceal never leaves it.
type ColumnRules struct {
	LeaveOut []string          `json:"leave_out,omitempty" yaml:"leave_out"` // not asked for
	Hash     []string          `json:"hash,omitempty" yaml:"hash"`           // replaced by a keyed hash
	Rename   map[string]string `json:"rename,omitempty" yaml:"rename"`       // loaded under another name
}

// Chosen tells whether the connection's settings include the stream.
func (c Connection) Chosen(stream string) bool {
	if len(c.Streams) == 0 {
		return true
	}
	for _, name := range c.Streams {
		if strings.EqualFold(name, stream) {
			return true
		}
	}
	return false
}
