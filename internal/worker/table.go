package worker

import (
	"fmt"
	"hash/fnv"
	"time"

	"penstock"
)

// published is the table of a stream as it was published last.
type published struct {
	columns uint64    // hashed
	defined time.Time // when the definitions it is made of were read
}

func columnsOf(t penstock.Table) uint64 {
	sum := fnv.New64a()
	for _, c := range t.Columns {
		fmt.Fprintf(sum, "%q %q,", c.Property, c.Type)
	}
	return sum.Sum64()
}

// newTable tells whether the run's table has other columns than were published
// last: then the warehouse is to hear of them even when no row comes, and what
// was read without them does not count as read whole any more.
func (h *holder) newTable(r *run) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, known := h.tables[r.stream.Name]
	now := published{r.columns, r.defined}
	if known && (last.columns == now.columns || now.defined.Before(last.defined)) {
		return false
	}
	if h.tables == nil {
		h.tables = map[string]published{}
	}
	h.tables[r.stream.Name] = now
	if known {
		delete(h.memories, r.stream.Name)
	}
	return true
}

// outdated tells whether the stream's table has other columns by now than
// something was read with: then it is not whole. The caller holds mu.
func (h *holder) outdated(stream string, columns uint64) bool {
	last, known := h.tables[stream]
	return known && last.columns != columns
}

func (h *holder) forgetTable(stream string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tables, stream)
}
