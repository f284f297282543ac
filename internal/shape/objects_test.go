package shape_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// history is one page, told by its objects alone, and what becomes of it.
type history struct {
	name    string
	objects string
	rows    []row
	rejects []penstock.Reject
	counts  penstock.Counts
	told    []shape.Object
}

const (
	now  = "2026-01-02T03:04:05.000Z" // the answer's date
	born = `"createdAt":"2020-01-01T00:00:00Z"`
	then = `"updatedAt":"2025-05-05T05:05:05.005Z"`
	old  = "2025-05-05T05:05:05.005Z"

	oldMillis int64 = 1746421505005
)

var histories = []history{{
	name:    "every type",
	objects: `{"id":"12","properties":{"amount":"+0100.50","born":"1815-12-10","name":"A","seen":"2020-02-29T23:59:59.9999+02:00","vip":"TRUE"},` + born + `,` + then + `,"archived":false,"url":"x"}`,
	rows: []row{put("12", old, row{"s:created": "2020-01-01T00:00:00.000Z", "p:amount": "100.5", "p:born": "1815-12-10", "p:name": "A",
		"p:seen": "2020-02-29T21:59:59.999Z", "p:vip": "true"})},
	counts: penstock.Counts{Fetched: 1},
	told:   []shape.Object{{ID: "12", Updated: oldMillis}},
}, {
	name:    "null and the empty string are NULL, and a neighbour's property too",
	objects: `{"id":"1","properties":{"amount":"","born":null,"seen":"","vip":null,"other":"x"},` + then + `},{"id":"2","properties":{"name":"n"},` + then + `}`,
	rows:    []row{put("1", old, nil), put("2", old, row{"p:name": "n"})},
	counts:  penstock.Counts{Fetched: 2},
	told:    []shape.Object{{ID: "1", Updated: oldMillis}, {ID: "2", Updated: oldMillis}},
}, {
	name:    "V2: bad values are NULL and kept, their neighbours load",
	objects: `{"id":"3","properties":{"amount":"134;137","born":"2020-02-30","name":"n","seen":"soon","vip":"maybe"},` + then + `}`,
	rows:    []row{put("3", old, row{"p:name": "n"})},
	rejects: []penstock.Reject{
		{Key: "3", Property: "amount", Original: "134;137", Reason: "not a number of at most 1000 digits"},
		{Key: "3", Property: "born", Original: "2020-02-30", Reason: "not a date"},
		{Key: "3", Property: "seen", Original: "soon", Reason: "not a date and time with its zone"},
		{Key: "3", Property: "vip", Original: "maybe", Reason: "neither true nor false"},
	},
	counts: penstock.Counts{Fetched: 1, Values: 4},
	told:   []shape.Object{{ID: "3", Updated: oldMillis}},
}, {
	name:    "values that are not strings are taken as they stand",
	objects: `{"id":4,"properties":{"amount":1.50e1,"born":86400000,"name":{"a":[1, "\n"]},"seen":1746421505005,"vip":false},` + then + `}`,
	rows: []row{put("4", old, row{"p:amount": "15", "p:born": "1970-01-02", "p:name": `{"a":[1, "\n"]}`,
		"p:seen": old, "p:vip": "false"})},
	counts: penstock.Counts{Fetched: 1},
	told:   []shape.Object{{ID: "4", Updated: oldMillis}},
}, {
	name: "V1: what cannot become a row is a reject with the id as it came",
	objects: `{"id":"007","properties":{"amount":"x"}},{"properties":{}},{"id":"9223372036854775808","properties":{}},17,` +
		`{"id":"5","updatedAt":"2025-05-05T05:05:05.005Z"},{"id":"6","properties":{"amount":"6"},` + then + `}`,
	rows: []row{put("6", old, row{"p:amount": "6"})},
	rejects: []penstock.Reject{
		{Key: "007", Original: `{"id":"007","properties":{"amount":"x"}}`, Reason: badID},
		{Key: "", Original: `{"properties":{}}`, Reason: badID},
		{Key: "9223372036854775808", Original: `{"id":"9223372036854775808","properties":{}}`, Reason: badID},
		{Key: "", Original: `17`, Reason: badID},
		{Key: "5", Original: `{"id":"5","updatedAt":"2025-05-05T05:05:05.005Z"}`, Reason: "the object has no properties"},
	},
	counts: penstock.Counts{Fetched: 6, Rejected: 5},
	told: []shape.Object{{ID: "007", Rejected: true}, {Rejected: true}, {ID: "9223372036854775808", Rejected: true}, {Rejected: true},
		{ID: "5", Rejected: true}, {ID: "6", Updated: oldMillis}},
}, {
	name: "W5: a version that is missing, unreadable or to come counts as the answer's date",
	objects: `{"id":"1","properties":{"name":"a"}},{"id":"2","properties":{},"updatedAt":"yesterday"},` +
		`{"id":"3","properties":{},"updatedAt":"2026-01-02T03:04:06.000Z"},{"id":"4","properties":{},"updatedAt":"2026-01-02T03:04:05.999Z"}`,
	rows:   []row{put("1", now, row{"p:name": "a"}), put("2", now, nil), put("3", now, nil), put("4", "2026-01-02T03:04:05.999Z", nil)},
	counts: penstock.Counts{Fetched: 4},
	told: []shape.Object{{ID: "1", Updated: answered().UnixMilli()}, {ID: "2", Updated: answered().UnixMilli()},
		{ID: "3", Updated: answered().UnixMilli()}, {ID: "4", Updated: answered().UnixMilli() + 999}},
}, {
	name: "archived objects keep their values, and bury what was merged into them",
	objects: `{"id":"1","properties":{"name":"a","hs_merged_object_ids":"9"},` + then + `,"archived":true,"archivedAt":"2025-06-01T00:00:00Z"},` +
		`{"id":"2","properties":{},` + then + `,"archived":true,"archivedAt":"?"}`,
	rows: []row{put("1", old, row{"p:name": "a", "s:why": "archived", "s:deleted": "2025-06-01T00:00:00.000Z"}),
		put("9", old, row{"s:op": "2", "s:why": "merged", "s:merged_into": "1"}),
		put("2", old, row{"s:why": "archived"})},
	counts: penstock.Counts{Fetched: 2, Buried: 1},
	told:   []shape.Object{{ID: "1", Updated: oldMillis, Archived: true, Merged: []string{"9"}}, {ID: "2", Updated: oldMillis, Archived: true}},
}, {
	name: "merge losers are buried at the winner's version, each once, the winner never",
	objects: `{"id":"50","properties":{"name":"w","hs_merged_object_ids":" 7; ;50;x;007;-8;7","hs_calculated_merged_vids":"7:1700000000000;8:1700000000000;50:1;"},` +
		born + `,` + then + `},{"id":"51","properties":{},` + then + `}`,
	rows: []row{put("50", old, row{"p:name": "w", "s:created": "2020-01-01T00:00:00.000Z"}),
		put("7", old, row{"s:op": "2", "s:why": "merged", "s:merged_into": "50"}),
		put("8", old, row{"s:op": "2", "s:why": "merged", "s:merged_into": "50"}),
		put("51", old, nil)},
	counts: penstock.Counts{Fetched: 2, Buried: 2},
	told:   []shape.Object{{ID: "50", Updated: oldMillis, Merged: []string{"7", "8"}}, {ID: "51", Updated: oldMillis}},
}, {
	name: "an id that comes twice makes two rows, a name that comes twice counts as it came last",
	objects: `{"id":"1","properties":{"name":"a","amount":"?","name":"b","amount":"2"},` + then + `},` +
		`{"id":"0","id":"1","properties":{"name":"c","vip":"true"},"properties":{"amount":"3","name":null,"vip":"x"},` + then + `}`,
	rows:    []row{put("1", old, row{"p:name": "b", "p:amount": "2"}), put("1", old, row{"p:amount": "3"})},
	rejects: []penstock.Reject{{Key: "1", Property: "vip", Original: "x", Reason: "neither true nor false"}},
	counts:  penstock.Counts{Fetched: 2, Values: 1},
	told:    []shape.Object{{ID: "1", Updated: oldMillis}, {ID: "1", Updated: oldMillis}},
}, {
	name:    "escapes are undone in names and values, NUL is kept",
	objects: `{"\u0069d":"1","properties":{"n\u0061me":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00é","vip":"y\u0065s"},` + then + `}`,
	rows:    []row{put("1", old, row{"p:name": "\"\\/\b\f\n\r\t\x00é😀é", "p:vip": "true"})},
	counts:  penstock.Counts{Fetched: 1},
	told:    []shape.Object{{ID: "1", Updated: oldMillis}},
}}

const badID = "the id is not a positive 64-bit integer in decimal form"

func TestPagesBecomeRows(t *testing.T) {
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			table := tableOf("vip", "bool", "amount", "number", "name", "string", "seen", "datetime", "born", "date")
			b := shape.NewBuilder(table)
			told := objects(t, b, h.objects)
			if !reflect.DeepEqual(told, h.told) {
				t.Errorf("told\n%+v\nnot\n%+v", told, h.told)
			}
			built := b.Flush()
			for i := range h.rejects {
				h.rejects[i].At = answered().UnixMilli()
			}
			if rows := rowsOf(t, built.Records); !reflect.DeepEqual(rows, h.rows) {
				t.Errorf("rows\n%v\nnot\n%v", rows, h.rows)
			}
			if !reflect.DeepEqual(built.Rejects, h.rejects) {
				t.Errorf("rejects\n%+v\nnot\n%+v", built.Rejects, h.rejects)
			}
			if built.Counts != h.counts || built.Stamp != 7 {
				t.Errorf("counts %+v, stamp %d; not %+v, 7", built.Counts, built.Stamp, h.counts)
			}
		})
	}
}

// objects gives the builder a page of these objects.
func objects(t testing.TB, b *shape.Builder, list string) []shape.Object {
	t.Helper()
	told, err := b.Objects(pageOf(`{"results":[`+list+`]}`), penstock.ByList)
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func TestTextThatIsNotUnicodeIsRepairedAndKeptAsItCame(t *testing.T) {
	table := tableOf("name", "string", "amount", "number")
	b := shape.NewBuilder(table)
	objects(t, b, "{\"id\":\"1\",\"properties\":{\"name\":\"cut \\ud83d off \xff\xc3\\n\",\"amount\":\"\xff1\"},"+then+"},"+
		"{\"id\":\"2\",\"properties\":{\"name\":[\"\xff\\t\"]},"+then+"}")
	rows, built := flush(t, b, table)
	want := []row{put("1", old, row{"p:name": "cut \uFFFD off \uFFFD\uFFFD\n"}), put("2", old, row{"p:name": "[\"\uFFFD\\t\"]"})}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%q\nnot\n%q", rows, want)
	}
	var originals []string
	for _, r := range built.Rejects {
		originals = append(originals, r.Property+" "+r.Original)
	}
	if want := []string{`name cut \ud83d off \xff\xc3\n`, `amount \xff1`, `name ["\xff\t"]`}; !reflect.DeepEqual(originals, want) {
		t.Errorf("originals %q, not %q", originals, want)
	}
	if built.Counts.Values != 3 {
		t.Errorf("counts %+v", built.Counts)
	}
}

func TestAnObjectThatIsTooLargeIsARejectAndItsNeighboursLoad(t *testing.T) {
	table := tableOf("name", "string")
	b := shape.NewBuilder(table)
	objects(t, b, `{"id":"1","properties":{"name":"`+strings.Repeat("x", penstock.MaxRowBytes)+`"},`+then+`},{"id":"2","properties":{"name":"b"},`+then+`}`)
	rows, built := flush(t, b, table)
	if want := []row{put("2", old, row{"p:name": "b"})}; !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %v, not %v", rows, want)
	}
	if built.Counts != (penstock.Counts{Fetched: 2, Rejected: 1}) || built.Rejects[0].Key != "1" || len(built.Rejects[0].Original) != 1<<10 {
		t.Errorf("counts %+v, rejects %+v", built.Counts, built.Rejects)
	}
}

func TestAColumnThatNoObjectNamesIsUnknownAndNotNull(t *testing.T) {
	table := tableOf("a", "string", "b", "string")
	b := shape.NewBuilder(table)
	objects(t, b, `{"id":"1","properties":{"a":"x"},`+then+`},{"id":"2","properties":{"a":null},`+then+`}`)
	objects(t, b, ``) // an empty page lacks nothing
	if _, err := b.Objects(pageOf(`{"results":[{"id":"3","properties":{"a":"y","b":null}}]}`), penstock.ByList); !errors.Is(err, shape.ErrColumns) {
		t.Fatalf("a page with other columns: %v", err)
	}
	b.Missing(penstock.Key{"9"}, answered(), 8)
	rows, built := flush(t, b, table)
	want := []row{put("1", old, row{"p:a": "x"}), put("2", old, nil), put("9", now, row{"s:op": "4", "s:via": "2", "s:stamp": "8"})}
	if !reflect.DeepEqual(rows, want) || !reflect.DeepEqual(built.Unknown, []string{"b"}) || built.Counts.Fetched != 2 {
		t.Errorf("rows %v, unknown %v, counts %+v", rows, built.Unknown, built.Counts)
	}
	objects(t, b, `{"id":"3","properties":{"a":"y","b":null},`+then+`}`)
	rows, built = flush(t, b, table)
	if want := []row{put("3", old, row{"p:a": "y"})}; !reflect.DeepEqual(rows, want) || built.Unknown != nil {
		t.Errorf("rows %v, unknown %v", rows, built.Unknown)
	}
}

func TestAMalformedPageLeavesNoTrace(t *testing.T) {
	const good = `{"id":"2","properties":{"name":"b","amount":"?","hs_merged_object_ids":"3"}}`
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"results":null}`, `{"results":{}}`, `{"results":[` + good, `{"results":[` + good + `,]}`,
		`{"results":[` + good + `]}x`, `{"results":[` + good + `],"results":[]}`, `{"results":[` + good + `,{"id":"4","properties":{"name":"c`,
		`{"results":[` + good + `,{"id":01}]}`, "{\"results\":[" + good + ",{\"properties\":{\"name\":\"tab\there\"}}]}",
		`{"results":[` + good + `,{"properties":{"name":"\ud83"}}]}`, `{"results":[` + good + `,{"properties":{"name":` + strings.Repeat("[", 1000) + `}}]}`,
		`{"results":[` + good + ` ` + good + `]}`, `{"results":[` + good + `,nul]}`, "\uFEFF{\"results\":[]}", `{"results":[` + good + `],"paging":{"next":}}`,
	} {
		table := tableOf("name", "string", "amount", "number")
		b := shape.NewBuilder(table)
		objects(t, b, `{"id":"1","properties":{"name":"a","amount":"bad"},`+then+`}`)
		size := b.Bytes()
		if told, err := b.Objects(pageOf(body), penstock.ByList); err == nil || told != nil {
			t.Errorf("%.80s: told %v, error %v", body, told, err)
		}
		if b.Bytes() != size || b.Rows() != 1 {
			t.Errorf("%.80s: left %d rows and %d bytes, not 1 and %d", body, b.Rows(), b.Bytes(), size)
		}
		objects(t, b, `{"id":"5","properties":{"amount":"5","name":null},`+then+`}`)
		rows, built := flush(t, b, table)
		want := []row{put("1", old, row{"p:name": "a"}), put("5", old, row{"p:amount": "5"})}
		if !reflect.DeepEqual(rows, want) || len(built.Rejects) != 1 || built.Counts != (penstock.Counts{Fetched: 2, Values: 1}) {
			t.Errorf("%.80s: rows %v, rejects %v, counts %+v", body, rows, built.Rejects, built.Counts)
		}
	}
}

func TestFillAsksForTheSameVersionOnly(t *testing.T) {
	table := tableOf("name", "string")
	b := shape.NewBuilder(table)
	page := pageOf(`{"results":[{"id":"1","properties":{"name":"a"},` + then + `}]}`)
	if _, err := b.Fill(page, penstock.BySearch); err != nil {
		t.Fatal(err)
	}
	rows, _ := flush(t, b, table)
	if want := []row{put("1", old, row{"p:name": "a", "s:op": "3", "s:via": "3"})}; !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %v, not %v", rows, want)
	}
}

func TestWhatWasAskedForByIDBecomesARowWithoutValues(t *testing.T) {
	table := tableOf("name", "string")
	b := shape.NewBuilder(table)
	b.Missing(penstock.Key{"1"}, answered(), 9)
	b.Missing(penstock.Key{"one"}, answered(), 8)
	b.Missing(penstock.Key{"1", "2"}, answered(), 8)
	if err := b.Bury("2", "3", oldMillis, 5); err != nil {
		t.Fatal(err)
	}
	if b.Bury("2", "2", oldMillis, 5) == nil || b.Bury("x", "2", oldMillis, 5) == nil {
		t.Error("a tombstone without two ids was taken")
	}
	rows, built := flush(t, b, table)
	want := []row{put("1", now, row{"s:op": "4", "s:via": "2", "s:stamp": "9"}),
		put("2", old, row{"s:op": "2", "s:via": "2", "s:stamp": "5", "s:why": "merged", "s:merged_into": "3"})}
	if !reflect.DeepEqual(rows, want) || built.Counts != (penstock.Counts{Buried: 1}) || built.Stamp != 9 || len(built.Rejects) != 2 {
		t.Errorf("rows %v, built %+v", rows, built)
	}
	if again := b.Flush(); again.Records != nil || again.Stamp != 0 || b.Bytes() != 0 {
		t.Errorf("a flushed builder still holds %+v", again)
	}
}

func TestTheSizeInHandCountsNumbersAsTheyAreWrittenOut(t *testing.T) {
	b := shape.NewBuilder(tableOf("amount", "number"))
	before := b.Bytes()
	objects(t, b, `{"id":"1","properties":{"amount":"1e999"},`+then+`}`)
	if grown := b.Bytes() - before; grown < 1000 {
		t.Errorf("a number of 1000 digits counts as %d bytes", grown)
	}
}

func TestRecordsOutliveTheBuilder(t *testing.T) {
	table := tableOf("name", "string", "vip", "bool", "seen", "datetime", "born", "date")
	b := shape.NewBuilder(table)
	var first []row
	var kept shape.Built
	for batch := range 3 {
		for i := range 20 {
			objects(t, b, fmt.Sprintf(`{"id":"%d","properties":{"name":"%d","vip":"%t","seen":"%d","born":%q},%s},{"id":"999","properties":{},%s}`,
				i+1, batch, (batch+i)%2 == 0, batch*i, fmt.Sprintf("20%02d-01-02", batch+i), then, then))
		}
		rows, built := flush(t, b, table)
		if batch == 0 {
			first, kept = rows, built
		}
	}
	if again := rowsOf(t, kept.Records); len(again) != 40 || !reflect.DeepEqual(again, first) {
		t.Errorf("a record changed after its flush: %v was %v", again, first)
	}
}

func TestATableHasOneColumnPerNameInOrder(t *testing.T) {
	got := shape.TableOf(contacts(), []hubspot.Property{
		{Name: "z", Type: "phone_number"}, {Name: "b", Type: "bool", Archived: true}, {Name: "b", Type: "number"},
		{Name: "c", Type: "datetime"}, {Name: "b", Type: "string"}, {Name: "B", Type: "date"}, {Name: "a", Type: "json"},
		{Name: "d", Type: "bool"}, {Name: "e", Type: "enumeration"}, {Name: "f", Type: "something_new"}, {Name: "g", Type: "object_coordinates"},
	})
	want := penstock.Table{Stream: contacts(), Columns: []penstock.Column{
		{Property: "B", Type: penstock.Date}, {Property: "a", Type: penstock.Text}, {Property: "b", Type: penstock.Number},
		{Property: "c", Type: penstock.DateTime}, {Property: "d", Type: penstock.Bool}, {Property: "e", Type: penstock.Text},
		{Property: "f", Type: penstock.Text}, {Property: "g", Type: penstock.Text}, {Property: "z", Type: penstock.Text},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nnot\n%+v", got, want)
	}
}
