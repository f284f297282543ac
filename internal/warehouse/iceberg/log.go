package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"penstock/internal/warehouse"
)

const (
	logFolder  = "_penstock/log"  // an entry a commit
	baseFolder = "_penstock/base" // what the entries up to one come to
	baseEvery  = 64               // entries between two bases
)

// An entry is one commit. Its file is made with a number that nobody has used:
// of two writers one succeeds, and that is the commit.
type entry struct {
	Format int    `json:"format"`
	Number int64  `json:"number"`
	ID     string `json:"id"` // random, to tell it from another of the same number
	Loader string `json:"loader"`

	changes []byte // of the logged tables
}

func (e entry) marshal() ([]byte, error) {
	head, err := json.Marshal(e)
	return append(append(head, '\n'), e.changes...), err
}

func entryName(number int64) string { return fmt.Sprintf("%s/%012d", logFolder, number) }
func baseName(number int64) string  { return fmt.Sprintf("%s/%012d", baseFolder, number) }

// readEntry fails with fs.ErrNotExist where there is none.
func readEntry(ctx context.Context, l lake, name string) (entry, error) {
	var e entry
	content, err := l.read(ctx, name)
	if err != nil {
		return e, err
	}
	head, changes, _ := bytes.Cut(content, []byte("\n"))
	if err := json.Unmarshal(head, &e); err != nil {
		return e, fmt.Errorf("%s is no entry of the log: %w", name, err)
	}
	if e.Format > format {
		return e, fmt.Errorf("%w (format %d, this one knows %d): update this program", warehouse.ErrNewer, e.Format, format)
	}
	e.changes = changes
	return e, nil
}

// numbers are those of the files in a folder of the log, in order.
func numbers(ctx context.Context, l lake, in string) ([]int64, error) {
	files, err := l.list(ctx, in)
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, f := range files {
		if n, err := strconv.ParseInt(strings.TrimLeft(path.Base(f.name), "0"), 10, 64); err == nil {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

// A mark is an entry up to which an index has followed the log.
type mark struct {
	number int64
	id     string
}

func readMark(conn *conn) (mark, error) {
	var m mark
	err := conn.query(`SELECT number, id FROM _local`, func(row *sqlite.Stmt) error {
		m = mark{row.ColumnInt64(0), row.ColumnText(1)}
		return nil
	})
	return m, err
}

func (c *conn) setMark(m mark) error {
	return c.exec(`UPDATE _local SET number = ?1, id = ?2`, m.number, m.id)
}

// stands tells whether the log still has the entry.
func (m mark) stands(ctx context.Context, l lake) (bool, error) {
	if m.number == 0 {
		return true, nil
	}
	e, err := readEntry(ctx, l, entryName(m.number))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && e.ID == m.id, err
}

// follow brings the logged tables to the end of the log, within a transaction
// of the index. An index of another log, or of one that was restored to an
// earlier state, begins anew.
func (c *conn) follow(ctx context.Context, l lake) (mark, error) {
	m, err := readMark(c)
	if err != nil {
		return m, err
	}
	stands, err := m.stands(ctx, l)
	if err != nil {
		return m, err
	}
	if m.number == 0 || !stands {
		if m, err = c.rebuild(ctx, l); err != nil {
			return m, err
		}
	}
	for {
		e, err := readEntry(ctx, l, entryName(m.number+1))
		if errors.Is(err, fs.ErrNotExist) {
			return m, c.setMark(m)
		}
		if err == nil {
			err = c.apply(e.changes)
		}
		if err != nil {
			return m, fmt.Errorf("follow the log at %d: %w", m.number+1, err)
		}
		m = mark{e.Number, e.ID}
	}
}

// rebuild makes the index from the latest base.
func (c *conn) rebuild(ctx context.Context, l lake) (mark, error) {
	if err := c.wipe(); err != nil {
		return mark{}, err
	}
	bases, err := numbers(ctx, l, baseFolder)
	if err != nil || len(bases) == 0 {
		return mark{}, err
	}
	e, err := readEntry(ctx, l, baseName(bases[len(bases)-1]))
	if err == nil {
		err = c.apply(e.changes)
	}
	return mark{e.Number, e.ID}, err
}

// writeBase writes what the log has come to, so that nobody needs its
// beginning.
func (c *conn) writeBase(ctx context.Context, l lake) error {
	m, err := readMark(c)
	if err != nil {
		return err
	}
	changes, err := c.everything()
	if err != nil {
		return err
	}
	if again, err := readMark(c); err != nil || again != m {
		return err // another loader has been here: it writes its own
	}
	content, err := entry{Format: format, Number: m.number, ID: m.id, changes: changes}.marshal()
	if err != nil {
		return err
	}
	if err := l.create(ctx, baseName(m.number), content); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // written before
}

// prune removes bases but the last two, and entries that the older of them
// holds.
func prune(ctx context.Context, l lake) error {
	bases, err := numbers(ctx, l, baseFolder)
	if err != nil || len(bases) < 2 {
		return err
	}
	keep := bases[len(bases)-2]
	for _, n := range bases[:len(bases)-2] {
		if err := l.remove(ctx, baseName(n)); err != nil {
			return err
		}
	}
	entries, err := numbers(ctx, l, logFolder)
	if err != nil {
		return err
	}
	for _, n := range entries {
		if n > keep {
			break
		}
		if err := l.remove(ctx, entryName(n)); err != nil {
			return err
		}
	}
	return nil
}
