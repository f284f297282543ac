package hubspotsim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A call is one request on its way to an answer.
type call struct {
	r      *http.Request
	kind   string // what counters call it
	budget budget
	tables []*table // the object types of the path
	args   []string // the other variable parts of the path
	query  url.Values
	body   []byte
	legacy bool   // a v3 path, whose associations look different
	fault  string // what goes wrong with it, empty for nothing
	serve  answerer
}

// An answerer appends the body of an answer and gives its status.
type answerer func(a *Account, c *call, out []byte) (int, []byte)

// A route is a path without its version; {type} stands for an object type,
// {} for any text.
type route struct {
	method  string
	pattern []string
	kind    string
	budget  budget
	serve   answerer
}

func routes() []route {
	return []route{
		{"POST", split("oauth/token"), "token", uncounted, (*Account).answerToken},
		{"GET", split("account-info/details"), "account", tenSecondly, (*Account).answerDetails},
		{"GET", split("account-info/api-usage/daily/private-apps"), "account", tenSecondly, (*Account).answerUsage},
		{"GET", split("crm/objects/{type}"), "list", tenSecondly, (*Account).answerList},
		{"GET", split("crm/objects/{type}/{}"), "read", tenSecondly, (*Account).answerRead},
		{"POST", split("crm/objects/{type}/batch/read"), "batchread", tenSecondly, (*Account).answerBatch},
		{"POST", split("crm/objects/{type}/search"), "search", bySearch, (*Account).answerSearch},
		{"POST", split("crm/objects/{type}"), "write", tenSecondly, (*Account).answerCreate},
		{"PATCH", split("crm/objects/{type}/{}"), "write", tenSecondly, (*Account).answerUpdate},
		{"DELETE", split("crm/objects/{type}/{}"), "write", tenSecondly, (*Account).answerArchive},
		{"POST", split("crm/objects/{type}/merge"), "write", tenSecondly, (*Account).answerMerge},
		{"POST", split("crm/objects/{type}/gdpr-delete"), "write", tenSecondly, (*Account).answerErase},
		{"PUT", split("crm/objects/{type}/{}/associations/{type}/{}"), "write", byAssociation, (*Account).answerLink},
		{"PUT", split("crm/objects/{type}/{}/associations/default/{type}/{}"), "write", byAssociation, (*Account).answerDefaultLink},
		{"DELETE", split("crm/objects/{type}/{}/associations/{type}/{}"), "write", byAssociation, (*Account).answerUnlink},
		{"GET", split("crm/properties/{type}"), "properties", tenSecondly, (*Account).answerProperties},
		{"GET", split("crm/properties/{type}/{}"), "properties", tenSecondly, (*Account).answerProperty},
		{"GET", split("crm/schemas"), "schemas", tenSecondly, (*Account).answerSchemas},
		{"GET", split("crm-object-schemas/schemas"), "schemas", tenSecondly, (*Account).answerSchemas},
		{"GET", split("crm/schemas/{type}"), "schemas", tenSecondly, (*Account).answerSchema},
		{"GET", split("crm-object-schemas/schemas/{type}"), "schemas", tenSecondly, (*Account).answerSchema},
		{"GET", split("crm/owners"), "owners", tenSecondly, (*Account).answerOwners},
		{"GET", split("crm/owners/{}"), "owners", tenSecondly, (*Account).answerOwner},
		{"GET", split("crm/pipelines/{type}"), "pipelines", tenSecondly, (*Account).answerPipelines},
		{"GET", split("crm/pipelines/{type}/{}"), "pipelines", tenSecondly, (*Account).answerPipeline},
		{"GET", split("crm/pipelines/{type}/{}/stages"), "pipelines", tenSecondly, (*Account).answerStages},
		{"GET", split("crm/pipelines/{type}/{}/stages/{}"), "pipelines", tenSecondly, (*Account).answerStage},
		{"POST", split("crm/associations/{type}/{type}/batch/read"), "associations", byAssociation, (*Account).answerAssociations},
		{"GET", split("crm/associations/{type}/{type}/labels"), "labels", byAssociation, (*Account).answerLabels},
		{"GET", split("crm/limits/records"), "limits", tenSecondly, (*Account).answerLimits},
	}
}

func split(path string) []string { return strings.Split(path, "/") }

// versions are the path segments that name a version of the API.
var versions = []string{"v3", "v4", "2025-09", "2026-03", "2026-09", "2026-09-beta"}

// tokenVersions are the same for the way to a token.
var tokenVersions = []string{"v1", "v3", "2026-03", "2026-09"}

// maxBody bounds a request's body.
const maxBody = 10 << 20

// ServeHTTP answers HubSpot's API, and the simulator's own paths under /_sim/.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		a.serveSim(w, r)
		return
	}
	buffer, _ := a.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer a.buffers.Put(buffer)
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-HubSpot-Correlation-Id", correlationID())
	c := &call{r: r, kind: "unknown", query: r.URL.Query(), serve: (*Account).answerUnknown}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status, out := problem((*buffer)[:0], 413, "VALIDATION_ERROR", "the body cannot be read: "+err.Error())
		a.deliver(w, c, status, out)
		return
	}
	c.body = body
	a.route(c)
	status, out := a.answer(c, w.Header(), (*buffer)[:0])
	*buffer = out
	a.deliver(w, c, status, out)
}

// route finds what serves the call.
func (a *Account) route(c *call) {
	segments := strings.Split(strings.Trim(c.r.URL.EscapedPath(), "/"), "/")
	known := versions
	if segments[0] == "oauth" {
		known = tokenVersions
	}
	at := slices.IndexFunc(segments, func(s string) bool { return slices.Contains(known, s) })
	if at < 0 {
		return
	}
	c.legacy = segments[at] == "v3"
	segments = slices.Delete(segments, at, at+1)
	for i := range a.routes {
		if r := &a.routes[i]; c.r.Method == r.method && a.match(c, r, segments) {
			return
		}
	}
}

// match fills the call if the path is the route's.
func (a *Account) match(c *call, r *route, segments []string) bool {
	if len(r.pattern) != len(segments) {
		return false
	}
	var types, args []string
	for i, p := range r.pattern {
		text, err := url.PathUnescape(segments[i])
		switch {
		case err != nil || p[0] != '{' && p != text:
			return false
		case p == "{type}":
			types = append(types, text)
		case p == "{}":
			args = append(args, text)
		}
	}
	c.kind, c.budget, c.serve, c.args, c.tables = r.kind, r.budget, r.serve, args, nil
	if c.kind == "list" && c.query.Get("archived") == "true" {
		c.kind = "archivedlist"
	}
	for _, name := range types {
		t, err := a.table(name)
		if err != nil {
			c.serve = func(_ *Account, _ *call, out []byte) (int, []byte) {
				return problem(out, 400, "", "Unable to infer object type from: "+name)
			}
			return true
		}
		c.tables = append(c.tables, t)
	}
	return true
}

// answer runs a call past credential, limits, latency and faults to its
// answerer.
func (a *Account) answer(c *call, header http.Header, out []byte) (int, []byte) {
	var who credential
	if c.budget != uncounted {
		var refuse func([]byte) (int, []byte)
		token, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
		if who, refuse = a.credential(token); refuse != nil {
			a.meter.also("401")
			return refuse(out)
		}
	}
	policy := a.meter.take(c, who, header)
	a.wait(c)
	if policy != "" {
		return limited(out, policy)
	}
	if len(c.r.URL.RequestURI()) > a.options.MaxURL {
		return 414, append(out, "<html><head><title>414 Request-URI Too Large</title></head></html>"...)
	}
	if c.fault = a.faulty.draw(c); c.fault != "" {
		a.meter.injected(c.fault)
		if status, body, done := injected(c, header, out); done {
			return status, body
		}
	}
	if scopes, missing := a.missing(c); missing {
		return forbidden(out, scopes)
	}
	return c.serve(a, c, out)
}

// wait is the account's latency, or as much of it as the asker waits for.
func (a *Account) wait(c *call) {
	d := a.options.Latency
	if j := a.options.Jitter; j > 0 {
		d += time.Duration(rand.Int64N(int64(2*j))) - j
	}
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.r.Context().Done():
	}
}

func (a *Account) answerUnknown(c *call, out []byte) (int, []byte) {
	return problem(out, 404, "OBJECT_NOT_FOUND", "No resource at "+c.r.Method+" "+c.r.URL.Path)
}

// correlationID makes an id that looks like HubSpot's.
func correlationID() string {
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", rand.Uint32(), rand.Uint32N(1<<16), rand.Uint32N(1<<12),
		0x8000+rand.Uint32N(1<<14), rand.Uint64N(1<<48))
}
