package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
)

// The fresh lane's way with many hits: above manyHits it reads only what was
// modified in the last shortly, and the whole stretch every fullEvery-th time.
const (
	manyHits  = 2000
	shortly   = 10 * time.Minute
	fullEvery = 6
)

// searchTries is how often a search is asked again that makes no progress.
const searchTries = 5

// modified is the property that dates the stream's objects.
func modified(s penstock.Stream) string {
	if s.ObjectType == "0-1" {
		return hubspot.ModifiedContact
	}
	return hubspot.Modified
}

// settled reads what was modified in a window that ended a lag ago, when the
// search index surely knows it, and moves the cursor after each batch.
func (r *run) settled() error {
	w, err := cursor.ParseWindow(r.cursor)
	if err != nil {
		return err
	}
	if r.grant.Back > 0 {
		w = w.Back(r.grant.Back.Milliseconds())
	}
	until := r.h.clock.now().Add(-r.grant.Lag).UnixMilli()
	for {
		open, some := w.Open(until)
		if !some {
			return nil
		}
		w = open
		err := r.window(w, func(id string) draft { return draft{after: w.At(id).Cursor()} })
		if err != nil {
			return err
		}
		w = w.Closed()
		if err := r.emit(draft{after: w.Cursor(), settledAt: w.From}); err != nil {
			return err
		}
		r.h.memoryOf(r.stream.Name).forget(w.From)
	}
}

// fresh reads what the search index shows from the settled cursor until now.
// It moves nothing: what the index shows later is the settled lane's to find.
func (r *run) fresh() error {
	w := cursor.Window{}
	for _, head := range r.grant.Heads {
		if head.Lane == penstock.Settled {
			var err error
			if w, err = cursor.ParseWindow(head.Cursor); err != nil {
				return err
			}
		}
	}
	m := r.h.memoryOf(r.stream.Name)
	now := r.h.clock.now()
	w = cursor.Window{From: w.From, To: now.Add(24 * time.Hour).UnixMilli()}
	whole := m.whollyNow()
	if !whole {
		w.From = max(w.From, now.Add(-shortly).UnixMilli())
	}
	if err := r.window(w, func(string) draft { return draft{} }); err != nil {
		return err
	}
	d := draft{}
	if whole {
		d.freshAt = now.UnixMilli()
		m.passed(w.From, now.UnixMilli(), r.total.Load())
	}
	r.late = m.worst()
	if r.builder.Rows() == 0 && !whole {
		return nil
	}
	return r.emit(d)
}

// window reads all objects of a window by id, a page of search hits at a time,
// each from the last id of the one before: never by offset. at says how a
// batch stands that reaches to an id; the last rows stay in hand.
func (r *run) window(w cursor.Window, at func(id string) draft) error {
	walk := cursor.From(w.ID)
	r.total.Store(0)
	for {
		hits, done, err := r.nextHits(walk, func(after string) (*hubspot.Hits, error) {
			return r.search(w, after, hubspot.MaxSearch)
		})
		if err != nil || done {
			return err
		}
		if r.total.Load() == 0 {
			r.total.Store(int64(hits.Total))
		}
		if err := r.readHits(hits); err != nil {
			return err
		}
		whole := r.builder.Rows() > penstock.MaxBatchRows-hubspot.MaxSearch // another page would not fit
		if whole || r.full() || len(r.doubts) > 0 {
			if err := r.emit(at(walk.Last())); err != nil {
				return err
			}
		}
	}
}

// nextHits is the next page of a walk, as ask asks for it behind an id. A page
// that makes no progress is asked for again.
func (r *run) nextHits(walk *cursor.Walk, ask func(after string) (*hubspot.Hits, error)) (*hubspot.Hits, bool, error) {
	for tries := 0; ; tries++ {
		hits, err := ask(walk.Last())
		if err != nil {
			return nil, false, err
		}
		ids := make([]string, len(hits.IDs))
		for i, hit := range hits.IDs {
			ids[i] = hit.ID
		}
		done, err := walk.Take(ids, hits.Total)
		if done && hits.More {
			done, err = false, cursor.ErrNoProgress
		}
		if err == nil {
			return hits, done, nil
		}
		if tries == searchTries {
			return nil, false, fmt.Errorf("search %s: %w", r.stream.Name, err)
		}
		if !sleep(r.ctx, retryFirst<<tries) {
			return nil, false, context.Cause(r.ctx)
		}
	}
}

func (r *run) search(w cursor.Window, after string, limit int) (*hubspot.Hits, error) {
	hits, err := r.h.client.Search(r.ctx, hubspot.SearchRequest{
		Type: r.stream.ObjectType, Modified: modified(r.stream),
		From: time.UnixMilli(max(w.From, 1000)), To: time.UnixMilli(w.To), // epoch 0 is answered with 500
		AfterID: after, Limit: limit,
	})
	if err == nil {
		r.h.clock.saw(hits.Date)
	}
	return hits, err
}

// readHits reads by id those hits that were not read at their date already.
// Values of the hits themselves are never used: they may be older than their
// date.
func (r *run) readHits(hits *hubspot.Hits) error {
	m := r.h.memoryOf(r.stream.Name)
	var ids []string
	for _, hit := range hits.IDs {
		if r.lane == penstock.Fresh {
			m.shown(hit.ID, hit.Modified.UnixMilli())
		}
		if _, ok := cursor.ID(hit.ID); !ok || m.knows(hit.ID, hit.Modified.UnixMilli()) {
			continue // an id that is none cannot be read
		}
		ids = append(ids, hit.ID)
	}
	missing, err := r.readIDs(ids)
	if err != nil {
		return err
	}
	for _, id := range missing {
		r.doubts = append(r.doubts, penstock.Want{Key: id, Reason: penstock.WantDoubt, Stamp: hits.Stamp})
	}
	return nil
}

// isBad tells whether an answer that came whole could not be used.
func isBad(err error) bool {
	return errors.Is(err, errBadPage) || hubspot.KindOf(err) == hubspot.BadAnswer
}
