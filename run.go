package penstock

import "time"

// What follows are the messages between data-streams and its workers. They
// are state and questions, never events: one that is lost is told or asked
// again, and one that comes twice changes nothing.

// An Announcement is all that data-streams wants of its workers. It is sent
// whenever it changes, every few seconds besides, and to whoever asks.
type Announcement struct {
	Instance    string       `json:"instance"` // the data-streams process
	Connections []Connection `json:"connections"`
}

// A Mark is how far a range of a run has come.
type Mark struct {
	Range int64  `json:"range"`
	Seq   uint64 `json:"seq"`
}

// A Beat asks for a HubSpot account's lease, or keeps it, and says how the
// worker's runs on one connection stand. Without an account it asks for the
// credential only.
type Beat struct {
	Worker     string     `json:"worker"`     // random, new with each process
	PublicKey  string     `json:"public_key"` // credentials are sealed to it
	Connection string     `json:"connection"`
	Account    Account    `json:"account"`
	Stamp      int64      `json:"stamp"`           // the highest used so far; 0 before the first
	Spent      Spent      `json:"spent"`           // by this worker on this account
	Found      []Found    `json:"found,omitempty"` // the object types, for a data-streams that has just begun
	Runs       []Progress `json:"runs,omitempty"`
	Trouble    *Trouble   `json:"trouble,omitempty"` // what keeps the whole connection from being read
}

// An Account is a HubSpot account as it names itself.
type Account struct {
	ID       int64  `json:"id"`        // the portal id; 0 while unknown
	TimeZone string `json:"time_zone"` // where its day ends
	Kind     string `json:"kind"`
}

// Spent is how many calls of a daily budget are used. Day is the date in the
// account's time zone.
type Spent struct {
	Day   string      `json:"day"`
	Calls int64       `json:"calls"`
	Limit int64       `json:"limit"`        // 0 while unknown or unlimited
	By    []LaneCalls `json:"by,omitempty"` // which of them were for what
}

// LaneCalls is how many calls a lane of a stream has made; without a stream they
// were made for the whole account.
type LaneCalls struct {
	Stream string `json:"stream"`
	Lane   Lane   `json:"lane"`
	Calls  int64  `json:"calls"`
}

// Progress is how a run stands at its worker.
type Progress struct {
	Grant     string  `json:"grant"`
	Published []Mark  `json:"published,omitempty"`
	Read      int64   `json:"read"`          // objects so far
	Total     int64   `json:"total"`         // objects to expect; 0 when unknown
	End       *RunEnd `json:"end,omitempty"` // of a run that is over at its worker, in case the word of it was lost
}

// A BeatReply says whether the account is the worker's, and what has become
// of its runs.
type BeatReply struct {
	Refused   string        `json:"refused,omitempty"`  // why the account is not the worker's
	Secret    []byte        `json:"secret,omitempty"`   // the access token, sealed to the worker's public key
	HashKey   []byte        `json:"hash_key,omitempty"` // of hashed columns, sealed likewise
	StampFrom int64         `json:"stamp_from"`         // a new holder's stamps begin here
	Spent     Spent         `json:"spent"`              // by all holders of the day
	Lease     time.Duration `json:"lease"`              // how long the account stays the worker's without another heartbeat
	Epoch     string        `json:"epoch"`              // changes when the warehouse is not the one it was
	Runs      []RunStatus   `json:"runs,omitempty"`
	Wanted    []string      `json:"wanted,omitempty"`  // streams with keys that are due
	Streams   []Stream      `json:"streams,omitempty"` // those that belong to others, which come and go with them
}

// A RunStatus is how a run stands at data-streams.
type RunStatus struct {
	Grant     string `json:"grant"`
	Committed []Mark `json:"committed,omitempty"`
	Ended     string `json:"ended,omitempty"` // why it is over: the worker drops it
	Stop      bool   `json:"stop,omitempty"`  // finish the batch in hand and end
}

// A Discovery names the object types that a worker found in the account.
type Discovery struct {
	Connection string  `json:"connection"`
	Account    Account `json:"account"`
	Found      []Found `json:"found"`
}

// Found is an object type: Name is HubSpot's, which two types may share;
// ObjectType is not shared.
type Found struct {
	Name       string `json:"name"`
	ObjectType string `json:"object_type"`
	Whole      bool   `json:"whole,omitempty"`
}

// A GrantRequest asks for a run.
type GrantRequest struct {
	Worker     string `json:"worker"`
	Connection string `json:"connection"`
	Stream     Stream `json:"stream"`
	Lane       Lane   `json:"lane"`
}

// A Grant allows a run, or says why there is none and when to ask again.
type Grant struct {
	Token   string        `json:"token,omitempty"` // the fence; empty when refused
	Run     int64         `json:"run,omitempty"`   // its number, for people
	Refused string        `json:"refused,omitempty"`
	Again   time.Duration `json:"again"` // after the run, or after the refusal
	Epoch   string        `json:"epoch,omitempty"`
	Heads   []Head        `json:"heads,omitempty"`  // where the lane's ranges stand
	Fill    []string      `json:"fill,omitempty"`   // backfill: properties whose values old rows lack
	Wanted  []Want        `json:"wanted,omitempty"` // named: the keys to read; of a stream that belongs to another: that one's
	Keys    []string      `json:"keys,omitempty"`   // sweep of a stream that belongs to another: the objects to read, by id
	Last    bool          `json:"last,omitempty"`   // no objects come after Keys
	Lag     time.Duration `json:"lag,omitempty"`    // settled and fresh: how late the index may be
	Back    time.Duration `json:"back,omitempty"`   // settled: begin the window earlier by this
}

// An Outcome says how a run ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"    // all there was to read has been published
	Stopped Outcome = "stopped" // asked to, or the worker is ending
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // the credential may not read the stream
)

// A RunEnd tells that a run is over at its worker. Last names the sequences
// that must still commit, so that a lost tail is noticed.
type RunEnd struct {
	Worker     string        `json:"worker"`
	Connection string        `json:"connection"`
	Grant      string        `json:"grant"`
	Last       []Mark        `json:"last,omitempty"`
	Outcome    Outcome       `json:"outcome"`
	Trouble    *Trouble      `json:"trouble,omitempty"`
	Late       time.Duration `json:"late,omitempty"` // the longest that the search index was seen to be late
}

// Trouble is something that failed, as a user sees it.
type Trouble struct {
	Kind    string    `json:"kind"`    // a short stable word: "forbidden", "unavailable", "daily_budget" ...
	Message string    `json:"message"` // what failed; never a secret or a row's value
	Remedy  string    `json:"remedy"`  // what the user can do; empty when nothing is needed
	Heals   bool      `json:"heals"`   // whether it may go away by itself
	Until   time.Time `json:"until,omitzero"`
}

// Error is the message alone: the remedy is for who shows it to decide on.
func (t *Trouble) Error() string { return t.Message }
