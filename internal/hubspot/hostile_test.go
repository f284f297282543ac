package hubspot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/hubspot"
)

// hostile are answers to `list contacts after 100` that cannot be right, by
// what is wrong with them.
var hostile = map[string]func(*http.Request) (*http.Response, error){
	"cut short":             bad(200, `{"results":[{"id":"101"`),
	"HTML":                  bad(200, `<html><body>Just a moment</body></html>`),
	"HTML by its type":      bad(200, onePage, "Content-Type", "text/html"),
	"no type":               bad(200, onePage, "Content-Type", ""),
	"empty":                 bad(200, ``),
	"null":                  bad(200, `null`),
	"no results":            bad(200, `{"paging":{"next":{"after":"102"}}}`),
	"results no array":      bad(200, `{"results":{"id":"101"}}`),
	"results null":          bad(200, `{"results":null}`),
	"an error with 200":     bad(200, `{"status":"error","message":"internal error","results":[]}`),
	"trailing garbage":      bad(200, onePage+`<!-- served by cache -->`),
	"two answers":           bad(200, onePage+onePage),
	"no date":               bad(200, onePage, "Date", ""),
	"no content":            bad(204, ``),
	"partial":               bad(207, onePage),
	"cursor unreadable":     bad(200, `{"results":[],"paging":{"next":{"after":{}}}}`),
	"cursor repeats":        bad(200, `{"results":[],"paging":{"next":{"after":"100"}}}`),
	"cursor goes backwards": bad(200, `{"results":[],"paging":{"next":{"after":"99"}}}`),
	"cursor below the page": bad(200, `{"results":[{"id":"105"},{"id":"120"}],"paging":{"next":{"after":"119"}}}`),
	"results twice":         bad(200, `{"results":[{"id":"101"}],"results":[]}`),
	"reset in the body": func(*http.Request) (*http.Response, error) {
		r := respond(200, "")
		r.Body = &broken{strings.NewReader(onePage[:20]), errors.New("connection reset by peer")}
		return r, nil
	},
	"length is a lie": func(*http.Request) (*http.Response, error) {
		r := respond(200, "")
		r.Body = &broken{strings.NewReader(onePage[:20]), io.ErrUnexpectedEOF}
		return r, nil
	},
	"no connection": func(*http.Request) (*http.Response, error) {
		return nil, errors.New("connection refused")
	},
	"body stalls": func(req *http.Request) (*http.Response, error) {
		r := respond(200, "")
		r.Body, r.ContentLength = silent{req}, 100
		return r, nil
	},
	"no headers": func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	},
}

func bad(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return respond(status, body, header...), nil }
}

func TestAHostileAnswerIsNeverAPageAndHealsByRetry(t *testing.T) {
	for name, answer := range hostile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, func(n int, r *http.Request) (*http.Response, error) {
					if n == 0 {
						return answer(r)
					}
					return respond(200, pageTo("102")), nil
				})
				page, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts", After: "100"})
				if err != nil || page.Next != "102" || page.Results != 1 || page.Stamp != 2 {
					t.Errorf("page %+v, %v", page, err)
				}
				if n := f.calls.Load(); n != 2 {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}

func TestAnAnswerThatStaysHostileIsAnErrorAfterSixAttempts(t *testing.T) {
	for name, answer := range hostile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, f := setup(t, func(_ int, r *http.Request) (*http.Response, error) { return answer(r) })
				page, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts", After: "100"})
				var e *hubspot.Error
				if page != nil || !errors.As(err, &e) || !e.Heals() || e.Remedy() == "" {
					t.Fatalf("page %v, %v", page, err)
				}
				if e.Kind != hubspot.BadAnswer && e.Kind != hubspot.Unavailable {
					t.Errorf("kind %q", e.Kind)
				}
				if n := f.calls.Load(); n != 6 {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}

func TestASilentBodyIsCutAfterHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(n int, r *http.Request) (*http.Response, error) {
			if n == 0 {
				return hostile["body stalls"](r)
			}
			return respond(200, onePage), nil
		})
		from := time.Now()
		if _, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestNothingOfARefusedAnswerStaysInTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, inTurn(
			respond(200, `{"name":"zip","label":"Postal code","options":[{"label":"1"}],"displayOrder":"first"}`),
			respond(200, `{"name":"zip"}`)))
		p, err := client.Property(t.Context(), "contacts", "zip", false)
		if err != nil || p.Label != "" || p.Options != nil || f.calls.Load() != 2 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestASlowBodyThatKeepsComingIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, func(_ int, req *http.Request) (*http.Response, error) {
			r := respond(200, "")
			r.Body = &slow{req: req, rest: onePage}
			return r, nil
		})
		from := time.Now()
		page, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
		if err != nil || string(page.Body) != onePage || f.calls.Load() != 1 {
			t.Errorf("page %+v after %d calls, %v", page, f.calls.Load(), err)
		}
		if took := time.Since(from); took < 10*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestABodyThatDripsInForEverIsGivenUpAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := setup(t, func(n int, req *http.Request) (*http.Response, error) {
			r := respond(200, onePage)
			if n == 0 {
				r.Body = &slow{req: req, rest: strings.Repeat(" ", 1000) + onePage}
			}
			return r, nil
		})
		from := time.Now()
		if _, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took < time.Hour || took > time.Hour+2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnEndlessBodyIsRefusedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, f := setup(t, func(int, *http.Request) (*http.Response, error) {
			r := respond(200, "")
			r.Body, r.ContentLength = io.NopCloser(endless{}), -1
			return r, nil
		})
		_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
		var e *hubspot.Error
		if !errors.As(err, &e) || e.Kind != hubspot.BadAnswer || e.Heals() || f.calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, f.calls.Load())
		}
	})
}

// TestOverARealConnection is about what only a socket can show.
func TestOverARealConnection(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch n.Add(1) {
		case 1:
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case 2:
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, onePage)
		default:
			w.Header().Set("Content-Encoding", "gzip")
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := io.WriteString(z, pageTo("102")); err != nil {
				t.Error(err)
			}
			if err := z.Close(); err != nil {
				t.Error(err)
			}
			if _, err := w.Write(packed.Bytes()); err != nil {
				t.Error(err)
			}
		}
	}))
	defer server.Close()
	client, err := hubspot.New(hubspot.Config{BaseURL: server.URL + "/", Token: token, Stamp: n.Load})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	page, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
	if err != nil || string(page.Body) != pageTo("102") || page.Date.IsZero() {
		t.Errorf("page %+v, %v", page, err)
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
	if n.Load() != 3 {
		t.Errorf("%d calls", n.Load())
	}
}

func TestAnEndedContextEndsACallWherever(t *testing.T) {
	hang := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for name, a := range map[string]answers{"waiting for the answer": hang, "between retries": always(500, ``)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := setup(t, a)
				for _, why := range []error{context.Canceled, context.DeadlineExceeded} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					if errors.Is(why, context.Canceled) {
						cancel()
					}
					_, err := client.List(ctx, hubspot.ListRequest{Type: "contacts"})
					if !errors.Is(err, why) || hubspot.KindOf(err) != "" {
						t.Errorf("%v", err)
					}
					cancel()
				}
				if w := client.Quota().Windows[0]; w.Waiting != 0 {
					t.Errorf("the window is %+v", w)
				}
			})
		})
	}
}

func TestNoErrorTellsTheTokenOrTheBody(t *testing.T) {
	const private = "contact-000123@example.com"
	echo := `{"status":"error","message":"bad token ` + token + `\nin line 2","category":"X","correlationId":"c-1","extra":"` + private + `"}`
	for status, body := range map[int]string{
		400: echo, 401: echo, 403: echo, 404: echo, 500: echo, 530: echo, 200: `{"results":"` + private + `"}`, 503: private,
	} {
		synctest.Test(t, func(t *testing.T) {
			client, _ := setup(t, always(status, body))
			_, err := client.List(t.Context(), hubspot.ListRequest{Type: "contacts"})
			if err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), private) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
}
