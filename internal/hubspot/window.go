package hubspot

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// windowMargin keeps a slot a little longer than HubSpot does, so that two
// clocks that round differently never count one call too many.
const windowMargin = time.Millisecond

// beginners is how many processes may begin within one span, after others
// were killed with the window in use: each has to ask once to learn what is
// left, and what it asks must not be one call too many.
const beginners = 3

// A window is one of HubSpot's rolling limits: at most limit calls within any
// stretch of span. A slot is taken when a call is sent and is free again a
// span after its answer: HubSpot counts a call somewhere between the two, and
// only so is the limit kept wherever that is (Q1).
type window struct {
	name    string
	span    time.Duration
	reserve float64 // the share of limit that is left to the customer's other tools
	spare   int     // slots that are left to a process that has just begun

	mu        sync.Mutex
	limit     int
	sent      int       // our calls without an answer yet
	mine      leaving   // our answered calls
	others    leaving   // calls that HubSpot counted and we did not make
	fullUntil time.Time // until then nothing is sent
	unheardOf time.Time // until then one call at a time, as long as HubSpot has not said what is left
	queue     waiters
	arrivals  uint64
	alarm     *time.Timer
}

// newWindow makes a window that counts as full, since an earlier process may
// have used it up. Where answers say what is left, one call goes ahead alone
// to find out; where they do not, nothing does for one span.
func newWindow(name string, limit int, span time.Duration, told bool) *window {
	w := &window{name: name, span: span, limit: limit}
	if until := time.Now().Add(span + windowMargin); told {
		w.unheardOf, w.spare = until, beginners
	} else {
		w.fullUntil = until
	}
	return w
}

// take waits for a slot, in the order of priorities and then of arrival, and
// leaves when ctx ends. Every slot is given back by exactly one of answered
// and unused.
func (w *window) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	w.arrivals++
	self := &waiter{priority: priorityOf(ctx), arrival: w.arrivals, ready: make(chan struct{})}
	heap.Push(&w.queue, self)
	w.admit()
	w.mu.Unlock()

	select {
	case <-self.ready:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if self.place < 0 {
		w.sent--
	} else {
		heap.Remove(&w.queue, self.place)
	}
	w.admit()
	return ctx.Err()
}

// unused gives a slot back whose call was not sent.
func (w *window) unused() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent--
	w.admit()
}

// answered says that a call was answered, or given up: it counts for a span
// from now. left is what HubSpot said of the window, nil when it said nothing.
func (w *window) answered(left *remaining) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	w.sent--
	w.mine.add(1, now.Add(w.span+windowMargin))
	if left != nil {
		w.limit = left.limit
		w.unheardOf = time.Time{}
		// HubSpot has counted no more of ours than these; what is beyond them
		// was spent by others, at the latest now.
		beyond := left.limit - left.left - w.sent - w.mine.calls - w.others.calls
		w.others.add(max(0, beyond), now.Add(w.span+windowMargin))
	}
	w.admit()
}

// hold sends nothing until pause from now: HubSpot has said that the window
// is full, so whatever we count is wrong.
func (w *window) hold(pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until := time.Now().Add(pause + windowMargin); until.After(w.fullUntil) {
		w.fullUntil = until
	}
	w.admit()
}

// leave changes the share that is left to others.
func (w *window) leave(share float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reserve = share
	w.admit()
}

// state describes the window as it is now.
func (w *window) state() WindowState {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.forget(now)
	st := WindowState{
		Name: w.name, Span: w.span, Limit: w.limit, Share: w.share(),
		Ours: w.sent + w.mine.calls, Others: w.others.calls, Waiting: len(w.queue),
	}
	if next := w.nextChange(now); !next.IsZero() && !w.room(now) {
		st.Opens = next.Sub(now)
	}
	return st
}

// share is how many calls within a span may be ours.
func (w *window) share() int {
	return max(1, int(float64(w.limit)*(1-w.reserve)+1e-9))
}

// admit lets waiters go while there is room, and sees to it that it is called
// again when there may be some. The lock is held.
func (w *window) admit() {
	now := time.Now()
	w.forget(now)
	for len(w.queue) > 0 && w.room(now) {
		first := heap.Pop(&w.queue).(*waiter)
		w.sent++
		close(first.ready)
	}
	if w.alarm != nil {
		w.alarm.Stop()
		w.alarm = nil
	}
	if next := w.nextChange(now); len(w.queue) > 0 && !next.IsZero() {
		w.alarm = time.AfterFunc(next.Sub(now), w.wake)
	}
}

func (w *window) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.admit()
}

func (w *window) room(now time.Time) bool {
	if now.Before(w.fullUntil) {
		return false
	}
	if now.Before(w.unheardOf) {
		return w.sent == 0 && w.mine.calls < w.share()
	}
	ours := w.sent + w.mine.calls
	return ours < w.share() && ours+w.others.calls < w.limit-min(w.spare, w.limit/10)
}

// nextChange is the first moment at which room may appear without an answer;
// zero when only an answer can make some.
func (w *window) nextChange(now time.Time) time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	consider(w.fullUntil)
	consider(w.unheardOf)
	consider(w.mine.next())
	consider(w.others.next())
	return next
}

// forget drops the calls that have left the window.
func (w *window) forget(now time.Time) {
	w.mine.forget(now)
	w.others.forget(now)
}

// leaving are calls in a window, in the order in which they leave it.
type leaving struct {
	calls  int
	groups []group
}

// A group of calls leaves a window together.
type group struct {
	calls int
	at    time.Time
}

func (l *leaving) add(calls int, at time.Time) {
	if calls > 0 {
		l.calls += calls
		l.groups = append(l.groups, group{calls, at})
	}
}

// next is when the first of them leave; zero when there are none.
func (l *leaving) next() time.Time {
	if len(l.groups) == 0 {
		return time.Time{}
	}
	return l.groups[0].at
}

func (l *leaving) forget(now time.Time) {
	n := 0
	for n < len(l.groups) && !l.groups[n].at.After(now) {
		l.calls -= l.groups[n].calls
		n++
	}
	l.groups = append(l.groups[:0], l.groups[n:]...)
}

// remaining is what an answer says of a window.
type remaining struct{ limit, left int }

// A waiter is a call that waits for a slot.
type waiter struct {
	priority int
	arrival  uint64
	ready    chan struct{}
	place    int // in the queue; negative once it has left
}

// waiters is a heap: the lowest priority first, and the first come among equals.
type waiters []*waiter

// Len is for container/heap.
func (q waiters) Len() int { return len(q) }

// Less is for container/heap.
func (q waiters) Less(i, j int) bool {
	if q[i].priority != q[j].priority {
		return q[i].priority < q[j].priority
	}
	return q[i].arrival < q[j].arrival
}

// Swap is for container/heap.
func (q waiters) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for container/heap.
func (q *waiters) Push(x any) {
	w := x.(*waiter)
	w.place = len(*q)
	*q = append(*q, w)
}

// Pop is for container/heap.
func (q *waiters) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	last.place = -1
	return last
}

type priorityKey struct{}

// WithPriority marks the calls made with the context: among those that wait
// for a slot of a window the lowest priority goes first, whoever came first
// among equals. When the day's budget is known and runs short, calls of
// priority 5 and above are refused when a quarter of ours is left, those of 4
// at 10 %, of 3 at 6 %, of 2 at 4 %, of 1 at 2 %. Without it the priority is 0.
func WithPriority(ctx context.Context, priority int) context.Context {
	return context.WithValue(ctx, priorityKey{}, priority)
}

func priorityOf(ctx context.Context) int {
	priority, _ := ctx.Value(priorityKey{}).(int) // absent means 0
	return priority
}
