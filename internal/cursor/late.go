package cursor

// A Watch notes how late HubSpot's search index is: an object that search
// shows now, and that was modified before an earlier complete pass asked for
// that date, was missing from the index then.
type Watch struct {
	from  int64 // where the stretch of the last complete pass began, ms since 1970
	asked int64 // when that pass was asked; 0 before the first
	worst int64
}

// Passed notes that a complete pass over all dates since from was asked at a
// moment, both in ms since 1970.
func (w *Watch) Passed(from, asked int64) { w.from, w.asked = from, asked }

// Shown notes that search shows for the first time an object modified at ms.
// It was missing only where the pass before had asked for its date.
func (w *Watch) Shown(modified int64) {
	if w.asked > 0 && modified >= w.from && modified < w.asked {
		w.worst = max(w.worst, w.asked-modified)
	}
}

// Worst is the longest delay in ms that was proved since the last call.
func (w *Watch) Worst() int64 {
	worst := w.worst
	w.worst = 0
	return worst
}
