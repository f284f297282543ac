package hubspot

import (
	"context"
	"time"
)

// An Account is what HubSpot says about the account that a credential opens.
type Account struct {
	PortalID    int64     `json:"portalId"`
	Type        string    `json:"accountType"` // STANDARD, DEVELOPER_TEST, SANDBOX or APP_DEVELOPER
	TimeZone    string    `json:"timeZone"`    // the daily budget resets at midnight there
	Currency    string    `json:"companyCurrency"`
	UTCOffset   int64     `json:"utcOffsetMilliseconds"`
	UIDomain    string    `json:"uiDomain"`
	DataHosting string    `json:"dataHostingLocation"`
	Date        time.Time `json:"-"` // HubSpot's clock
	Stamp       int64     `json:"-"` // taken before the answer was asked for
}

// Account reads the account's details, and teaches the quota its time zone.
func (c *Client) Account(ctx context.Context) (Account, error) {
	var a Account
	ans, err := c.ask(ctx, question{
		op:      "read the account's details",
		path:    c.path(AccountFamily),
		verify:  oneThing("portalId"),
		decoded: &a,
	})
	if err != nil {
		return Account{}, err
	}
	a.Date, a.Stamp = ans.date, ans.stamp
	c.account.Load().useZone(a.zone())
	return a, nil
}

// zone is the account's time zone; where the machine does not know the name,
// the offset that HubSpot gave beside it, which is off by an hour at most,
// twice a year.
func (a Account) zone() *time.Location {
	if zone, err := time.LoadLocation(a.TimeZone); err == nil && a.TimeZone != "" {
		return zone
	}
	return time.FixedZone(a.TimeZone, int(a.UTCOffset/1000))
}
