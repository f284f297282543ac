package warehouse

import (
	"fmt"
	"strconv"
	"time"

	"penstock"
)

// CheckKey refuses a key, or the first columns of one, that rows of the stream
// cannot have: too long, or with an integer that is not one of 64 bits in
// canonical form.
func CheckKey(stream penstock.Stream, key penstock.Key) error {
	columns := stream.Key()
	if len(key) > len(columns) {
		return fmt.Errorf("the key %s has more columns than the table %s", key.Text(), stream.Name)
	}
	for i, text := range key {
		if !columns[i].Integer {
			continue
		}
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || strconv.FormatInt(n, 10) != text {
			return fmt.Errorf("%s %q of %s is not a 64-bit integer", columns[i].Name, text, stream.Name)
		}
	}
	return nil
}

// CheckWanted refuses a text that cannot be wanted of the stream. Of one that
// belongs to another stream, objects of that one are wanted: the first column
// of the key.
func CheckWanted(stream penstock.Stream, text string) error {
	if stream.Of != "" {
		return CheckKey(stream, penstock.Key{text})
	}
	key, err := penstock.ParseKey(text, len(stream.Key()))
	if err != nil {
		return err
	}
	return CheckKey(stream, key)
}

// Buries tells whether an inventory of the stream with Of makes tombstones of
// what it does not name (V3). Of a property's history HubSpot may forget old
// versions, which stay true.
func Buries(stream penstock.Stream) bool {
	return stream.Family == penstock.Associations
}

// Follows tells whether the streams that belong to a batch's objects want one
// that it writes. What a backfill brings for the first time they read by
// themselves, all of it, once; not so what replaces a standing row.
func Follows(b *penstock.Batch, stood bool) bool {
	return b.Stream.Family == penstock.Objects && (b.Lane != penstock.Backfill || stood)
}

// Answers tells whether an observation answers that its key is wanted. A search
// hit does not: it may be older than what was asked for.
func Answers(new Arrival) bool { return new.Op != penstock.Put || new.Via != penstock.BySearch }

// MakesTable tells whether the batch's table is made with it if there is none.
// That of links comes with the first row: most pairs of types have no links.
func MakesTable(b *penstock.Batch) bool {
	if b.Stream.Family != penstock.Associations {
		return true
	}
	for _, r := range b.Rows {
		if r.NumRows() > 0 {
			return true
		}
	}
	return false
}

// Listed is the moment from which on HubSpot's archived list holds what was
// archived. It drops what is older for good, and such rows stay archived though
// no list names them.
func Listed(now time.Time) time.Time {
	return now.Add(-ArchivedFor)
}
