package worker

import (
	"sync"
	"time"

	"penstock"
	"penstock/internal/cursor"
)

// memoryMost is how many objects of a stream are remembered. Forgetting costs
// calls only.
const memoryMost = 1_000_000

// memory knows which objects of a stream are committed whole, and of which
// date, so that the fresh and the settled lane do not read each other's again;
// and which of them search has shown, whatever became of them then.
type memory struct {
	mu    sync.Mutex
	whole map[string]int64
	seen  map[string]int64
	turns int
	hits  int64 // of the last pass over the whole stretch
	watch cursor.Watch
}

func (h *holder) memoryOf(stream string) *memory {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.memories[stream]
	if m == nil {
		m = newMemory()
		h.memories[stream] = m
	}
	return m
}

func newMemory() *memory { return &memory{whole: map[string]int64{}, seen: map[string]int64{}} }

// knows tells whether the object is committed whole as of the date.
func (m *memory) knows(id string, date int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, known := m.whole[id]
	return known && at >= date
}

// forget drops what lies before the settled cursor: nobody asks for it again.
func (m *memory) forget(before int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, at := range m.whole {
		if at < before {
			delete(m.whole, id)
		}
	}
	for id, at := range m.seen {
		if at < before {
			delete(m.seen, id)
		}
	}
}

func (m *memory) learn(objects []observation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.whole)+len(objects) > memoryMost {
		clear(m.whole)
	}
	for _, o := range objects {
		m.whole[o.id] = max(m.whole[o.id], o.updated)
	}
}

// whollyNow counts passes of the fresh lane: one is to read the whole stretch
// unless the last that did found very much, and every few times even then.
func (m *memory) whollyNow() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turns++
	return m.hits <= manyHits || m.turns%fullEvery == 0
}

// passed notes a pass over the whole stretch since from that was begun at a
// moment, in ms.
func (m *memory) passed(from, at, hits int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hits = hits
	m.watch.Passed(from, at)
}

// shown notes that search shows the object with a date. What it showed before
// tells nothing of how late it is; nor does anything once that was forgotten.
func (m *memory) shown(id string, ms int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, before := m.seen[id]; before && at >= ms {
		return
	}
	if len(m.seen) == memoryMost {
		clear(m.seen)
		m.watch = cursor.Watch{}
	}
	m.seen[id] = ms
	m.watch.Shown(ms)
}

func (m *memory) worst() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.watch.Worst()) * time.Millisecond
}

// remember takes the objects of a run's batches as committed up to the marks.
// The caller holds mu.
func (h *holder) remember(r *run, committed []penstock.Mark) {
	m := h.memories[r.stream.Name]
	if m == nil {
		m = newMemory()
		h.memories[r.stream.Name] = m
	}
	for _, of := range r.all() {
		for _, mark := range committed {
			if mark.Range == of.rng {
				h.learn(m, of, mark.Seq)
			}
		}
	}
}

// learn takes the objects of one range's batches as committed up to seq.
func (h *holder) learn(m *memory, r *run, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.pending) > 0 && r.pending[0].seq <= seq {
		if !h.outdated(r.stream.Name, r.pending[0].columns) {
			m.learn(r.pending[0].objects)
		}
		r.pending = r.pending[1:]
	}
}
