package penstock

import "time"

// QuestionWithin is how long data-streams waits for the answer to a question,
// and a worker for HubSpot's: fifty counts take a quarter of it where nobody
// else searches.
const QuestionWithin = time.Minute

// MaxSpans is how many spans one question may count.
const MaxSpans = 50

// MaxIDs is how many ids one question may list.
const MaxIDs = 500

// The reasons for questions. The calls for them count under these names beside
// the lanes.
const (
	ForExplain Lane = "explain"
	ForPlan    Lane = "plan"
	ForProbe   Lane = "probe"
	ForVerify  Lane = "verify"
)

// A Question is asked by data-streams of the worker that holds a connection's
// account; every other stays silent. At most one of Count, Read, IDs and Probe
// is set; with none of them only the limits are asked for, which costs no call.
type Question struct {
	Connection string `json:"connection"`
	Stream     Stream `json:"stream"` // of the family Objects
	For        Lane   `json:"for"`
	Count      []Span `json:"count,omitempty"` // up to MaxSpans
	Read       *Read  `json:"read,omitempty"`
	IDs        *IDs   `json:"ids,omitempty"`
	Probe      bool   `json:"probe,omitempty"` // try what is assumed of HubSpot on the stream
}

// Calls tells whether HubSpot has to be asked for the answer.
func (q Question) Calls() bool {
	return len(q.Count) > 0 || q.Read != nil || q.IDs != nil || q.Probe
}

// A Span says which live objects to count: those with ids in [From, To), and
// of these the ones that were modified within [Since, Until], both included.
// The zero Span is all of them.
type Span struct {
	From  int64 `json:"from,omitempty"`
	To    int64 `json:"to,omitempty"`    // 0: no end
	Since int64 `json:"since,omitempty"` // ms since 1970
	Until int64 `json:"until,omitempty"` // 0: whenever
}

// Read asks what HubSpot says of one object by its id.
type Read struct {
	ID         int64    `json:"id"`
	Properties []string `json:"properties,omitempty"` // whose values are asked for
}

// IDs asks for live ids in the order of the list.
type IDs struct {
	After string `json:"after,omitempty"` // an id, which is included, or a former answer's Next
	Limit int    `json:"limit"`           // 1 to MaxIDs
}

// An Answer is a worker's. A part that was not asked for is empty.
type Answer struct {
	Trouble  *Trouble  `json:"trouble,omitempty"` // why there is no answer
	Counts   []int64   `json:"counts,omitempty"`  // one a span, as the search index knew it
	Reading  *Reading  `json:"reading,omitempty"`
	Listing  *Listing  `json:"listing,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	Limits   Limits    `json:"limits"`
	Date     time.Time `json:"date"`  // HubSpot's clock
	Stamp    int64     `json:"stamp"` // a row with a higher one was observed after the question was asked
}

// The states of an object in HubSpot.
const (
	StateLive     = "live"
	StateArchived = "archived"
	StateMerged   = "merged"
	StateNotFound = "not found"
)

// A Reading is what HubSpot says of an object. Values are HubSpot's texts; a
// property that it left out of its answer, or that was null, is not among
// them. Those that did not fit into a message are named in TooLarge.
type Reading struct {
	State    string            `json:"state" enum:"live,archived,merged,not found" doc:"What became of the object."`
	Into     int64             `json:"into,omitempty" doc:"Of one that was merged: the object it lives on in."`
	Updated  time.Time         `json:"updated,omitzero" doc:"Its modified date."`
	Values   map[string]string `json:"values,omitempty" doc:"Its values as HubSpot's texts, those that are set."`
	Left     []string          `json:"left,omitempty" doc:"Properties that the answer did not name."`
	TooLarge []string          `json:"too_large,omitempty" doc:"Properties whose values are too large to be shown."`
	Said     []Said            `json:"said" doc:"Each answer of HubSpot's."`
}

// Said is one answer of HubSpot's about an object.
type Said struct {
	How   string `json:"how" doc:"How it was asked: batch read, batch read archived, or single read."`
	State string `json:"state" doc:"What was answered: live, archived, merged or not found."`
	ID    int64  `json:"id,omitempty" doc:"The id that the answer names."`
}

// A Listing is a stretch of the list of live objects. Next is empty at its end.
type Listing struct {
	IDs  []Listed `json:"ids"`
	Next string   `json:"next,omitempty"`
}

// Listed is an object as the list names it.
type Listed struct {
	ID      int64     `json:"id"`
	Updated time.Time `json:"updated"`
}

// What a probe can show.
const (
	Holds       = "holds"
	DoesNotHold = "does not hold"
	Unknown     = "unknown"
)

// A Finding is whether something that is assumed of HubSpot holds on an
// account.
type Finding struct {
	Assumed string `json:"assumed" doc:"What is assumed."`
	Stream  string `json:"stream,omitempty" doc:"The stream on which it was tried."`
	Result  string `json:"result" enum:"holds,does not hold,unknown" doc:"Whether it holds."`
	Text    string `json:"text" doc:"How that is known, in one sentence."`
}

// Limits are HubSpot's, as the worker knows them.
type Limits struct {
	Windows []Window `json:"windows,omitempty"`
	Daily   Daily    `json:"daily"`
}

// A Window is one rolling limit.
type Window struct {
	Name  string        `json:"name"`
	Span  time.Duration `json:"span"`
	Limit int           `json:"limit"` // calls within a span, by everybody
	Share int           `json:"share"` // of these ours at most
}

// Daily is the day's budget. Limit is 0 while it is unknown or unlimited, and
// Left and Reserved mean nothing then.
type Daily struct {
	Limit    int64     `json:"limit"`
	Left     int64     `json:"left"`
	Reserved int64     `json:"reserved"` // kept for other tools
	ResetsAt time.Time `json:"resets_at"`
}
