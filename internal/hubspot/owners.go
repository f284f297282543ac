package hubspot

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// An Owner is a user, or a queue, that records can be assigned to
// (developers.hubspot.com, owners guide). Dates are as HubSpot wrote them.
type Owner struct {
	ID                      string `json:"id"`
	Email                   string `json:"email"`
	FirstName               string `json:"firstName"`
	LastName                string `json:"lastName"`
	Type                    string `json:"type"`   // PERSON or QUEUE
	UserID                  int64  `json:"userId"` // 0 for an archived owner
	UserIDIncludingInactive int64  `json:"userIdIncludingInactive"`
	Teams                   []Team `json:"teams"`
	CreatedAt               string `json:"createdAt"`
	UpdatedAt               string `json:"updatedAt"`
	Archived                bool   `json:"archived"`
}

// A Team is one team of an owner.
type Team struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Primary bool   `json:"primary"`
}

// An OwnerPage is one answer about owners.
type OwnerPage struct {
	Owners []Owner
	Next   string    // the cursor of the next page; "" on the last
	Date   time.Time // HubSpot's clock
	Stamp  int64     // taken before the page was asked for
}

const ownersPerPage = 100

// Owners reads a page of owners, the live ones or the archived ones; after is
// the former page's Next, or "".
func (c *Client) Owners(ctx context.Context, after string, archived bool) (OwnerPage, error) {
	var list struct {
		Results []Owner `json:"results"`
	}
	query := url.Values{"limit": {strconv.Itoa(ownersPerPage)}, "archived": {strconv.FormatBool(archived)}}
	if after != "" {
		query.Set("after", after)
	}
	ans, err := c.ask(ctx, question{
		op:      "list owners",
		path:    c.path(OwnersFamily),
		query:   query.Encode(),
		verify:  pageAfter(after),
		decoded: &list,
	})
	if err != nil {
		return OwnerPage{}, err
	}
	return OwnerPage{Owners: list.Results, Next: ans.env.next, Date: ans.date, Stamp: ans.stamp}, nil
}

// Owner reads one owner by id, as a page of one. The error is NotFound when
// there is none, live or archived as asked.
func (c *Client) Owner(ctx context.Context, id string, archived bool) (OwnerPage, error) {
	var owner Owner
	ans, err := c.ask(ctx, question{
		op:      "read owner " + id,
		path:    c.path(OwnersFamily, id),
		query:   url.Values{"idProperty": {"id"}, "archived": {strconv.FormatBool(archived)}}.Encode(),
		verify:  oneThing("id"),
		decoded: &owner,
	})
	if err != nil {
		return OwnerPage{}, err
	}
	return OwnerPage{Owners: []Owner{owner}, Date: ans.date, Stamp: ans.stamp}, nil
}
