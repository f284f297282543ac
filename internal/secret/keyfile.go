package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// OpenKeyFile reads the identity that seals what is kept on disk. Where there is
// no file it makes one, and says so: without it nothing sealed can be read. A
// file that others may read is refused.
func OpenKeyFile(path string) (key *Identity, made bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(path); err != nil {
			return nil, false, fmt.Errorf("make the key file: %w", err)
		}
		made = true
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open the key file: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, false, fmt.Errorf("the key file %s may be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("open the key file: %w", err)
	}
	keys, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil || len(keys) != 1 { // the parser's words may quote the key
		return nil, false, fmt.Errorf("the key file %s is damaged: restore it from a copy", path)
	}
	own, ok := keys[0].(*age.X25519Identity)
	if !ok {
		return nil, false, fmt.Errorf("the key file %s holds another kind of key than X25519: restore it from a copy", path)
	}
	return &Identity{own}, made, nil
}

// makeKeyFile writes a new key whole and then gives it its name, so that a kill
// leaves no half of one. It replaces no key that another process has just made.
func makeKeyFile(path string) (err error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = fmt.Fprintf(f, "# Opens the secrets in penstock's catalog. Keep a copy of it elsewhere.\n%s\n", key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder has the folder remember a new name after a power cut: what is
// sealed from now on needs it.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
