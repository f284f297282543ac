// Package cursor knows what a lane has read and what to ask next: the place of
// a backfill, the window of the settled lane, and whether pages make progress.
//
// It is pure: it knows no clock, no HubSpot and no warehouse. Cursors are
// JSON, so that a newer program reads an older one's and people can read both.
package cursor

import (
	"encoding/json"
	"fmt"

	"penstock"
)

// A Pass is the place in a list that is read from its beginning to its end:
// the backfill's, and the sweep's of archived or whole families.
type Pass struct {
	After    string   `json:"after,omitempty"`    // the list's own cursor of the next page
	Archived bool     `json:"archived,omitempty"` // the list of archived objects, which comes second
	Below    string   `json:"below,omitempty"`    // the pass ends before this id; empty: with the list
	Fill     []string `json:"fill,omitempty"`     // only these properties are read, for rows that lack them
	Filled   []string `json:"filled,omitempty"`   // the properties that the last such pass has read
	Turn     int      `json:"turn,omitempty"`     // the number of that pass
	Done     bool     `json:"done,omitempty"`     // everything has been read once
	Began    int64    `json:"began,omitempty"`    // of a sweep under way: when it began, on HubSpot's clock in ms since 1970
	Swept    int64    `json:"swept,omitempty"`    // when the last sweep that came to its end had begun
}

// ParsePass reads what Cursor wrote; the empty cursor is the beginning.
func ParsePass(c penstock.Cursor) (Pass, error) {
	var p Pass
	return p, parse(c, &p)
}

// Cursor is the place as it is committed.
func (p Pass) Cursor() penstock.Cursor {
	return write(p, p.After == "" && p.Below == "" && !p.Archived && !p.Done && len(p.Fill) == 0 && p.Began == 0 && p.Swept == 0)
}

// To is the place after a page whose next cursor was next; without one, or
// with one behind its end, the pass is at its end.
func (p Pass) To(next string) Pass {
	p.After = next
	if next == "" || p.Past(next) {
		p.After, p.Done, p.Fill, p.Filled = "", true, nil, p.Fill
	}
	return p
}

// Sweeping is the place with which a sweep goes on, or begins at ms now.
func (p Pass) Sweeping(now int64) Pass {
	if p.Began == 0 {
		p = Pass{Began: now, Swept: p.Swept}
	}
	return p
}

// SweptOnce is the place after a sweep has come to its end.
func (p Pass) SweptOnce() Pass { return Pass{Swept: p.Began} }

// A Window is the stretch of modification dates that the settled lane reads,
// both ends included, in ms since 1970. Without a To no window is under way
// and the next begins at From.
type Window struct {
	From int64  `json:"from"`
	To   int64  `json:"to,omitempty"`
	ID   string `json:"id,omitempty"` // the last id read, in the order received
}

// ParseWindow reads what Cursor wrote. The empty cursor is an error: a window
// begins where the backfill says.
func ParseWindow(c penstock.Cursor) (Window, error) {
	var w Window
	if c == "" {
		return w, fmt.Errorf("the window has no beginning yet")
	}
	return w, parse(c, &w)
}

// Cursor is the window as it is committed.
func (w Window) Cursor() penstock.Cursor { return write(w, false) }

// Open gives the window an end, unless one is under way already; false when
// there is nothing to read yet.
func (w Window) Open(to int64) (Window, bool) {
	if w.To != 0 {
		return w, true
	}
	if to <= w.From {
		return w, false
	}
	return Window{From: w.From, To: to}, true
}

// At is the window once everything up to the id has been read.
func (w Window) At(id string) Window {
	w.ID = id
	return w
}

// Closed is where the next window begins: at this one's end again, because
// more objects of that millisecond may have come.
func (w Window) Closed() Window { return Window{From: w.To} }

// Back moves the beginning to an earlier moment and gives up the window under
// way, after the index proved later than was thought.
func (w Window) Back(by int64) Window { return Window{From: max(0, w.From-by)} }

func parse(c penstock.Cursor, into any) error {
	if c == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(c), into); err != nil {
		return fmt.Errorf("cursor %q is not one of this program's: %w", string(c), err)
	}
	return nil
}

func write(place any, empty bool) penstock.Cursor {
	if empty {
		return ""
	}
	text, _ := json.Marshal(place) // strings, numbers and flags always marshal
	return penstock.Cursor(text)
}
