package bus

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"penstock"
	"penstock/internal/warehouse/warehousetest"
)

// keep is the environment variable with which whoever makes a new payload
// version has the message written that later programs must read.
const keep = "PENSTOCK_KEEP_MESSAGE"

// inFlight is a batch that says something in every field.
func inFlight() *penstock.Batch {
	b := warehousetest.NewBatch(warehousetest.Contacts(),
		penstock.Column{Property: "t", Type: penstock.Text}, penstock.Column{Property: "n", Type: penstock.Number},
		penstock.Column{Property: "b", Type: penstock.Bool}, penstock.Column{Property: "d", Type: penstock.Date},
		penstock.Column{Property: "m", Type: penstock.DateTime}, penstock.Column{Property: "h", Type: penstock.Hashed},
	).Put(1, 1000, 2, "A\x00\u00e9", "-1.5", true, int64(19000), int64(1700000000123), "h1:00").
		Put(2, 1000, 2, nil, nil, nil, nil, nil, nil).Bury(3, 4000, 5, 1).
		Reject("1", "n", "many").Want("7", 6).Inventory(1, 9, 8).Split(100, "elsewhere").Build()
	b.Connection, b.Lane, b.Grant, b.Range, b.Seq = "default", penstock.Backfill, "grant", 5, 6
	b.Before, b.After, b.Begin, b.Filled = "before", "after", "begin", []string{"t"}
	b.FreshAt, b.SettledAt = 11, 12
	return b
}

// TestMessagesInFlightOverAnUpdateAreRead: a message that an older worker left on
// the bus is loaded by the newer data-streams.
func TestMessagesInFlightOverAnUpdateAreRead(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	want := inFlight()
	defer want.Release()
	if os.Getenv(keep) != "" {
		payload, err := c.encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", fmt.Sprintf("message-%d.bin", payloadVersion)), payload, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	messages, err := filepath.Glob(filepath.Join("testdata", "message-*.bin"))
	if err != nil || len(messages) != payloadVersion {
		t.Fatalf("the messages of versions 1 to %d are %v, %v: run this test with %s=1", payloadVersion, messages, err, keep)
	}
	for _, name := range messages {
		payload, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.decode(payload, c.sum(payload))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		head := func(b *penstock.Batch) string {
			text, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if head(got) != head(want) {
			t.Errorf("%s says\n%s, not\n%s", name, head(got), head(want))
		}
		if fmt.Sprint(got.Rows) != fmt.Sprint(want.Rows) {
			t.Errorf("%s holds\n%v, not\n%v", name, got.Rows, want.Rows)
		}
		got.Release()
	}
}
