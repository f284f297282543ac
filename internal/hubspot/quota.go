package hubspot

import (
	"net/http"
	"strconv"
	"time"
)

// HubSpot's limits (developers.hubspot.com, usage guidelines): the smallest
// that any plan has, until an answer's header says otherwise.
const (
	intervalSpan  = 10 * time.Second
	intervalLimit = 100
	linksSpan     = 10 * time.Second
	linksLimit    = 100 // older documentation; newer one only says that the ten-second limit does not hold for them
	searchSpan    = time.Second
	searchLimit   = 5
	searchReserve = 0.2 // unless it is taken too: search is shared by all tools of an account, and its answers never say what is left
)

// An AccountQuota holds the limits that all credentials of one HubSpot account
// share: searches a second and calls a day. The two ten-second limits, of
// association reads and of the rest, are a credential's own (Credentials).
type AccountQuota struct {
	search *window
	daily  daily
}

// NewAccountQuota makes the quota of an account of which nothing is known.
func NewAccountQuota() *AccountQuota {
	q := &AccountQuota{
		search: newWindow("search", searchLimit, searchSpan, false),
		daily:  daily{zone: time.UTC, spent: map[string]int{}, calls: labelled{}},
	}
	q.search.leave(searchReserve)
	return q
}

// Today is the account's current day, as in "2026-11-21".
func (q *AccountQuota) Today() string { return q.daily.today() }

// Spent is how many calls we have made on a day of the account's, so that the
// caller can keep it across restarts; 0 for days other than the last two.
func (q *AccountQuota) Spent(day string) int { return q.daily.spentOn(day) }

// Restore says how many calls an earlier process made on a day. It never
// lowers what is known.
func (q *AccountQuota) Restore(day string, spent int) { q.daily.restore(day, spent) }

// Calls is how many calls of the account's current day were made with each
// label, those without one under the zero Label.
func (q *AccountQuota) Calls() map[Label]int { return q.daily.callsToday() }

// RestoreCalls says how many calls an earlier process made with each label on
// a day. It never lowers what is known, and adds nothing to what is Spent.
func (q *AccountQuota) RestoreCalls(day string, calls map[Label]int) {
	q.daily.restoreCalls(day, calls)
}

func (q *AccountQuota) useZone(zone *time.Location) { q.daily.useZone(zone) }

// leave reserves a share of each limit for other tools, and another one of
// searches.
func (q *AccountQuota) leave(share, searches float64) {
	q.search.leave(max(share, searches))
	q.daily.leave(share)
}

// A QuotaState is what is known of HubSpot's limits at one moment.
type QuotaState struct {
	Windows []WindowState
	Daily   DailyState
}

// A WindowState is one rolling limit at one moment.
type WindowState struct {
	Name    string
	Span    time.Duration
	Limit   int           // calls within a span, by everybody
	Share   int           // of these ours at most
	Ours    int           // ours in the current span
	Others  int           // calls in the current span that HubSpot counted and we did not make
	Waiting int           // calls of ours that wait for a slot
	Opens   time.Duration // until time makes room for a call; 0 where there is some, or only an answer can
}

// A DailyState is the daily budget at one moment.
type DailyState struct {
	Day      string    // the account's day
	Limit    int       // calls a day, by everybody; 0 when unknown or unlimited
	Left     int       // of these; meaningless when Limit is 0
	Spent    int       // by us
	Reserved int       // kept for other tools; meaningless when Limit is 0
	ResetsAt time.Time // when the next day begins
}

// intervalLeft reads what an answer says of the ten-second window; nil when it
// says nothing of it (developers.hubspot.com, usage guidelines: headers).
func intervalLeft(h http.Header) *remaining {
	if every := h.Get("X-HubSpot-RateLimit-Interval-Milliseconds"); every != "" && every != "10000" {
		return nil
	}
	return readRemaining(h, "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining")
}

// dailyLeft reads what an answer says of the daily budget; OAuth apps have none.
func dailyLeft(h http.Header) *remaining {
	return readRemaining(h, "X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining")
}

func readRemaining(h http.Header, limitName, leftName string) *remaining {
	limit, errLimit := strconv.Atoi(h.Get(limitName))
	left, errLeft := strconv.Atoi(h.Get(leftName))
	if errLimit != nil || errLeft != nil || limit <= 0 || left < 0 || left > limit {
		return nil
	}
	return &remaining{limit: limit, left: left}
}
