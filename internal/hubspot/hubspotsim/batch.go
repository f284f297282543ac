package hubspotsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A text is a JSON string, or a number taken as one.
type text string

// UnmarshalJSON takes both.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		*t = text(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// A batchRead is the body of a batch read.
type batchRead struct {
	Inputs []struct {
		ID text `json:"id"`
	} `json:"inputs"`
	Properties            []string `json:"properties"`
	PropertiesWithHistory []string `json:"propertiesWithHistory"`
	IDProperty            string   `json:"idProperty"`
}

func (q batchRead) validate() error {
	most := maxList
	if len(q.PropertiesWithHistory) > 0 {
		most = maxHistory
	}
	switch {
	case len(q.Inputs) == 0:
		return fmt.Errorf("inputs must not be empty")
	case len(q.Inputs) > most:
		return fmt.Errorf("the maximum number of inputs supported in a batch request is %d, got %d", most, len(q.Inputs))
	case q.IDProperty != "" && q.IDProperty != "hs_object_id":
		return fmt.Errorf("idProperty %q is not a unique property of this account", q.IDProperty)
	}
	seen := map[text]bool{}
	for _, in := range q.Inputs {
		if seen[in.ID] {
			return refusal("Duplicate IDs found in batch input: [" + string(in.ID) + "]. IDs must be unique")
		}
		seen[in.ID] = true
	}
	return nil
}

// answerBatch serves objects by id, in an order of its own.
func (a *Account) answerBatch(c *call, out []byte) (int, []byte) {
	var q batchRead
	if err := json.Unmarshal(c.body, &q); err != nil {
		return problem(out, 400, "VALIDATION_ERROR", "Invalid input JSON: "+err.Error())
	}
	if err := q.validate(); err != nil {
		return problem(out, 400, "VALIDATION_ERROR", err.Error())
	}
	t := c.tables[0]
	a.mu.RLock()
	defer a.mu.RUnlock()
	s := a.shape(t, q.Properties, q.PropertiesWithHistory)
	s.archived = c.query.Get("archived") == "true"
	views, unknown := t.batch(q, s.archived)
	slices.SortFunc(views, func(x, y view) int { return cmp.Compare(mix2(t.seed, uint64(x.id)), mix2(t.seed, uint64(y.id))) })
	views, altered := t.batchFault(c.fault, views)
	a.meter.served(t.kind.key(), len(views))
	out = append(out, `{"status":"COMPLETE","results":[`...)
	out = t.appendObjects(out, views, &s)
	out = append(out, ']')
	status := 200
	if len(unknown) > 0 || altered {
		status = 207
	}
	if len(unknown) > 0 {
		out = appendUnknown(out, t.kind, unknown)
	}
	return status, appendTook(out)
}

// batch finds the objects of a batch read: each once, a merged one as the
// winner.
func (t *table) batch(q batchRead, wantArchived bool) (views []view, unknown []string) {
	given := map[int64]bool{}
	for _, in := range q.Inputs {
		id, err := strconv.ParseInt(string(in.ID), 10, 64)
		v, s, ok := t.follow(id)
		if err != nil || !ok || !(s == live && !wantArchived || s == archived && wantArchived) {
			unknown = append(unknown, string(in.ID))
			continue
		}
		if !given[v.id] {
			views = append(views, v)
		}
		given[v.id] = true
	}
	return views, unknown
}

// batchFault loses objects, or adds one that nobody asked for.
func (t *table) batchFault(fault string, views []view) ([]view, bool) {
	switch {
	case fault == "fewer" && len(views) > 0:
		return views[:len(views)/2], true
	case fault == "extra" && len(views) > 0:
		for _, v := range t.page(views[0].id+1, len(views)+1) {
			if !slices.ContainsFunc(views, func(x view) bool { return x.id == v.id }) {
				return append(views, v), true
			}
		}
	}
	return views, false
}

// appendUnknown appends what a 207 says of ids that name nothing.
func appendUnknown(out []byte, k kind, ids []string) []byte {
	out = append(out, `,"numErrors":1,"errors":[`...)
	out = trouble{
		Category: "OBJECT_NOT_FOUND",
		Message:  "Could not get some " + k.singular + " objects, they may be deleted or not exist. Check that ids are valid.",
		Context:  map[string][]string{"ids": ids},
	}.append(out)
	return append(out, ']')
}

// appendTook ends a batch answer.
func appendTook(out []byte) []byte {
	now := time.Now().UnixMilli()
	out = append(out, `,"startedAt":"`...)
	out = appendTime(out, now)
	out = append(out, `","completedAt":"`...)
	out = appendTime(out, now)
	return append(out, `"}`...)
}
