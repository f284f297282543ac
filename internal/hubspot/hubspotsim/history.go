package hubspotsim

import (
	"slices"
	"strconv"
	"time"
)

// A Revision is one version of a property's value.
type Revision struct {
	Value      string
	At         time.Time // when the value was set
	SourceType string
	SourceID   string // empty: not said
	UserID     int64  // 0: not said
}

// A cause says where a change came from, as far as histories tell it.
type cause uint8

const (
	byUsers cause = iota // a person, an import or an app: histories draw which
	byHubSpot
	byMerge
)

// A revision is a value that a change set.
type revision struct {
	value string
	at    int64 // ms since 1970
	cause cause
}

// remember notes which values a new version sets anew.
func (r *record) remember(old map[string]string, v *version, at int64) {
	for name, value := range v.values {
		p := r.table.props.byName[name]
		if p == nil || p.gen == genCalculated {
			continue
		}
		was, had := old[name]
		if !had && r.index >= 0 {
			derived, ok := r.table.appendDerived(nil, uint64(r.index), p)
			was, had = string(derived), ok
		}
		if had && was == value {
			continue
		}
		if r.past == nil {
			r.past = map[string][]revision{}
		}
		r.past[name] = append(r.past[name], revision{value, at, v.cause})
	}
}

// history lists the versions of a property, newest first. The oldest is the
// value at creation. Of what HubSpot computes there is only the present.
func (t *table) history(v *view, p *property) []Revision {
	switch p.gen {
	case genModified:
		return t.present(v, p, v.updated)
	case genID, genCreated:
		return t.present(v, p, v.created)
	case genCalculated:
		return t.present(v, p, v.drifted)
	}
	var list []Revision
	first := revision{at: max(v.created, p.since())}
	var known bool
	r := t.changed[v.id]
	if r != nil && r.index < 0 {
		first.value, known = r.first[p.Name]
		first.cause = r.cause
	} else {
		var derived []byte
		derived, known = t.appendDerived(nil, uint64(v.index), p)
		first.value = string(derived)
	}
	var past []revision
	if r != nil {
		past = r.past[p.Name]
	}
	if len(past) > 0 {
		first.at = min(first.at, past[0].at) // the property was archived and came back since
	}
	if known {
		list = append(list, t.revision(v, p, first))
	}
	for _, x := range past {
		list = append(list, t.revision(v, p, x))
	}
	slices.Reverse(list)
	return list
}

// present is the history of a value that is kept in one version only.
func (t *table) present(v *view, p *property, at int64) []Revision {
	value, ok := t.appendValue(nil, v, p)
	if !ok {
		return nil
	}
	return []Revision{t.revision(v, p, revision{string(value), at, byHubSpot})}
}

// since is when the property was added, in ms since 1970: no value of it is
// older.
func (p *property) since() int64 {
	if p.Created.IsZero() {
		return 0
	}
	return p.Created.UnixMilli()
}

// revision tells who made a change; histories leave much of that out at times.
func (t *table) revision(v *view, p *property, x revision) Revision {
	full := Revision{Value: x.value, At: time.UnixMilli(x.at).UTC()}
	h := mix(t.seed, p.salt, uint64(v.id), uint64(x.at))
	switch user := 5_100_000 + h/16%ownerCount; {
	case x.cause == byHubSpot:
		full.SourceType = "CALCULATED"
	case x.cause == byMerge:
		full.SourceType, full.SourceID = "MERGE_OBJECTS", strconv.FormatInt(v.id, 10)
	case h%4 == 0:
		full.SourceType, full.SourceID = "IMPORT", strconv.FormatUint(h/16%1000, 10)
	case h%4 == 1:
		full.SourceType = "API"
	default:
		full.SourceType, full.SourceID = "CRM_UI", "userId:"+strconv.FormatUint(user, 10)
		if h%8 < 4 {
			full.UserID = int64(user)
		}
	}
	return full
}

// TrueHistory lists the versions of a property of an object, newest first;
// nil if there is no such object, live or archived, or no such property.
func (a *Account) TrueHistory(objectType string, id int64, name string) []Revision {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.table(objectType)
	if err != nil {
		return nil
	}
	v, s, ok := t.find(id)
	p := t.props.byName[name]
	if !ok || p == nil || s != live && s != archived {
		return nil
	}
	return t.history(&v, p)
}

// appendHistory appends the versions of each property.
func (t *table) appendHistory(b []byte, v *view, properties []*property) []byte {
	b = append(b, `,"propertiesWithHistory":{`...)
	for i, p := range properties {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, p.head...), '[')
		for n, x := range t.history(v, p) {
			if n > 0 {
				b = append(b, ',')
			}
			b = x.append(b)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (x Revision) append(b []byte) []byte {
	b = appendString(append(b, `{"value":`...), x.Value)
	b = appendTime(append(b, `,"timestamp":"`...), x.At.UnixMilli())
	b = appendString(append(b, `","sourceType":`...), x.SourceType)
	if x.SourceID != "" {
		b = appendString(append(b, `,"sourceId":`...), x.SourceID)
	}
	if x.UserID != 0 {
		b = strconv.AppendInt(append(b, `,"updatedByUserId":`...), x.UserID, 10)
	}
	return append(b, '}')
}
