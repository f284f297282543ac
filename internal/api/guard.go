package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// guard decides who may ask anything at all.
type guard struct {
	next    http.Handler
	token   string
	origins *http.CrossOriginProtection
	log     *slog.Logger
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.note(r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if p := g.refuse(r); p != nil {
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="penstock"`)
		}
		p.write(w)
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g *guard) refuse(r *http.Request) *Problem {
	switch {
	case g.token == "" && !namesLoopback(r.Host):
		// A page of any website can have its own name lead to 127.0.0.1, and
		// would then read the answers as its own (DNS rebinding).
		return newProblem(wrongHost, "without a token only requests to this computer by a loopback name are answered, not to "+shorten(r.Host),
			"use http://localhost or http://127.0.0.1, or set PENSTOCK_API_TOKEN")
	case g.token != "" && !isProbe(r) && !g.knows(r):
		return newProblem(unauthorized, "the request has no token, or not the right one",
			"send the header Authorization: Bearer with the value of PENSTOCK_API_TOKEN")
	case g.origins.Check(r) != nil:
		return fromElsewhere()
	}
	return nil
}

func fromElsewhere() *Problem {
	return newProblem(crossSite, "a page of another website sent this request",
		"send it from a program, or from a page that this server served")
}

// isProbe tells whether the request is one of those that whoever starts and
// watches processes sends, without a token.
func isProbe(r *http.Request) bool {
	return r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
}

// knows compares hashes, so that neither the time taken nor the length tells
// anything of the token.
func (g *guard) knows(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(g.token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

func namesLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// note logs a panic before the server ends the connection because of it.
func (g *guard) note(r *http.Request) {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		g.log.Error("a request ended in a panic", "method", r.Method, "path", r.URL.Path,
			"panic", p, "stack", string(debug.Stack()))
		panic(http.ErrAbortHandler)
	}
}

// deliberate lets a GET change something only where a user or a program asked
// for it: no page of another website, and no program that only looks.
func deliberate(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if r.Method != http.MethodGet {
		refuseMethod(w, r, http.MethodPost, http.MethodGet)
		return
	}
	change := r.Clone(r.Context())
	change.Method = http.MethodPost
	if http.NewCrossOriginProtection().Check(change) != nil {
		fromElsewhere().write(w)
		return
	}
	next(ctx)
}
