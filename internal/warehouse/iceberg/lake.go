package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// addingAtOnce is how many files wait for the disk together.
const addingAtOnce = 8

// A lake is a folder of files, on a disk or in an object store. Names are
// relative to it, with slashes. A file is seen whole or not at all.
type lake interface {
	// uri is where a name is, as the tables' metadata says it.
	uri(name string) string
	// read fails with fs.ErrNotExist where there is no such file.
	read(ctx context.Context, name string) ([]byte, error)
	// create writes a file that must not exist yet: fs.ErrExist where it does.
	// Of several writers one succeeds. When it returns, the file is there to
	// stay, and so is all that was added before.
	create(ctx context.Context, name string, content []byte) error
	// add writes a file of a name that nobody else uses. It is there to stay only
	// when the next create has returned.
	add(ctx context.Context, name string, content []byte) error
	// write replaces a file.
	write(ctx context.Context, name string, content []byte) error
	exists(ctx context.Context, name string) (bool, error)
	// open opens a file for reading parts of it.
	open(ctx context.Context, name string) (blob, error)
	// list names the files below a folder, in any order.
	list(ctx context.Context, folder string) ([]object, error)
	remove(ctx context.Context, name string) error
}

// A blob is an open file.
type blob interface {
	io.ReaderAt
	io.Seeker
	io.Closer
}

// An object is a file as it is listed.
type object struct {
	name     string
	modified time.Time
}

// openLake is the lake that an address names.
func openLake(address string) (lake, error) {
	kind, rest, _ := strings.Cut(address, ":")
	switch kind {
	case "iceberg":
		return openFolder(rest)
	case "iceberg+s3":
		u, err := url.Parse("s3:" + rest)
		if err != nil {
			return nil, fmt.Errorf("the address is no URL: %w", err)
		}
		return openBucket(u)
	}
	return nil, errors.New("an address is iceberg:PATH or iceberg+s3://BUCKET/PREFIX?endpoint=URL&region=NAME")
}

// A folder is a lake on a disk.
type folder struct {
	path string

	mu     sync.Mutex
	adding *errgroup.Group // files on their way to the disk
	places map[string]bool // the folders that they are in
}

func openFolder(path string) (*folder, error) {
	if path == "" {
		return nil, errors.New("the address names no folder")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(absolute); err == nil && !info.IsDir() {
		return nil, errors.New("there is a file at its path: choose another")
	}
	return &folder{path: absolute}, nil
}

func (f *folder) at(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

func (f *folder) uri(name string) string {
	return "file://" + filepath.ToSlash(f.path) + "/" + name
}

func (f *folder) read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(f.at(name))
}

// create links a finished file to its name, which fails where there is one.
func (f *folder) create(_ context.Context, name string, content []byte) error {
	if err := f.added(); err != nil {
		return err
	}
	from, err := f.temporary(name, content)
	if err != nil {
		return err
	}
	err = from.Sync()
	if err == nil {
		err = os.Link(from.Name(), f.at(name))
	}
	if err := errors.Join(err, from.Close(), os.Remove(from.Name())); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.at(name)))
}

// add leaves the disk to catch up.
func (f *folder) add(_ context.Context, name string, content []byte) error {
	file, err := f.temporary(name, content)
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.at(name)); err != nil {
		return errors.Join(err, file.Close())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adding == nil {
		f.adding, f.places = &errgroup.Group{}, map[string]bool{}
		f.adding.SetLimit(addingAtOnce)
	}
	f.places[filepath.Dir(f.at(name))] = true
	f.adding.Go(func() error { return errors.Join(file.Sync(), file.Close()) })
	return nil
}

// added waits for the disk.
func (f *folder) added() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adding == nil {
		return nil
	}
	err := f.adding.Wait()
	for path := range f.places {
		err = errors.Join(err, syncFolder(path))
	}
	f.adding, f.places = nil, nil
	return err
}

// write need not survive a loss of power: what is replaced can be made again
// from the log, and a claim does so.
func (f *folder) write(_ context.Context, name string, content []byte) error {
	file, err := f.temporary(name, content)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Rename(file.Name(), f.at(name)))
}

// temporary is a new file beside the name with the content.
func (f *folder) temporary(name string, content []byte) (*os.File, error) {
	beside := filepath.Dir(f.at(name))
	file, err := os.CreateTemp(beside, ".penstock-*")
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(beside, 0o755); err == nil {
			file, err = os.CreateTemp(beside, ".penstock-*")
		}
	}
	if err != nil {
		return nil, err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(0o644) // as other programs read it
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *folder) exists(_ context.Context, name string) (bool, error) {
	_, err := os.Stat(f.at(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (f *folder) open(_ context.Context, name string) (blob, error) { return os.Open(f.at(name)) }

func (f *folder) list(_ context.Context, under string) ([]object, error) {
	var found []object
	err := filepath.WalkDir(f.at(under), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(f.path, path)
		found = append(found, object{filepath.ToSlash(name), info.ModTime()})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

func (f *folder) remove(_ context.Context, name string) error { return os.Remove(f.at(name)) }
