package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// HubSpot's bounds on one call about records (developers.hubspot.com, "using
// object APIs").
const (
	MaxList      = 100 // records on a page of a list
	MaxBatchRead = 100 // ids of a batch read
	MaxHistory   = 50  // ids of one with history, as other connectors found
)

// A Page is one verified answer about records.
type Page struct {
	Body    []byte    // the whole answer: a complete JSON object with a results array
	Date    time.Time // HubSpot's clock, in whole seconds
	Stamp   int64     // taken before the answered attempt was sent
	Next    string    // the cursor of the next page; "" only when the answer says that there is none
	Results int       // how many records the results array has
	Status  int       // 200, or 207 for a batch read that did not find all
	Missing []string  // the ids that HubSpot named as not found, in a 207
}

// A ListRequest asks for a page of all records of a type.
type ListRequest struct {
	Type       string   // a name or an objectTypeId
	After      string   // a former page's Next; also a record id, as an inclusive lower bound
	Limit      int      // up to MaxList, which is the default
	Properties []string // the ones that HubSpot does not know are left out of its answer, silently
	Archived   bool     // the archived records instead of the live ones
}

// List reads a page of records in the order of their ids. It makes no call,
// and the error's kind is TooLong, when the properties do not fit in a URL:
// then list without them and read by id.
func (c *Client) List(ctx context.Context, r ListRequest) (*Page, error) {
	op := "list " + r.Type
	if !c.ListFits(r) {
		return nil, &Error{Kind: TooLong, Op: op}
	}
	a, err := c.ask(ctx, question{
		op:     op,
		path:   c.path(ObjectsFamily, r.Type),
		query:  listQuery(r),
		verify: recordsAfter(r.After),
	})
	if err != nil {
		return nil, err
	}
	return a.page(), nil
}

// ListFits tells whether the request's path and query are short enough to be
// sent, and its property names can be told apart in a list with commas.
func (c *Client) ListFits(r ListRequest) bool {
	for _, name := range r.Properties {
		if strings.Contains(name, ",") {
			return false
		}
	}
	return len(c.path(ObjectsFamily, r.Type))+len("?")+len(listQuery(r)) <= c.cfg.URLBytes
}

func listQuery(r ListRequest) string {
	limit := r.Limit
	if limit <= 0 {
		limit = MaxList
	}
	query := "limit=" + strconv.Itoa(limit) + "&archived=" + strconv.FormatBool(r.Archived)
	if r.After != "" {
		query += "&after=" + url.QueryEscape(r.After)
	}
	return query + propertiesQuery(r.Properties)
}

// propertiesQuery leaves the commas as they are: encoded, they would be three
// bytes of a URL that has none to spare.
func propertiesQuery(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var query strings.Builder
	query.WriteString("&properties=")
	for i, name := range names {
		if i > 0 {
			query.WriteByte(',')
		}
		query.WriteString(url.QueryEscape(name))
	}
	return query.String()
}

// A BatchRequest asks for records by id.
type BatchRequest struct {
	Type       string
	IDs        []string // at most MaxBatchRead; one that stands twice is asked for once
	Properties []string
	Archived   bool // the archived records instead of the live ones
}

// BatchRead reads records by id, in no particular order. A record that was
// merged away answers under its winner's id. An id that is neither among the
// results nor in Missing is one about which HubSpot said nothing.
func (c *Client) BatchRead(ctx context.Context, r BatchRequest) (*Page, error) {
	op := "read " + r.Type + " by id"
	inputs, err := batchInputs(r.IDs, MaxBatchRead)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: op, Err: err}
	}
	return c.batchRead(ctx, op, r.Type, r.Archived, struct {
		Inputs     []batchInput `json:"inputs"`
		Properties []string     `json:"properties"`
	}{inputs, r.Properties})
}

// A HistoryRequest asks for the former values of records by id.
type HistoryRequest struct {
	Type       string
	IDs        []string // at most MaxHistory; one that stands twice is asked for once
	Properties []string // whose history is asked for: at least one
	Archived   bool     // the archived records instead of the live ones
}

// History reads the values that properties of records have had. The page is
// that of BatchRead, with a propertiesWithHistory in each record: by property
// a list of value, timestamp and source. How far back it goes is not
// documented. A property that HubSpot does not know is left out, silently.
func (c *Client) History(ctx context.Context, r HistoryRequest) (*Page, error) {
	op := "read the history of " + r.Type
	inputs, err := batchInputs(r.IDs, MaxHistory)
	if err == nil && len(r.Properties) == 0 {
		err = errors.New("no properties asked for: give at least one")
	}
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: op, Err: err}
	}
	return c.batchRead(ctx, op, r.Type, r.Archived, struct {
		Inputs     []batchInput `json:"inputs"`
		Properties []string     `json:"properties"`
		History    []string     `json:"propertiesWithHistory"`
	}{inputs, nil, r.Properties})
}

func (c *Client) batchRead(ctx context.Context, op, objectType string, archived bool, request any) (*Page, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: op, Err: err}
	}
	var missing []string
	a, err := c.ask(ctx, question{
		op:      op,
		path:    c.path(ObjectsFamily, objectType, "batch", "read"),
		query:   "archived=" + strconv.FormatBool(archived),
		body:    body,
		partial: true,
		verify: func(a *answer) (err error) {
			if err := wholeList(a); err != nil {
				return err
			}
			missing, err = notFound(a)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	page := a.page()
	page.Missing = missing
	return page, nil
}

type batchInput struct {
	ID string `json:"id"`
}

// batchInputs names each id once: HubSpot refuses a batch that names one twice.
func batchInputs(ids []string, most int) ([]batchInput, error) {
	var inputs []batchInput
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !asked[id] {
			asked[id] = true
			inputs = append(inputs, batchInput{id})
		}
	}
	if n := len(inputs); n == 0 || n > most {
		return nil, fmt.Errorf("%d ids asked for: give from 1 to %d", n, most)
	}
	return inputs, nil
}

// notFound reads the ids that a 207 names as not found. Its other errors name
// ids whose state is unknown.
func notFound(a *answer) ([]string, error) {
	if a.status != http.StatusMultiStatus {
		return nil, nil
	}
	list := a.env.value("errors")
	if !absent(list) && list[0] != '[' {
		return nil, errors.New("the errors of the answer are not a list")
	}
	var missing []string
	for item := range each(list) {
		members, ok := readMembers(item)
		if !ok {
			return nil, errors.New("an error of the answer is not an object")
		}
		if category, ok := scalar(find(members, "category")); !ok || category != "OBJECT_NOT_FOUND" {
			continue
		}
		context, ok := readMembers(find(members, "context"))
		if !ok {
			return nil, errors.New("an error of the answer names no ids")
		}
		missing = append(missing, texts(find(context, "ids"))...)
	}
	return missing, nil
}

// A ReadRequest asks for one record.
type ReadRequest struct {
	Type       string
	ID         string
	Properties []string
	Archived   bool // the archived record instead of the live one
}

// Read reads one record as a page of one. The error's kind is NotFound when
// HubSpot has no such record; a record that was merged away answers under its
// winner's id.
func (c *Client) Read(ctx context.Context, r ReadRequest) (*Page, error) {
	a, err := c.ask(ctx, question{
		op:     "read " + r.Type + " " + r.ID,
		path:   c.path(ObjectsFamily, r.Type, r.ID),
		query:  "archived=" + strconv.FormatBool(r.Archived) + propertiesQuery(r.Properties),
		verify: oneThing("id"),
	})
	if err != nil {
		return nil, err
	}
	page := a.page()
	page.Body = append(append([]byte(`{"results":[`), a.body...), `]}`...)
	page.Results = 1
	return page, nil
}

func (a *answer) page() *Page {
	return &Page{
		Body: a.body, Date: a.date, Stamp: a.stamp,
		Next: a.env.next, Results: max(0, a.env.results), Status: a.status,
	}
}
