package hubspotsim

import (
	"cmp"
	"slices"
	"strconv"
)

// hitCost is how many times as long it takes to collect and sort a hit as to
// look at an object and leave it.
const hitCost = 16

// search finds the hits of a page among what the index knew at the time, and
// the number of all hits.
func (t *table) search(s search, at int64) ([]view, int64) {
	s.stale = t.drifted.now() - t.drifted.indexed(at)
	hits, total := t.baseHits(s)
	for _, r := range t.order {
		v, ok := r.asIndexed(at)
		if !ok || v.state != live {
			continue
		}
		hit := r.view(v)
		hit.drift -= s.stale
		if s.holds(&hit) {
			hits = append(hits, hit)
			total++
		}
	}
	slices.SortFunc(hits, s.compare)
	from := min(s.offset, len(hits))
	return hits[from:min(from+s.limit, len(hits))], total
}

func (s search) compare(a, b view) int {
	order := cmp.Or(cmp.Compare(a.in(s.by), b.in(s.by)), cmp.Compare(a.id, b.id))
	if s.text && s.by == byID {
		order = cmp.Compare(strconv.FormatInt(a.id, 10), strconv.FormatInt(b.id, 10))
	}
	if s.down {
		return -order
	}
	return order
}

func (s search) holds(v *view) bool {
	if len(s.groups) == 0 {
		return true
	}
	return slices.ContainsFunc(s.groups, func(g group) bool { return g.holds(v) })
}

// baseHits finds at least the hits up to the page's end among the objects
// that never changed, and counts all of them.
func (t *table) baseHits(s search) ([]view, int64) {
	if len(s.groups) == 0 {
		everything, _ := newGroup(t, nil) // no filter, no error
		s.groups = []group{everything}
	}
	if s.text && s.by == byID || len(s.groups) > 1 || len(s.groups[0].tests) > 0 {
		return t.scan(s)
	}
	b := t.layout.box(s.groups[0])
	total := t.layout.count(b)
	for _, r := range t.order {
		if r.index >= 0 && b.contains(t.layout, r.index) {
			total--
		}
	}
	if s.limit == 0 || total == 0 {
		return nil, total
	}
	enough := int64(s.offset + s.limit + sameInstant) // a group of the same date is not cut
	by, down := s.by, s.down
	if d := b.narrowest(); s.by != d && b[d].size()*hitCost < enough*b[s.by].size()/total {
		by, down, enough = d, false, total // all hits, to be sorted: quicker than walking in the order of the answer
	}
	var hits []view
	t.layout.each(b, by, down, func(i int64) bool {
		if v := t.baseView(i); t.changed[v.id] == nil {
			v.drift -= s.stale
			hits = append(hits, v)
		}
		return int64(len(hits)) < enough
	})
	return hits, total
}

// scan looks at every object of each group's ranges that never changed.
func (t *table) scan(s search) (hits []view, total int64) {
	for n, g := range s.groups {
		b := t.layout.box(g)
		t.layout.each(b, b.narrowest(), false, func(i int64) bool {
			v := t.baseView(i)
			v.drift -= s.stale
			found := slices.ContainsFunc(s.groups[:n], func(before group) bool { return before.holds(&v) })
			if !found && g.holds(&v) && t.changed[v.id] == nil {
				hits = append(hits, v)
			}
			return true
		})
	}
	return hits, int64(len(hits))
}

// A box is a group's ranges as ranks: of the index, and of both dates.
type box [dimensions]span

func (l layout) box(g group) box {
	return box{
		byID:       {l.from(g.ranges[byID].from), l.from(g.ranges[byID].to)},
		byModified: l.modified.ranks(g.ranges[byModified].from, g.ranges[byModified].to-1),
		byCreated:  l.created.ranks(g.ranges[byCreated].from, g.ranges[byCreated].to-1),
	}
}

func (b box) contains(l layout, i int64) bool {
	return b[byID].contains(i) && b[byModified].contains(l.modified.rank(i)) && b[byCreated].contains(l.created.rank(i))
}

// narrowest is the dimension with the fewest objects.
func (b box) narrowest() dimension {
	best := byID
	for d := range dimensions {
		if b[d].size() < b[best].size() {
			best = d
		}
	}
	return best
}

// count is how many base objects lie in the box.
func (l layout) count(b box) int64 {
	whole := span{0, l.n}
	switch {
	case b[b.narrowest()].size() == 0:
		return 0
	case b[byCreated] == whole:
		return l.modified.count(b[byID], b[byModified])
	case b[byModified] == whole:
		return l.created.count(b[byID], b[byCreated])
	}
	n := int64(0)
	l.each(b, b.narrowest(), false, func(int64) bool { n++; return true })
	return n
}

// each gives the indexes of the box in the order of the dimension.
func (l layout) each(b box, by dimension, down bool, yield func(i int64) bool) {
	for n := range b[by].size() {
		rank := b[by].from + n
		if down {
			rank = b[by].to - 1 - n
		}
		i := rank
		switch by {
		case byModified:
			i = l.modified.index(rank)
		case byCreated:
			i = l.created.index(rank)
		}
		if b.contains(l, i) && !yield(i) {
			return
		}
	}
}
