package datastreams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock"
	"penstock/internal/catalog"
)

// Plan asks HubSpot how much there is, and reckons what reading it costs. It
// reads nothing else and loads nothing.
func (s *Service) Plan(ctx context.Context, connection string) (Plan, error) {
	c := s.connections[connection]
	if c == nil {
		return Plan{}, errNoConnection(connection)
	}
	streams, err := c.looked(ctx)
	if err != nil {
		return Plan{}, err
	}
	b := c.basis()
	for _, stream := range streams {
		if stream.Family != penstock.Objects || !c.Chosen(stream.Name) {
			continue
		}
		counted, limits, err := c.size(ctx, stream)
		if err != nil {
			return Plan{}, err
		}
		b.sizes = append(b.sizes, counted)
		if len(limits.Windows) > 0 {
			b.limits = limits
		}
	}
	return c.reckon(b), nil
}

// basis is what the connection's settings say of a plan.
func (c *connection) basis() basis {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := basis{every: c.schedule.Every, listEvery: c.service.cfg.ListEvery}
	if c.Sweep.Share > 0 {
		b.sweepEvery = cmp.Or(c.Sweep.Every, sweepOnce)
	}
	return b
}

// size asks how many objects the stream has. One that may not be read has a
// note instead; that nobody can be asked is an error.
func (c *connection) size(ctx context.Context, stream penstock.Stream) (size, penstock.Limits, error) {
	if stream.Whole {
		return size{stream, -1, "it has no search: how much there is shows when it is read"}, penstock.Limits{}, nil
	}
	a, err := c.ask(ctx, penstock.Question{Stream: stream, For: penstock.ForPlan, Count: []penstock.Span{{}}})
	var trouble *penstock.Trouble
	switch {
	case errors.As(err, &trouble):
		return size{stream, -1, trouble.Message}, a.Limits, nil
	case err != nil:
		return size{}, a.Limits, err
	case len(a.Counts) != 1:
		return size{}, a.Limits, fmt.Errorf("%w: it is of another version", ErrNoWorker)
	}
	return size{stream, a.Counts[0], ""}, a.Limits, nil
}

// reckon adds what belongs to the objects, and makes the plan.
func (c *connection) reckon(b basis) Plan {
	count := map[string]int64{}
	var objects []penstock.Stream
	for _, s := range b.sizes {
		if s.objects > 0 {
			count[s.stream.Name] = s.objects
			objects = append(objects, s.stream)
		}
	}
	for _, stream := range slices.Concat(c.links(objects), c.histories(objects)) {
		b.belongings = append(b.belongings, belonging{stream, count[stream.Of]})
	}
	p := reckon(b)
	p.Connection = c.Name
	return p
}

// Quota is what is used and left of HubSpot's daily budget.
type Quota struct {
	Connection  string        `json:"connection" doc:"The connection."`
	Account     int64         `json:"account" doc:"HubSpot's portal id, whose budget it is; 0 until a worker has seen it."`
	Day         string        `json:"day" doc:"The day in the account's time zone."`
	Spent       int64         `json:"spent" doc:"Calls of ours on that day."`
	By          []QuotaUse    `json:"by" nullable:"false" doc:"What they were for, the most first."`
	Limit       int64         `json:"limit" doc:"Calls allowed a day, to all tools of the account; 0 while unknown."`
	Left        int64         `json:"left" doc:"Of these, how many are left, for all tools. Means nothing while the limit is unknown."`
	Reserved    int64         `json:"reserved" doc:"Calls that are kept for other tools."`
	ResetsAt    time.Time     `json:"resets_at,omitzero" doc:"When the next day begins."`
	SleepsUntil time.Time     `json:"sleeps_until,omitzero" doc:"Where lanes have stopped because the budget, or what of it they may use, is used up: when they go on."`
	Expected    int64         `json:"expected" doc:"Calls of a day of the present settings on which nothing changes, by the rows in the warehouse."`
	Uses        []Use         `json:"uses" nullable:"false" doc:"What these are for."`
	Windows     []QuotaWindow `json:"windows" nullable:"false" doc:"The short limits; none while no worker answers."`
}

// A QuotaUse is how many of the day's calls a lane of a stream has made.
type QuotaUse struct {
	Stream string `json:"stream" doc:"The stream; empty for the whole account."`
	Lane   string `json:"lane" doc:"The lane, or what was asked for: explain, plan, probe, verify."`
	Calls  int64  `json:"calls" doc:"How many."`
}

// A QuotaWindow is one of HubSpot's short limits.
type QuotaWindow struct {
	Name    string  `json:"name" doc:"Its name."`
	Seconds float64 `json:"seconds" doc:"How long it is."`
	Limit   int     `json:"limit" doc:"Calls within it, by everybody."`
	Share   int     `json:"share" doc:"Of these ours at most."`
}

// limitsWithin is how long the worker may take to tell the limits: it knows
// them without a call.
const limitsWithin = 3 * time.Second

// Quota tells what is used and left. What only a worker knows is left out
// while none answers.
func (s *Service) Quota(ctx context.Context, connection string) (Quota, error) {
	c := s.connections[connection]
	if c == nil {
		return Quota{}, errNoConnection(connection)
	}
	account, spent, err := c.spentToday(ctx)
	if err != nil {
		return Quota{}, err
	}
	q := Quota{Connection: c.Name, Account: account, Day: spent.Day, Spent: spent.Calls,
		Limit: spent.Limit, Left: max(0, spent.Limit-spent.Calls), By: usesOf(spent), Windows: []QuotaWindow{}}
	asking, cancel := context.WithTimeout(ctx, limitsWithin)
	defer cancel()
	a, err := s.cfg.Bus.Ask(asking, penstock.Question{Connection: c.Name})
	if err == nil {
		q.learn(a.Limits)
	}
	if err := c.sleeps(ctx, &q); err != nil {
		return q, err
	}
	p, err := c.expected(ctx, a.Limits)
	q.Expected, q.Uses = p.PerDay, p.Uses
	return q, err
}

// spentToday are the account's calls of its present day: as its worker last told,
// else as an earlier process stored them.
func (c *connection) spentToday(ctx context.Context) (account int64, spent penstock.Spent, err error) {
	c.mu.Lock()
	of := c.account
	c.mu.Unlock()
	if of.ID == 0 {
		return 0, spent, nil
	}
	if spent = c.service.leases.spentOn(of.ID); spent.Day == "" {
		if spent, err = c.service.cfg.Catalog.Spent(ctx, of.ID); err != nil {
			return of.ID, spent, err
		}
	}
	zone, err := time.LoadLocation(of.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	if today := time.Now().In(zone).Format(time.DateOnly); spent.Day != today {
		spent = penstock.Spent{Day: today, Limit: spent.Limit}
	}
	return of.ID, spent, nil
}

// learn takes what the worker knows of the limits.
func (q *Quota) learn(l penstock.Limits) {
	q.ResetsAt = l.Daily.ResetsAt
	if l.Daily.Limit > 0 {
		q.Limit, q.Left, q.Reserved = l.Daily.Limit, l.Daily.Left, l.Daily.Reserved
	}
	for _, w := range l.Windows {
		q.Windows = append(q.Windows, QuotaWindow{w.Name, w.Span.Seconds(), w.Limit, w.Share})
	}
}

// sleeps finds out whether the budget is used up: whatever failed for that says
// until when.
func (c *connection) sleeps(ctx context.Context, q *Quota) error {
	troubles, err := c.service.cfg.Catalog.Troubles(ctx, catalog.TroubleQuery{Connection: c.Name, Open: true})
	for _, t := range troubles {
		if t.Kind == dailyTrouble && t.Until.After(time.Now()) && t.Until.After(q.SleepsUntil) {
			q.SleepsUntil = t.Until
		}
	}
	return err
}

// dailyTrouble is the kind of a trouble that says that the daily budget is used
// up.
const dailyTrouble = "daily"

// usesOf are the day's calls by what they were for, the most first.
func usesOf(spent penstock.Spent) []QuotaUse {
	uses := make([]QuotaUse, 0, len(spent.By))
	for _, by := range spent.By {
		uses = append(uses, QuotaUse{by.Stream, string(by.Lane), by.Calls})
	}
	slices.SortStableFunc(uses, func(a, b QuotaUse) int { return cmp.Compare(b.Calls, a.Calls) })
	return uses
}

// expected is the plan by what the warehouse holds.
func (c *connection) expected(ctx context.Context, limits penstock.Limits) (Plan, error) {
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return Plan{}, fmt.Errorf("the warehouse does not answer: %w", err)
	}
	b := c.basis()
	b.limits = limits
	rows := map[string]int64{}
	for _, t := range tables {
		rows[t.Stream.Name] = t.Rows
		if t.Stream.Family == penstock.Objects && c.Chosen(t.Stream.Name) {
			b.sizes = append(b.sizes, size{t.Stream, t.Rows, ""})
		}
	}
	c.mu.Lock()
	discovered := slices.Clone(c.discovered)
	c.mu.Unlock()
	for _, s := range discovered { // those without rows are asked for changes, too
		if _, held := rows[s.Name]; !held && s.Family == penstock.Objects && c.Chosen(s.Name) && !c.refusedBy403(s.Name) {
			b.sizes = append(b.sizes, size{s, 0, ""})
		}
	}
	return c.reckon(b), nil
}

// refusedBy403 tells whether the stream is skipped because the credential may
// not read it.
func (c *connection) refusedBy403(stream string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[laneID{stream, penstock.Backfill}]
	return l != nil && l.outcome == penstock.Skipped
}
