package iceberg

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// A table's metadata has numbered versions, and a hint that names the latest:
// so readers without a catalog find it.
func versionName(stream string, version int64) string {
	return fmt.Sprintf("%s/metadata/v%d.metadata.json", stream, version)
}

func hintName(stream string) string { return stream + "/metadata/version-hint.text" }

func newSnapshotID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}

// publish gives the metadata of what has been committed its version, and then
// the hint. It may be repeated.
func (s *Store) publish(ctx context.Context) error {
	type committed struct {
		stream, staged string
		version        int64
	}
	var tables []committed
	err := s.index.query(`SELECT stream, version, staged FROM _penstock_tables WHERE version > 0`, func(row *sqlite.Stmt) error {
		if stream := row.ColumnText(0); s.pending.all || s.pending.streams[stream] {
			tables = append(tables, committed{stream, row.ColumnText(2), row.ColumnInt64(1)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := s.publishTable(ctx, t.stream, t.staged, t.version); err != nil {
			return fmt.Errorf("publish %s: %w", t.stream, err)
		}
	}
	m, err := readMark(s.index)
	if err != nil {
		return err
	}
	if m.number%baseEvery == 0 {
		s.note("base")
		if err := s.index.writeBase(ctx, s.lake); err != nil {
			return err
		}
		if err := prune(ctx, s.lake); err != nil {
			return err
		}
	}
	s.pending = pending{streams: map[string]bool{}}
	return nil
}

// publishTable leaves a version that is there alone, unless another program
// has put its own there after ours was committed: ours takes its place, as
// Penstock is its tables' only writer.
func (s *Store) publishTable(ctx context.Context, stream, staged string, version int64) error {
	there, err := s.lake.exists(ctx, versionName(stream, version))
	if err != nil {
		return err
	}
	content, err := s.lake.read(ctx, staged)
	if err != nil {
		return err
	}
	if there {
		standing, err := s.lake.read(ctx, versionName(stream, version))
		if err != nil || bytes.Equal(standing, content) {
			return errors.Join(err, s.hint(ctx, stream, version))
		}
	}
	s.note("publish")
	if err := s.lake.write(ctx, versionName(stream, version), content); err != nil {
		return err
	}
	return s.hint(ctx, stream, version)
}

func (s *Store) hint(ctx context.Context, stream string, version int64) error {
	now, err := s.lake.read(ctx, hintName(stream))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(string(now)), 10, 64); err == nil && n >= version {
		return nil
	}
	s.note("hint")
	return s.lake.write(ctx, hintName(stream), []byte(strconv.FormatInt(version, 10)))
}

// current reads the table's latest metadata, which may be another program's,
// and has the index stand for it.
func (t *streamTable) current(staged string) error {
	s, ctx := t.tx.store, t.tx.ctx
	t.lake.version, t.lake.location = t.lake.logged, staged
	if t.lake.version == 0 {
		return nil
	}
	for {
		later, err := s.lake.exists(ctx, versionName(t.stream.Name, t.lake.version+1))
		if err != nil {
			return err
		}
		if !later {
			break
		}
		t.lake.version++
		t.lake.location = versionName(t.stream.Name, t.lake.version)
	}
	metadata, err := s.metadata(ctx, t.lake.location)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the table %s is gone: %w", warehouse.ErrReplaced, t.stream.Name, err)
	}
	if err != nil {
		return err
	}
	t.lake.metadata = metadata
	version, location := int64(0), ""
	err = t.tx.conn.query(`SELECT version, location FROM _local_tables WHERE stream = ?1`, func(row *sqlite.Stmt) error {
		version, location = row.ColumnInt64(0), row.ColumnText(1)
		return nil
	}, t.stream.Name)
	if err != nil || version == t.lake.version && location == t.lake.location {
		return err
	}
	if err := t.lineage(staged); err != nil {
		return err
	}
	return t.reindex()
}

// lineage refuses a table that was set back to before our last commit: its
// heads would tell of rows that are not there.
func (t *streamTable) lineage(staged string) error {
	if t.lake.version == t.lake.logged {
		return nil
	}
	ours, err := t.tx.store.metadata(t.tx.ctx, staged)
	if err != nil {
		return err
	}
	committed := ours.CurrentSnapshot()
	for s := t.lake.metadata.CurrentSnapshot(); committed != nil; {
		if s == nil {
			return fmt.Errorf("%w: another program has set the table %s back", warehouse.ErrReplaced, t.stream.Name)
		}
		if s.SnapshotID == committed.SnapshotID {
			return nil
		}
		if s.ParentSnapshotID == nil {
			s = nil
			continue
		}
		s = t.lake.metadata.SnapshotByID(*s.ParentSnapshotID)
	}
	return nil
}

// metadata reads a table's metadata. That of ours never changes and is kept.
func (s *Store) metadata(ctx context.Context, name string) (table.Metadata, error) {
	folder := path.Dir(name)
	if known := s.parsed[folder]; known.name == name && strings.HasPrefix(path.Base(name), "penstock-") {
		there, err := s.lake.exists(ctx, name)
		if err == nil && !there {
			err = fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return known.metadata, err
	}
	content, err := s.lake.read(ctx, name)
	if err != nil {
		return nil, err
	}
	metadata, err := table.ParseMetadataBytes(content)
	s.parsed[folder] = parsed{name, metadata}
	return metadata, err
}

// stands notes what metadata the rows of the index stand for.
func (t *streamTable) stands() error {
	snapshot := int64(0)
	if now := t.lake.metadata.CurrentSnapshot(); now != nil {
		snapshot = now.SnapshotID
	}
	return t.tx.conn.exec(`INSERT OR REPLACE INTO _local_tables VALUES (?1, ?2, ?3, ?4)`,
		t.stream.Name, t.lake.version, t.lake.location, snapshot)
}

// refresh has the index stand for what each table holds now.
func (tx *tx) refresh() error {
	streams, err := tx.streams("TRUE")
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if _, err := tx.table(stream); err != nil {
			return err
		}
	}
	return nil
}

// repair is refresh for a new loader: a table whose files are gone, or that
// was set back, is forgotten with its heads, so that everything is read again.
func (tx *tx) repair() (forgotten []string, err error) {
	streams, err := tx.streams("TRUE")
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		_, err := tx.table(stream)
		if errors.Is(err, warehouse.ErrReplaced) {
			forgotten = append(forgotten, stream.Name)
			err = tx.forget(stream.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	return forgotten, nil
}

// forget drops what is known of a table that is not there any more. Another
// program's table of the name must be moved away before it is made again.
func (tx *tx) forget(stream string) error {
	for _, name := range []string{"_penstock_heads", "_penstock_tables", "_penstock_columns", "_penstock_seen", "_local_tables", "_local_files"} {
		if err := tx.conn.exec("DELETE FROM "+name+" WHERE stream = ?1", stream); err != nil {
			return err
		}
	}
	if t := tx.tables[stream]; t != nil {
		t.release()
		delete(tx.tables, stream)
	}
	return tx.conn.exec("DROP TABLE IF EXISTS " + indexName(stream))
}

// streams are those with a table where the condition holds.
func (tx *tx) streams(where string, args ...any) ([]penstock.Stream, error) {
	var streams []penstock.Stream
	err := tx.conn.query(`SELECT stream, family, object_type, to_type, belongs, whole FROM _penstock_tables WHERE `+where+` ORDER BY stream`,
		func(row *sqlite.Stmt) error {
			streams = append(streams, penstock.Stream{
				Name: row.ColumnText(0), Family: penstock.Family(row.ColumnText(1)), ObjectType: row.ColumnText(2),
				ToType: row.ColumnText(3), Of: row.ColumnText(4), Whole: row.ColumnBool(5),
			})
			return nil
		}, args...)
	return streams, err
}

// manifestsOf are the manifests of a snapshot.
func (t *streamTable) manifestsOf(s *table.Snapshot) ([]iceberg.ManifestFile, error) {
	if s == nil {
		return nil, nil
	}
	content, err := t.readURI(s.ManifestList)
	if err != nil {
		return nil, err
	}
	return iceberg.ReadManifestList(bytes.NewReader(content))
}

// readURI reads a file that the metadata names.
func (t *streamTable) readURI(uri string) ([]byte, error) {
	name, err := t.tx.store.nameOf(uri)
	if err != nil {
		return nil, err
	}
	return t.tx.store.lake.read(t.tx.ctx, name)
}

// nameOf is the name in the lake of what metadata calls so.
func (s *Store) nameOf(uri string) (string, error) {
	name, ours := strings.CutPrefix(uri, s.lake.uri(""))
	if !ours {
		return "", fmt.Errorf("%s lies outside of %s: was the folder moved?", uri, s.lake.uri(""))
	}
	return name, nil
}

// files are the live files of the table's snapshot with content of a kind.
func (t *streamTable) files(content iceberg.ManifestContent) ([]iceberg.ManifestEntry, error) {
	if t.lake.metadata == nil {
		return nil, nil
	}
	manifests, err := t.manifestsOf(t.lake.metadata.CurrentSnapshot())
	if err != nil {
		return nil, err
	}
	var entries []iceberg.ManifestEntry
	for _, m := range manifests {
		if m.ManifestContent() != content {
			continue
		}
		found, err := t.entries(m, true)
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

// entries are those of a manifest.
func (t *streamTable) entries(m iceberg.ManifestFile, live bool) ([]iceberg.ManifestEntry, error) {
	raw, err := t.readURI(m.FilePath())
	if err != nil {
		return nil, err
	}
	return iceberg.ReadManifest(m, bytes.NewReader(raw), live)
}
