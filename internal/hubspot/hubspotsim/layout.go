package hubspotsim

import (
	"sort"
	"time"
)

// mix hashes a few numbers into one; everything the account derives from its
// seed goes through here.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h = mix2(h, p)
	}
	return h
}

func mix2(a, b uint64) uint64 {
	h := a ^ (b + 0x9e3779b97f4a7c15 + a<<6 + a>>2)
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// mixText hashes a name.
func mixText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix2(h, uint64(len(s)))
}

// The shape of the ids: a tenth are of an old portal, 50 apart from 1 on, the
// others lie in clusters of 12 digits with wide and uneven gaps.
const (
	oldIDs      = 2000
	oldGap      = 50
	clusterSize = 5000
	clusterFrom = 100_000_000_000
	clusterStep = 1_500_000_000
)

// A layout computes the ids and dates of base objects by their index, and the
// way back, so that no object has to be kept.
type layout struct {
	seed     uint64
	n        int64 // base objects
	old      int64 // of these with an old portal's id
	modified series
	created  series
}

// newLayout places n objects. Every creation lies in the three years before
// every modification, and these in the two years before anchor.
func newLayout(seed uint64, n int64, anchor time.Time) layout {
	const year = 365 * 24 * time.Hour
	return layout{
		seed:     seed,
		n:        n,
		old:      min(n/10, oldIDs),
		modified: newSeries(mix2(seed, 1), n, anchor.Add(-2*year), 2*year-24*time.Hour),
		created:  newSeries(mix2(seed, 2), n, anchor.Add(-5*year), 3*year-24*time.Hour),
	}
}

// id is the id of the object at index i; it grows with i.
func (l layout) id(i int64) int64 {
	if i < l.old {
		return 1 + oldGap*i
	}
	cluster, within := (i-l.old)/clusterSize, (i-l.old)%clusterSize
	start := clusterFrom + cluster*clusterStep + int64(mix2(l.seed, uint64(cluster))%(clusterStep/4))
	gap := 7 + int64(mix2(l.seed+1, uint64(cluster))%40_000)
	return start + within*gap + int64(mix2(l.seed+2, uint64(i))%7)
}

// from is the index of the first object whose id is at least id.
func (l layout) from(id int64) int64 {
	return int64(sort.Search(int(l.n), func(i int) bool { return l.id(int64(i)) >= id }))
}

// index is the index of the object with the id, or -1.
func (l layout) index(id int64) int64 {
	if i := l.from(id); i < l.n && l.id(i) == id {
		return i
	}
	return -1
}

// sameInstant is how many neighbours in time share one millisecond.
const sameInstant = 3

// A series gives each of n objects a date: the object at index i has the rank
// (a*i + b) mod n, and the date grows with the rank. Since a has an inverse,
// the objects of a window of time are found without looking at the others,
// and counted within any range of ids in O(log n).
type series struct {
	n, a, inverse, b int64
	start, step      int64 // ms since 1970, ms
}

func newSeries(seed uint64, n int64, start time.Time, span time.Duration) series {
	s := series{n: max(n, 1), start: start.UnixMilli()}
	s.step = max(1, span.Milliseconds()/(s.n/sameInstant+1))
	s.b = int64(seed % uint64(s.n))
	for s.a = max(1, s.n*618/1000); ; s.a++ {
		if inverse, ok := invert(s.a%s.n, s.n); ok || s.n == 1 {
			s.a, s.inverse = s.a%s.n, inverse
			return s
		}
	}
}

// invert finds x with a*x = 1 mod n.
func invert(a, n int64) (int64, bool) {
	r0, r1, x0, x1 := n, a, int64(0), int64(1)
	for r1 != 0 {
		q := r0 / r1
		r0, r1 = r1, r0-q*r1
		x0, x1 = x1, x0-q*x1
	}
	return (x0%n + n) % n, r0 == 1
}

func (s series) rank(i int64) int64  { return (s.a*i + s.b) % s.n }
func (s series) index(r int64) int64 { return (r - s.b + s.n) % s.n * s.inverse % s.n }
func (s series) at(i int64) int64    { return s.start + s.rank(i)/sameInstant*s.step }

// ranks is the half-open range of ranks dated in [from, to] ms.
func (s series) ranks(from, to int64) span {
	below := func(t int64) int64 { // ranks dated before t
		if t <= s.start {
			return 0
		}
		steps := (t - s.start + s.step - 1) / s.step
		if steps > s.n/sameInstant {
			return s.n
		}
		return min(s.n, steps*sameInstant)
	}
	lo := below(from)
	return span{lo, max(lo, below(min(to, maxDate)+1))}
}

// maxDate is later than every date of an account, and leaves room to count.
const maxDate = int64(1) << 60

// count is how many objects with an index in indexes have a rank in ranks.
func (s series) count(indexes, ranks span) int64 {
	below := func(m, r int64) int64 { // index < m and rank < r
		if m <= 0 {
			return 0
		}
		return m + floorSum(m, s.n, s.a, s.b) - floorSum(m, s.n, s.a, s.b+s.n-r)
	}
	return below(indexes.to, ranks.to) - below(indexes.to, ranks.from) -
		below(indexes.from, ranks.to) + below(indexes.from, ranks.from)
}

// floorSum is the sum of (a*i+b)/m over 0 <= i < n, by Euclid's descent.
func floorSum(n, m, a, b int64) int64 {
	var sum int64
	for {
		sum += (n-1)*n/2*(a/m) + n*(b/m)
		a, b = a%m, b%m
		top := a*n + b
		if top < m {
			return sum
		}
		n, b, m, a = top/m, top%m, a, m
	}
}

// A span is a half-open range of integers.
type span struct{ from, to int64 }

func (s span) size() int64           { return max(0, s.to-s.from) }
func (s span) contains(x int64) bool { return s.from <= x && x < s.to }
