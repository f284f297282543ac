package hubspotsim

import (
	"slices"
	"sync"
)

// blocked is trouble that stays until it is taken away.
type blocked struct {
	mu        sync.Mutex
	forbidden map[string][]string // scopes by type or family
	broken    map[string]int64    // an id by type: the list page with it fails
	refused   bool
}

// Forbid answers every request for the object type, or for a family such as
// "owners" or "schemas", with a 403 that names the scopes, until Allow.
func (a *Account) Forbid(objectType string, scopes ...string) {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	if a.blocked.forbidden == nil {
		a.blocked.forbidden = map[string][]string{}
	}
	a.blocked.forbidden[a.blockKey(objectType)] = slices.Clone(scopes)
}

// Allow takes back Forbid.
func (a *Account) Allow(objectType string) {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	delete(a.blocked.forbidden, a.blockKey(objectType))
}

// RefuseToken answers every request with a 401 while refuse is true.
func (a *Account) RefuseToken(refuse bool) {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	a.blocked.refused = refuse
}

// BreakAt fails every list page that holds the first live object with at
// least this id, until Mend.
func (a *Account) BreakAt(objectType string, id int64) {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	if a.blocked.broken == nil {
		a.blocked.broken = map[string]int64{}
	}
	a.blocked.broken[a.blockKey(objectType)] = id
}

// Mend takes back every BreakAt.
func (a *Account) Mend() {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	clear(a.blocked.broken)
}

// blockKey is one name for a type however it is called; families keep theirs.
func (a *Account) blockKey(name string) string {
	if t := a.names[name]; t != nil {
		return t.kind.id
	}
	return name
}

func (a *Account) isRefused() bool {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	return a.blocked.refused
}

// scopes are those that the request lacks; ok is false if it may pass.
func (a *Account) missing(c *call) (scopes []string, missing bool) {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	for _, t := range c.tables {
		if scopes, missing = a.blocked.forbidden[t.kind.id]; missing {
			return scopes, true
		}
	}
	scopes, missing = a.blocked.forbidden[c.kind]
	return scopes, missing
}

// isBroken tells whether a list page of the type that begins at from and
// holds the views must fail.
func (a *Account) isBroken(t *table, from int64, views []view) bool {
	a.blocked.mu.Lock()
	defer a.blocked.mu.Unlock()
	id, ok := a.blocked.broken[t.kind.id]
	return ok && len(views) > 0 && from <= id && id <= views[len(views)-1].id
}
