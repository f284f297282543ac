package hubspot

import (
	"crypto/sha256"
	"sync"
)

// Credentials are the limits that HubSpot counts by credential, shared by all
// clients of a process that use the same one: two connections of one account
// may.
type Credentials struct {
	mu     sync.Mutex
	limits map[[sha256.Size]byte]*limits // by the token's hash
}

// NewCredentials makes a set of which nothing is known.
func NewCredentials() *Credentials {
	return &Credentials{limits: map[[sha256.Size]byte]*limits{}}
}

// limits are one credential's windows.
type limits struct {
	interval *window
	links    *window
	users    int // clients that use it under the token; guarded by the set's mu
}

// newLimits makes the windows of a credential that no client uses yet.
func newLimits(reserve float64) *limits {
	l := &limits{
		interval: newWindow("ten-secondly", intervalLimit, intervalSpan, true),
		links:    newWindow("associations", linksLimit, linksSpan, false),
	}
	l.interval.leave(reserve)
	l.links.leave(reserve)
	return l
}

// swap has a client go on with another token. A token that another client uses
// brings its windows along; one that is new takes over those of the token
// before: it may be the same credential, renewed. Nil is no window yet.
func (s *Credentials) swap(before, after string, now *limits, reserve float64) *limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, key := sha256.Sum256([]byte(before)), sha256.Sum256([]byte(after))
	if now != nil && old == key {
		return now
	}
	next := s.limits[key]
	switch {
	case next == nil && now != nil && now.users == 1:
		next = &limits{interval: now.interval, links: now.links}
	case next == nil:
		next = newLimits(reserve)
	}
	if now != nil {
		s.leave(old, now)
	}
	next.users++
	s.limits[key] = next
	return next
}

// leave forgets a token that no client uses any more; the caller holds mu.
func (s *Credentials) leave(key [sha256.Size]byte, l *limits) {
	if l.users--; l.users == 0 && s.limits[key] == l {
		delete(s.limits, key)
	}
}

// close forgets that a client uses the token.
func (s *Credentials) close(token string, l *limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(sha256.Sum256([]byte(token)), l)
}
