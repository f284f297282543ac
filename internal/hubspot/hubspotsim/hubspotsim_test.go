package hubspotsim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/internal/hubspot/hubspotsim"
)

// A reader asks an account over HTTP, in memory.
type reader struct {
	t       *testing.T
	account *hubspotsim.Account
	client  *http.Client
}

func setup(t *testing.T, o hubspotsim.Options) *reader {
	t.Helper()
	account, err := hubspotsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	client, done := account.InProcess()
	t.Cleanup(done)
	return &reader{t, account, client}
}

// unlimited are options for tests that are not about limits.
func unlimited(counts map[string]int) hubspotsim.Options {
	return hubspotsim.Options{Seed: 7, Unlimited: true, Counts: counts}
}

// An answer is a response as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (r *reader) ask(method, path, body string) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://account"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer secret")
	response, err := r.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, raw, err}
}

// An object is what an answer says of one.
type object struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	CreatedAt  time.Time          `json:"createdAt"`
	UpdatedAt  time.Time          `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	ArchivedAt time.Time          `json:"archivedAt"`
}

// A page is any answer with objects.
type page struct {
	Total   int      `json:"total"`
	Results []object `json:"results"`
	Paging  *struct {
		Next struct{ After, Link string } `json:"next"`
	} `json:"paging"`
	Errors []struct {
		Category string              `json:"category"`
		Context  map[string][]string `json:"context"`
	} `json:"errors"`
	PolicyName string `json:"policyName"`
	Category   string `json:"category"`
	Message    string `json:"message"`
}

func (p page) next() string {
	if p.Paging == nil {
		return ""
	}
	return p.Paging.Next.After
}

func (p page) ids() []int64 {
	var ids []int64
	for _, o := range p.Results {
		id, _ := strconv.ParseInt(o.ID, 10, 64)
		ids = append(ids, id)
	}
	return ids
}

// page asks for a page and insists on the status.
func (r *reader) page(status int, method, path, body string) page {
	r.t.Helper()
	got := r.ask(method, path, body)
	if got.err != nil || got.status != status {
		r.t.Fatalf("%s %s: status %d, want %d (%v): %.300s", method, path, got.status, status, got.err, got.body)
	}
	var p page
	if len(got.body) > 0 {
		if err := json.Unmarshal(got.body, &p); err != nil {
			r.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return p
}

// list reads a whole list, 100 at a time.
func (r *reader) list(path string) []object {
	r.t.Helper()
	var all []object
	for after := ""; ; {
		p := r.page(200, "GET", path+"&limit=100&after="+after, "")
		all = append(all, p.Results...)
		if after = p.next(); after == "" {
			return all
		}
	}
}

// every names all properties of a type, as a list asks for them.
func (r *reader) every(objectType string) string {
	var names []string
	for _, p := range r.account.Properties(objectType) {
		names = append(names, p.Name)
	}
	return strings.Join(names, ",")
}

// same compares an answer's objects with the truth, value by value.
func (r *reader) same(got []object, want []hubspotsim.Object) {
	r.t.Helper()
	if len(got) != len(want) {
		r.t.Fatalf("%d objects, want %d", len(got), len(want))
	}
	for i, o := range got {
		w := want[i]
		values := map[string]string{}
		for name, v := range o.Properties {
			if v != nil {
				values[name] = *v
			}
		}
		if o.ID != strconv.FormatInt(w.ID, 10) || !o.CreatedAt.Equal(w.Created) || !o.UpdatedAt.Equal(w.Updated) ||
			!o.ArchivedAt.Equal(w.ArchivedAt) || !maps.Equal(values, w.Properties) {
			r.t.Fatalf("object %d:\n got %s %v %v %q\nwant %d %v %v %q", i, o.ID, o.CreatedAt, o.UpdatedAt, values,
				w.ID, w.Created, w.Updated, w.Properties)
		}
	}
}

func truth(a *hubspotsim.Account, objectType string) []hubspotsim.Object {
	return slices.Collect(a.Truth(objectType))
}

func ids(objects []hubspotsim.Object) []int64 {
	var all []int64
	for _, o := range objects {
		all = append(all, o.ID)
	}
	return all
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	must(t, json.NewEncoder(&b).Encode(v))
	return b.String()
}
