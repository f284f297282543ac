package shape

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"penstock"
)

// A draft is one object being read.
type draft struct {
	id         []byte
	updated    moment
	created    moment
	deleted    moment
	archived   bool
	properties bool // it has some, be they none
	merged     [mergedVIDs + 1][]byte
}

// object reads one object of the page into a row, or into a reject.
func (r *reading) object() error {
	b := r.b
	before := b.mark()
	b.object++
	r.s.scratch, r.rejects = r.s.scratch[:0], len(b.rejects)
	r.s.peek()
	start := r.s.at
	var d draft
	if err := r.draft(&d); err != nil {
		return err
	}
	b.counts.Fetched++
	whole := r.s.body[start:r.s.at]
	id, ok := recordID(d.id)
	b.ids = append(b.ids, d.id...)
	r.ends = append(r.ends, len(b.ids))
	switch {
	case len(whole) > penstock.MaxRowBytes:
		r.refuse(before, d.id, whole[:1<<10], fmt.Sprintf("the object has %d bytes, more than %d; its beginning is kept", len(whole), penstock.MaxRowBytes))
	case !ok:
		r.refuse(before, d.id, whole, errRecordID.Error())
	case !d.properties:
		r.refuse(before, d.id, whole, "the object has no properties")
	default:
		r.accept(&d, id)
	}
	return nil
}

// refuse turns the object into a reject.
func (r *reading) refuse(before mark, id, original []byte, reason string) {
	fetched := r.b.counts.Fetched
	r.b.cut(before)
	r.b.counts.Fetched = fetched
	r.b.counts.Rejected++
	if r.b.hash != nil {
		original, reason = nil, reason+withheld
	}
	r.b.reject(penstock.Reject{Key: string(id), Original: spelled(original), Reason: reason, At: r.date})
	r.objects = append(r.objects, Object{Rejected: true})
}

// accept ends the object's row and adds the tombstones that it asks for.
func (r *reading) accept(d *draft, id int64) {
	b := r.b
	row := r.row
	row.updated, row.created = r.version(d.updated), d.created
	if d.archived {
		row.why, row.deleted = penstock.Archived, d.deleted
	}
	if values := b.rejects[r.rejects:]; len(values) > 0 {
		key := string(d.id)
		for i := range values {
			values[i].Key = key
		}
		b.counts.Values += len(values)
	}
	b.columns[0].putLong(b.rows, id)
	b.endRow(row)
	o := Object{Updated: row.updated.ms, Archived: d.archived}
	// An archived winner buries its losers too: it may never be seen live.
	if len(d.merged[mergedIDs]) > 0 || len(d.merged[mergedVIDs]) > 0 {
		row.into = id
		for _, loser := range losers(d, id) {
			b.bury(loser, row)
			o.Merged = append(o.Merged, strconv.FormatInt(loser, 10))
		}
	}
	r.objects = append(r.objects, o)
}

// version is the date of a row's version: the answer's own where HubSpot's is
// missing, unreadable or still to come. An answer's date has whole seconds.
func (r *reading) version(updated moment) moment {
	if !updated.known || updated.ms > r.date+second-1 {
		return moment{r.date, true}
	}
	return updated
}

// losers lists the records that were merged into the object, each once.
func losers(d *draft, winner int64) []int64 {
	var ids []int64
	for _, list := range d.merged {
		for item := range bytes.SplitSeq(list, []byte(";")) {
			text, _, _ := bytes.Cut(item, []byte(":"))
			id, ok := recordID(bytes.TrimSpace(text))
			if ok && id != winner {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// draft reads the object. What is no object is left without an id.
func (r *reading) draft(d *draft) error {
	s := r.s
	if s.peek() != '{' {
		_, err := s.value(0)
		return err
	}
	more, err := s.open('{', '}')
	for more && err == nil {
		var name []byte
		if name, err = s.name(); err != nil {
			return err
		}
		if string(name) == "properties" && s.peek() == '{' {
			d.properties = true
			err = r.properties(d)
		} else {
			err = r.member(d, name)
		}
		if err != nil {
			return err
		}
		more, err = s.more('}')
	}
	return err
}

// member reads a member of an object beside its properties.
func (r *reading) member(d *draft, name []byte) error {
	v, err := r.s.read()
	if err != nil {
		return err
	}
	switch string(name) {
	case "id":
		d.id = v.text
	case "updatedAt":
		d.updated = momentOf(v.text)
	case "createdAt":
		d.created = momentOf(v.text)
	case "archivedAt":
		d.deleted = momentOf(v.text)
	case "archived":
		d.archived, _ = parseBool(v.text)
	}
	return nil
}

func momentOf(text []byte) moment {
	ms, ok := parseDateTime(text)
	return moment{ms, ok}
}
