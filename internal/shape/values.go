package shape

import (
	"slices"

	"penstock"
)

// A value is a JSON value as text: a string unescaped, null and the empty
// string as nothing, anything else as it stands in the JSON.
type value struct {
	text  []byte
	raw   []byte // as it came, if it is not sound
	sound bool   // valid Unicode
}

// read takes any value.
func (s *scanner) read() (value, error) {
	switch s.peek() {
	case '"':
		q, err := s.string()
		if err != nil {
			return value{}, err
		}
		text, sound := s.text(q)
		return value{text, q.raw, sound}, nil
	case 'n':
		if s.has("null") {
			s.at += len("null")
			return value{sound: true}, nil
		}
	}
	raw, err := s.value(0)
	if err != nil {
		return value{}, err
	}
	text, sound := s.text(quoted{raw: raw, wide: true})
	return value{text, raw, sound}, nil
}

const notUnicode = "the text is not valid Unicode; it is loaded with U+FFFD in those places"

// properties reads the object's values into the columns. HubSpot names the
// properties of all objects of a page in one order, so the field that
// followed the last time is tried first.
func (r *reading) properties(d *draft) error {
	more, err := r.s.open('{', '}')
	last, guess := -1, 0
	for more && err == nil {
		var found int
		if found, err = r.field(guess); err != nil {
			return err
		}
		var v value
		if v, err = r.s.read(); err != nil {
			return err
		}
		if found >= 0 {
			if last >= 0 {
				r.b.follow[last] = found
			}
			last, guess = found, r.b.follow[found]
			r.put(found, v, d)
		}
		more, err = r.s.more('}')
	}
	return err
}

// field takes a property's name and finds its field, -1 if it has none.
func (r *reading) field(guess int) (int, error) {
	s, b := r.s, r.b
	s.peek()
	if guess < len(b.fields) {
		if name := b.fields[guess].quoted; name != "" && s.has(name) {
			s.at += len(name)
			return guess, s.expect(':')
		}
	}
	name, err := s.name()
	if err != nil {
		return -1, err
	}
	if found, ok := b.index[string(name)]; ok {
		return found, nil
	}
	return -1, nil
}

// put writes a value of the object that is being read. A property that comes
// twice counts as it came last.
func (r *reading) put(found int, v value, d *draft) {
	b, f := r.b, &r.b.fields[found]
	if b.seen[found] == b.object {
		r.forget(f)
	}
	b.seen[found] = b.object
	if f.merged != mergedNothing {
		d.merged[f.merged] = v.text
	}
	if f.column < 0 || len(v.text) == 0 {
		return
	}
	reason := b.put(f, v.text)
	if reason == "" && v.sound {
		return
	}
	original := string(v.text)
	switch {
	case f.kind == penstock.Hashed:
		original, reason = "", notUnicode+withheld
	case !v.sound:
		original = spelled(v.raw)
		if reason == "" {
			reason = notUnicode
		}
	}
	b.reject(penstock.Reject{Property: f.name, Original: original, Reason: reason, At: r.date})
}

// forget drops what the object being read has said of the field so far.
func (r *reading) forget(f *field) {
	b := r.b
	if f.column >= 0 {
		b.columns[f.column].cut(b.rows)
	}
	of := func(reject penstock.Reject) bool { return reject.Property == f.name }
	kept := slices.DeleteFunc(b.rejects[r.rejects:], of)
	b.rejects = b.rejects[:r.rejects+len(kept)]
}

// put writes a value into the next row, or says why it is no value of the
// column's type; the row stays NULL there.
func (b *Builder) put(f *field, text []byte) (reason string) {
	c := &b.columns[f.column]
	switch f.kind {
	case penstock.Number:
		before := len(c.data)
		if !c.putNumber(b.rows, text) {
			return "not a number of at most 1000 digits"
		}
		b.bytes += len(c.data) - before // written out, 1e999 is long
		return ""
	case penstock.Bool:
		value, ok := parseBool(text)
		if !ok {
			return "neither true nor false"
		}
		c.putBool(b.rows, value)
	case penstock.Date:
		days, ok := parseDate(text)
		if !ok {
			return "not a date"
		}
		c.putInt(b.rows, days)
	case penstock.DateTime:
		ms, ok := parseDateTime(text)
		if !ok {
			return "not a date and time with its zone"
		}
		c.putLong(b.rows, ms)
	case penstock.Hashed:
		if hashed := b.hash.hash(text); len(hashed) > 0 {
			c.putText(b.rows, hashed)
			b.bytes += len(hashed)
		}
		return ""
	default:
		c.putText(b.rows, text)
	}
	b.bytes += len(text)
	return ""
}
