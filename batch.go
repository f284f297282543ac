package penstock

import "github.com/apache/arrow-go/v18/arrow"

// The bounds of a batch.
const (
	MaxBatchRows = 1000     // rows of one batch
	MaxRowBytes  = 32 << 20 // a larger row is a reject
)

// A Cursor is an opaque place in the source: what a lane has read of a range.
// Empty means nothing yet.
type Cursor string

// A Batch is the unit on the bus: rows of one range of a lane, with the
// cursor they move the range to.
type Batch struct {
	Connection string `json:"connection"`
	Stream     Stream `json:"stream"`
	Lane       Lane   `json:"lane"`
	Grant      string `json:"grant"`
	Range      int64  `json:"range"` // the range's first id; 0 for lanes of one range
	Seq        uint64 `json:"seq"`   // 1, 2, 3 ... within the grant and range
	Before     Cursor `json:"before"`
	After      Cursor `json:"after"`

	Rejects   []Reject   `json:"rejects,omitempty"`
	Wanted    []Want     `json:"wanted,omitempty"`
	Inventory *Inventory `json:"inventory,omitempty"`
	Splits    []Split    `json:"splits,omitempty"` // new ranges cut off this one, whose After ends before them
	Begin     Cursor     `json:"begin,omitempty"`  // the first batch of a backfill: where the settled lane begins
	Filled    []string   `json:"filled,omitempty"` // properties whose old rows now hold their values
	Counts    Counts     `json:"counts"`
	Stamp     int64      `json:"stamp"` // the highest stamp in the batch

	// FreshAt and SettledAt, on HubSpot's clock in ms since 1970, say up to
	// when the stream holds every change: as the search index knew it, and for
	// sure. 0 leaves the stream's as it was.
	FreshAt   int64 `json:"fresh_at,omitempty"`
	SettledAt int64 `json:"settled_at,omitempty"`

	// Rows has one record per page, all of one schema (Table.Schema).
	Rows []arrow.RecordBatch `json:"-"`
}

// Release gives the memory of the rows back.
func (b *Batch) Release() {
	for _, r := range b.Rows {
		r.Release()
	}
	b.Rows = nil
}

// Counts are what a batch's reader counted (V1): Fetched objects came from
// HubSpot; of these Rejected could not become a row. Buried counts tombstones
// that came along with other objects, Values the rejected values of rows that
// were sent.
type Counts struct {
	Fetched  int `json:"fetched"`
	Rejected int `json:"rejected"`
	Buried   int `json:"buried"`
	Values   int `json:"values"`
}

// Add sums two counts.
func (c Counts) Add(d Counts) Counts {
	return Counts{c.Fetched + d.Fetched, c.Rejected + d.Rejected, c.Buried + d.Buried, c.Values + d.Values}
}

// Applied is what a warehouse did with a batch (V1): Fetched = Loaded +
// Unchanged + Superseded + Rejected.
type Applied struct {
	Loaded     int `json:"loaded"`
	Unchanged  int `json:"unchanged"`
	Superseded int `json:"superseded"`
	Buried     int `json:"buried"`
	Wanted     int `json:"wanted"`
}

// A Split is a range that a batch cuts off its own (W3): it exists from the
// transaction of that batch on, and its first batch follows on Cursor. A range
// of that number that was read to its end is replaced.
type Split struct {
	Range  int64  `json:"range"` // its first id
	Cursor Cursor `json:"cursor"`
}

// A Head is what the warehouse has applied of a range.
type Head struct {
	Stream string `json:"stream"`
	Lane   Lane   `json:"lane"`
	Range  int64  `json:"range"`
	Grant  string `json:"grant"`
	Seq    uint64 `json:"seq"`
	Cursor Cursor `json:"cursor"`
	Stamp  int64  `json:"stamp"`
}

// A Reject is a value or object that could not be loaded as typed (V2).
type Reject struct {
	Stream   string `json:"stream,omitempty"`
	Key      string `json:"key"`      // Key.Text, or the id as it came when it is no key
	Property string `json:"property"` // empty: the whole object
	Original string `json:"original"` // the value as it came
	Reason   string `json:"reason"`
	At       int64  `json:"at"` // HubSpot's clock, ms since 1970
}

// A Want is a key that must be read by id.
type Want struct {
	Key    string `json:"key"` // Key.Text
	Reason string `json:"reason"`
	Stamp  int64  `json:"stamp"` // a row observed later answers it
}

// The reasons to want a row.
const (
	WantDoubt    = "search names it and a read by id does not"
	WantFill     = "a new property was read at another version of the row"
	WantAbsent   = "a complete list no longer names it"
	WantUnlisted = "the archived list no longer names it"
	WantChanged  = "the object it belongs to has changed"
	WantDiffers  = "the sweep saw another version of it"
	WantVerify   = "verify found it differing"
)

// An Inventory says that a batch names every key in the stretch [From, To)
// that the list held when it was asked for. A row of ours inside the stretch
// that is not named and was observed before is wanted. An empty From or To
// leaves that end open. Archived says which rows the list speaks of: the
// archived ones, or the live ones.
//
// With Of the batch instead names everything that belongs to the objects Of,
// as HubSpot answered for each of these very ids (V3): a live row whose first
// key column is one of them, that is not named and was observed before, is
// gone. From, To and Archived are empty then.
type Inventory struct {
	Of       []string `json:"of,omitempty"`
	From     Key      `json:"from,omitempty"`
	To       Key      `json:"to,omitempty"`
	Archived bool     `json:"archived,omitempty"`
	Stamp    int64    `json:"stamp"` // taken before the list was asked for
}
