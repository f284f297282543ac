package wire

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folderFormat is the version of the data folder that this program writes.
const folderFormat = 1

// The files of a data folder besides the catalog, the warehouse and NATS.
const (
	markerFile = "penstock.json"
	lockFile   = "lock"
	serverFile = "server.json"
	keyFile    = "key"
)

// A Folder is the data folder, held by one process at a time.
type Folder struct {
	Installation string // the same over restarts, another in each folder

	dir  string
	lock *os.File
}

type marker struct {
	Format       int    `json:"format"`
	Installation string `json:"installation"`
}

// ErrInUse says that another process holds the folder.
var ErrInUse = errors.New("the data folder is in use by another penstock")

// OpenFolder takes the folder, making it when it does not exist. One with
// other things in it, or of a newer program, is refused and left as it is.
func OpenFolder(dir string) (*Folder, error) {
	m, err := readMarker(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w; choose another with PENSTOCK_DATA_DIR", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data folder: %w; penstock must be able to write there", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		closeErr := lock.Close()
		return nil, errors.Join(fmt.Errorf("%w (%s): stop that one, ask it with `penstock status`, or choose another folder with PENSTOCK_DATA_DIR", ErrInUse, dir), closeErr)
	}
	f := &Folder{dir: dir, lock: lock, Installation: m.Installation}
	if m.Installation == "" {
		f.Installation = rand.Text()
		if err := f.write(markerFile, marker{folderFormat, f.Installation}); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// readMarker finds out whose folder it is; the zero marker for a new one.
func readMarker(dir string) (marker, error) {
	var m marker
	text, err := os.ReadFile(filepath.Join(dir, markerFile))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return m, fmt.Errorf("open the data folder: %w", err)
		}
		for _, e := range entries {
			if e.Name() != lockFile {
				return m, fmt.Errorf("the folder %s holds other things (%s) and no data of penstock: choose another with PENSTOCK_DATA_DIR", dir, e.Name())
			}
		}
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("open the data folder: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Installation == "" {
		return m, fmt.Errorf("%s in the data folder %s is damaged: restore it from a backup", markerFile, dir)
	}
	if m.Format > folderFormat {
		return m, fmt.Errorf("the data folder %s was written by a newer penstock (format %d, this one knows %d): use that version", dir, m.Format, folderFormat)
	}
	return m, nil
}

func (f *Folder) write(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write in the data folder: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write in the data folder: %w", err)
	}
	return nil
}

// Publish leaves the API's address for the commands that ask a running server.
func (f *Folder) Publish(address string) error {
	return f.write(serverFile, map[string]string{"address": address})
}

// Close gives the folder back.
func (f *Folder) Close() error {
	err := os.Remove(filepath.Join(f.dir, serverFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.lock.Close())
}

// ServerOf is the address of the server that holds the folder; empty when none
// does.
func ServerOf(dir string) string {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	free := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	if err := lock.Close(); err != nil || free {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(dir, serverFile))
	if err != nil {
		return ""
	}
	var server struct{ Address string }
	if json.Unmarshal(text, &server) != nil {
		return ""
	}
	return server.Address
}
