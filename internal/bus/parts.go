package bus

import (
	"errors"

	"penstock"
)

// maxParts bounds what is held of one batch; compression may add a little.
const maxParts = maxBody/partBytes + 2

// maxDone bounds of how many ways the last batch is remembered: ranges come
// and go for as long as a queue is read.
const maxDone = 1000

// whole identifies the parts that belong together: a batch that is published
// again with other contents has another sum.
type whole struct {
	label
	sum   string
	count int
}

// pile holds the parts of a batch that have come so far.
type pile struct {
	whole
	parts  [][]byte
	have   int
	last   uint64         // the highest place of its parts in the NATS stream
	forget []func() error // acks of all messages it is made of
}

// way is what has its own order of batches.
type way struct {
	stream string
	lane   penstock.Lane
	first  int64
}

// assembly puts the parts of batches together. The parts of different ranges
// may come mixed, those of one range come in order.
type assembly struct {
	piles map[whole]*pile
	done  map[way]whole // the last batch of several parts that was completed, of some ways
}

func newAssembly() *assembly {
	return &assembly{piles: map[whole]*pile{}, done: map[way]whole{}}
}

// add takes a part. It returns the batch that the part completes, if any,
// and those that this part shows will never be complete.
//
// Parts are published in order and acked in order. So a batch whose first
// part is missing was acked before, and its rest may go too; one whose last
// part is missing was never published whole.
func (a *assembly) add(p part) (complete *pile, lost []*pile, err error) {
	id := whole{label: p.label, sum: p.sum, count: p.count}
	on := way{stream: p.stream, lane: p.lane, first: p.first}
	lost = a.overtaken(p, id)
	if p.count == 1 {
		delete(a.done, on)
		return &pile{whole: id, parts: [][]byte{p.data}, have: 1, forget: []func() error{p.forget}}, lost, nil
	}
	held := a.piles[id]
	if held == nil && (p.index > 0 || a.done[on] == id) {
		// The second case is a publisher that did not hear that its parts were
		// stored and sent them once more; the first copy is acked with its batch.
		return nil, lost, p.forget()
	}
	if held == nil {
		held = &pile{whole: id, parts: make([][]byte, p.count)}
		a.piles[id] = held
	}
	held.forget = append(held.forget, p.forget)
	held.last = max(held.last, p.place)
	if held.parts[p.index] == nil {
		held.parts[p.index] = p.data
		held.have++
	}
	if held.have < held.count {
		return nil, lost, nil
	}
	delete(a.piles, id)
	if len(a.done) >= maxDone {
		clear(a.done) // at worst a batch comes twice, which is harmless (W2)
	}
	a.done[on] = id
	return held, lost, nil
}

// overtaken takes the piles away that wait in vain, because the publisher
// has gone on to a later batch of their range.
func (a *assembly) overtaken(p part, id whole) []*pile {
	var out []*pile
	for other, held := range a.piles {
		if other != id && p.place > held.last && p.seq >= other.seq &&
			p.grant == other.grant && p.stream == other.stream && p.lane == other.lane && p.first == other.first {
			delete(a.piles, other)
			out = append(out, held)
		}
	}
	return out
}

// late is the pile that the part belongs to and that nobody has completed
// for as long as an ack may take; nil if there is none.
func (a *assembly) late(p part) *pile {
	id := whole{label: p.label, sum: p.sum, count: p.count}
	held := a.piles[id]
	delete(a.piles, id)
	return held
}

// ack tells the bus to forget the messages of the pile.
func (p *pile) ack() error {
	var errs []error
	for _, forget := range p.forget {
		errs = append(errs, forget())
	}
	return errors.Join(errs...)
}

// payload is all parts in order.
func (p *pile) payload() []byte {
	if len(p.parts) == 1 {
		return p.parts[0]
	}
	var out []byte
	for _, part := range p.parts {
		out = append(out, part...)
	}
	return out
}
