package shape_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// widePage is a page of 100 contacts with 100 properties each, about 280 KB:
// six in ten have a value, as in an account that uses its properties.
func widePage() (penstock.Table, *hubspot.Page) {
	var properties []hubspot.Property
	types := []string{"string", "string", "number", "datetime", "bool", "enumeration", "string", "date", "string", "string"}
	for i := range 100 {
		properties = append(properties, hubspot.Property{Name: fmt.Sprintf("property_number_%03d", i), Type: types[i%10]})
	}
	values := []string{
		`"a text of some length, as they are"`, `null`, `"1234.50"`, `"2024-05-06T07:08:09.123Z"`, `"true"`,
		`"one;two;three"`, `null`, `"2024-05-06"`, `null`, `null`,
	}
	var b strings.Builder
	b.WriteString(`{"results":[`)
	for o := range 100 {
		if o > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%d","properties":{`, 700000000000+o)
		for i, p := range properties {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `%q:%s`, p.Name, values[(i+o*10)%10])
		}
		b.WriteString(`},"createdAt":"2024-05-06T07:08:09.123Z","updatedAt":"2024-05-06T07:08:09.123Z","archived":false,` +
			`"url":"https://app.hubspot.com/contacts/1/record/0-1/1"}`)
	}
	b.WriteString(`],"paging":{"next":{"after":"700000000100"}}}`)
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return shape.TableOf(contacts(), properties), &hubspot.Page{Body: []byte(b.String()), Date: date, Stamp: 7, Results: 100}
}

// A page of 100 objects with 100 properties, without the flush.
func BenchmarkObjects(b *testing.B) {
	table, page := widePage()
	builder := shape.NewBuilder(table)
	b.SetBytes(int64(len(page.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := builder.Objects(page, penstock.ByList); err != nil {
			b.Fatal(err)
		}
		if builder.Rows() == penstock.MaxBatchRows {
			b.StopTimer()
			release(builder.Flush())
			b.StartTimer()
		}
	}
}

// A batch of ten pages and its flush.
func BenchmarkBatch(b *testing.B) {
	table, page := widePage()
	builder := shape.NewBuilder(table)
	b.SetBytes(int64(len(page.Body)) * 10)
	b.ReportAllocs()
	for b.Loop() {
		for range 10 {
			if _, err := builder.Objects(page, penstock.ByList); err != nil {
				b.Fatal(err)
			}
		}
		release(builder.Flush())
	}
}

func TestAPageCostsAFewAllocations(t *testing.T) {
	table, page := widePage()
	builder := shape.NewBuilder(table)
	read := func() {
		if _, err := builder.Objects(page, penstock.ByList); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		read()
	}
	release(builder.Flush())
	if allocations := testing.AllocsPerRun(5, read); allocations > 20 {
		t.Errorf("%g allocations for 100 objects with 100 properties each", allocations)
	}
}

func release(built shape.Built) {
	for _, r := range built.Records {
		r.Release()
	}
}
