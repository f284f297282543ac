package hubspotsim

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// discard is a response writer that keeps nothing.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

func BenchmarkListPageOf100ContactsWith100Properties(b *testing.B) {
	a, err := New(Options{Seed: 1, Unlimited: true, Counts: map[string]int{"contacts": 1_000_000}, Properties: map[string]int{"contacts": 100}})
	if err != nil {
		b.Fatal(err)
	}
	path := "/crm/objects/2026-09/contacts?limit=100&properties="
	for _, p := range a.Properties("contacts") {
		path += p.Name + ","
	}
	t := a.names["contacts"]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		from := t.layout.id(int64(i) * 100 % 1_000_000)
		r := httptest.NewRequest("GET", path+"&after="+strconv.FormatInt(from, 10), nil)
		r.Header.Set("Authorization", "Bearer x")
		w := &discard{header: http.Header{}}
		a.ServeHTTP(w, r)
		b.SetBytes(int64(w.n))
	}
}

func BenchmarkSearchOfAMillionByID(b *testing.B) {
	a, err := New(Options{Seed: 1, Unlimited: true, Counts: map[string]int{"contacts": 1_000_000}})
	if err != nil {
		b.Fatal(err)
	}
	t := a.names["contacts"]
	for i := 0; b.Loop(); i++ {
		g, _ := newGroup(t, nil)
		g.ranges[byID].from = t.layout.id(int64(i) * 200 % 1_000_000)
		g.ranges[byModified] = span{t.layout.modified.start, t.layout.modified.start + int64(i%700+1)*dayMillis}
		t.search(search{groups: []group{g}, limit: 200}, maxDate)
	}
}

// BenchmarkPagesOfAMillion asks as a reader does that pages by id: with no
// window, in windows from a second to a year, and for totals alone.
func BenchmarkPagesOfAMillion(b *testing.B) {
	a, err := New(Options{Seed: 1, Unlimited: true, Counts: map[string]int{"contacts": 1_000_000}})
	if err != nil {
		b.Fatal(err)
	}
	if err := a.BulkTouch("contacts", 1000); err != nil {
		b.Fatal(err)
	}
	t := a.names["contacts"]
	end := t.layout.modified.at(t.layout.modified.index(t.layout.n - 1))
	for name, ms := range map[string]int64{"second": 1000, "hour": dayMillis / 24, "day": dayMillis, "week": 7 * dayMillis, "month": 30 * dayMillis, "year": 365 * dayMillis, "ever": maxDate} {
		for order, by := range map[string]dimension{"id": byID, "modified": byModified, "created": byCreated} {
			b.Run(name+"/"+order, func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					g, _ := newGroup(t, nil)
					g.ranges[byID].from = t.layout.id(int64(i) * 99_991 % 1_000_000)
					g.ranges[byModified] = span{end - ms, end + 1}
					t.search(search{groups: []group{g}, limit: 200, by: by, down: i%2 == 0}, maxDate)
				}
			})
		}
		b.Run(name+"/total", func(b *testing.B) {
			for b.Loop() {
				g, _ := newGroup(t, nil)
				g.ranges[byModified] = span{end - ms, end + 1}
				t.search(search{groups: []group{g}}, maxDate)
			}
		})
	}
}

func BenchmarkAssociationsOf1000OfAMillion(b *testing.B) {
	a, err := New(Options{Seed: 1, Unlimited: true, Counts: map[string]int{"contacts": 1_000_000, "companies": 100_000}})
	if err != nil {
		b.Fatal(err)
	}
	contacts, companies := a.names["contacts"], a.names["companies"]
	for name, ends := range map[string][2]*table{"contacts": {contacts, companies}, "companies": {companies, contacts}} {
		b.Run(name, func(b *testing.B) {
			l, at := a.between(ends[0], ends[1])
			for b.Loop() {
				for i := range int64(1000) {
					for _, x := range a.linked(ends[0], ends[1], ends[0].layout.id(i), linkQuery{limit: 501}) {
						l.linkTypes(at, x.set)
					}
				}
			}
		})
	}
}
