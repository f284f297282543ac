package shape_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"penstock/internal/shape"
)

func TestAHashIsThatOfTheNormalisedValueUnderTheKey(t *testing.T) {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte("ann@example.com"))
	want := "h1:" + hex.EncodeToString(mac.Sum(nil))
	for _, value := range []string{"ann@example.com", " Ann@Example.COM\t", "ANN@EXAMPLE.COM"} {
		if got := shape.Hash([]byte("key"), value); got != want {
			t.Errorf("%q has the hash %s, not %s", value, got, want)
		}
	}
	if shape.Hash([]byte("key"), "ann@example.org") == want || shape.Hash([]byte("other"), "ann@example.com") == want {
		t.Error("another value, or another key, has the same hash")
	}
	if got := shape.Hash([]byte("key"), " \n"); got != "" {
		t.Errorf("a blank has the hash %s", got)
	}
}
