package datastreams

import (
	"fmt"
	"time"

	"penstock"
)

// What one call brings, and what is read how: a worker's ways as far as they
// decide how many calls there are.
const (
	listed       = 100  // objects of a page of a list
	searched     = 200  // objects of a page of a search
	linked       = 1000 // objects whose links one call reads
	historied    = 50   // objects whose former values one call reads
	leastToShare = 600  // objects from which on search reads ranges beside the list
	listEnd      = 1    // calls that confirm a list's end
	day          = 24 * time.Hour
)

// basis is what a plan is reckoned from.
type basis struct {
	every, listEvery, sweepEvery time.Duration // sweepEvery 0: no sweeps
	sizes                        []size
	belongings                   []belonging
	limits                       penstock.Limits
}

// size is how many objects a stream has.
type size struct {
	stream  penstock.Stream
	objects int64 // below 0: not known
	note    string
}

// belonging is a stream that is read for the objects of another.
type belonging struct {
	stream  penstock.Stream
	objects int64
}

// A Plan says what reading an account costs. What cannot be known before, such
// as how much changes, is not in it.
type Plan struct {
	Connection string       `json:"connection" doc:"The connection."`
	Streams    []StreamPlan `json:"streams" doc:"The streams that are read."`
	Rows       int64        `json:"rows" doc:"Rows of objects after the first load."`
	Calls      int64        `json:"calls" doc:"Calls of the first load."`
	Seconds    int64        `json:"seconds" doc:"How long it takes under HubSpot's limits, the daily one apart."`
	Days       int64        `json:"days" doc:"On how many days' budgets it draws; 0 where the daily budget is not known."`
	PerDay     int64        `json:"per_day" doc:"Calls of a day afterwards on which nothing changes."`
	Uses       []Use        `json:"uses" doc:"What these are for."`
	Budget     int64        `json:"budget" doc:"Calls that may be made a day; 0 while unknown or unlimited."`
	Notes      []string     `json:"notes" nullable:"false" doc:"What is not in the numbers, and what does not fit."`
}

// A StreamPlan is a stream's part of a plan.
type StreamPlan struct {
	Stream  string `json:"stream" doc:"The stream."`
	Objects int64  `json:"objects" doc:"Objects in HubSpot, or with links or histories to be read; -1 where nothing tells before they are read."`
	List    int64  `json:"list" doc:"Calls of its first load to lists and by id."`
	Search  int64  `json:"search" doc:"Calls of its first load to search."`
	Links   int64  `json:"links" doc:"Calls of its first load for links."`
	PerDay  int64  `json:"per_day" doc:"Calls of a day afterwards."`
	Note    string `json:"note,omitempty" doc:"Why it is not read, or not known."`
}

// A Use is what some of a day's calls are for.
type Use struct {
	For   string `json:"for" doc:"What they are for."`
	Calls int64  `json:"calls" doc:"How many."`
}

// A rate is how many calls a second a limit leaves us.
func rate(l penstock.Limits, name string, otherwise float64) float64 {
	for _, w := range l.Windows {
		if w.Name == name && w.Share > 0 && w.Span > 0 {
			return float64(w.Share) / w.Span.Seconds()
		}
	}
	return otherwise
}

// reckon makes a plan.
func reckon(b basis) Plan {
	lists, searches := rate(b.limits, "ten-secondly", 10), rate(b.limits, "search", 4)
	p := Plan{Notes: []string{}, Budget: max(0, b.limits.Daily.Limit-b.limits.Daily.Reserved)}
	var first, perDay use
	for _, s := range b.sizes {
		st, daily := b.stream(s, searches*searched/(searches*searched+lists*listed))
		first.lists, first.searches = first.lists+st.List, first.searches+st.Search
		p.Rows += max(0, s.objects)
		p.Streams, perDay = append(p.Streams, st), perDay.plus(daily)
	}
	for _, s := range b.belongings {
		st, daily := b.belonging(s)
		first.links, first.lists = first.links+st.Links, first.lists+st.List
		p.Streams, perDay = append(p.Streams, st), perDay.plus(daily)
	}
	first.families, perDay.families = b.families()
	p.Calls = first.total()
	p.Seconds = int64(max(float64(first.lists+first.families)/lists, float64(first.searches)/searches) +
		float64(first.links)/rate(b.limits, "associations", 10) + 0.999)
	if p.Budget > 0 {
		p.Days = above(p.Calls, p.Budget)
	}
	p.PerDay, p.Uses = perDay.total(), perDay.uses()
	return p.noted(perDay, searches)
}

// noted says what the numbers leave out, and what cannot be kept.
func (p Plan) noted(perDay use, searches float64) Plan {
	p.Notes = append(p.Notes, fmt.Sprintf("each %d changed objects cost two calls more, and their links one a pair", listed))
	if most := int64(searches * day.Seconds()); perDay.searches > most {
		p.Notes = append(p.Notes, fmt.Sprintf("a day takes %d searches and HubSpot allows %d: streams are read as often as that permits", perDay.searches, most))
	}
	if p.Budget > 0 && p.PerDay > p.Budget {
		p.Notes = append(p.Notes, fmt.Sprintf("a day takes %d calls and the budget is %d: a longer interval, fewer streams or rarer sweeps fit into it", p.PerDay, p.Budget))
	}
	for _, s := range p.Streams {
		if s.Objects < 0 {
			p.Notes = append(p.Notes, "streams of which the number of objects is not known count as empty")
			break
		}
	}
	return p
}

// use are calls by what they are for.
type use struct{ lists, searches, archived, sweeps, links, families int64 }

func (u use) plus(v use) use {
	return use{u.lists + v.lists, u.searches + v.searches, u.archived + v.archived, u.sweeps + v.sweeps, u.links + v.links, u.families + v.families}
}

func (u use) total() int64 {
	return u.lists + u.searches + u.archived + u.sweeps + u.links + u.families
}

func (u use) uses() []Use {
	return []Use{
		{"search for changes (fresh, settled)", u.searches},
		{"types that are read whole", u.lists},
		{"archived lists", u.archived},
		{"sweeps of objects", u.sweeps},
		{"sweeps of links and histories", u.links},
		{"owners, pipelines, properties, types", u.families},
	}
}

// stream is a stream of objects: its first load, of which search reads a share
// where there is enough of it, and its day.
func (b basis) stream(s size, share float64) (StreamPlan, use) {
	st := StreamPlan{Stream: s.stream.Name, Objects: s.objects, Note: s.note}
	if s.note != "" && s.objects < 0 && !s.stream.Whole {
		return st, use{} // it cannot be read
	}
	n := max(0, s.objects)
	if st.List = above(n, listed) + listEnd + 1; n >= leastToShare && !s.stream.Whole { // and the archived list
		taken := int64(float64(n) * share)
		st.List, st.Search = above(n-taken, listed)+listEnd+1, above(taken, searched)+1
	}
	var u use
	if s.stream.Whole {
		u.lists = often(b.every) * (above(n, listed) + listEnd + 1)
	} else {
		u.searches = often(b.every) * 2
		u.archived = often(max(b.every, b.listEvery))
		u.sweeps = often(b.sweepEvery) * (above(n, listed) + listEnd)
	}
	st.PerDay = u.total()
	return st, u
}

// belonging is a stream of links or histories.
func (b basis) belonging(s belonging) (StreamPlan, use) {
	st := StreamPlan{Stream: s.stream.Name, Objects: s.objects}
	calls := above(s.objects, linked)
	if st.Links = calls; s.stream.Family == penstock.PropertyHistory {
		calls = above(s.objects, historied)
		st.List, st.Links = calls, 0
	}
	u := use{links: often(b.sweepEvery) * calls}
	st.PerDay = u.total()
	return st, u
}

// families are the calls for what every account has: before and on a day.
func (b basis) families() (first, perDay int64) {
	types := int64(len(b.sizes))
	owners, pipelines := int64(2), types
	first = owners + pipelines + types + 2 // the account and its own types
	return first, often(b.every)*(owners+pipelines) + often(max(b.every, b.listEvery))*types + often(time.Hour)
}

// often is how many times a day something is done; 0 for never.
func often(every time.Duration) int64 {
	if every <= 0 {
		return 0
	}
	return int64((day + every - 1) / every)
}

// above is n/of, rounded up.
func above(n, of int64) int64 { return (n + of - 1) / of }
