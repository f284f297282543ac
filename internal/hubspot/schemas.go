package hubspot

import (
	"context"
	"net/url"
	"time"
)

// A Schema is the definition of a custom object type
// (developers.hubspot.com, custom objects guide).
type Schema struct {
	ObjectTypeID       string `json:"objectTypeId"` // such as "2-123": the identity, since names can be shared
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Labels             struct {
		Singular string `json:"singular"`
		Plural   string `json:"plural"`
	} `json:"labels"`
	PrimaryDisplayProperty string `json:"primaryDisplayProperty"`
	CreatedAt              string `json:"createdAt"`
	UpdatedAt              string `json:"updatedAt"`
	Archived               bool   `json:"archived"`

	Date  time.Time `json:"-"` // HubSpot's clock in the answer that held it
	Stamp int64     `json:"-"` // taken before that answer was asked for
}

// Schemas lists the account's custom object types, none below Enterprise.
func (c *Client) Schemas(ctx context.Context) ([]Schema, error) {
	var list struct {
		Results []Schema `json:"results"`
	}
	ans, err := c.ask(ctx, question{
		op:      "list custom object schemas",
		path:    c.path(SchemasFamily),
		query:   url.Values{"archived": {"false"}}.Encode(),
		verify:  wholeList,
		decoded: &list,
	})
	if err != nil {
		return nil, err
	}
	for i := range list.Results {
		list.Results[i].Date, list.Results[i].Stamp = ans.date, ans.stamp
	}
	return list.Results, nil
}
