package hubspotsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The bounds of a search: developers.hubspot.com, search guide.
const (
	maxHits    = 200
	maxOffset  = 10_000
	maxGroups  = 5
	maxFilters = 6
	maxTotal   = 18
)

// A searchQuery is the body of a search.
type searchQuery struct {
	FilterGroups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Filters    []filter   `json:"filters"`
	Sorts      []ordering `json:"sorts"`
	Properties []string   `json:"properties"`
	Query      string     `json:"query"`
	Limit      *int       `json:"limit"`
	After      text       `json:"after"`
}

// An ordering is a sort rule; HubSpot takes a bare property name for one, too.
type ordering struct {
	Property  string `json:"propertyName"`
	Direction string `json:"direction"`
}

// UnmarshalJSON takes both.
func (o *ordering) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &o.Property)
	}
	type plain ordering
	return json.Unmarshal(b, (*plain)(o))
}

// A search is a checked query.
type search struct {
	groups []group // any of them; none means everything
	by     dimension
	down   bool
	text   bool // ids are compared as text
	offset int
	limit  int
	stale  int64 // drifts of calculated values that the index has not seen
}

// errOdd stands for input that HubSpot fails on, such as dates at epoch 0.
var errOdd = errors.New("internal error")

// plan checks a query against the type and HubSpot's bounds.
func (q searchQuery) plan(t *table) (s search, err error) {
	s.limit = 10
	if q.Limit != nil {
		s.limit = *q.Limit
	}
	if q.After != "" && q.After != "null" {
		if s.offset, err = strconv.Atoi(string(q.After)); err != nil || s.offset < 0 {
			return s, fmt.Errorf("after %q is not an offset", q.After)
		}
	}
	switch {
	case s.limit < 0 || s.limit > maxHits:
		return s, fmt.Errorf("limit %d is not between 0 and %d", s.limit, maxHits)
	case s.offset+s.limit > maxOffset:
		return s, fmt.Errorf("paging beyond %d results is not possible", maxOffset)
	case len(q.Query) > 3000:
		return s, errors.New("the query is longer than 3,000 characters")
	case len(q.Sorts) > 1:
		return s, errors.New("only one sort rule is possible")
	}
	s.text = t.textIDs
	if s.by, s.down, err = q.order(t); err != nil {
		return s, err
	}
	s.groups, err = q.groups(t)
	return s, err
}

// order is the order of the answer: oldest first, unless a rule says more.
func (q searchQuery) order(t *table) (by dimension, down bool, err error) {
	if len(q.Sorts) == 0 {
		return byCreated, false, nil
	}
	rule := q.Sorts[0]
	by, ok := t.dimension(rule.Property)
	if !ok {
		return 0, false, fmt.Errorf("this account sorts by dates and ids, not by %q", rule.Property)
	}
	return by, rule.Direction == "DESCENDING", nil
}

func (q searchQuery) groups(t *table) ([]group, error) {
	var lists [][]filter
	if len(q.Filters) > 0 {
		lists = append(lists, q.Filters)
	}
	for _, g := range q.FilterGroups {
		lists = append(lists, g.Filters)
	}
	if len(lists) > maxGroups {
		return nil, fmt.Errorf("more than %d filter groups", maxGroups)
	}
	var groups []group
	total := 0
	for _, filters := range lists {
		if total += len(filters); len(filters) > maxFilters || total > maxTotal {
			return nil, fmt.Errorf("more than %d filters in a group, or %d in all", maxFilters, maxTotal)
		}
		g, err := newGroup(t, filters)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// answerSearch serves what the late index knows.
func (a *Account) answerSearch(c *call, out []byte) (int, []byte) {
	var q searchQuery
	if err := json.Unmarshal(c.body, &q); err != nil {
		return problem(out, 400, "VALIDATION_ERROR", "Invalid input JSON: "+err.Error())
	}
	t := c.tables[0]
	a.mu.RLock()
	defer a.mu.RUnlock()
	s, err := q.plan(t)
	if errors.Is(err, errOdd) {
		return problem(out, 500, "", err.Error())
	}
	if err != nil {
		return problem(out, 400, "VALIDATION_ERROR", err.Error())
	}
	views, total := t.search(s, time.Now().UnixMilli())
	next := s.offset + len(views)
	more := int64(next) < total
	views, next = searchFault(c.fault, s.offset, views, next)
	a.meter.served(t.kind.key(), len(views))
	out = append(out, `{"total":`...)
	out = strconv.AppendInt(out, total, 10)
	out = append(out, `,"results":[`...)
	shown := a.shape(t, q.Properties, nil)
	out = t.appendObjects(out, views, &shown)
	out = append(out, ']')
	if more || next < s.offset+len(views) || len(views) == 0 && total > int64(next) {
		out = append(out, `,"paging":{"next":{"after":"`...)
		out = strconv.AppendInt(out, int64(next), 10)
		out = append(out, `"}}`...)
	}
	return 200, append(out, '}')
}

// searchFault bends a page of hits.
func searchFault(fault string, offset int, views []view, next int) ([]view, int) {
	switch {
	case fault == "few" && len(views) > 1:
		views = views[:len(views)/2]
		next = offset + len(views)
	case fault == "blank" && len(views) > 0:
		views, next = nil, offset
	case fault == "repeat":
		next = offset
	case fault == "back":
		next = offset / 2
	}
	return views, next
}
