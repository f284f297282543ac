package hubspotsim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// An Owner is a user that owns records.
type Owner struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	FirstName string    `json:"firstName"`
	LastName  string    `json:"lastName"`
	Type      string    `json:"type"`             // PERSON or QUEUE
	UserID    int64     `json:"userId,omitempty"` // missing when archived
	FormerID  int64     `json:"userIdIncludingInactive,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Archived  bool      `json:"archived"`
	Teams     []Team    `json:"teams,omitempty"`
}

// A Team is a group of users.
type Team struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Primary bool   `json:"primary"`
}

// ownerCount is how many owners an account begins with.
const ownerCount = 24

func ownerID(n int) int64 { return 88_842_095 + int64(n)*1_037 }

// newOwners makes the owners: every eighth has left, and one is a queue.
func newOwners() []Owner {
	owners := make([]Owner, ownerCount)
	for i := range owners {
		serial := fmt.Sprintf("%03d", i+1)
		o := Owner{
			ID: strconv.FormatInt(ownerID(i), 10), Email: "owner-" + serial + "@example.com",
			FirstName: "Owner", LastName: "No. " + serial, Type: "PERSON",
			UserID: 5_100_000 + int64(i), FormerID: 5_100_000 + int64(i),
			CreatedAt: customSince().Add(time.Duration(i) * 36 * time.Hour), UpdatedAt: customSince().Add(time.Duration(i) * 40 * time.Hour),
		}
		switch {
		case i%8 == 7:
			o.Archived, o.UserID = true, 0
		case i == 3:
			o.Type = "QUEUE"
		case i%3 == 0:
			o.Teams = []Team{{ID: "178588", Name: "Field", Primary: true}, {ID: "178589", Name: "Everyone"}}
		}
		owners[i] = o
	}
	return owners
}

// Owners lists the owners by id, the archived ones too.
func (a *Account) Owners() []Owner {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Clone(a.owners)
}

// ArchiveOwner lets a user leave the account.
func (a *Account) ArchiveOwner(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.owners {
		if o := &a.owners[i]; o.ID == id && !o.Archived {
			o.Archived, o.UserID, o.UpdatedAt = true, 0, time.Now().UTC().Truncate(time.Millisecond)
			return nil
		}
	}
	return fmt.Errorf("owner %s: %w", id, ErrNotFound)
}

// maxOwners is the cap of a page of owners.
const maxOwners = 500

// answerOwners serves a page of owners, the archived or the others.
func (a *Account) answerOwners(c *call, out []byte) (int, []byte) {
	limit, err := strconv.Atoi(firstOf(c.query.Get("limit"), "100"))
	if err != nil || limit < 1 || limit > maxOwners {
		return problem(out, 400, "VALIDATION_ERROR", "limit must be between 1 and 500")
	}
	after, err := strconv.ParseInt(firstOf(c.query.Get("after"), "0"), 10, 64)
	if err != nil {
		return problem(out, 400, "VALIDATION_ERROR", "after is not a cursor of this list")
	}
	page := []Owner{}
	for i, o := range a.Owners() {
		if o.Archived == (c.query.Get("archived") == "true") && ownerID(i) > after {
			page = append(page, o)
		}
	}
	more := len(page) > limit
	page = page[:min(limit, len(page))]
	out = appendJSON(append(out, `{"results":`...), page)
	if more {
		last, _ := strconv.ParseInt(page[limit-1].ID, 10, 64) // an id of ours
		out = a.appendNext(out, c, last)
	}
	return 200, append(out, '}')
}

func firstOf(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// answerOwner serves one owner by id or by user id.
func (a *Account) answerOwner(c *call, out []byte) (int, []byte) {
	wantArchived := c.query.Get("archived") == "true"
	for _, o := range a.Owners() {
		id := o.ID
		if c.query.Get("idProperty") == "userId" {
			id = strconv.FormatInt(o.UserID, 10)
		}
		if id == c.args[0] && o.Archived == wantArchived {
			return 200, appendJSON(out, o)
		}
	}
	return problem(out, 404, "OBJECT_NOT_FOUND", "no owner "+c.args[0])
}
