package hubspot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// HubSpot's bounds on a search (developers.hubspot.com, search guide).
const (
	MaxSearch       = 200    // hits of one answer
	MaxSearchOffset = 10_000 // the hits that offsets reach, in the order of the search
)

// A SearchRequest asks which records were modified within a window or have ids
// within a range, in the order of their ids.
type SearchRequest struct {
	Type       string
	Modified   string    // the type's modified property; "" where no window is asked for and no date
	From, To   time.Time // both included, to the millisecond; both zero: whenever
	AfterID    string    // ids above this one; the last id received is the key to page by
	BelowID    string    // ids below this one
	Descending bool      // the highest ids first
	Offset     int       // hits to leave out; with the limit at most MaxSearchOffset. For samples: pages that are read by it miss records
	Limit      int       // up to MaxSearch, which is the default; 1 to learn the total only
	Properties []string  // to be in the page; the ones that HubSpot does not know are left out, silently
}

// Hits is the answer to a search. It holds what HubSpot's index knew, which is
// late, so that a total is a count of the index and not of the account.
type Hits struct {
	Total int       // records that match, also beyond this answer
	IDs   []Hit     // in the order received
	More  bool      // whether there are more, even though this answer is short or empty
	Page  *Page     // the same hits as records, whose values may be older than their dates
	Date  time.Time // HubSpot's clock
	Stamp int64     // taken before the answered attempt was sent
}

// A Hit is one record that matched.
type Hit struct {
	ID       string
	Modified time.Time // zero when HubSpot gave none that can be read
}

// Search finds records by the date of their last change and by id. What is to
// be read whole is read by key: the next page is the same search with AfterID,
// or BelowID when descending. Offsets skip records while others change, and end
// at 10,000.
func (c *Client) Search(ctx context.Context, r SearchRequest) (*Hits, error) {
	body, err := searchBody(r)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: "search " + r.Type, Err: err}
	}
	hits := &Hits{}
	a, err := c.ask(ctx, question{
		op:      "search " + r.Type,
		path:    c.path(ObjectsFamily, r.Type, "search"),
		body:    body,
		counted: bySearch,
		verify: func(a *answer) (err error) {
			if hits.Total, err = totalOf(a); err != nil {
				return err
			}
			hits.IDs, err = hitsOf(a, r.Modified)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	hits.Page, hits.Date, hits.Stamp = a.page(), a.date, a.stamp
	hits.More = a.env.next != "" || hits.Total > r.Offset+len(hits.IDs)
	return hits, nil
}

// totalOf expects the answer to a search, and reads how many records match.
func totalOf(a *answer) (int, error) {
	if a.env.results < 0 {
		return 0, errNoResults
	}
	total, err := strconv.Atoi(string(a.env.value("total")))
	if err != nil || total < 0 {
		return 0, errors.New("the answer has no total")
	}
	return total, nil
}

// hitsOf reads of each hit only what pages are told by: its values are for
// whoever asked for them.
func hitsOf(a *answer, modified string) ([]Hit, error) {
	hits := make([]Hit, 0, a.env.results)
	for record := range each(a.env.value("results")) {
		id := lastID(record)
		if id == "" {
			return nil, errors.New("a hit has no id")
		}
		date := timeOf(valueOf(valueOf(record, "properties"), modified))
		if date.IsZero() {
			date = timeOf(valueOf(record, "updatedAt"))
		}
		hits = append(hits, Hit{ID: id, Modified: date})
	}
	return hits, nil
}

// timeOf is the date that a value holds; zero when it holds none.
func timeOf(value []byte) time.Time {
	text, ok := scalar(value)
	if !ok {
		return time.Time{}
	}
	return parseTime(text)
}

// A filter is one condition of a search.
type filter struct {
	Property string `json:"propertyName"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
	High     string `json:"highValue,omitempty"`
}

func searchBody(r SearchRequest) ([]byte, error) {
	type group struct {
		Filters []filter `json:"filters"`
	}
	type sort struct {
		Property  string `json:"propertyName"`
		Direction string `json:"direction"`
	}
	if r.Limit <= 0 {
		r.Limit = MaxSearch
	}
	if err := checkSearch(r); err != nil {
		return nil, err
	}
	request := struct {
		Groups     []group  `json:"filterGroups"`
		Sorts      []sort   `json:"sorts"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
		After      string   `json:"after,omitempty"`
	}{
		Sorts:      []sort{{ObjectID, "ASCENDING"}},
		Properties: searchProperties(r),
		Limit:      r.Limit,
	}
	if r.Descending {
		request.Sorts[0].Direction = "DESCENDING"
	}
	if filters := searchFilters(r); len(filters) > 0 {
		request.Groups = []group{{filters}}
	}
	if r.Offset > 0 {
		request.After = strconv.Itoa(r.Offset)
	}
	return json.Marshal(request)
}

// checkSearch refuses what HubSpot would refuse, and what would find nothing
// for a reason that nobody sees.
func checkSearch(r SearchRequest) error {
	windowed := !r.From.IsZero() || !r.To.IsZero()
	switch {
	case r.Limit > MaxSearch:
		return fmt.Errorf("%d hits asked for: give at most %d", r.Limit, MaxSearch)
	case r.Offset < 0 || r.Offset+r.Limit > MaxSearchOffset:
		return fmt.Errorf("%d hits from offset %d on asked for: offsets reach the first %d only", r.Limit, r.Offset, MaxSearchOffset)
	case windowed && (r.Modified == "" || r.To.IsZero()):
		return errors.New("the window asked for has no property or no end")
	case r.BelowID != "" && !isNumber(r.BelowID):
		return fmt.Errorf("ids below %q asked for: give a number", r.BelowID)
	case r.BelowID != "" && isNumber(r.AfterID) && !below(r.AfterID, r.BelowID):
		return fmt.Errorf("ids above %s and below %s asked for: there are none", r.AfterID, r.BelowID)
	}
	return nil
}

// searchProperties names each property once, first what a hit is told by.
func searchProperties(r SearchRequest) []string {
	names := []string{r.Modified, ObjectID}
	if r.Modified == "" {
		names = names[1:]
	}
	seen := map[string]bool{r.Modified: true, ObjectID: true}
	for _, name := range r.Properties {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func searchFilters(r SearchRequest) []filter {
	var filters []filter
	if !r.From.IsZero() || !r.To.IsZero() {
		filters = append(filters, filter{
			Property: r.Modified, Operator: "BETWEEN",
			Value: milliseconds(r.From), High: milliseconds(r.To),
		})
	}
	if r.AfterID != "" {
		filters = append(filters, filter{Property: ObjectID, Operator: "GT", Value: r.AfterID})
	}
	if r.BelowID != "" {
		filters = append(filters, filter{Property: ObjectID, Operator: "LT", Value: r.BelowID})
	}
	return filters
}

// earliest is the first moment that is searched from: HubSpot has answered 500
// to a search from the epoch itself.
const earliest = 1000

func milliseconds(t time.Time) string {
	return strconv.FormatInt(max(earliest, t.UnixMilli()), 10)
}

// parseTime reads a date in either of the forms that HubSpot writes:
// milliseconds since 1970, or ISO 8601 with or without a fraction; zero for
// anything else.
func parseTime(text string) time.Time {
	if ms, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
		return time.UnixMilli(ms).UTC()
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
