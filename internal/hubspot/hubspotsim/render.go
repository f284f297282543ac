package hubspotsim

import (
	"strconv"
)

// A shape says what an answer shows of its objects.
type shape struct {
	account  int64
	picked   []*property
	history  []*property // with their history
	archived bool
}

// appendObject appends an object as HubSpot writes it. It makes no garbage:
// a page of a large account is a hundred of these.
func (t *table) appendObject(b []byte, v *view, s *shape) []byte {
	b = append(b, `{"id":"`...)
	b = strconv.AppendInt(b, v.id, 10)
	b = append(b, `","properties":{`...)
	for i, p := range s.picked {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p.head...)
		b = t.appendQuoted(b, v, p)
	}
	b = append(b, '}')
	if len(s.history) > 0 {
		b = t.appendHistory(b, v, s.history)
	}
	b = append(b, `,"createdAt":"`...)
	b = appendTime(b, v.created)
	b = append(b, `","updatedAt":"`...)
	b = appendTime(b, v.updated)
	b = append(b, `","archived":`...)
	b = strconv.AppendBool(b, s.archived)
	if s.archived {
		b = append(b, `,"archivedAt":"`...)
		b = appendTime(b, v.archivedAt)
		b = append(b, '"')
	}
	b = append(b, `,"url":"https://app.hubspot.com/contacts/`...)
	b = strconv.AppendInt(b, s.account, 10)
	b = append(b, "/record/"...)
	b = append(b, t.kind.id...)
	b = append(b, '/')
	b = strconv.AppendInt(b, v.id, 10)
	return append(b, `"}`...)
}

// appendQuoted appends a property's value as a JSON string, or null.
func (t *table) appendQuoted(b []byte, v *view, p *property) []byte {
	start := len(b)
	b, ok := t.appendValue(append(b, '"'), v, p)
	if !ok {
		return append(b[:start], "null"...)
	}
	if mustEscape(b[start+1:]) {
		raw := string(b[start+1:])
		b = appendEscaped(b[:start+1], raw)
	}
	return append(b, '"')
}

// appendObjects appends the objects between the brackets of a JSON array.
func (t *table) appendObjects(b []byte, views []view, s *shape) []byte {
	for i := range views {
		if i > 0 {
			b = append(b, ',')
		}
		b = t.appendObject(b, &views[i], s)
	}
	return b
}
