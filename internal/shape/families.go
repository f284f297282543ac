package shape

import (
	"time"

	"penstock"
	"penstock/internal/hubspot"
)

// OwnersTable is the table of owners. Like the other small families it has
// columns of our own choice, the same for every account.
func OwnersTable() penstock.Table { return tableOf(penstock.Owners, ownerParts) }

// PipelinesTable is the table of the pipelines of every object type.
func PipelinesTable() penstock.Table { return tableOf(penstock.Pipelines, pipelineParts) }

// StagesTable is the table of the stages of those pipelines.
func StagesTable() penstock.Table { return tableOf(penstock.PipelineStages, stageParts) }

// PropertiesTable is the table of the properties of every object type.
func PropertiesTable() penstock.Table { return tableOf(penstock.Properties, propertyParts) }

// OptionsTable is the table of the options of enumeration properties.
func OptionsTable() penstock.Table { return tableOf(penstock.PropertyOptions, optionParts) }

func tableOf[T any](family penstock.Family, parts []part[T]) penstock.Table {
	table := penstock.Table{Stream: penstock.Stream{Name: string(family), Family: family}}
	for _, p := range parts {
		table.Columns = append(table.Columns, penstock.Column{Property: p.name, Type: p.kind})
	}
	return table
}

// Owners appends owners to a builder of OwnersTable.
func (b *Builder) Owners(page hubspot.OwnerPage, via penstock.Via) {
	for i := range page.Owners {
		o := &page.Owners[i]
		add(b, ownerParts, o, thing{
			key: penstock.Key{o.ID}, via: via, date: page.Date, stamp: page.Stamp,
			createdAt: o.CreatedAt, archived: o.Archived,
		})
	}
}

// Pipelines appends the pipelines of an object type, by the name of its
// stream, to a builder of PipelinesTable.
func (b *Builder) Pipelines(objectType string, page hubspot.PipelinePage, via penstock.Via) {
	for i := range page.Pipelines {
		p := &page.Pipelines[i]
		add(b, pipelineParts, p, thing{
			key: penstock.Key{objectType, p.ID}, via: via, date: page.Date, stamp: page.Stamp,
			createdAt: p.CreatedAt, archived: p.Archived,
		})
	}
}

// Stages appends the stages of all the page's pipelines to a builder of
// StagesTable.
func (b *Builder) Stages(objectType string, page hubspot.PipelinePage, via penstock.Via) {
	for i := range page.Pipelines {
		p := &page.Pipelines[i]
		for j := range p.Stages {
			b.stage(objectType, p.ID, hubspot.StagePage{Stage: p.Stages[j], Date: page.Date, Stamp: page.Stamp}, via)
		}
	}
}

// Stage appends one stage of a pipeline, read by id, to a builder of
// StagesTable.
func (b *Builder) Stage(objectType, pipelineID string, page hubspot.StagePage) {
	b.stage(objectType, pipelineID, page, penstock.ByID)
}

func (b *Builder) stage(objectType, pipelineID string, page hubspot.StagePage, via penstock.Via) {
	s := &page.Stage
	add(b, stageParts, s, thing{
		key: penstock.Key{objectType, pipelineID, s.ID}, via: via, date: page.Date, stamp: page.Stamp,
		createdAt: s.CreatedAt, archived: s.Archived,
	})
}

// Properties appends the definitions of an object type's properties to a
// builder of PropertiesTable.
func (b *Builder) Properties(objectType string, properties []hubspot.Property, via penstock.Via) {
	for i := range properties {
		p := &properties[i]
		add(b, propertyParts, p, thing{
			key: penstock.Key{objectType, p.Name}, via: via, date: p.Date, stamp: p.Stamp,
			createdAt: p.CreatedAt, archived: p.Archived, archivedAt: p.ArchivedAt,
		})
	}
}

// Options appends the options of all those properties to a builder of
// OptionsTable.
func (b *Builder) Options(objectType string, properties []hubspot.Property, via penstock.Via) {
	for i := range properties {
		p := &properties[i]
		for j := range p.Options {
			o := &p.Options[j]
			add(b, optionParts, o, thing{
				key: penstock.Key{objectType, p.Name, o.Value}, via: via, date: p.Date, stamp: p.Stamp,
			})
		}
	}
}

// A thing is what all members of small families have in common. HubSpot does
// not date their versions in a way that could be relied on (the pipelines it
// made are from 1970), so their rows have none.
type thing struct {
	key                   penstock.Key
	via                   penstock.Via
	date                  time.Time
	stamp                 int64
	createdAt, archivedAt string
	archived              bool
}

// add appends a row for the thing, or a reject if it has no id.
func add[T any](b *Builder, parts []part[T], of *T, t thing) {
	b.counts.Fetched++
	b.stamp = max(b.stamp, t.stamp)
	key, at := t.key.Text(), t.date.UnixMilli()
	if t.key[len(t.key)-1] == "" && b.table.Stream.Family != penstock.PropertyOptions {
		b.counts.Rejected++
		b.reject(penstock.Reject{Key: key, Original: inJSON(of), Reason: "it has no id", At: at})
		return
	}
	for i, p := range parts {
		text := p.text(of)
		if text == "" {
			continue
		}
		if reason := b.put(&b.fields[i], []byte(text)); reason != "" {
			b.counts.Values++
			b.reject(penstock.Reject{Key: key, Property: p.name, Original: text, Reason: reason, At: at})
		}
	}
	for i, text := range t.key {
		b.columns[i].putText(b.rows, []byte(text))
		b.bytes += len(text)
	}
	row := observed{op: penstock.Put, via: t.via, stamp: t.stamp, created: momentOf([]byte(t.createdAt))}
	if t.archived {
		row.why, row.deleted = penstock.Archived, momentOf([]byte(t.archivedAt))
	}
	b.endRow(row)
}
