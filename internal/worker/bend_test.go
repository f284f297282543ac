package worker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func moment() warehouse.Moment { return warehouse.Moment{Now: time.Now(), Account: 1} }

// wanting is a batch of nobody's run that makes ids wanted.
func wanting(ids []int64, stamp int64) []warehouse.Item {
	r := warehousetest.Range{Lane: penstock.Sweep, Grant: "wanting"}
	b := warehousetest.NewBatch(contacts())
	for _, id := range ids {
		b.Want(strconv.FormatInt(id, 10), stamp)
	}
	b.Batch.After = "wanting"
	return []warehouse.Item{{Batch: r.Next(b), Current: "wanting"}}
}

// answer makes an answer of HubSpot's.
func answer(req *http.Request, status int, body string) *http.Response {
	header := http.Header{}
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return &http.Response{
		StatusCode: status, Header: header, Request: req, ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

// failing answers requests to the path with 502 while it is told to.
func (w *world) failing(path string, now func() bool) func(*http.Request) *http.Response {
	var mu sync.Mutex
	return func(req *http.Request) *http.Response {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(req.URL.Path, path) || !now() {
			return nil
		}
		return answer(req, 502, `{"status":"error","message":"bad gateway"}`)
	}
}

// sent reads the body of a request and leaves it there.
func (w *world) sent(req *http.Request) string {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.Error(err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// naming has search name one id instead of another, as a late index does.
func (w *world) naming(instead, id int64) func(*http.Request) *http.Response {
	old, new := fmt.Sprintf(`"id":"%d"`, instead), fmt.Sprintf(`"id":"%d"`, id)
	return func(req *http.Request) *http.Response {
		if !strings.HasSuffix(req.URL.Path, "/search") {
			return nil
		}
		resp, err := w.wire.next.RoundTrip(req)
		if err != nil {
			return answer(req, 502, "{}")
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			w.Error(err)
		}
		bent := strings.Replace(string(body), old, new, 1)
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(bent)), int64(len(bent))
		return resp
	}
}

// repeating has search forget from which id on it was asked.
func (w *world) repeating() func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if !strings.HasSuffix(req.URL.Path, "/search") {
			return nil
		}
		var question map[string]any
		if err := json.Unmarshal([]byte(w.sent(req)), &question); err != nil {
			w.Error(err)
		}
		for _, group := range question["filterGroups"].([]any) {
			filters := group.(map[string]any)
			filters["filters"] = filters["filters"].([]any)[:1]
		}
		text, err := json.Marshal(question)
		if err != nil {
			w.Error(err)
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		return nil
	}
}

// holding holds requests with the text up until free is closed.
func (w *world) holding(text string, free <-chan struct{}) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if strings.Contains(req.URL.RequestURI(), text) {
			select {
			case <-free:
			case <-req.Context().Done():
			}
		}
		return nil
	}
}

// toOther sends requests with the token to another account.
func (w *world) toOther(token string, other http.RoundTripper) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if req.Header.Get("Authorization") != "Bearer "+token {
			return nil
		}
		resp, err := other.RoundTrip(req)
		if err != nil {
			return answer(req, 502, "{}")
		}
		return resp
	}
}

// bent lets the account answer a list, and changes what it says.
func (w *world) bent(change func(body string) string) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/objects/") {
			return nil
		}
		if after := req.URL.Query().Get("after"); strings.HasPrefix(after, "page-") {
			query := req.URL.Query()
			query.Del("after")
			req.URL.RawQuery = query.Encode()
		}
		resp, err := w.wire.next.RoundTrip(req)
		if err != nil {
			return answer(req, 502, "{}")
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			w.Error(err)
		}
		text := change(string(body))
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		resp.Header.Del("Content-Length")
		return resp
	}
}

// cut is a page of a list without its cursor.
func (w *world) cut(body string) string {
	w.Helper()
	at := strings.LastIndex(body, `,"paging"`)
	if at < 0 {
		w.Fatalf("the page has no cursor: %.80s", body)
	}
	return body[:at] + "}"
}

// opaque gives the pages of a list cursors that are no ids.
func (w *world) opaque(next func() string) func(*http.Request) *http.Response {
	return w.bent(func(body string) string {
		at := strings.LastIndex(body, `,"paging"`)
		if at < 0 {
			return body
		}
		return body[:at] + `,"paging":{"next":{"after":"` + next() + `"}}}`
	})
}
