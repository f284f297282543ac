package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"zombiezen.com/go/sqlite"
)

// keptFor is how long files that nothing names any more are kept: readers may
// have begun before, and a loader that is committing names its files last. Older
// snapshots than that are dropped.
const keptFor = 24 * time.Hour

// Maintain makes few large files of many small ones, drops old snapshots, and
// removes the files of ours that no snapshot names any more. Loads wait for one
// commit of it at a time.
func (s *Store) Maintain(ctx context.Context) error {
	var streams []string
	err := s.write(ctx, func(tx *tx, _ meta) (bool, error) {
		found, err := tx.streams("TRUE")
		for _, stream := range found {
			streams = append(streams, stream.Name)
		}
		return false, err
	})
	for _, stream := range streams {
		if err == nil {
			err = s.maintain(ctx, stream)
		}
	}
	if err != nil {
		return fmt.Errorf("maintain %s: %w", s.address, err)
	}
	return nil
}

func (s *Store) maintain(ctx context.Context, stream string) error {
	for more := true; more; {
		more = false
		err := s.write(ctx, func(tx *tx, _ meta) (bool, error) {
			t, err := tx.held(stream)
			if err != nil {
				return false, err
			}
			c := &compaction{snapshotOf: snapshotOf{table: t, operation: table.OpReplace}}
			more, err = c.run()
			return more || c.cleared, err
		})
		if err != nil {
			return err
		}
	}
	return s.write(ctx, func(tx *tx, _ meta) (bool, error) {
		t, err := tx.held(stream)
		if err != nil {
			return false, err
		}
		expired, err := t.expire(time.Now().Add(-keptFor))
		if err != nil || expired {
			return expired, err
		}
		return false, t.sweep(time.Now().Add(-keptFor))
	})
}

// expire drops the snapshots of before a moment but the current one.
func (t *streamTable) expire(before time.Time) (bool, error) {
	if t.lake.metadata == nil || t.lake.metadata.CurrentSnapshot() == nil {
		return false, nil
	}
	var old []int64
	for _, s := range t.lake.metadata.Snapshots() {
		if s.TimestampMs < before.UnixMilli() && s.SnapshotID != t.lake.metadata.CurrentSnapshot().SnapshotID {
			old = append(old, s.SnapshotID)
		}
	}
	if len(old) == 0 {
		return false, nil
	}
	c := &snapshotOf{table: t, expired: old}
	return true, c.stage()
}

// sweep removes files that were made before a moment and that nothing names.
func (t *streamTable) sweep(before time.Time) error {
	named, err := t.referenced()
	if err != nil {
		return err
	}
	for _, folder := range []string{"data", "metadata"} {
		files, err := t.tx.store.lake.list(t.tx.ctx, t.stream.Name+"/"+folder)
		if err != nil {
			return err
		}
		for _, f := range files {
			if named[f.name] || f.modified.After(before) || !t.removable(path.Base(f.name)) {
				continue
			}
			t.tx.store.note("sweep")
			if err := t.tx.store.lake.remove(t.tx.ctx, f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// removable tells whether a file is one of ours by its name: of a commit, or a
// version long past.
func (t *streamTable) removable(base string) bool {
	if strings.HasPrefix(base, "penstock-") || strings.HasPrefix(base, ".penstock-") {
		return true
	}
	version, ours := strings.CutSuffix(strings.TrimPrefix(base, "v"), ".metadata.json")
	n, err := strconv.ParseInt(version, 10, 64)
	return ours && err == nil && n <= t.lake.version-keptSnapshots
}

// referenced are the names of the files that the table's metadata names.
func (t *streamTable) referenced() (map[string]bool, error) {
	named := map[string]bool{t.lake.location: true}
	if t.lake.metadata == nil {
		return named, nil
	}
	err := t.tx.conn.query(`SELECT staged FROM _penstock_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		named[row.ColumnText(0)] = true
		return nil
	}, t.stream.Name)
	if err != nil {
		return nil, err
	}
	note := func(uri string) (fresh bool, err error) {
		name, err := t.tx.store.nameOf(uri)
		fresh = !named[name]
		named[name] = true
		return fresh, err
	}
	for _, s := range t.lake.metadata.Snapshots() {
		if _, err := note(s.ManifestList); err != nil {
			return nil, err
		}
		manifests, err := t.manifestsOf(&s)
		if err != nil {
			return nil, err
		}
		for _, m := range manifests {
			fresh, err := note(m.FilePath())
			if err != nil {
				return nil, err
			}
			if !fresh {
				continue
			}
			entries, err := t.entries(m, false)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if _, err := note(e.DataFile().FilePath()); err != nil {
					return nil, err
				}
			}
		}
	}
	return named, nil
}

// existing are entries as a later snapshot has them.
func existing(entries []iceberg.ManifestEntry) []iceberg.ManifestEntry {
	again := make([]iceberg.ManifestEntry, len(entries))
	for i, e := range entries {
		snapshot, sequence := e.SnapshotID(), e.SequenceNum()
		again[i] = iceberg.NewManifestEntry(iceberg.EntryStatusEXISTING, &snapshot, &sequence, e.FileSequenceNum(), e.DataFile())
	}
	return again
}

// removed are entries of files that a snapshot takes out of the table.
func removed(entries []iceberg.ManifestEntry, by int64) []iceberg.ManifestEntry {
	again := make([]iceberg.ManifestEntry, len(entries))
	for i, e := range entries {
		sequence := e.SequenceNum()
		again[i] = iceberg.NewManifestEntry(iceberg.EntryStatusDELETED, &by, &sequence, e.FileSequenceNum(), e.DataFile())
	}
	return again
}
