package shape

import (
	"cmp"
	"slices"

	"penstock"
	"penstock/internal/hubspot"
)

// AssociationsTable is the table of a stream of associations: a row for each
// type of each link.
func AssociationsTable(stream penstock.Stream) penstock.Table {
	return texts(stream, "category", "label")
}

// texts is a table of the stream whose columns are all text.
func texts(stream penstock.Stream, names ...string) penstock.Table {
	table := penstock.Table{Stream: stream}
	for _, name := range names {
		table.Columns = append(table.Columns, penstock.Column{Property: name, Type: penstock.Text})
	}
	return table
}

// Links appends the links of one record, and as rejects those that cannot be
// read, to a builder of AssociationsTable. It is ranged over: each step comes
// before a row or a reject is appended, and is the place to flush a builder
// that is full.
//
// HubSpot does not date links, so the rows have no date: with that of the
// answer, each reading would change them all.
func (b *Builder) Links(page *hubspot.AssociationPage, of hubspot.Linked) func(yield func() bool) {
	return func(yield func() bool) {
		from, ok := recordID([]byte(of.From))
		for _, link := range of.Links {
			types := slices.SortedFunc(slices.Values(link.Types), byNumber)
			for i, t := range types {
				if !yield() {
					return
				}
				switch {
				case !ok:
					b.rejectLink(page, of.From, inJSON(link), errRecordID.Error())
				case i > 0 && t.ID == types[i-1].ID:
					b.rejectLink(page, of.From, inJSON(link), "another category has a type of the same number between the two records")
				default:
					b.link(page, [...]int64{from, link.To, t.ID}, t)
				}
			}
		}
		for _, original := range of.Rejected {
			if !yield() {
				return
			}
			b.rejectLink(page, of.From, original, "the linked record or a type of the link cannot be read")
		}
	}
}

// byNumber has the same one of two types with one number come first each time.
func byNumber(a, b hubspot.AssociationType) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Label, b.Label))
}

func (b *Builder) link(page *hubspot.AssociationPage, key [3]int64, t hubspot.AssociationType) {
	b.counts.Fetched++
	b.stamp = max(b.stamp, page.Stamp)
	for i, id := range key {
		b.columns[i].putLong(b.rows, id)
	}
	for i, text := range [...]string{t.Category, t.Label} {
		if text != "" {
			b.put(&b.fields[i], []byte(text))
		}
	}
	b.endRow(observed{op: penstock.Put, via: penstock.ByID, stamp: page.Stamp})
}

// rejectLink rejects a link of the record.
func (b *Builder) rejectLink(page *hubspot.AssociationPage, from, original, reason string) {
	b.counts.Fetched++
	b.counts.Rejected++
	b.stamp = max(b.stamp, page.Stamp)
	b.reject(penstock.Reject{Key: from, Original: original, Reason: reason, At: page.Date.UnixMilli()})
}
