package shape

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// hashPrefix names the way values are hashed, so that another can come.
const hashPrefix = "h1:"

// withheld ends the reason of a reject whose original must not be seen.
const withheld = "; what it holds is not kept, because values of it are hashed"

// A hasher hashes values. It is used by one goroutine at a time.
type hasher struct {
	mac  hash.Hash
	text []byte // of the last hash
}

func newHasher(key []byte) *hasher { return &hasher{mac: hmac.New(sha256.New, key)} }

// hash is h1: and 64 hexadecimal digits, valid until the next call. Values that
// differ in letter case or in the blanks around them have one hash; what is
// blank has none.
func (h *hasher) hash(text []byte) []byte {
	normal := bytes.ToLower(bytes.TrimSpace(text))
	if len(normal) == 0 {
		return nil
	}
	h.mac.Reset()
	h.mac.Write(normal)
	h.text = hex.AppendEncode(append(h.text[:0], hashPrefix...), h.mac.Sum(nil))
	return h.text
}

// Hash is the value as a hashed column holds it: HMAC-SHA-256 of the value in
// lower case without the blanks around it; empty for one that is blank.
func Hash(key []byte, value string) string {
	return string(newHasher(key).hash([]byte(value)))
}
