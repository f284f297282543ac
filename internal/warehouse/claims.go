package warehouse

import (
	"crypto/rand"
	"encoding/json"
	"slices"
)

// Claims are a warehouse's claims, as it remembers them, and how many
// transactions of ours it has seen. They tell whether it is the one that was
// looked at before: a warehouse that was restored has forgotten what came after.
type Claims struct {
	Begun   []Begun
	Commits int64
}

// Begun is a claim: a name that no other has, and how many transactions the
// warehouse had seen before it.
type Begun struct {
	Claim   string `json:"claim"`
	Commits int64  `json:"commits"`
}

// keptClaims is how many claims a warehouse remembers. What lies further back
// counts as forgotten.
const keptClaims = 200

// Claimed adds a claim to those that a warehouse keeps as text, under a random
// name, and returns the new text. What it cannot read it takes for none.
func Claimed(kept string, commits int64) string {
	begun := append(ReadClaims(kept), Begun{rand.Text(), commits})
	begun = slices.Delete(begun, 0, max(0, len(begun)-keptClaims))
	text, _ := json.Marshal(begun) // strings and numbers always marshal
	return string(text)
}

// ReadClaims reads what Claimed wrote.
func ReadClaims(kept string) []Begun {
	var begun []Begun
	if json.Unmarshal([]byte(kept), &begun) != nil {
		return nil
	}
	return begun
}

// Last is the claim that holds now; empty when nobody has claimed it.
func (c Claims) Last() string {
	if len(c.Begun) == 0 {
		return ""
	}
	return c.Begun[len(c.Begun)-1].Claim
}

// Have tells whether the warehouse still holds what it held when that claim was
// the last one and it had seen so many transactions: they lie between the claim
// and the one after it. A warehouse that was restored to before ends earlier, or
// was claimed again earlier.
func (c Claims) Have(claim string, commits int64) bool {
	for i, b := range c.Begun {
		until := c.Commits
		if i+1 < len(c.Begun) {
			until = c.Begun[i+1].Commits
		}
		if b.Claim == claim && b.Commits <= commits && commits <= until {
			return true
		}
	}
	return false
}
