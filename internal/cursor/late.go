package cursor

// A Watch notes how late HubSpot's search index is: an object that search
// shows now, and that was modified before an earlier complete pass asked for
// that date, was missing from the index then.
type Watch struct {
	asked int64 // the last complete pass over the whole stretch, ms since 1970
	worst int64
}

// Passed notes that a complete pass over the whole stretch was asked at ms.
func (w *Watch) Passed(ms int64) { w.asked = ms }

// Shown notes that search shows for the first time an object modified at ms.
func (w *Watch) Shown(modified int64) {
	if w.asked > 0 && modified < w.asked {
		w.worst = max(w.worst, w.asked-modified)
	}
}

// Worst is the longest delay in ms that was proved since the last call.
func (w *Watch) Worst() int64 {
	worst := w.worst
	w.worst = 0
	return worst
}
