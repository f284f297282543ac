package worker

import (
	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
)

// searchRange reads a range of ids by search, whose limit is apart from the
// list's: each page from the last id of the one before, to a page without any.
// What the index does not know yet was modified after the settled lane begins.
func (r *run) searchRange(place cursor.Pass) (cursor.Pass, error) {
	walk := cursor.From(place.After)
	r.hungry.Store(true)
	for {
		select {
		case s := <-r.splits:
			rest, err := r.leave(s, place)
			if err != nil || r.ended(rest) {
				return rest, err
			}
			place = rest
			continue
		default:
		}
		hits, done, err := r.nextHits(walk, func(after string) (*hubspot.Hits, error) {
			return r.h.client.Search(r.ctx, hubspot.SearchRequest{
				Type: r.stream.ObjectType, Modified: modified(r.stream), AfterID: after, BelowID: place.Below,
				Limit: hubspot.MaxSearch, Properties: r.ask,
			})
		})
		if err != nil || done {
			return place.To(""), err
		}
		if _, err := r.add(hits.Page, penstock.BySearch, draft{after: place.Cursor()}); err != nil {
			return place, err
		}
		place.After = walk.Last()
		r.reached(place.After)
		r.left.Store(int64(hits.Total - len(hits.IDs)))
		if r.builder.Rows() > penstock.MaxBatchRows-hubspot.MaxSearch || r.full() {
			if err := r.emit(draft{after: place.Cursor()}); err != nil {
				return place, err
			}
		}
	}
}

// leave leaves a part of the range to another reader.
func (r *run) leave(s splitting, place cursor.Pass) (cursor.Pass, error) {
	defer close(s.answer)
	rest, cut, ok := r.cutAt(s.at, place)
	if !ok {
		return place, nil
	}
	err := r.emitNow(draft{after: rest.Cursor(), splits: []penstock.Split{{Range: cut.Range, Cursor: cut.Place.Cursor()}}})
	if err == nil {
		s.answer <- cut
	}
	return rest, err
}
