package worker

import (
	"context"
	"fmt"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// readIDs reads objects by id into the rows in hand: live ones, else archived
// ones, else whatever HubSpot now answers for the id. What it does not name
// at all comes back.
func (r *run) readIDs(ids []string) (missing []string, err error) {
	for len(ids) > 0 {
		n := min(len(ids), r.most())
		left, err := r.batchRead(ids[:n], false)
		if err == nil && len(left) > 0 {
			left, err = r.batchRead(left, true)
		}
		for _, id := range left {
			if err != nil {
				break
			}
			var found bool
			if found, err = r.readOne(id); !found {
				missing = append(missing, id)
			}
		}
		if err != nil {
			return missing, err
		}
		if ids = ids[n:]; r.builder.Bytes() >= heavyBytes { // more than a batch holds is to come
			if err := r.emit(draft{after: r.cursor}); err != nil {
				return missing, err
			}
		}
	}
	return missing, nil
}

// batchRead reads up to a hundred ids at once and returns those that were not
// answered. An answer that names others than were asked for is asked for again.
func (r *run) batchRead(ids []string, archived bool) (left []string, err error) {
	for tries := 0; ; tries++ {
		page, err := r.h.client.BatchRead(r.ctx, hubspot.BatchRequest{
			Type: r.stream.ObjectType, IDs: ids, Properties: r.ask, Archived: archived,
		})
		if r.heavy(page, err) && len(ids) > r.most() {
			return r.inParts(ids, archived)
		}
		if err != nil {
			return nil, err
		}
		var objects []shape.Object
		if objects, err = r.peek(page); err == nil {
			err = strangers(ids, objects)
		}
		if err == nil && page.Results > 0 {
			_, err = r.add(page, penstock.ByID, draft{after: r.cursor})
		}
		if err == nil {
			left = absent(ids, objects)
			if len(left) == 0 || len(left) == len(page.Missing) || tries == pageTries {
				return left, nil
			}
			err, ids = fmt.Errorf("%w: it says nothing of %d ids", errBadPage, len(left)), left
		}
		switch {
		case !isBad(err):
			return left, err
		case tries == pageTries:
			return ids, nil // each by itself may be answered
		case !sleep(r.ctx, retryFirst<<tries):
			return nil, context.Cause(r.ctx)
		}
	}
}

// inParts reads ids that made too heavy an answer, fewer at a time.
func (r *run) inParts(ids []string, archived bool) (left []string, err error) {
	for len(ids) > 0 {
		n := min(len(ids), r.most())
		some, err := r.batchRead(ids[:n], archived)
		if err != nil {
			return left, err
		}
		left, ids = append(left, some...), ids[n:]
		if r.builder.Bytes() >= heavyBytes {
			if err := r.emit(draft{after: r.cursor}); err != nil {
				return left, err
			}
		}
	}
	return left, nil
}

// peek looks at an answer's objects without taking them.
func (r *run) peek(page *hubspot.Page) ([]shape.Object, error) {
	scratch := shape.NewBuilder(penstock.Table{Stream: r.stream})
	objects, err := scratch.Objects(page, penstock.ByID)
	release(scratch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadPage, err)
	}
	return objects, nil
}

// strangers refuses an answer with objects that were not asked for, other than
// those into which one that was asked for was merged.
func strangers(asked []string, objects []shape.Object) error {
	known := map[string]bool{}
	for _, id := range asked {
		known[id] = true
	}
	for _, o := range objects {
		ours := known[o.ID]
		for _, loser := range o.Merged {
			ours = ours || known[loser]
		}
		if !ours {
			return fmt.Errorf("%w: it holds objects that were not asked for", errBadPage)
		}
	}
	return nil
}

// absent are the ids that the objects neither have nor absorbed.
func absent(asked []string, objects []shape.Object) []string {
	answered := map[string]bool{}
	for _, o := range objects {
		answered[o.ID] = true
		for _, loser := range o.Merged {
			answered[loser] = true
		}
	}
	var left []string
	for _, id := range asked {
		if !answered[id] {
			left = append(left, id)
		}
	}
	return left
}

// readOne asks for a single id: HubSpot answers a merged one with its winner,
// though the winner may not list it.
func (r *run) readOne(id string) (found bool, err error) {
	for tries := 0; ; tries++ {
		page, err := r.h.client.Read(r.ctx, hubspot.ReadRequest{Type: r.stream.ObjectType, ID: id, Properties: r.ask})
		if hubspot.KindOf(err) == hubspot.NotFound {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		objects, err := r.add(page, penstock.ByID, draft{after: r.cursor})
		if err == nil && len(objects) == 1 {
			if o := objects[0]; o.ID != id && !o.Rejected {
				err = r.builder.Bury(id, o.ID, o.Updated, page.Stamp)
			}
			return true, err
		}
		if (err != nil && !isBad(err)) || tries == pageTries {
			return false, err
		}
		if !sleep(r.ctx, retryFirst<<tries) {
			return false, context.Cause(r.ctx)
		}
	}
}
