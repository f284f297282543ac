package hubspotsim

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Counters are what the account has seen since it was made.
type Counters struct {
	Requests map[string]int64 `json:"requests"` // by kind: list, read, batchread, search, associations, token, ...; "history" and "401" count besides
	Agents   map[string]int64 `json:"agents"`   // requests by the first word of the User-Agent
	Objects  map[string]int64 `json:"objects"`  // objects served, by type name (custom objects: objectTypeId)
	Faults   map[string]int64 `json:"faults"`   // injected faults, by kind

	PeakWindow       int   `json:"peak_window"`       // most requests of one credential in any rolling 10 s
	PeakSearch       int   `json:"peak_search"`       // most searches in any rolling second
	PeakAssociations int   `json:"peak_associations"` // most association reads in any rolling 10 s
	Limited          int64 `json:"limited"`           // answers of 429 because a limit was exceeded
	Today            int   `json:"today"`             // requests counted against the daily budget
}

// A budget is one of the ways in which HubSpot counts a request.
type budget uint8

const (
	tenSecondly   budget = iota
	bySearch             // per second and account, apart from the ten-second limit
	byAssociation        // ten seconds of its own
	uncounted            // against no limit
)

// maxAgents bounds how many names are told apart.
const maxAgents = 100

// A window counts what happened in a rolling span of time.
type window struct {
	span     time.Duration
	limit    int
	admitted []time.Time // within the span, oldest first
	seen     []time.Time // the same with those refused
	peak     int
}

// take counts a request and tells whether the limit has room for it.
func (w *window) take(now time.Time) bool {
	w.seen = append(since(w.seen, now.Add(-w.span)), now)
	w.peak = max(w.peak, len(w.seen))
	w.admitted = since(w.admitted, now.Add(-w.span))
	if w.limit > 0 && len(w.admitted) >= w.limit {
		return false
	}
	w.admitted = append(w.admitted, now)
	return true
}

// since drops the times that are not after start.
func since(times []time.Time, start time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(start) {
		times = times[1:]
	}
	return times
}

// A meter counts requests, and refuses those beyond HubSpot's limits.
type meter struct {
	zone  *time.Location
	daily int // 0: no limit
	limit int // of a credential's window; 0: no limit

	mu           sync.Mutex
	counters     Counters
	windows      map[string]*window // by credential
	searches     window
	associations window
	day          string
}

func newMeter(o Options, zone *time.Location) *meter {
	m := &meter{
		zone:         zone,
		counters:     Counters{Requests: map[string]int64{}, Agents: map[string]int64{}, Objects: map[string]int64{}, Faults: map[string]int64{}},
		windows:      map[string]*window{},
		searches:     window{span: time.Second},
		associations: window{span: 10 * time.Second},
	}
	if !o.Unlimited {
		m.daily, m.limit = o.DailyLimit, o.Window
		m.searches.limit, m.associations.limit = o.SearchPerSecond, o.AssociationWindow
	}
	return m
}

// take counts a request of a credential. The policy is the name of the limit
// that it exceeds, empty if none; the header gets what HubSpot tells of limits.
func (m *meter) take(c *call, who credential, header http.Header) (policy string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.counters.Requests[c.kind]++
	agent, _, _ := strings.Cut(c.r.UserAgent(), " ")
	if m.counters.Agents[agent] > 0 || len(m.counters.Agents) < maxAgents {
		m.counters.Agents[agent]++
	}
	if c.budget == uncounted {
		return ""
	}
	policy = m.exceeded(now, c.budget, who)
	if policy != "" {
		m.counters.Limited++
	}
	if c.budget != bySearch {
		m.tell(header, c.budget, who)
	}
	return policy
}

func (m *meter) exceeded(now time.Time, b budget, who credential) string {
	if day := now.In(m.zone).Format(time.DateOnly); day != m.day {
		m.day, m.counters.Today = day, 0
	}
	w, policy := m.window(b, who.window)
	if !w.take(now) {
		return policy
	}
	if m.daily > 0 && !who.app && m.counters.Today >= m.daily {
		return policyDaily
	}
	m.counters.Today++
	return ""
}

func (m *meter) window(b budget, credential string) (*window, string) {
	switch b {
	case bySearch:
		return &m.searches, policySecondly
	case byAssociation:
		return &m.associations, policyTenSecondly
	}
	w := m.windows[credential]
	if w == nil {
		w = &window{span: 10 * time.Second, limit: m.limit}
		m.windows[credential] = w
	}
	return w, policyTenSecondly
}

// noLimit is what the headers of an unlimited account say.
const noLimit = 1_000_000

// tell writes the limits' headers; an app has no daily limit. Answers that the
// ten-second limit does not count say nothing about it.
func (m *meter) tell(header http.Header, b budget, who credential) {
	set := func(name string, n int) { header.Set(name, strconv.Itoa(max(0, n))) }
	switch {
	case who.app:
	case m.daily == 0:
		set("X-HubSpot-RateLimit-Daily", noLimit)
		set("X-HubSpot-RateLimit-Daily-Remaining", noLimit)
	default:
		set("X-HubSpot-RateLimit-Daily", m.daily)
		set("X-HubSpot-RateLimit-Daily-Remaining", m.daily-m.counters.Today)
	}
	if b != tenSecondly {
		return
	}
	set("X-HubSpot-RateLimit-Interval-Milliseconds", 10_000)
	if m.limit == 0 {
		set("X-HubSpot-RateLimit-Max", noLimit)
		set("X-HubSpot-RateLimit-Remaining", noLimit)
		return
	}
	set("X-HubSpot-RateLimit-Max", m.limit)
	set("X-HubSpot-RateLimit-Remaining", m.limit-len(m.windows[who.window].admitted))
}

// served counts objects of an answer.
func (m *meter) served(objectType string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters.Objects[objectType] += int64(n)
}

// also counts something about a request besides its kind.
func (m *meter) also(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters.Requests[what]++
}

// injected counts a fault.
func (m *meter) injected(fault string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters.Faults[fault]++
}

// Counters returns a copy of what was counted so far.
func (a *Account) Counters() Counters {
	m := a.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counters
	c.Requests, c.Agents = maps.Clone(c.Requests), maps.Clone(c.Agents)
	c.Objects, c.Faults = maps.Clone(c.Objects), maps.Clone(c.Faults)
	c.PeakSearch, c.PeakAssociations = m.searches.peak, m.associations.peak
	for _, w := range m.windows {
		c.PeakWindow = max(c.PeakWindow, w.peak)
	}
	return c
}
