// Package warehouse says what every warehouse promises and makes the
// decisions that all engines share: whether a batch is admitted, whether a row
// replaces another, and how a table grows.
//
// The decisions are pure. It knows no SQL, no bus and no HubSpot; the engines
// in its subfolders keep the promises W1 to W5 and pass the suite in
// warehousetest.
package warehouse

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"penstock"
)

// A Store is one connection's warehouse. Load is called by one goroutine at a
// time; the readers may be called beside it.
type Store interface {
	// Claim makes the caller the only loader: whoever claimed before gets
	// ErrFenced from then on. It fails with ErrOtherAccount or
	// ErrOtherInstallation when the tables belong to somebody else (V4).
	Claim(ctx context.Context, c Claim) error

	// Load applies the items in order in one transaction (W1) and says what
	// became of each. After an error nothing of it stands, or all of it where
	// the error struck the commit; loading the same items again finds out
	// (W2).
	Load(ctx context.Context, items []Item, at Moment) ([]Outcome, error)

	// Heads are the ranges of a lane as committed; none for a lane that has
	// not begun.
	Heads(ctx context.Context, stream string, lane penstock.Lane) ([]penstock.Head, error)

	// Restart forgets how far the backfill of a stream has come, all its
	// ranges, so that the next grant reads everything again. Rows stay.
	Restart(ctx context.Context, stream string) error

	// Claims are those that the tables have seen, with the transactions so far.
	Claims(ctx context.Context) (Claims, error)

	// Stamp is the highest stamp the warehouse has seen.
	Stamp(ctx context.Context) (int64, error)

	// Wanted lists up to limit keys of the stream that are due to be read,
	// the longest waiting first; of a stream that belongs to another, ids of
	// that one's objects. A key named as not found is not due again before
	// GoneAfter has passed since the answer was loaded. Keys that are wanted for
	// the reason but are left out; an empty one leaves none out.
	Wanted(ctx context.Context, stream string, now time.Time, limit int, but string) ([]penstock.Want, error)

	// Due counts the wanted keys by stream and reason: those that are due, and
	// all.
	Due(ctx context.Context, now time.Time) (due, all map[string]map[string]int64, err error)

	// Tables describes every table, by stream name.
	Tables(ctx context.Context) ([]TableState, error)

	// Rows reads rows of a table in the order that the query asks for.
	Rows(ctx context.Context, q Query) (*Result, error)

	// Rejects lists rejects of a stream (all streams when empty) after the
	// given place, in a stable order, with the place to go on from; an empty
	// place when there are no more.
	Rejects(ctx context.Context, stream, after string, limit int) ([]penstock.Reject, string, error)

	// Want asks for keys of the stream to be read, from outside a batch: CheckWanted
	// says which keys can be. The rows of these keys, or of these objects, whose
	// print differs lose it: whatever version they claim, the next whole read
	// replaces them.
	Want(ctx context.Context, wants []penstock.Want, stream string) error

	// Check compares up to limit rows after the key, tombstones too, with the
	// prints kept when they were loaded. bad are the texts of the keys of rows
	// whose print differs or is missing: altered or added by hand. next is the
	// last key it has looked at, and nil at the end.
	Check(ctx context.Context, stream string, after penstock.Key, limit int) (bad []string, next penstock.Key, err error)

	// Count counts the live rows in each span, as a question counts objects. Only
	// of a table whose key is one integer.
	Count(ctx context.Context, stream string, spans []penstock.Span) ([]int64, error)

	// IDs lists up to limit ids of live rows in [from, to), in order; a to of 0 is
	// no end. Only of a table whose key is one integer.
	IDs(ctx context.Context, stream string, from, to int64, limit int) ([]int64, error)

	// Erase takes the values of rows that are gone since before the moment, with
	// their rejects: they stay as erased tombstones. What is kept of their
	// history is erased too, and their links are gone. A row that fails its print
	// is left until it has been read. It returns how many rows of the stream it
	// erased; an error may follow some that are.
	Erase(ctx context.Context, stream string, before, now time.Time) (int64, error)

	// Repair adds back what somebody has dropped of the tables, empty, and has
	// their streams read again from the beginning. It says what it did; nothing
	// where nothing is missing.
	Repair(ctx context.Context) ([]string, error)

	// Close ends the store; a load in hand commits or is undone.
	Close() error
}

// A Claim says who wants to load.
type Claim struct {
	Loader       string // random, new with each process
	Installation string // of the data folder; the same over restarts
	Account      int64  // HubSpot's portal id; 0 while it is not known yet
}

// An Item is a batch with the grant that its lane has now (W4).
type Item struct {
	Batch   *penstock.Batch
	Current string
}

// A Moment is what a load needs to know of the world.
type Moment struct {
	Now     time.Time // for _synced_at, and for when to ask again
	Account int64     // whose data the items hold; written with the first head (V4)
	Horizon int64     // no batch with a lower stamp can be admitted any more

	// Followers are, by stream, the streams that belong to its objects: an
	// object that is written for another lane than backfill has its id wanted
	// by each of them.
	Followers map[string][]string
}

// An Outcome is what became of a batch.
type Outcome struct {
	Verdict Verdict
	Applied penstock.Applied
}

// TableState describes a table for people and for the API.
type TableState struct {
	Stream  penstock.Stream
	Columns []Recorded
	Rows    int64 // live rows
	Deleted int64 // tombstones
	Rejects int64
	Wanted  int64
	Load    int64 // the number of the last transaction that wrote rows

	FreshAt   int64 // as the latest batch that said so; ms since 1970, 0 when never
	SettledAt int64
}

// A Query asks for rows of one table, in key order or in the order they were
// loaded in.
type Query struct {
	Stream  string
	After   penstock.Key // rows with a greater key; nil begins
	Loaded  *Loaded      // only rows of some loads, by load and then key; nil means all, by key
	Limit   int          // at most; 0 means all
	Fields  []string     // column names; empty means all but the hidden ones
	Filters []Filter     // rows that pass all of them
	Deleted bool         // tombstones too
}

// Loaded says which loads' rows to read: those of From after the query's key,
// and those of the loads after it up to To. With no key to go on from, From's
// are left out. A row is of the last load that wrote it, so what is written
// meanwhile is of a load after To: between the same two loads every row that
// stays comes once.
type Loaded struct {
	From int64
	To   int64
}

// A Filter keeps rows by a column's value. A row without a value passes none
// but Null. Text is compared byte by byte, a number by its value.
type Filter struct {
	Column string // by name, the key's and ours but the hidden ones too
	Op     Compare
	Values []string // one; with In one or more; with Null "true" or "false". as TypedFilter reads them
}

// A Compare is how a filter compares.
type Compare string

// The comparisons.
const (
	Equal          Compare = "eq"
	NotEqual       Compare = "ne"
	Less           Compare = "lt"
	LessOrEqual    Compare = "le"
	Greater        Compare = "gt"
	GreaterOrEqual Compare = "ge"
	In             Compare = "in"
	Null           Compare = "null" // true: without a value
)

// A Result is rows on their way: Columns in order, and Rows yields one value
// per column as int64, float64, string, bool or nil, or an error that ends it.
type Result struct {
	Columns []string
	Rows    iter.Seq2[[]any, error]
}

// GoneAfter is how long after an id was first named as not found the second
// such answer makes it gone.
const GoneAfter = time.Hour

// ArchivedFor is how long HubSpot's archived list names what was archived.
const ArchivedFor = 90 * 24 * time.Hour

// The errors of a Store that its user must tell apart.
var (
	// ErrFenced says that another process has claimed the warehouse.
	ErrFenced = errors.New("another data-streams process has taken over this warehouse")
	// ErrReplaced says that the warehouse is not the one that was loaded a
	// moment ago: it was restored or re-created. Claim it again.
	ErrReplaced = errors.New("the warehouse was restored or replaced while in use")
	// ErrOtherAccount says that the tables hold another HubSpot account (V4).
	ErrOtherAccount = errors.New("the warehouse holds another HubSpot account")
	// ErrOtherInstallation says that another data folder loads the tables (V4).
	ErrOtherInstallation = errors.New("the warehouse belongs to another installation of penstock")
	// ErrNewer says that a newer version of this program wrote the tables:
	// waiting does not help, an update does.
	ErrNewer = errors.New("a newer version of penstock wrote the warehouse")
	// ErrAltered says that somebody has changed the tables so that they cannot be
	// loaded: Repair mends what can be mended.
	ErrAltered = errors.New("the warehouse's tables were altered")
	// ErrBatch says that it is the batch that cannot be loaded, and not the
	// warehouse that cannot load: others can be.
	ErrBatch = errors.New("the batch cannot be loaded")
	// ErrNoTable says that nothing of the stream has been loaded yet.
	ErrNoTable = errors.New("no such table in the warehouse")
	// ErrNoIDs says that the table's key is not one integer.
	ErrNoIDs = errors.New("the table's key is not one integer")
	// ErrFilter says that a filter's value is not one of its column's type.
	ErrFilter = errors.New("the filter's value does not suit the column")
	// ErrNoColumn says that a query named a column that the table has not.
	ErrNoColumn = errors.New("no such column")
)

// SchemaOf is the schema of a batch's rows; nil when it has none.
func SchemaOf(b *penstock.Batch) *arrow.Schema {
	if len(b.Rows) == 0 {
		return nil
	}
	return b.Rows[0].Schema()
}
