package hubspot

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// MaxSearch is how many hits one search may ask for (developers.hubspot.com,
// search guide).
const MaxSearch = 200

// A SearchRequest asks which records were modified within a window, in the
// order of their ids.
type SearchRequest struct {
	Type     string
	Modified string    // the type's modified property
	From, To time.Time // both included, to the millisecond; both zero: whenever
	AfterID  string    // the last id received, "" to begin: the key to page by
	Limit    int       // up to MaxSearch, which is the default; 1 to learn the total only
}

// Hits is the answer to a search. It holds what HubSpot's index knew, which is
// late, so that a total is a count of the index and not of the account.
type Hits struct {
	Total int       // records that match, also beyond this answer
	IDs   []Hit     // in the order received
	More  bool      // whether there are more, even though this answer is short or empty
	Date  time.Time // HubSpot's clock
	Stamp int64     // taken before the answered attempt was sent
}

// A Hit is one record that matched.
type Hit struct {
	ID       string
	Modified time.Time // zero when HubSpot gave none that can be read
}

// Search finds records by the date of their last change. It never uses
// HubSpot's offsets, which skip records while others change and end at 10,000:
// the next page is the same search with AfterID.
func (c *Client) Search(ctx context.Context, r SearchRequest) (*Hits, error) {
	body, err := searchBody(r)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: "search " + r.Type, Err: err}
	}
	var found struct {
		Results []struct {
			ID         string            `json:"id"`
			UpdatedAt  string            `json:"updatedAt"`
			Properties map[string]string `json:"properties"`
		} `json:"results"`
	}
	var total int
	a, err := c.ask(ctx, question{
		op:     "search " + r.Type,
		path:   c.path(ObjectsFamily, r.Type, "search"),
		body:   body,
		search: true,
		verify: func(a *answer) (err error) {
			total, err = totalOf(a)
			return err
		},
		decoded: &found,
	})
	if err != nil {
		return nil, err
	}
	hits := &Hits{Total: total, Date: a.date, Stamp: a.stamp}
	for _, one := range found.Results {
		modified := parseTime(one.Properties[r.Modified])
		if modified.IsZero() {
			modified = parseTime(one.UpdatedAt)
		}
		hits.IDs = append(hits.IDs, Hit{ID: one.ID, Modified: modified})
	}
	hits.More = a.env.next != "" || hits.Total > len(hits.IDs)
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
	for record := range each(a.env.value("results")) {
		if lastID(record) == "" {
			return 0, errors.New("a hit has no id")
		}
	}
	return total, nil
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
	filters := searchFilters(r)
	request := struct {
		Groups     []group  `json:"filterGroups"`
		Sorts      []sort   `json:"sorts"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
	}{
		Sorts:      []sort{{ObjectID, "ASCENDING"}},
		Properties: []string{r.Modified, ObjectID},
		Limit:      r.Limit,
	}
	if len(filters) > 0 {
		request.Groups = []group{{filters}}
	}
	if request.Limit <= 0 {
		request.Limit = MaxSearch
	}
	return json.Marshal(request)
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
