package secret_test

import (
	"bytes"
	"strings"
	"testing"

	"penstock/internal/secret"
)

func identity(t *testing.T) *secret.Identity {
	t.Helper()
	i, err := secret.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestOnlyTheIdentityOpensWhatWasSealedToIt(t *testing.T) {
	ours, theirs := identity(t), identity(t)
	for _, text := range []string{"", "pat-na1-00000000", strings.Repeat("long ", 10_000)} {
		sealed, err := secret.Seal(ours.PublicKey(), text)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" && bytes.Contains(sealed, []byte(text)) {
			t.Error("the sealed text lies in clear")
		}
		if got, err := ours.Open(sealed); err != nil || got != text {
			t.Errorf("opened %.20q, %v; want %.20q", got, err, text)
		}
		if got, err := theirs.Open(sealed); err == nil {
			t.Errorf("another identity opened %.20q", got)
		}
	}
}

func TestWhatWasChangedOnTheWayIsNotOpened(t *testing.T) {
	i := identity(t)
	sealed, err := secret.Seal(i.PublicKey(), "pat-na1-00000000")
	if err != nil {
		t.Fatal(err)
	}
	for at := range sealed {
		bent := bytes.Clone(sealed)
		bent[at] ^= 1
		if text, err := i.Open(bent); err == nil && text != "pat-na1-00000000" {
			t.Errorf("byte %d changed: opened as %q", at, text)
		}
	}
	for _, part := range [][]byte{nil, sealed[:10], sealed[:len(sealed)-1]} {
		if text, err := i.Open(part); err == nil {
			t.Errorf("%d bytes of %d: opened as %q", len(part), len(sealed), text)
		}
	}
}

func TestSealingTwiceDoesNotTellThatItIsTheSame(t *testing.T) {
	i := identity(t)
	one, err := secret.Seal(i.PublicKey(), "same")
	if err != nil {
		t.Fatal(err)
	}
	two, err := secret.Seal(i.PublicKey(), "same")
	if err != nil || bytes.Equal(one, two) {
		t.Errorf("sealed alike twice (%v)", err)
	}
}

func TestAKeyThatIsNoneIsRefused(t *testing.T) {
	for _, key := range []string{"", "age1", "AGE-SECRET-KEY-1"} {
		if _, err := secret.Seal(key, "pat-na1-00000000"); err == nil {
			t.Errorf("sealed to %q", key)
		} else if strings.Contains(err.Error(), "pat-na1") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}
