package hubspotsim

import (
	"fmt"
	"time"
)

// answerDetails serves what the account says of itself.
func (a *Account) answerDetails(_ *call, out []byte) (int, []byte) {
	_, seconds := time.Now().In(a.zone).Zone()
	sign, size := '+', seconds
	if seconds < 0 {
		sign, size = '-', -seconds
	}
	return 200, appendJSON(out, struct {
		PortalID   int64    `json:"portalId"`
		Type       string   `json:"accountType"`
		Zone       string   `json:"timeZone"`
		Currency   string   `json:"companyCurrency"`
		Currencies []string `json:"additionalCurrencies"`
		Offset     string   `json:"utcOffset"`
		OffsetMS   int      `json:"utcOffsetMilliseconds"`
		Domain     string   `json:"uiDomain"`
		Hosting    string   `json:"dataHostingLocation"`
	}{
		a.options.AccountID, "STANDARD", a.options.TimeZone, "USD", []string{},
		fmt.Sprintf("%c%02d:%02d", sign, size/3600, size/60%60), seconds * 1000, "app.hubspot.com", "na1",
	})
}

// answerUsage serves how much of the daily budget is spent.
func (a *Account) answerUsage(_ *call, out []byte) (int, []byte) {
	now := time.Now().In(a.zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, a.zone)
	type usage struct {
		Name        string    `json:"name"`
		Limit       int       `json:"usageLimit"`
		Current     int       `json:"currentUsage"`
		CollectedAt time.Time `json:"collectedAt"`
		Status      string    `json:"fetchStatus"`
		ResetsAt    time.Time `json:"resetsAt"`
	}
	return 200, appendJSON(out, map[string][]usage{"results": {{
		"private-apps-api-calls-daily", a.options.DailyLimit, a.Counters().Today, now.UTC(), "SUCCESS", midnight.UTC(),
	}}})
}

// A limit is how many records a type has, of how many it may have.
type limit struct {
	ObjectTypeID string  `json:"objectTypeId"`
	Singular     string  `json:"singularLabel"`
	Plural       string  `json:"pluralLabel"`
	Limit        int     `json:"limit"`
	Usage        int     `json:"usage"`
	Percentage   float64 `json:"percentage"`
}

const recordLimit = 15_000_000

// answerLimits serves the number of records of every type.
func (a *Account) answerLimits(_ *call, out []byte) (int, []byte) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	standard, custom := []limit{}, []limit{}
	for _, t := range a.tables {
		n := t.count()
		l := limit{t.kind.id, title(t.kind.singular), title(t.kind.name), recordLimit, n, float64(n) * 100 / recordLimit}
		if t.kind.custom() {
			custom = append(custom, l)
		} else {
			standard = append(standard, l)
		}
	}
	return 200, appendJSON(out, map[string]any{
		"hubspotDefinedObjectTypes": standard,
		"customObjectTypes":         map[string]any{"byObjectType": custom},
	})
}
