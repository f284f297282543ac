package hubspotsim

import (
	"net/http"
	"strconv"
	"strings"
)

// serveSim answers the paths that no HubSpot account has. They need no token
// and are not counted:
//
//	/_sim/counters         Counters as JSON
//	/_sim/truth/{type}     every live object with all its properties, a line each; ?archived=true for the bin
//	/_sim/merged/{type}    a JSON object that maps merged ids to their winners
//	/_sim/erased/{type}    a JSON list of the ids that privacy deletions took
//	/_sim/links/{type}/{type}  every association from the one to the other, a line each
func (a *Account) serveSim(w http.ResponseWriter, r *http.Request) {
	what, objectType, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/_sim/"), "/")
	objectType, otherType, pair := strings.Cut(objectType, "/")
	_, err := a.table(objectType)
	switch {
	case what == "links" && pair:
		a.streamLinks(w, objectType, otherType)
	case pair:
		http.NotFound(w, r)
	case what == "counters" && objectType == "":
		writeJSON(w, a.Counters())
	case what == "truth" && err == nil:
		a.streamTruth(w, r, objectType)
	case what == "erased" && err == nil:
		writeJSON(w, append([]int64{}, a.Erased(objectType)...))
	case what == "merged" && err == nil:
		winners := map[string]string{}
		for loser, winner := range a.MergedAway(objectType) {
			winners[strconv.FormatInt(loser, 10)] = strconv.FormatInt(winner, 10)
		}
		writeJSON(w, winners)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(appendJSON(nil, v)) // a failure means that the asker is gone
}

// streamTruth writes a type's objects as HubSpot would, a line each.
func (a *Account) streamTruth(w http.ResponseWriter, r *http.Request, objectType string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	s := live
	if r.URL.Query().Get("archived") == "true" {
		s = archived
	}
	for from := int64(0); ; {
		lines, last, n := a.truthLines(objectType, s, from)
		if _, err := w.Write(lines); err != nil || n < truthPage {
			return
		}
		from = last + 1
	}
}

func (a *Account) truthLines(objectType string, s state, from int64) (lines []byte, last int64, n int) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return nil, 0, 0
	}
	all := shape{account: a.options.AccountID, picked: t.props.sorted, archived: s == archived}
	views := t.pageIn(s, from, truthPage)
	for i := range views {
		lines = append(t.appendObject(lines, &views[i], &all), '\n')
		last = views[i].id
	}
	return lines, last, len(views)
}

// streamLinks writes the associations from one type to another, a line each.
func (a *Account) streamLinks(w http.ResponseWriter, from, to string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	for l := range a.TrueLinks(from, to) {
		line := appendJSON(nil, map[string]any{"from": l.From, "to": l.To, "category": l.Category, "typeId": l.TypeID, "label": l.Label})
		if _, err := w.Write(append(line, '\n')); err != nil {
			return
		}
	}
}
