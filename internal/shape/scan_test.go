package shape

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// tolerant is what the scanner tolerates.
var tolerant = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// strings of a JSON text, names too, in order, as jsontext reads them.
func referenceStrings(body []byte) ([]string, error) {
	var found []string
	d := jsontext.NewDecoder(bytes.NewReader(body), tolerant...)
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if token.Kind() == '"' {
			found = append(found, token.String())
		}
	}
}

func FuzzScannerAgreesWithJSONText(f *testing.F) {
	for _, s := range []string{
		`{"results":[{"id":"1","properties":{"a":null,"b":"c\u00e9\n","d":-1.5e+3}}],"paging":{}}`, `[]`, `{}`, `""`, `"a long string without anything"`,
		`"eight..8\u0041"`, "\"\x1f\"", "\"\x7f\xff\"", `"\ud83d\ude00 \ud83d x \ude00"`, `"\ud83dA"`, `"\x"`, `"\u12g4"`, `01`, `-`, `1.`, `1e`, `-0`, `nul`, `truefalse`,
		`[1,]`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[1 2]`, ` [ 1 , 2 ] `, "\"\u2028\"", `{"a":1,"a":2}`, strings.Repeat("[", 400) + strings.Repeat("]", 400), "\x00", "1\x00", "[1\x00]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := scanner{body: body}
		raw, err := s.value(0)
		if err == nil && (s.peek() != 0 || s.at < len(body)) {
			err = s.fail("the end")
		}
		d := jsontext.NewDecoder(bytes.NewReader(body), tolerant...)
		value, want := d.ReadValue()
		value = value.Clone() // the next read ends its life
		if want == nil {
			if _, after := d.ReadToken(); !errors.Is(after, io.EOF) {
				want = errors.New("something follows")
			}
		}
		if (err == nil) != (want == nil) && bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= maxDepth {
			t.Fatalf("%q: error %v, jsontext's %v", body, err, want)
		}
		if err != nil || want != nil {
			return
		}
		if !bytes.Equal(raw, value) {
			t.Fatalf("%q: value %q, jsontext's %q", body, raw, value)
		}
		compareStrings(t, body)
	})
}

// compareStrings unescapes every string of a well-formed text in order.
func compareStrings(t *testing.T, body []byte) {
	t.Helper()
	want, err := referenceStrings(body)
	if err != nil {
		t.Fatal(err)
	}
	s := scanner{body: body}
	for len(want) > 0 {
		next := bytes.IndexByte(body[s.at:], '"')
		s.at += next
		q, err := s.string()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := s.text(q); string(text) != want[0] {
			t.Fatalf("%q: string %q, jsontext's %q", body, text, want[0])
		}
		want = want[1:]
	}
}
