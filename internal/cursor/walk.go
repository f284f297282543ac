package cursor

import (
	"errors"
	"strconv"
)

// A Walk follows a window page by page: each page asks for ids greater than
// the last one received, and the walk is over when nothing is left.
type Walk struct {
	last   string
	before map[string]struct{} // the page before
	total  int
	stuck  int
}

// maxStuck is how many pages in a row may fail to bring the total down: other
// objects enter a window that ends now, but not for ever as many as were read.
const maxStuck = 20

// ErrNoProgress says that the pages of a search repeat or name nothing though
// something is left.
var ErrNoProgress = errors.New("search makes no progress: it repeats ids, or names none although some are left")

// From begins after the given id, which is empty at the beginning.
func From(id string) *Walk { return &Walk{last: id} }

// Last is the id to ask beyond.
func (w *Walk) Last() string { return w.last }

// Take looks at a page: its ids in the order received and the number of hits
// that HubSpot counts from this page on. It is done when there are none: a
// short page is not the end. A page that makes no progress is an error, and
// may be asked for again.
func (w *Walk) Take(ids []string, total int) (done bool, err error) {
	if len(ids) == 0 {
		if total == 0 {
			return true, nil
		}
		return false, ErrNoProgress
	}
	page := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		_, twice := page[id]
		_, repeated := w.before[id]
		if twice || repeated || id == w.last {
			return false, ErrNoProgress
		}
		page[id] = struct{}{}
	}
	if w.before != nil && total >= w.total {
		w.stuck++
	} else {
		w.stuck = 0
	}
	if w.stuck > maxStuck {
		return false, ErrNoProgress
	}
	w.before, w.total, w.last = page, total, ids[len(ids)-1]
	return false, nil
}

// ID reads an object's id; false when it is not a positive 64-bit integer.
func ID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0
}
