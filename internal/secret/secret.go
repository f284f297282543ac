// Package secret keeps credentials from being read where they must not be: it
// seals them on their way from data-streams to a worker and in the catalog, and
// keeps them out of print.
//
// It knows nothing of what it seals. The cipher is age's X25519.
package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"filippo.io/age"
)

// An Identity can open what was sealed to its public key. A worker's lives as
// long as its process and is never stored; that of a key file seals what is.
type Identity struct{ key *age.X25519Identity }

// NewIdentity makes a random one.
func NewIdentity() (*Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make a key pair: %w", err)
	}
	return &Identity{key}, nil
}

// PublicKey is what Seal needs to know of the identity.
func (i *Identity) PublicKey() string { return i.key.Recipient().String() }

// Derive is a key of 32 bytes for the purpose, always the same of one identity.
func (i *Identity) Derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(i.key.String()), nil, purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}

// Open reads what was sealed to the identity.
func (i *Identity) Open(sealed []byte) (string, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), i.key)
	if err != nil {
		return "", fmt.Errorf("open a sealed credential: %w", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("open a sealed credential: %w", err)
	}
	return string(text), nil
}

// Seal makes the text readable only for the identity with the public key.
func Seal(publicKey, text string) ([]byte, error) {
	to, err := age.ParseX25519Recipient(publicKey)
	if err != nil {
		return nil, fmt.Errorf("seal a credential: %w", err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return nil, fmt.Errorf("seal a credential: %w", err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return nil, fmt.Errorf("seal a credential: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal a credential: %w", err)
	}
	return sealed.Bytes(), nil
}
