package api

import (
	"net/url"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/datastreams"
)

// A Schedule says how often a connection is read, and whether at all.
type Schedule struct {
	Connection string    `json:"connection" example:"default" doc:"The connection's name."`
	On         bool      `json:"on" doc:"Whether it is read."`
	Every      string    `json:"every" example:"5m0s" doc:"How often."`
	Since      time.Time `json:"since,omitzero" doc:"When it was last started or stopped."`
}

func toSchedule(connection string, s penstock.Schedule) Schedule {
	return Schedule{Connection: connection, On: s.On, Every: brief(s.Every), Since: s.Since.UTC()}
}

// A Connection is how a HubSpot account and its copy stand.
type Connection struct {
	Name      string   `json:"name" example:"default" doc:"Its name."`
	Account   int64    `json:"account" example:"4711" doc:"HubSpot's portal id; 0 until a worker has seen it."`
	State     string   `json:"state" enum:"waiting for a worker,refused,warehouse down,stopped,first load,up to date" doc:"In one phrase."`
	Message   string   `json:"message,omitempty" doc:"What is wrong, where something is."`
	Schedule  Schedule `json:"schedule" doc:"How often it is read."`
	Lag       string   `json:"lag" example:"1h0m0s" doc:"How late HubSpot's search index is taken to be."`
	Round     string   `json:"round,omitempty" example:"12s" doc:"The longest that a stream took to be read once. A shorter interval is kept as fast as HubSpot's limits permit."`
	Calls     Calls    `json:"calls" doc:"What is spent of HubSpot's daily limit."`
	WorkerAge string   `json:"worker_age,omitempty" example:"2s" doc:"Since a worker was heard; absent when none was."`

	Followers []datastreams.FollowerStatus `json:"followers,omitempty" nullable:"false" doc:"The other warehouses, which are filled from the first."`
}

// Calls are what is spent of a daily limit.
type Calls struct {
	Day   string `json:"day,omitempty" example:"2026-11-21" doc:"The day in the account's time zone."`
	Spent int64  `json:"spent" doc:"Calls sent on that day."`
	Limit int64  `json:"limit" doc:"Calls allowed a day; 0 while unknown."`
}

func toConnection(c datastreams.ConnectionStatus) Connection {
	out := Connection{
		Name: c.Name, Account: c.Account, State: c.State, Message: c.Message,
		Schedule: toSchedule(c.Name, c.Schedule), Lag: brief(c.Lag),
		Calls: Calls{Day: c.Spent.Day, Spent: c.Spent.Calls, Limit: c.Spent.Limit}, Followers: c.Followers,
	}
	if c.Round > 0 {
		out.Round = brief(c.Round)
	}
	if c.WorkerAge >= 0 {
		out.WorkerAge = brief(c.WorkerAge)
	}
	return out
}

// A Stream is how one table stands.
type Stream struct {
	Stream    string    `json:"stream" example:"contacts" doc:"Its name, and its table's."`
	State     string    `json:"state" example:"current" doc:"waiting, first load, current, skipped, failing or not chosen; empty until the account has been looked at."`
	Why       string    `json:"why,omitempty" doc:"The reason, where it is skipped or failing."`
	Rows      int64     `json:"rows" doc:"Live rows."`
	Deleted   int64     `json:"deleted" doc:"Rows of what is deleted in HubSpot."`
	Rejects   int64     `json:"rejects" doc:"Values and objects that could not be loaded as typed."`
	Wanted    int64     `json:"wanted" doc:"Objects that are about to be read again."`
	FreshAt   time.Time `json:"fresh_at,omitzero" doc:"Every change up to then is loaded, as far as HubSpot's search knew it. On HubSpot's clock."`
	SettledAt time.Time `json:"settled_at,omitzero" doc:"Every change up to then is loaded, for sure. On HubSpot's clock."`
	SweptAt   time.Time `json:"swept_at,omitzero" doc:"When the last complete sweep began: mere changes of links, and deletions that nothing else tells of, are loaded as they were then. On HubSpot's clock."`
	Within    string    `json:"within,omitempty" example:"24h0m0s" doc:"How long such a change may go unseen, where the daily limit allows the sweeps; absent without sweeps."`
	Read      int64     `json:"read,omitempty" doc:"Objects read by the first load under way."`
	Total     int64     `json:"total,omitempty" doc:"Objects it has to read, where known."`
	Href      string    `json:"href" example:"/data/contacts" doc:"Where its rows are."`
}

func toStream(connection string, s datastreams.StreamStatus) Stream {
	out := Stream{
		Stream: s.Stream, State: s.State, Why: s.Why,
		Rows: s.Rows, Deleted: s.Deleted, Rejects: s.Rejects, Wanted: s.Wanted,
		FreshAt: s.FreshAt.UTC(), SettledAt: s.SettledAt.UTC(), SweptAt: s.SweptAt.UTC(), Read: s.Read, Total: s.Total,
		Href: dataPath(connection, s.Stream),
	}
	if s.Within > 0 {
		out.Within = brief(s.Within)
	}
	return out
}

// dataPath is where the rows of a stream are.
func dataPath(connection, stream string) string {
	at := url.URL{Path: "/data/" + stream}
	if connection != defaultConnection {
		at.RawQuery = url.Values{"connection": {connection}}.Encode()
	}
	return at.String()
}

// A Trouble is something that failed.
type Trouble struct {
	ID       int64     `json:"id" doc:"Its number."`
	Stream   string    `json:"stream,omitempty" example:"contacts" doc:"The stream; absent when it concerns the whole connection."`
	Lane     string    `json:"lane,omitempty" example:"fresh" doc:"The way of reading the stream that failed."`
	Kind     string    `json:"kind" example:"forbidden" doc:"A short stable word."`
	Message  string    `json:"message" doc:"What failed."`
	Remedy   string    `json:"remedy,omitempty" doc:"What you can do; absent when nothing is needed."`
	Heals    bool      `json:"heals" doc:"Whether it may go away by itself."`
	Since    time.Time `json:"since" doc:"When it was first seen."`
	Last     time.Time `json:"last" doc:"When it was last seen."`
	Count    int       `json:"count" doc:"How often it was seen."`
	Until    time.Time `json:"until,omitzero" doc:"When it is tried again, where that is known."`
	Resolved time.Time `json:"resolved,omitzero" doc:"When it worked again; absent while it does not."`
}

func toTrouble(t catalog.Trouble) Trouble {
	return Trouble{
		ID: t.ID, Stream: t.Stream, Lane: string(t.Lane), Kind: t.Kind, Message: t.Message, Remedy: t.Remedy,
		Heals: t.Heals, Since: t.First.UTC(), Last: t.Last.UTC(), Count: t.Count,
		Until: t.Until.UTC(), Resolved: t.Resolved.UTC(),
	}
}

// A Run is one stretch of reading a stream.
type Run struct {
	Run        int64     `json:"run" doc:"Its number."`
	Stream     string    `json:"stream" example:"contacts" doc:"What is read."`
	Lane       string    `json:"lane" example:"settled" doc:"The way of reading it."`
	Outcome    string    `json:"outcome,omitempty" example:"done" doc:"done, stopped, failed or skipped; absent while it is under way."`
	Why        string    `json:"why,omitempty" doc:"The reason, where it did not end well."`
	Began      time.Time `json:"began" doc:"When it was granted."`
	Ended      time.Time `json:"ended,omitzero" doc:"When it ended."`
	Batches    int       `json:"batches" doc:"Batches loaded."`
	Fetched    int       `json:"fetched" doc:"Objects that came from HubSpot: loaded, unchanged, superseded and rejected ones."`
	Loaded     int       `json:"loaded" doc:"Objects that became a row or changed one."`
	Unchanged  int       `json:"unchanged" doc:"Objects whose row was equal already."`
	Superseded int       `json:"superseded" doc:"Objects of which a newer version was loaded already."`
	Rejected   int       `json:"rejected" doc:"Objects that could not become a row."`
	Buried     int       `json:"buried" doc:"Tombstones written besides."`
	Values     int       `json:"values" doc:"Single values that could not be loaded as typed; their rows were loaded without them."`
}

func toRun(r catalog.Run) Run {
	return Run{
		Run: r.ID, Stream: r.Stream, Lane: string(r.Lane), Outcome: string(r.Outcome), Why: r.Why,
		Began: r.Began.UTC(), Ended: r.Ended.UTC(), Batches: r.Batches,
		Fetched: r.Counts.Fetched, Rejected: r.Counts.Rejected, Values: r.Counts.Values,
		Loaded: r.Applied.Loaded, Unchanged: r.Applied.Unchanged, Superseded: r.Applied.Superseded,
		Buried: r.Applied.Buried,
	}
}

// A Reject is a value or an object that could not be loaded as typed.
type Reject struct {
	Stream   string    `json:"stream" example:"contacts" doc:"The stream."`
	Key      string    `json:"key" example:"123" doc:"The row's key."`
	Property string    `json:"property,omitempty" example:"birthday" doc:"The property; absent when it is the whole object."`
	Original string    `json:"original" doc:"The value as HubSpot sent it."`
	Reason   string    `json:"reason" doc:"Why it could not be loaded."`
	At       time.Time `json:"at,omitzero" doc:"When it was read, on HubSpot's clock."`
}

func toReject(r penstock.Reject) Reject {
	out := Reject{Stream: r.Stream, Key: r.Key, Property: r.Property, Original: r.Original, Reason: r.Reason}
	if r.At != 0 {
		out.At = time.UnixMilli(r.At).UTC()
	}
	return out
}
