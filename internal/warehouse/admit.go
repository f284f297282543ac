package warehouse

import (
	"fmt"

	"penstock"
)

// A Verdict says whether a batch may take effect.
type Verdict int

// The verdicts.
const (
	Apply  Verdict = iota + 1 // the next of its range
	Repeat                    // has taken effect already (W2)
	Zombie                    // of a run that is not the lane's current one (W4)
	Gap                       // something before it is missing (W3)
)

// String is the verdict in a word, for logs and failures of tests.
func (v Verdict) String() string {
	return [...]string{"none", "apply", "repeat", "zombie", "gap"}[v]
}

// Admit decides about a batch from the lane's current grant and the head of
// the batch's range as read in the transaction that will write it. A range
// that has no head yet has the zero Head.
//
// Because a grant is a random token and the cursor before the first batch must
// be the head's, a restored warehouse, a restored catalog, a wiped bus and a
// zombie all end here as a gap or a zombie, and the next grant starts at the
// heads. Only the range of all ids, 0, begins by itself; nothing is known of
// another one before the batch that splits it off (W3).
func Admit(current string, head penstock.Head, b *penstock.Batch) Verdict {
	switch {
	case b.Grant == "" || b.Grant != current:
		return Zombie
	case head.Stream == "" && b.Range != 0:
		return Gap
	case head.Grant == b.Grant && b.Seq <= head.Seq:
		return Repeat
	case head.Grant == b.Grant && b.Seq == head.Seq+1 && b.Before == head.Cursor:
		return Apply
	case head.Grant != b.Grant && b.Seq == 1 && b.Before == head.Cursor:
		return Apply
	}
	return Gap
}

// HeadAfter is the head of the range once the batch has been applied.
func HeadAfter(head penstock.Head, b *penstock.Batch) penstock.Head {
	return penstock.Head{
		Stream: b.Stream.Name, Lane: b.Lane, Range: b.Range,
		Grant: b.Grant, Seq: b.Seq, Cursor: b.After,
		Stamp: max(head.Stamp, b.Stamp),
	}
}

// HeadOfSplit is the head that an applied batch gives the range that it cuts
// off, where standing is the head of that number now (W3). A standing range
// that a former run has left there was read to its end, as the worker is
// trusted to know; one that the same run has already read of is refused.
func HeadOfSplit(standing penstock.Head, b *penstock.Batch, s penstock.Split) (penstock.Head, error) {
	if s.Range <= b.Range {
		return standing, fmt.Errorf("the range %d cannot be cut off the range %d", s.Range, b.Range)
	}
	if standing.Grant == b.Grant && standing.Seq > 0 {
		return standing, fmt.Errorf("the range %d that it cuts off has been read up to its batch %d", s.Range, standing.Seq)
	}
	return penstock.Head{Stream: b.Stream.Name, Lane: b.Lane, Range: s.Range, Grant: b.Grant, Cursor: s.Cursor}, nil
}
