package shape

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock"
	"penstock/internal/hubspot"
)

// HistoryTable is the table of a stream of property history: a row for each
// version of each property.
func HistoryTable(stream penstock.Stream) penstock.Table {
	return texts(stream, historyColumns()...)
}

// historyColumns are also the members of a version, in the order of said.
func historyColumns() []string {
	return []string{"value", "source_type", "source_id", "source_label", "user"}
}

// saidValue is the place of the value in historyColumns.
const saidValue = 0

// conceals tells whether a property's values are hashed.
func (h *histories) conceals(property string) bool {
	return slices.Contains(h.b.table.Hashed, property)
}

// History reads a page of records with the history of their properties. ids
// are those of its records, as they came. A malformed page is an error; of a
// sound one versions appends all there are to a builder of HistoryTable, those
// that cannot be dated as rejects. It is ranged over: each step comes before a
// row or a reject is appended, and is the place to flush a builder that is
// full.
func (b *Builder) History(page *hubspot.Page) (ids []string, versions func(yield func() bool), err error) {
	if page.Date.IsZero() {
		return nil, nil, errors.New("malformed page: it has no date")
	}
	h := &histories{b: b, page: page, s: scanner{body: page.Body}}
	if err := h.s.answer(h.object); err != nil {
		return nil, nil, err
	}
	return h.ids, h.versions, nil
}

// histories are those of a page's records.
type histories struct {
	b     *Builder
	page  *hubspot.Page
	s     scanner
	ids   []string
	lists []historyList
	same  []version // of the list being read
}

// A historyList is what the answer says of one property of one record, or of a
// whole record that has no id.
type historyList struct {
	id       string
	property string
	raw      []byte // JSON that is known to be well formed
	reason   string // why it is none
}

// A version is one value that a property has had.
type version struct {
	raw  []byte
	at   int64    // ms since 1970
	n    int64    // among those of the same at
	said [5]value // in the order of historyColumns
}

// object notes where the histories of one record are.
func (h *histories) object() error {
	s := &h.s
	s.scratch = s.scratch[:0]
	s.peek()
	start, first := s.at, len(h.lists)
	var id string
	if s.peek() != '{' {
		if _, err := s.value(0); err != nil {
			return err
		}
	} else if err := h.record(&id); err != nil {
		return err
	}
	h.ids = append(h.ids, id)
	if _, ok := recordID([]byte(id)); !ok {
		h.lists = append(h.lists[:first], historyList{id: id, raw: s.body[start:s.at], reason: errRecordID.Error()})
		return nil
	}
	for i := range h.lists[first:] {
		h.lists[first+i].id = id
	}
	return nil
}

func (h *histories) record(id *string) error {
	return h.s.each(func(name []byte) error {
		switch {
		case string(name) == "id":
			v, err := h.s.read()
			*id = string(v.text)
			return err
		case string(name) == "propertiesWithHistory" && h.s.peek() == '{':
			return h.s.each(func(property []byte) error {
				raw, err := h.s.value(0)
				h.lists = append(h.lists, historyList{property: string(property), raw: raw})
				return err
			})
		}
		_, err := h.s.value(0)
		return err
	})
}

// versions appends the versions of all lists.
func (h *histories) versions(yield func() bool) {
	for _, l := range h.lists {
		if l.reason == "" {
			l.reason = h.read(l.raw)
		}
		if l.reason == "" {
			number(h.same)
		} else {
			h.same = append(h.same[:0], version{raw: l.raw})
		}
		for i := range h.same {
			if !yield() {
				return
			}
			h.version(l, &h.same[i])
		}
	}
}

// version appends one version as a row or a reject.
func (h *histories) version(l historyList, v *version) {
	id, ok := recordID([]byte(l.id))
	switch {
	case l.reason != "":
		h.reject(l, v.raw, l.reason)
	case len(v.raw) > penstock.MaxRowBytes:
		h.reject(l, v.raw, fmt.Sprintf("the version has %d bytes, more than %d; its beginning is kept", len(v.raw), penstock.MaxRowBytes))
	case v.at == undated:
		h.reject(l, v.raw, "the version has no timestamp that can be read")
	case ok:
		h.row(id, l.property, v)
	}
}

// undated is the time of a version that has none; it is before all others.
const undated = firstMoment - 1

// read reads the versions of a list, or says why it is none.
func (h *histories) read(raw []byte) (reason string) {
	s := scanner{body: raw, scratch: h.s.scratch[:0]}
	clear(h.same)
	h.same = h.same[:0]
	switch s.peek() {
	case 'n':
		return "" // null: it has none
	case '[':
	default:
		return "the history is not a list"
	}
	more, err := s.open('[', ']')
	for more && err == nil {
		var v version
		if v, err = s.version(); err == nil {
			h.same = append(h.same, v)
			more, err = s.more(']')
		}
	}
	h.s.scratch = s.scratch
	if err != nil {
		return err.Error()
	}
	return ""
}

// version takes one version.
func (s *scanner) version() (version, error) {
	s.peek()
	start, v := s.at, version{at: undated}
	if s.peek() != '{' {
		raw, err := s.value(0)
		v.raw = raw
		return v, err
	}
	err := s.each(func(name []byte) error {
		place := slices.Index([]string{"value", "sourceType", "sourceId", "sourceLabel", "updatedByUserId"}, string(name))
		said, err := s.read()
		switch {
		case place >= 0:
			v.said[place] = said
		case string(name) == "timestamp":
			v.at = undated
			if m := momentOf(said.text); m.known {
				v.at = m.ms
			}
		}
		return err
	})
	v.raw = s.body[start:s.at]
	return v, err
}

// number sorts the versions and tells those of one millisecond apart, by what
// they say: they have the same numbers when they are read again in another
// order.
func number(versions []version) {
	slices.SortStableFunc(versions, func(a, b version) int {
		order := cmp.Compare(a.at, b.at)
		for i := range a.said {
			order = cmp.Or(order, bytes.Compare(a.said[i].text, b.said[i].text))
		}
		return order
	})
	for i := 1; i < len(versions); i++ {
		if versions[i].at == versions[i-1].at {
			versions[i].n = versions[i-1].n + 1
		}
	}
}

// row appends a version.
func (h *histories) row(id int64, property string, v *version) {
	b := h.b
	b.counts.Fetched++
	b.stamp = max(b.stamp, h.page.Stamp)
	at := time.UnixMilli(v.at).UTC().Format("2006-01-02T15:04:05.000Z")
	b.columns[0].putLong(b.rows, id)
	b.columns[1].putText(b.rows, []byte(property))
	b.columns[2].putText(b.rows, []byte(at))
	b.columns[3].putLong(b.rows, v.n)
	b.bytes += len(property) + len(at)
	for i, said := range v.said {
		if i == saidValue && h.conceals(property) {
			said = value{text: b.hash.hash(said.text), sound: true}
		}
		if len(said.text) == 0 {
			continue
		}
		b.put(&b.fields[i], said.text)
		if len(said.raw) > 0 && !said.sound {
			key := penstock.Key{fmt.Sprint(id), property, at, fmt.Sprint(v.n)}
			b.counts.Values++
			b.reject(penstock.Reject{
				Key: key.Text(), Property: b.fields[i].name, Original: spelled(said.raw), Reason: notUnicode, At: h.page.Date.UnixMilli(),
			})
		}
	}
	b.endRow(observed{op: penstock.Put, via: penstock.ByID, stamp: h.page.Stamp, updated: moment{v.at, true}})
}

// reject rejects a version, or all that is said of a property or record.
func (h *histories) reject(l historyList, original []byte, reason string) {
	b := h.b
	b.counts.Fetched++
	b.counts.Rejected++
	b.stamp = max(b.stamp, h.page.Stamp)
	if len(original) > penstock.MaxRowBytes {
		original = original[:1<<10]
	}
	if h.conceals(l.property) || l.property == "" && b.hash != nil {
		original, reason = nil, reason+withheld
	}
	b.reject(penstock.Reject{
		Key: l.id, Property: l.property, Original: spelled(original), Reason: reason, At: h.page.Date.UnixMilli(),
	})
}
