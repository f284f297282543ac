package hubspotsim

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A listing is the question of a list or of a single read.
type listing struct {
	limit    int
	from     int64 // `after`: the id of the first record that may be named
	archived bool
	shape    shape
}

// The caps of a page: developers.hubspot.com, using object APIs; with
// histories as production connectors observe it.
const (
	maxList    = 100
	maxHistory = 50
)

// listing reads the parameters of a list of the type.
func (a *Account) listing(q url.Values, t *table) (l listing, err error) {
	l.archived = q.Get("archived") == "true"
	history := names(q["propertiesWithHistory"])
	l.shape = a.shape(t, names(q["properties"]), history)
	l.shape.archived = l.archived
	l.limit = 10
	if text := q.Get("limit"); text != "" {
		if l.limit, err = strconv.Atoi(text); err != nil || l.limit < 1 {
			return l, fmt.Errorf("limit %q is not a positive number", text)
		}
	}
	most := maxList
	if len(history) > 0 {
		most = maxHistory
	}
	if l.limit > most {
		return l, fmt.Errorf("limit %d is greater than the maximum %d", l.limit, most)
	}
	if text := q.Get("after"); text != "" {
		if l.from, err = strconv.ParseInt(text, 10, 64); err != nil {
			return l, refusal("Cannot deserialize value of type `long` from String " + strconv.Quote(text))
		}
		if a.options.ExclusiveAfter {
			l.from++
		}
	}
	return l, nil
}

// names splits parameters that may be repeated and may hold lists.
func names(params []string) []string {
	var all []string
	for _, p := range params {
		if p != "" {
			all = append(all, strings.Split(p, ",")...)
		}
	}
	return all
}

// shape says what is shown of the type's objects. The account must be locked.
func (a *Account) shape(t *table, properties, history []string) shape {
	s := shape{account: a.options.AccountID, picked: t.props.pick(properties)}
	for _, name := range history {
		if p := t.props.byName[name]; p != nil && !slices.Contains(s.history, p) {
			s.history = append(s.history, p)
		}
	}
	if len(history) > 0 {
		a.meter.also("history")
	}
	return s
}

// answerList serves a page of a type's objects by id.
func (a *Account) answerList(c *call, out []byte) (int, []byte) {
	t := c.tables[0]
	a.mu.RLock()
	defer a.mu.RUnlock()
	l, err := a.listing(c.query, t)
	if err != nil {
		return problem(out, 400, "VALIDATION_ERROR", err.Error())
	}
	s := live
	if l.archived {
		s = archived
	}
	views := t.pageIn(s, l.from, l.limit+1)
	next := lastPage
	if len(views) > l.limit {
		views = views[:l.limit]
		next = a.nextAfter(views)
	}
	if a.isBroken(t, l.from, views) {
		return problem(out, 500, "", "internal error")
	}
	views, next = a.listFault(c, views, next)
	a.meter.served(t.kind.key(), len(views))
	out = append(out, `{"results":[`...)
	out = t.appendObjects(out, views, &l.shape)
	out = append(out, ']')
	if next != lastPage {
		out = a.appendNext(out, c, next)
	}
	return 200, append(out, '}')
}

// lastPage stands for the cursor of a page without a successor.
const lastPage = int64(-1)

// listFault bends a page that has a successor.
func (a *Account) listFault(c *call, views []view, next int64) ([]view, int64) {
	if next == lastPage || len(views) < 2 {
		return views, next
	}
	asked, err := strconv.ParseInt(c.query.Get("after"), 10, 64)
	if err != nil {
		asked = 0 // the first page has no cursor
	}
	switch c.fault {
	case "few":
		views = views[:len(views)/2]
		next = a.nextAfter(views)
	case "blank":
		views, next = nil, asked
	case "repeat":
		next = asked
	case "back":
		next = asked / 2
	}
	return views, next
}

// nextAfter is the cursor behind the views.
func (a *Account) nextAfter(views []view) int64 {
	last := views[len(views)-1].id
	if a.options.ExclusiveAfter {
		return last
	}
	return last + 1
}

// deadHost is where the links to next pages lead: not to the account, so that
// a client that follows one sees at once that it should not.
const deadHost = "https://api.hubapi.invalid"

// appendNext appends the way to the next page.
func (a *Account) appendNext(out []byte, c *call, next int64) []byte {
	after := strconv.FormatInt(next, 10)
	out = append(out, `,"paging":{"next":{"after":"`...)
	out = append(out, after...)
	out = append(out, `","link":`...)
	out = appendString(out, deadHost+c.r.URL.Path+"?after="+after)
	return append(out, "}}"...)
}

// answerRead serves one object by id; a merged one answers as the winner.
func (a *Account) answerRead(c *call, out []byte) (int, []byte) {
	t := c.tables[0]
	a.mu.RLock()
	defer a.mu.RUnlock()
	l, err := a.listing(c.query, t)
	if err != nil {
		return problem(out, 400, "VALIDATION_ERROR", err.Error())
	}
	id, err := strconv.ParseInt(c.args[0], 10, 64)
	if err != nil {
		return problem(out, 400, "VALIDATION_ERROR", "invalid object id "+c.args[0])
	}
	v, s, ok := t.follow(id)
	if !ok || s != live && !(s == archived && l.archived) {
		return problem(out, 404, "OBJECT_NOT_FOUND", "resource not found")
	}
	l.shape.archived = s == archived
	a.meter.served(t.kind.key(), 1)
	return 200, t.appendObject(out, &v, &l.shape)
}
