package cursor

import (
	"slices"
	"strconv"

	"penstock"
)

// A Part is a range of a backfill with its place. The parts of a backfill are
// disjoint and together all there is to read (W3).
type Part struct {
	Range int64 // its first id; 0 for the first
	Place Pass
}

// Parts are the ranges of a backfill as committed, in the order of their ids;
// before anything was read there is one, of all ids.
func Parts(heads []penstock.Head) ([]Part, error) {
	if len(heads) == 0 {
		return []Part{{}}, nil
	}
	parts := make([]Part, 0, len(heads))
	for _, h := range heads {
		place, err := ParsePass(h.Cursor)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{h.Range, place})
	}
	slices.SortFunc(parts, func(a, b Part) int {
		if a.Range < b.Range {
			return -1
		}
		return 1
	})
	return parts, nil
}

// Left are the parts that are still to be read: for a first time, or by a pass
// that fills properties and has begun at some of them. In such a pass a part
// that it has not come to yet begins it.
func Left(parts []Part) []Part {
	var left []Part
	turn := 0
	for _, p := range parts {
		turn = max(turn, p.Place.Turn)
		if !p.Place.Done {
			left = append(left, p)
		}
	}
	if len(left) > 0 {
		return left
	}
	var fill []string
	for _, p := range parts {
		if p.Place.Turn == turn && len(p.Place.Fill)+len(p.Place.Filled) > 0 {
			fill = append(slices.Clone(p.Place.Fill), p.Place.Filled...)
			break
		}
	}
	for _, p := range parts {
		switch {
		case p.Place.Turn < turn:
			left = append(left, p.filling(fill, turn))
		case len(p.Place.Fill) > 0:
			left = append(left, p)
		}
	}
	return left
}

// Fill begins a pass over all parts that reads only the properties, of parts
// of which nothing is left.
func Fill(parts []Part, properties []string) []Part {
	turn := 0
	for _, p := range parts {
		turn = max(turn, p.Place.Turn)
	}
	begun := make([]Part, len(parts))
	for i, p := range parts {
		begun[i] = p.filling(properties, turn+1)
	}
	return begun
}

// Filled are the properties that the last pass has filled in every part; none
// while a part is left.
func Filled(parts []Part) []string {
	if len(parts) == 0 || len(Left(parts)) > 0 {
		return nil
	}
	filled := slices.Clone(parts[0].Place.Filled)
	for _, p := range parts[1:] {
		filled = slices.DeleteFunc(filled, func(property string) bool { return !slices.Contains(p.Place.Filled, property) })
	}
	return filled
}

// filling is the part at the beginning of a pass that fills properties.
func (p Part) filling(properties []string, turn int) Part {
	p.Place = Pass{After: before(p.Range), Below: p.Place.Below, Done: true, Fill: properties, Turn: turn}
	return p
}

// before is the list's cursor from which a range is read: the id before its
// first, so that it does not matter whether the cursor's own is named.
func before(first int64) string {
	if first == 0 {
		return ""
	}
	return strconv.FormatInt(first-1, 10)
}

// Split cuts the part in two at an id: what is left of it below, and a new one
// from the id on. False where nothing would be left to one of them: below the
// part's place, or not below its end.
func (p Part) Split(at int64) (rest, cut Part, ok bool) {
	after, placed := ID(p.Place.After)
	if at <= p.Range || at < 2 || (p.Place.After != "" && !placed) || (placed && at < after) {
		return p, Part{}, false
	}
	if end, ends := ID(p.Place.Below); ends && at >= end {
		return p, Part{}, false
	}
	rest, cut = p, Part{Range: at, Place: p.Place}
	rest.Place.Below = strconv.FormatInt(at, 10)
	cut.Place.After = before(at)
	return rest, cut, true
}

// Past tells whether a list's cursor lies behind the pass's end.
func (p Pass) Past(next string) bool {
	end, ends := ID(p.Below)
	at, ok := ID(next)
	return ends && ok && at >= end
}
