package api

import (
	"context"
	"strconv"

	"penstock"
	"penstock/internal/warehouse"
)

// A mark is a place in the history of a table: everything up to a load, with
// the moment that load was written. A warehouse that was restored from a backup
// has no such load yet, or one of another moment.
type mark struct {
	load   int64
	synced string // empty when no row of the load was left
}

const markParts = 2 // of a token

func (m mark) parts() []string { return []string{strconv.FormatInt(m.load, 10), m.synced} }

// markOf reads what parts wrote.
func markOf(parts []string) (mark, error) {
	load, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || load < 0 {
		return mark{}, unknownPlace()
	}
	return mark{load, parts[1]}, nil
}

// markNow is the table as it stands.
func (r *reading) markNow(ctx context.Context) (mark, error) {
	synced, err := r.syncedAt(ctx, r.table.Load)
	return mark{r.table.Load, synced}, err
}

// check refuses a mark of another history than the table's.
func (r *reading) check(ctx context.Context, m mark) error {
	if m.load <= r.table.Load {
		synced, err := r.syncedAt(ctx, m.load)
		if err != nil || synced == "" || m.synced == "" || synced == m.synced {
			return err
		}
	}
	return newProblem(changesLost, "the warehouse of "+r.table.Stream.Name+" was restored or made anew since this place in its changes was given",
		"begin again: ask with changed_since=0, and replace what you have by the answer")
}

// syncedAt is when a load was written, which all of its rows hold; empty when
// none is left.
func (r *reading) syncedAt(ctx context.Context, load int64) (string, error) {
	result, err := r.contents.Rows(ctx, r.connection, warehouse.Query{
		Stream: r.table.Stream.Name, Fields: []string{syncedColumn}, Deleted: true, Limit: 1, Loaded: &warehouse.Loaded{From: load - 1, To: load},
	})
	if err != nil {
		return "", err
	}
	for row, err := range result.Rows {
		if err != nil {
			return "", err
		}
		synced, _ := row[0].(string)
		return synced, nil
	}
	return "", nil
}

// The lists that tokens name: a token of one is not taken for another.
func (r *reading) listOfRows() string { return "rows of " + r.table.Stream.Name }
func (r *reading) listOfChanges() string {
	return "changes of " + r.connection + " " + r.table.Stream.Name
}
func (r *reading) listOfPages() string { return "pages of " + r.listOfChanges() }

// changes is the token with which to ask for what is loaded after this answer.
func (r *reading) changes() string { return tokenOf(r.listOfChanges(), r.upTo.parts()...) }

// begin finds where the answer begins, and up to which load it goes.
func (r *reading) begin(ctx context.Context, in WhichRows) (err error) {
	keys := len(r.table.Stream.Key())
	switch {
	case in.After == "":
		return r.beginAnew(ctx, in)
	case in.changes:
		return r.goOn(ctx, in.After, keys)
	}
	parts, err := placeOf(in.After, r.listOfRows(), markParts+keys)
	if err != nil {
		return err
	}
	if r.upTo, err = markOf(parts); err != nil {
		return err
	}
	if r.query.After, err = r.keyOf(parts[markParts:]); err != nil {
		return err
	}
	return r.check(ctx, r.upTo)
}

func (r *reading) beginAnew(ctx context.Context, in WhichRows) (err error) {
	if in.changes {
		since := mark{}
		if in.ChangedSince != "" && in.ChangedSince != "0" {
			parts, err := placeOf(in.ChangedSince, r.listOfChanges(), markParts)
			if err == nil {
				since, err = markOf(parts)
			}
			if err != nil {
				return newProblem(badToken, "changed_since is not what an answer with rows of this stream and connection gave as its changes",
					"give it unchanged, or 0 to begin with everything")
			}
			if err := r.check(ctx, since); err != nil {
				return err
			}
		}
		r.query.Loaded = &warehouse.Loaded{From: since.load, To: r.table.Load}
	}
	r.upTo, err = r.markNow(ctx)
	return err
}

// goOn begins behind the page of changes that gave the token: up to the load
// that the first page fixed.
func (r *reading) goOn(ctx context.Context, after string, keys int) error {
	parts, err := placeOf(after, r.listOfPages(), markParts+1+keys)
	if err != nil {
		return err
	}
	if r.upTo, err = markOf(parts); err != nil {
		return err
	}
	from, err := strconv.ParseInt(parts[markParts], 10, 64)
	if err != nil {
		return unknownPlace()
	}
	if r.query.After, err = r.keyOf(parts[markParts+1:]); err != nil {
		return err
	}
	r.query.Loaded = &warehouse.Loaded{From: from, To: r.upTo.load}
	return r.check(ctx, r.upTo)
}

// keyOf is a key of the table as a token has it.
func (r *reading) keyOf(parts []string) (penstock.Key, error) {
	key := penstock.Key(parts)
	if warehouse.CheckKey(r.table.Stream, key) != nil {
		return nil, unknownPlace()
	}
	return key, nil
}

// token is the place of the next page; empty when there is none.
func (r *reading) token() string {
	if r.next == nil {
		return ""
	}
	if r.query.Loaded == nil {
		return tokenOf(r.listOfRows(), append(r.upTo.parts(), r.next...)...)
	}
	return tokenOf(r.listOfPages(), append(append(r.upTo.parts(), strconv.FormatInt(r.query.Loaded.From, 10)), r.next...)...)
}
