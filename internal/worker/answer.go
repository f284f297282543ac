package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
)

// questionsAtOnce is how many questions about a connection are answered at
// once. The calls for them wait in the same queues as the lanes'.
const questionsAtOnce = 2

// The places of questions in the queue for HubSpot: somebody waits for them.
const (
	firstInLine  = 0
	secondInLine = 1
)

// answer answers a question about an account that this worker holds; false
// for any other.
func (w *Worker) answer(ctx context.Context, q penstock.Question) (penstock.Answer, bool) {
	w.mu.Lock()
	h := w.holders[q.Connection]
	w.mu.Unlock()
	if h == nil {
		return penstock.Answer{}, false
	}
	h.mu.Lock()
	holding := h.holding
	h.mu.Unlock()
	if holding == nil || holding.Err() != nil {
		return penstock.Answer{}, false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(holding, cancel)()
	if q.Calls() {
		select {
		case h.questions <- struct{}{}:
			defer func() { <-h.questions }()
		case <-ctx.Done():
			return penstock.Answer{}, false
		}
	}
	stamp := h.nextStamp()
	a, err := h.answer(inLine(ctx, q), q)
	if holding.Err() != nil {
		return penstock.Answer{}, false // whoever holds the account now is asked the next time
	}
	if err != nil {
		a = penstock.Answer{Trouble: troubleOf(err)}
	}
	a.Limits, a.Date, a.Stamp = h.limits(), h.clock.now(), stamp
	return a, true
}

// inLine gives a question's calls their place and their name.
func inLine(ctx context.Context, q penstock.Question) context.Context {
	place := secondInLine
	if q.For == penstock.ForExplain {
		place = firstInLine
	}
	ctx = hubspot.WithPriority(ctx, place)
	return hubspot.WithLabel(ctx, hubspot.Label{Stream: q.Stream.Name, Lane: string(q.For)})
}

// answer asks HubSpot.
func (h *holder) answer(ctx context.Context, q penstock.Question) (a penstock.Answer, err error) {
	switch {
	case len(q.Count) > 0:
		a.Counts, err = h.countSpans(ctx, q.Stream, q.Count)
	case q.Read != nil:
		a.Reading, err = h.readObject(ctx, q.Stream, *q.Read)
	case q.IDs != nil:
		a.Listing, err = h.listIDs(ctx, q.Stream, *q.IDs)
	case q.Probe:
		a.Findings, err = h.probe(ctx, q.Stream)
	}
	return a, err
}

// limits are HubSpot's as they are known here.
func (h *holder) limits() penstock.Limits {
	quota := h.client.Quota()
	limits := penstock.Limits{Daily: penstock.Daily{
		Limit: int64(quota.Daily.Limit), Left: int64(quota.Daily.Left),
		Reserved: int64(quota.Daily.Reserved), ResetsAt: quota.Daily.ResetsAt,
	}}
	for _, w := range quota.Windows {
		limits.Windows = append(limits.Windows, penstock.Window{Name: w.Name, Span: w.Span, Limit: w.Limit, Share: w.Share})
	}
	return limits
}

// countSpans counts each span by HubSpot's search.
func (h *holder) countSpans(ctx context.Context, stream penstock.Stream, spans []penstock.Span) ([]int64, error) {
	if len(spans) > penstock.MaxSpans {
		return nil, fmt.Errorf("%d spans are to be counted: give at most %d", len(spans), penstock.MaxSpans)
	}
	counts := make([]int64, len(spans))
	for i, span := range spans {
		request, err := counting(stream, span)
		if err != nil {
			return nil, err
		}
		hits, err := h.client.Search(ctx, request)
		if err != nil {
			return nil, err
		}
		h.clock.saw(hits.Date)
		counts[i] = int64(hits.Total)
	}
	return counts, nil
}

// counting is the search whose total is the span's count.
func counting(stream penstock.Stream, span penstock.Span) (hubspot.SearchRequest, error) {
	request := hubspot.SearchRequest{Type: stream.ObjectType, Modified: modified(stream), Limit: 1}
	if span.From < 0 || span.To < 0 || span.To != 0 && span.To <= span.From || span.Until < span.Since {
		return request, fmt.Errorf("nothing lies in the span %+v", span)
	}
	if span.From > 1 {
		request.AfterID = strconv.FormatInt(span.From-1, 10)
	}
	if span.To != 0 {
		request.BelowID = strconv.FormatInt(span.To, 10)
	}
	if span.Until != 0 {
		request.From, request.To = time.UnixMilli(span.Since), time.UnixMilli(span.Until)
	}
	return request, nil
}

// listIDs reads a stretch of the list of live objects.
func (h *holder) listIDs(ctx context.Context, stream penstock.Stream, q penstock.IDs) (*penstock.Listing, error) {
	if q.Limit < 1 || q.Limit > penstock.MaxIDs {
		return nil, fmt.Errorf("%d ids are to be listed: give from 1 to %d", q.Limit, penstock.MaxIDs)
	}
	out := &penstock.Listing{Next: q.After}
	for begun := false; !begun || (out.Next != "" && len(out.IDs) < q.Limit); begun = true {
		page, err := h.client.List(ctx, hubspot.ListRequest{
			Type: stream.ObjectType, After: out.Next, Properties: []string{hubspot.ObjectID},
			Limit: min(hubspot.MaxList, q.Limit-len(out.IDs)),
		})
		if err != nil {
			return nil, err
		}
		h.clock.saw(page.Date)
		records, err := recordsOf(page)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			id, err := r.number()
			if err != nil {
				return nil, err
			}
			out.IDs = append(out.IDs, penstock.Listed{ID: id, Updated: r.Updated})
		}
		if page.Next != "" && page.Next == out.Next {
			return nil, fmt.Errorf("%w: the list does not go on", errBadPage)
		}
		out.Next = page.Next
	}
	return out, nil
}

// probe tries on the stream what its reading rests on.
func (h *holder) probe(ctx context.Context, stream penstock.Stream) ([]penstock.Finding, error) {
	cursors, err := h.probeCursors(ctx, stream)
	if err != nil {
		return nil, err
	}
	search := penstock.Finding{Assumed: "search compares ids as numbers", Stream: stream.Name}
	if stream.Whole {
		search.Result, search.Text = penstock.Unknown, "the type has no search; it is read whole"
		return []penstock.Finding{cursors, search}, nil
	}
	lowest, err := h.client.Search(ctx, hubspot.SearchRequest{Type: stream.ObjectType, Modified: modified(stream), Limit: 1})
	if err != nil {
		return nil, err
	}
	if lowest.Total < 2 {
		search.Result, search.Text = penstock.Unknown, "search knows fewer than two objects"
		return []penstock.Finding{cursors, search}, nil
	}
	numeric, err := h.probeSearch(ctx, stream, lowest)
	switch {
	case numeric:
		search.Result, search.Text = penstock.Holds, "a range of numbers above 9 finds the objects that lie in it"
	case errors.Is(err, errTextIDs):
		search.Result, search.Text = penstock.DoesNotHold, "a range of numbers above 9 does not find the objects that lie in it: first loads are read by the list alone"
	default:
		return nil, err
	}
	return []penstock.Finding{cursors, search}, nil
}

// probeCursors finds out whether a list that is asked for from an id on begins
// with that id.
func (h *holder) probeCursors(ctx context.Context, stream penstock.Stream) (penstock.Finding, error) {
	found := penstock.Finding{
		Assumed: "a list from an id on begins with that id", Stream: stream.Name,
		Result: penstock.Unknown, Text: "the list has fewer than two objects",
	}
	two, err := h.listIDs(ctx, stream, penstock.IDs{Limit: 2})
	if err != nil || len(two.IDs) < 2 {
		return found, err
	}
	id := two.IDs[1].ID
	from, err := h.listIDs(ctx, stream, penstock.IDs{After: strconv.FormatInt(id, 10), Limit: 1})
	switch {
	case err != nil:
		return found, err
	case len(from.IDs) == 0 || from.IDs[0].ID > id:
		found.Result, found.Text = penstock.DoesNotHold, fmt.Sprintf("the list from %d on begins behind it: ranges are read from one id before their first", id)
	case from.IDs[0].ID == id:
		found.Result, found.Text = penstock.Holds, fmt.Sprintf("the list from %d on begins with it", id)
	default:
		found.Result, found.Text = penstock.DoesNotHold, fmt.Sprintf("the list from %d on begins with a lower id: cursors are no ids", id)
	}
	if _, ids := cursor.ID(two.Next); two.Next != "" && !ids {
		found.Result, found.Text = penstock.DoesNotHold, "the list's own cursors are no ids: it is read by one reader"
	}
	return found, nil
}
