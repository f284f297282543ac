package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// pageTries is how often a page is fetched anew whose answer, though whole,
// cannot be read.
const pageTries = 4

// fetchAhead is how many pages wait for the decoder at most.
const fetchAhead = 2

// errBadPage says that an answer was whole but not what it should be.
var errBadPage = errors.New("HubSpot's answer cannot be read")

// only is the table with the named properties alone.
func only(t penstock.Table, properties []string) penstock.Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c penstock.Column) bool {
		return !slices.Contains(properties, c.Property)
	})
	return t
}

// properties are those that the table's columns hold.
func properties(t penstock.Table) []string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Property)
	}
	return names
}

// stretch is what the rows in hand prove of a list: everything between two
// cursors, as it was after the stamp.
type stretch struct {
	from, to string
	stamp    int64
}

// fetched is a page of a list on its way to the decoder.
type fetched struct {
	page  *hubspot.Page
	via   penstock.Via
	asked []string // with properties in a call of their own: the ids asked for
	next  string
	end   bool // the list's end, confirmed
	past  bool // the next page would lie behind the end of the range
	err   error
}

// unanswered are the ids that a list named and a read by id did not.
func (f fetched) unanswered(objects []shape.Object) []penstock.Want {
	if len(f.asked) == 0 {
		return nil
	}
	var wanted []penstock.Want
	for _, id := range absent(f.asked, objects) {
		wanted = append(wanted, penstock.Want{Key: id, Reason: penstock.WantDoubt, Stamp: f.page.Stamp})
	}
	return wanted
}

// fetch reads pages ahead of the decoder. The channel closes after the list's
// end, an error, or when ctx ends.
func (r *run) fetch(ctx context.Context, place cursor.Pass) <-chan fetched {
	out := make(chan fetched, r.ahead)
	go func() {
		defer close(out)
		tokens := map[string]bool{}
		for n, after, ended := 1, place.After, false; ; n++ {
			f := r.fetchPage(ctx, after, place.Archived)
			f.past = f.err == nil && f.next != "" && r.past(f.next)
			if f.err == nil && tokens[f.next] {
				f.err = fmt.Errorf("%w: the cursor %q came twice", errBadPage, f.next)
			}
			if _, err := strconv.ParseInt(f.next, 10, 64); f.next != "" && err != nil {
				tokens[f.next] = true // numbers are known to grow
			}
			if f.err == nil {
				// An end counts when it is told twice: from where it seems to
				// be, the list must be empty. Where cursors are no ids that
				// place has no name.
				told := f.next == ""
				f.end = told && (len(tokens) > 0 || ended && f.page.Results == 0)
				if ended = told; told && !f.end {
					f.next, f.err = beyond(f.page, after)
				}
			}
			select {
			case out <- f:
			case <-ctx.Done():
				return
			}
			if f.end || f.past || f.err != nil || n == r.pages {
				return
			}
			after = f.next
		}
	}()
	return out
}

// beyond is where the list must be empty if the page was its last.
func beyond(page *hubspot.Page, after string) (string, error) {
	if page.Results == 0 {
		return after, nil
	}
	scratch := shape.NewBuilder(penstock.Table{Stream: penstock.Stream{Family: penstock.Objects}})
	objects, err := scratch.Objects(page, penstock.ByList)
	release(scratch)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errBadPage, err)
	}
	last := int64(0)
	for _, o := range objects {
		if id, ok := cursor.ID(o.ID); ok {
			last = max(last, id)
		}
	}
	return strconv.FormatInt(last+1, 10), nil
}

func release(b *shape.Builder) {
	for _, record := range b.Flush().Records {
		record.Release()
	}
}

// fetchPage reads one page with its properties: in the URL where they fit,
// else by id.
func (r *run) fetchPage(ctx context.Context, after string, archived bool) fetched {
	for {
		f := r.fetchSome(ctx, after, archived)
		if !r.heavy(f.page, f.err) {
			return f
		}
	}
}

// heavyBytes is how large an answer may be before fewer objects are asked for
// at once: a batch has to hold it.
const heavyBytes = 16 << 20

// heavy tells whether an answer was too large to be taken, or to be given, and
// has fewer objects asked for from now on.
func (r *run) heavy(page *hubspot.Page, err error) bool {
	var refused *hubspot.Error
	tooLarge := errors.As(err, &refused) && refused.Kind == hubspot.BadAnswer && !refused.Heals()
	if !tooLarge && (page == nil || len(page.Body) <= heavyBytes || page.Results <= 1) {
		return false
	}
	now := r.most()
	if now == 1 {
		return false // one object alone: taken, or a reject
	}
	r.atOnce.Store(int64(max(1, now/8)))
	return true
}

// most is how many objects to ask for at once.
func (r *run) most() int {
	if n := r.atOnce.Load(); n > 0 {
		return int(n)
	}
	return hubspot.MaxList
}

func (r *run) fetchSome(ctx context.Context, after string, archived bool) fetched {
	req := hubspot.ListRequest{
		Type: r.stream.ObjectType, After: after, Limit: r.most(), Properties: r.ask, Archived: archived,
	}
	if !r.long.Load() && r.h.client.ListFits(req) {
		page, err := r.h.client.List(ctx, req)
		if hubspot.KindOf(err) != hubspot.TooLong {
			return fetchedPage(page, penstock.ByList, err)
		}
	}
	r.long.Store(true)
	req.Properties = nil
	names, err := r.h.client.List(ctx, req)
	if err != nil || names.Results == 0 {
		return fetchedPage(names, penstock.ByList, err)
	}
	ids, err := idsOf(names)
	if err != nil {
		return fetched{err: fmt.Errorf("%w: %w", errBadPage, err)}
	}
	page, err := r.h.client.BatchRead(ctx, hubspot.BatchRequest{
		Type: r.stream.ObjectType, IDs: ids, Properties: r.ask, Archived: archived,
	})
	f := fetchedPage(page, penstock.ByID, err)
	f.asked, f.next = ids, names.Next
	return f
}

func fetchedPage(page *hubspot.Page, via penstock.Via, err error) fetched {
	f := fetched{page: page, via: via, err: err}
	if page != nil {
		f.next = page.Next
	}
	return f
}

// idsOf are the ids of a page's objects.
func idsOf(page *hubspot.Page) ([]string, error) {
	scratch := shape.NewBuilder(penstock.Table{Stream: penstock.Stream{Family: penstock.Objects}})
	objects, err := scratch.Objects(page, penstock.ByList)
	release(scratch)
	ids := make([]string, 0, len(objects))
	for _, o := range objects {
		ids = append(ids, o.ID)
	}
	return ids, err
}
