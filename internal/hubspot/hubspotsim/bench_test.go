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
