package iceberg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

const (
	keptSnapshots = 100 // the latest of a table that its metadata names
)

// stage writes the files of every table that the commit touches, up to the
// metadata that publish will give a version. Until then nobody sees them.
func (tx *tx) stage() error {
	for _, t := range tx.tables {
		if err := t.stage(); err != nil {
			return fmt.Errorf("table %s: %w", t.stream.Name, err)
		}
	}
	return nil
}

func (t *streamTable) stage() error {
	if !t.made {
		return nil
	}
	if err := t.save(); err != nil {
		return err
	}
	rows := t.alive()
	if len(rows) == 0 && len(t.replaced) == 0 && !t.grown {
		return nil
	}
	c := &snapshotOf{table: t, operation: table.OpOverwrite}
	if len(t.replaced) == 0 {
		c.operation = table.OpAppend
	}
	if err := c.addRows(rows); err != nil {
		return err
	}
	if err := c.deleteRows(t.replaced); err != nil {
		return err
	}
	return c.stage()
}

// A snapshotOf is a table's next snapshot in the making.
type snapshotOf struct {
	table     *streamTable
	operation table.Operation
	data      []iceberg.DataFile // added
	deletes   []iceberg.DataFile // added
	expired   []int64            // snapshots to drop

	// When all manifests are written anew:
	rewritten         bool
	existing, removed []iceberg.ManifestEntry
	totals            map[string]int64 // of existing files, as the summary names them
}

// A file's name tells which commit made it, so that what a crash left is known
// for ours.
func (t *streamTable) fileName(folder, kind, end string) string {
	return fmt.Sprintf("%s/%s/penstock-%s-%s%s", t.stream.Name, folder, t.tx.id, kind, end)
}

// boundedPlaces are the columns whose bounds let readers pass by files: a key
// of one integer, the load and the date.
func (t *streamTable) boundedPlaces() []int {
	places := []int{t.layout.own(ownLoad), t.layout.own(ownUpdated)}
	if t.keys[0].Integer {
		places = append(places, 0)
	}
	return places
}

// addRows writes the rows of the commit into one file, and into the index
// meanwhile.
func (c *snapshotOf) addRows(rows []*standing) error {
	t := c.table
	if len(rows) == 0 {
		return nil
	}
	if err := t.cut(); err != nil {
		return err
	}
	// A row group at a time: a copy of all rows would double what they take.
	size := int(groupRows(len(t.layout.columns)))
	record := t.gather(rows[:min(size, len(rows))])
	w, err := newDataWriter(record, t.boundedPlaces()...)
	if err != nil {
		record.Release()
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := w.take(record)
		for from := size; from < len(rows) && err == nil; from += size {
			err = w.take(t.gather(rows[from:min(from+size, len(rows))]))
		}
		written <- err
	}()
	name := t.fileName("data", "00000", ".parquet")
	err = t.place(rows, name)
	if err = errors.Join(err, <-written); err != nil {
		return err
	}
	return c.addFile(w, name)
}

// place notes where the rows lie: in their order, in a new file.
func (t *streamTable) place(rows []*standing, name string) error {
	id, err := t.fileID(name)
	if err != nil {
		return err
	}
	for i, s := range rows {
		s.at = location{id, int64(i)}
		if err := t.index.store(s); err != nil {
			return err
		}
	}
	return nil
}

// addFile writes a finished data file.
func (c *snapshotOf) addFile(w *dataWriter, name string) error {
	t := c.table
	content, err := w.close()
	if err != nil {
		return err
	}
	l := t.tx.store.lake
	t.tx.store.note("data")
	if err := l.add(t.tx.ctx, name, content); err != nil {
		return err
	}
	described, err := w.describe(l.uri(name), t.layout)
	c.data = append(c.data, described)
	return err
}

// deleteRows writes a file of position deletes for rows that are written anew.
func (c *snapshotOf) deleteRows(at []location) error {
	t := c.table
	if len(at) == 0 {
		return nil
	}
	l := t.tx.store.lake
	deletions := make([]deletion, len(at))
	slices.SortFunc(at, compareLocations)
	for i, one := range at {
		if i > 0 && one.file == at[i-1].file {
			deletions[i] = deletion{deletions[i-1].uri, one.position}
			continue
		}
		name, err := t.dataName(one.file)
		if err != nil {
			return err
		}
		deletions[i] = deletion{l.uri(name), one.position}
	}
	return c.writeDeletions(deletions)
}

func (c *snapshotOf) writeDeletions(deletions []deletion) error {
	t := c.table
	slices.SortFunc(deletions, compareDeletions)
	w, err := writeDeletes(deletions)
	if err != nil {
		return err
	}
	content, err := w.close()
	if err != nil {
		return err
	}
	name := t.fileName("data", "deletes", ".parquet")
	t.tx.store.note("deletes")
	if err := t.tx.store.lake.add(t.tx.ctx, name, content); err != nil {
		return err
	}
	described, err := describeDeletes(w, t.tx.store.lake.uri(name), deletions)
	c.deletes = append(c.deletes, described)
	return err
}

// stage writes the manifests and the metadata, and notes it as the table's.
func (c *snapshotOf) stage() error {
	t := c.table
	metadata, err := c.build()
	if err != nil {
		return err
	}
	content, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	name := t.fileName("metadata", "staged", ".metadata.json")
	t.tx.store.note("stage")
	if err := t.tx.store.lake.add(t.tx.ctx, name, content); err != nil {
		return err
	}
	t.tx.store.pending.streams[t.stream.Name] = true
	t.tx.store.parsed[path.Dir(name)] = parsed{name, metadata}
	t.lake.version++
	t.lake.metadata, t.lake.location, t.lake.logged = metadata, name, t.lake.version
	err = t.tx.conn.exec(`UPDATE _penstock_tables SET version = ?2, staged = ?3 WHERE stream = ?1`, t.stream.Name, t.lake.version, name)
	return errors.Join(err, t.stands())
}

// build makes the table's next metadata: a snapshot, and the schema if it has
// grown.
func (c *snapshotOf) build() (table.Metadata, error) {
	t := c.table
	b, err := t.nextMetadata()
	if err != nil {
		return nil, err
	}
	if len(c.data)+len(c.deletes) > 0 || c.rewritten {
		if err := c.snapshot(b); err != nil {
			return nil, err
		}
	}
	if len(c.expired) > 0 {
		if err := b.RemoveSnapshots(c.expired, false); err != nil {
			return nil, err
		}
	}
	return b.Build()
}

// nextMetadata begins the next metadata with the schema of the layout.
func (t *streamTable) nextMetadata() (*table.MetadataBuilder, error) {
	if t.lake.metadata == nil {
		b, err := table.NewMetadataBuilder(2)
		if err != nil {
			return nil, err
		}
		unsorted := table.UnsortedSortOrder // which AddSortOrder writes to
		for _, step := range []func() error{
			func() error { return b.SetUUID(uuid.New()) },
			func() error { return b.SetLoc(t.tx.store.lake.uri(t.stream.Name)) },
			func() error { return b.AddSchema(t.layout.table()) },
			func() error { return b.SetCurrentSchemaID(-1) },
			func() error { return b.AddPartitionSpec(iceberg.UnpartitionedSpec, true) },
			func() error { return b.SetDefaultSpecID(-1) },
			func() error { return b.AddSortOrder(&unsorted) },
			func() error { return b.SetDefaultSortOrderID(-1) },
			func() error {
				return b.SetProperties(iceberg.Properties{"write.delete.mode": "merge-on-read", "write.parquet.compression-codec": "zstd"})
			},
		} {
			if err := step(); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	b, err := table.MetadataBuilderFromBase(t.lake.metadata, t.tx.store.lake.uri(t.lake.location))
	if err != nil || !t.grown {
		return b, err
	}
	if err := b.AddSchema(t.layout.table()); err != nil {
		return nil, err
	}
	return b, b.SetCurrentSchemaID(-1)
}

// snapshot adds the snapshot, and drops the oldest ones.
func (c *snapshotOf) snapshot(b *table.MetadataBuilder) error {
	t := c.table
	s := table.Snapshot{
		SnapshotID: newSnapshotID(), SequenceNumber: 1, TimestampMs: time.Now().UnixMilli(),
		Summary: &table.Summary{Operation: c.operation, Properties: iceberg.Properties{}},
	}
	var before *table.Snapshot
	if t.lake.metadata != nil {
		s.SequenceNumber = t.lake.metadata.LastSequenceNumber() + 1
		s.TimestampMs = max(s.TimestampMs, t.lake.metadata.LastUpdatedMillis()+1)
		if before = t.lake.metadata.CurrentSnapshot(); before != nil {
			s.ParentSnapshotID = &before.SnapshotID
		}
	}
	schema := b.CurrentSchema()
	s.SchemaID = &schema.ID
	c.summarize(&s, before)
	manifests, err := c.manifests(&s, schema)
	if err != nil {
		return err
	}
	var list bytes.Buffer
	if err := iceberg.WriteManifestList(2, &list, s.SnapshotID, s.ParentSnapshotID, &s.SequenceNumber, 0, manifests); err != nil {
		return err
	}
	name := t.fileName("metadata", "snap", ".avro")
	if err := t.tx.store.lake.add(t.tx.ctx, name, list.Bytes()); err != nil {
		return err
	}
	s.ManifestList = t.tx.store.lake.uri(name)
	if err := b.AddSnapshot(&s); err != nil {
		return err
	}
	if err := b.SetSnapshotRef(table.MainBranch, s.SnapshotID, table.BranchRef); err != nil {
		return err
	}
	if t.lake.metadata == nil {
		return nil
	}
	if known := t.lake.metadata.Snapshots(); len(known) >= keptSnapshots {
		for _, one := range known[:len(known)-keptSnapshots+1] {
			c.expired = append(c.expired, one.SnapshotID)
		}
	}
	return nil
}

// summarize says what the snapshot adds and what it comes to; engines plan by
// it. penstock.commit is the commit's number in the log.
func (c *snapshotOf) summarize(s *table.Snapshot, before *table.Snapshot) {
	added := func(files []iceberg.DataFile) (n int64) {
		for _, f := range files {
			n += f.Count()
		}
		return n
	}
	p := s.Summary.Properties
	for _, one := range []struct {
		added, total string
		n            int64
	}{
		{"added-data-files", "total-data-files", int64(len(c.data))},
		{"added-records", "total-records", added(c.data)},
		{"added-delete-files", "total-delete-files", int64(len(c.deletes))},
		{"added-position-deletes", "total-position-deletes", added(c.deletes)},
	} {
		p[one.added] = strconv.FormatInt(one.n, 10)
		total := one.n + c.totals[one.total]
		if !c.rewritten && before != nil && before.Summary != nil {
			n, _ := strconv.ParseInt(before.Summary.Properties[one.total], 10, 64) // absent in another's snapshot: only a hint
			total += n
		}
		p[one.total] = strconv.FormatInt(total, 10)
	}
	p["total-equality-deletes"] = "0"
	p["penstock.commit"] = strconv.FormatInt(c.table.tx.begin.number+1, 10)
}

// manifests writes those of the added files, and lists them after the ones
// that stay.
func (c *snapshotOf) manifests(s *table.Snapshot, schema *iceberg.Schema) ([]iceberg.ManifestFile, error) {
	t := c.table
	var files []iceberg.ManifestFile
	if !c.rewritten && s.ParentSnapshotID != nil {
		before, err := t.manifestsOf(t.lake.metadata.CurrentSnapshot())
		if err != nil {
			return nil, err
		}
		files = before
	}
	if entries := append(existing(c.existing), removed(c.removed, s.SnapshotID)...); len(entries) > 0 {
		m, err := t.writeManifest(manifest{"m2", iceberg.ManifestContentData, s.SnapshotID, schema, entries})
		if err != nil {
			return nil, err
		}
		files = append(files, m)
	}
	for _, part := range []struct {
		content iceberg.ManifestContent
		kind    string
		added   []iceberg.DataFile
	}{{iceberg.ManifestContentData, "m0", c.data}, {iceberg.ManifestContentDeletes, "m1", c.deletes}} {
		var entries []iceberg.ManifestEntry
		for _, f := range part.added {
			entries = append(entries, iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &s.SnapshotID, nil, nil, f))
		}
		if len(entries) == 0 {
			continue
		}
		m, err := t.writeManifest(manifest{part.kind, part.content, s.SnapshotID, schema, entries})
		if err != nil {
			return nil, err
		}
		files = append(files, m)
	}
	return files, nil
}

// A manifest is one to be written for a snapshot.
type manifest struct {
	kind     string
	content  iceberg.ManifestContent
	snapshot int64
	schema   *iceberg.Schema
	entries  []iceberg.ManifestEntry
}

func (t *streamTable) writeManifest(m manifest) (iceberg.ManifestFile, error) {
	var b bytes.Buffer
	w, err := iceberg.NewManifestWriter(2, &b, *iceberg.UnpartitionedSpec, m.schema, m.snapshot, iceberg.WithManifestWriterContent(m.content))
	if err != nil {
		return nil, err
	}
	for _, e := range m.entries {
		add := w.Existing
		if e.Status() == iceberg.EntryStatusADDED {
			add = w.Add
		}
		if e.Status() == iceberg.EntryStatusDELETED {
			add = w.Delete
		}
		if err := add(e); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	name := t.fileName("metadata", m.kind, ".avro")
	t.tx.store.note("manifest")
	if err := t.tx.store.lake.add(t.tx.ctx, name, b.Bytes()); err != nil {
		return nil, err
	}
	return w.ToManifestFile(t.tx.store.lake.uri(name), int64(b.Len()))
}
