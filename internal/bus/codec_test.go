package bus

import (
	"testing"

	"penstock"
)

// FuzzDecode checks that whatever lies on the bus is an error or a batch,
// and never more: with the right checksum, which says nothing of the sender.
func FuzzDecode(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	for _, rows := range []int{0, 1, 10} {
		b := wideBatch(rows, 3)
		payload, err := c.encode(b)
		if err != nil {
			f.Fatal(err)
		}
		body, err := c.decompress(nil, payload[1:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, false)
		f.Add(payload, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, whole bool) {
		payload := data
		if !whole {
			var err error
			if payload, err = c.compress([]byte{payloadVersion}, data); err != nil {
				t.Fatal(err)
			}
		}
		b, err := c.decode(payload, c.sum(payload))
		if (b == nil) != (err != nil) {
			t.Fatalf("batch %v and error %v", b, err)
		}
		if err != nil {
			return
		}
		for _, r := range b.Rows {
			if r.NumCols() != int64(r.Schema().NumFields()) {
				t.Fatal("a record without its columns")
			}
		}
		b.Release()
	})
}

func TestADecodedBatchOutlivesThePayloadItCameIn(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	sent := wideBatch(50, 5)
	payload, err := c.encode(sent)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.decode(payload, c.sum(payload))
	if err != nil {
		t.Fatal(err)
	}
	clear(payload)
	for range 3 { // other batches go through the same buffers
		other, err := c.encode(wideBatch(60, 5))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(other, c.sum(other)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got.Rows) != 1 || !equalRecords(got.Rows[0], sent.Rows[0]) {
		t.Error("the rows changed after they were decoded")
	}
	got.Release()
}

// BenchmarkCodec is a batch of 1,000 rows with 100 text columns.
func BenchmarkCodec(b *testing.B) {
	c, err := newCodec()
	if err != nil {
		b.Fatal(err)
	}
	sent := wideBatch(penstock.MaxBatchRows, 100)
	payload, err := c.encode(sent)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.encode(sent); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(payload)), "payload-bytes")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			got, err := c.decode(payload, c.sum(payload))
			if err != nil {
				b.Fatal(err)
			}
			got.Release()
		}
	})
}
