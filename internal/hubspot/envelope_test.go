package hubspot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var jsonAsItComes = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// pageOf is a page as HubSpot writes it.
func pageOf(records, properties int, next string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"results":[`)
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%d","properties":{"hs_object_id":"%d"`, 1000+i, 1000+i)
		for p := range properties {
			fmt.Fprintf(&b, `,"some_property_%03d":`, p)
			switch p % 5 {
			case 0:
				b.WriteString("null")
			case 1:
				b.WriteString(`"2026-02-25T16:23:49.023Z"`)
			case 2:
				b.WriteString(`"he said \"yes\", c:\\x"`)
			default:
				fmt.Fprintf(&b, `"value %d of %d"`, p, i)
			}
		}
		b.WriteString(`},"createdAt":"2026-02-25T16:23:49.023Z","updatedAt":"2026-03-12T10:04:17.969Z","archived":false}`)
	}
	b.WriteByte(']')
	if next != "" {
		fmt.Fprintf(&b, `,"paging":{"next":{"after":%q,"link":"https://elsewhere.example/?after=7"}}`, next)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func TestTheNextCursorIsReadWithoutDecodingThePage(t *testing.T) {
	env, err := readEnvelope(pageOf(100, 20, "513881705058"))
	if err != nil || env.results != 100 || env.next != "513881705058" || lastID(env.last) != "1099" {
		t.Fatalf("got %d results, next %q, last %q, %v", env.results, env.next, lastID(env.last), err)
	}
	env, err = readEnvelope(pageOf(3, 2, ""))
	if err != nil || env.results != 3 || env.next != "" {
		t.Fatalf("last page: %d results, next %q, %v", env.results, env.next, err)
	}
}

func TestAPageIsNotTheLastUnlessItSaysSo(t *testing.T) {
	for _, body := range []string{
		`{"results":[],"paging":"next"}`,
		`{"results":[],"paging":{"next":{}}}`,
		`{"results":[],"paging":{"next":{"after":null}}}`,
		`{"results":[],"paging":{"next":{"after":""}}}`,
		`{"results":[],"paging":{"next":{"after":{}}}}`,
		`{"results":[],"paging":{"next":"7"}}`,
		`{"results":[],"paging":{},"paging":{"next":{"after":"7"}}}`,
	} {
		if env, err := readEnvelope([]byte(body)); err == nil {
			t.Errorf("%s: taken for a page whose next cursor is %q", body, env.next)
		}
	}
	for _, body := range []string{
		`{"results":[]}`, `{"results":[],"paging":null}`, `{"results":[],"paging":{}}`,
		`{"results":[],"paging":{"next":null}}`, `{"results":[],"paging":{"prev":{"before":"7"}}}`,
	} {
		if env, err := readEnvelope([]byte(body)); err != nil || env.next != "" {
			t.Errorf("%s: next cursor %q, %v", body, env.next, err)
		}
	}
}

// envelopeSeeds are bodies near the border of what is JSON.
func envelopeSeeds() [][]byte {
	page := pageOf(3, 6, "2000")
	seeds := [][]byte{page, page[:len(page)-1], page[:len(page)/2], append(bytes.Clone(page), '}'), nil}
	for _, s := range []string{
		`{}`, ` { "a" : [ 1 , -0.5e+7 , true , false , null , "\u00e9\n" ] } `, `{"a":01}`, `{"a":1.}`, `{"a":-}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"tab\tinside\"}", `{"a":1,}`, `{,}`, `{"a"}`, `{"a":[1,]}`, `{"a":[}`,
		`{"a":{]}`, `[]`, `"x"`, `{"a":nul}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1e}`, `{"a":.5}`, "{\"a\":1}\x00",
		`{"results":[[],{},"]",1],"paging":{"next":{"after":7}}}`, `{"aaaaaaaaaaaaaaaaaaaa\\":"bbbbbbbbbbbbbbbbbb\\\""}`,
	} {
		seeds = append(seeds, []byte(s))
	}
	return seeds
}

func FuzzEnvelopeAgreesWithJSON(f *testing.F) {
	for _, seed := range envelopeSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) > maxDepth {
			t.Skip("may be nested deeper than is accepted")
		}
		if bytes.Count(body, []byte(":")) > maxMembers {
			t.Skip("may have more members than are accepted")
		}
		members, ok := readMembers(body)
		value := jsontext.Value(body)
		if want := value.IsValid(jsonAsItComes...) && value.Kind() == '{'; ok != want {
			t.Fatalf("%q: accepted %v, want %v", body, ok, want)
		}
		if !ok {
			return
		}
		for _, m := range members {
			if !jsontext.Value(m.value).IsValid(jsonAsItComes...) {
				t.Fatalf("%q: member %q is cut as %q", body, m.name, m.value)
			}
		}
		env, err := readEnvelope(body)
		if err != nil || env.results < 0 {
			return
		}
		var whole struct {
			Results []jsontext.Value `json:"results"`
		}
		if err := json.Unmarshal(body, &whole, jsonAsItComes...); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if len(whole.Results) != env.results {
			t.Fatalf("%q: counted %d results of %d", body, env.results, len(whole.Results))
		}
		if n := env.results; n > 0 && !bytes.Equal(whole.Results[n-1], env.last) {
			t.Fatalf("%q: last result %q, want %q", body, env.last, whole.Results[n-1])
		}
	})
}

func TestEveryCutOfAPageIsRefused(t *testing.T) {
	page := pageOf(4, 7, "2000")
	for n := range len(page) {
		if _, err := readEnvelope(page[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a page", n, len(page))
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + `}`
	if _, err := readEnvelope([]byte(deep)); err == nil {
		t.Fatal("accepted")
	}
}

// TestAnAnswerOfCountlessMembersIsRefusedAtOnce: each member is compared with
// those before it.
func TestAnAnswerOfCountlessMembersIsRefusedAtOnce(t *testing.T) {
	members := func(n int) []byte {
		body := []byte(`{"results":[]`)
		for i := 1; i < n; i++ {
			body = fmt.Appendf(body, `,"m%d":0`, i)
		}
		return append(body, '}')
	}
	if env, err := readEnvelope(members(maxMembers)); err != nil || len(env.members) != maxMembers {
		t.Fatalf("%d members, %v", len(env.members), err)
	}
	if _, err := readEnvelope(members(1e6)); err == nil {
		t.Fatal("accepted")
	}
}

// TestRecordedAnswersAreAccepted reads every recorded answer under the folder
// that PENSTOCK_RECORDED names.
func TestRecordedAnswersAreAccepted(t *testing.T) {
	folder := os.Getenv("PENSTOCK_RECORDED")
	if folder == "" {
		t.Skip("set PENSTOCK_RECORDED to a folder of recorded answers")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded answers under %s: %v", folder, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		value := jsontext.Value(body)
		if value.Kind() != '{' || !value.IsValid(jsonAsItComes...) {
			continue
		}
		if _, err := readEnvelope(body); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	page := pageOf(100, 100, "2000")
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readEnvelope(page); err != nil {
			b.Fatal(err)
		}
	}
}
