package hubspot

import "context"

// A Label says what a call is made for, in the caller's words.
type Label struct{ Stream, Lane string }

type labelKey struct{}

// WithLabel marks the calls made with the context, so that AccountQuota.Calls
// tells what the day's budget went into.
func WithLabel(ctx context.Context, label Label) context.Context {
	return context.WithValue(ctx, labelKey{}, label)
}

func labelOf(ctx context.Context) Label {
	label, _ := ctx.Value(labelKey{}).(Label) // absent means the zero Label
	return label
}

// maxLabels bounds the labels of a day. An account of a hundred streams needs
// fewer; calls with more labels than that count under the zero one.
const maxLabels = 1000

// labelled counts calls by day and label.
type labelled map[string]map[Label]int

func (l labelled) add(day string, label Label, calls int) {
	if calls == 0 {
		return
	}
	counts := l[day]
	if counts == nil {
		counts = map[Label]int{}
		l[day] = counts
	}
	if _, known := counts[label]; !known && len(counts) >= maxLabels-1 {
		label = Label{}
	}
	counts[label] += calls
}

// move gives what was counted on one day to another.
func (l labelled) move(from, to string) {
	for label, calls := range l[from] {
		l.add(to, label, calls)
	}
	delete(l, from)
}

// forget drops the days before today, except the last one.
func (l labelled) forget(last, today string) {
	for day := range l {
		if day != last && day < today {
			delete(l, day)
		}
	}
}
