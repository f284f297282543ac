package hubspotsim

import (
	"context"
	"math/rand/v2"
	"time"
)

// Churn edits the account until the context ends, on average perMinute times
// a minute: mostly updates, now and then a creation, an archiving, a
// restoration, a merge, a drift of calculated values, or an association that
// comes or goes. It returns nil.
func (a *Account) Churn(ctx context.Context, perMinute float64) error {
	if perMinute <= 0 {
		<-ctx.Done()
		return nil
	}
	random := rand.New(rand.NewPCG(a.options.Seed, 0xc4))
	for {
		timer := time.NewTimer(time.Duration(random.ExpFloat64() * float64(time.Minute) / perMinute))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
			a.stir(random)
		}
	}
}

// stir makes one edit. One that finds nothing to edit is no edit.
func (a *Account) stir(random *rand.Rand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var weighed []*table
	for _, t := range a.tables {
		if t.layout.n > 0 {
			weighed = append(weighed, t)
		}
	}
	if len(weighed) == 0 {
		return
	}
	t := weighed[min(random.IntN(len(weighed)), random.IntN(len(weighed)))] // contacts and companies most
	r := a.some(t, random)
	switch kind := random.IntN(100); {
	case kind < 12:
		a.add(t, t.invented(random), byUsers)
	case r == nil:
	case kind < 18:
		a.archive(r)
	case kind < 21:
		if other := a.some(t, random); other != nil && other.id != r.id {
			a.merge(t, r.id, other.id)
		}
	case kind < 24:
		a.restoreAny(t)
	case kind < 27:
		a.recalculate(r)
	case kind < 31:
		a.relink(t, r.id, random)
	default:
		a.edit(r, func(v *version) {
			v.updated = time.Now().UnixMilli()
			v.values = with(v.values, t.touched(random))
		})
	}
}

// some opens a live object of the type, nil if luck finds none.
func (a *Account) some(t *table, random *rand.Rand) *record {
	if id := t.someID(random); id != 0 {
		return t.open(id)
	}
	return nil
}

// someID is the id of a live object of the type, 0 if luck finds none.
func (t *table) someID(random *rand.Rand) int64 {
	for range 8 {
		if t.layout.n == 0 {
			return 0
		}
		id := t.layout.id(random.Int64N(t.layout.n))
		if len(t.order) > 0 && random.IntN(3) == 0 {
			id = t.order[random.IntN(len(t.order))].id
		}
		if t.isLive(id) {
			return id
		}
	}
	return 0
}

// relink associates a live object with some other in some way, or takes all
// of that back where they are associated already.
func (a *Account) relink(t *table, id int64, random *rand.Rand) {
	var fitting []*links
	for _, l := range a.links {
		if l.tables[0] == t || l.tables[1] == t {
			fitting = append(fitting, l)
		}
	}
	if len(fitting) == 0 {
		return
	}
	l := fitting[random.IntN(len(fitting))]
	at := side(0)
	if l.tables[1] == t {
		at = 1
	}
	other := l.tables[at.other()].someID(random)
	if own := l.of(at, id, linkQuery{limit: 20, pass: l.tables[at.other()].isLive}); len(own) > 0 && random.IntN(2) == 0 {
		l.put(at, id, own[random.IntN(len(own))].to, 0)
	} else if other != 0 {
		l.join(at, id, other, plain<<random.IntN(len(l.kinds)))
	}
}

// restoreAny brings the first archived object back.
func (a *Account) restoreAny(t *table) {
	for _, r := range t.order {
		if r.now().state == archived {
			a.restore(r)
			return
		}
	}
}

// invented is the values of a new object, like those of the others.
func (t *table) invented(random *rand.Rand) map[string]string {
	values := map[string]string{}
	v := view{index: t.layout.n + t.made + 1}
	for _, p := range t.props.sorted {
		if p.readOnly() {
			continue
		}
		if value, ok := t.appendValue(nil, &v, p); ok && (p.gen == genSerial || random.IntN(2) == 0) {
			values[p.Name] = string(value)
		}
	}
	return values
}

// touched is new values for a few properties, taken from some other object.
func (t *table) touched(random *rand.Rand) map[string]string {
	values := map[string]string{}
	for range 20 {
		p := t.props.sorted[random.IntN(len(t.props.sorted))]
		if p.readOnly() || p.gen == genMerged || p.gen == genSerial {
			continue
		}
		v := view{index: random.Int64N(t.layout.n)}
		if value, ok := t.appendValue(nil, &v, p); ok {
			values[p.Name] = string(value)
		}
		if len(values) == 3 {
			break
		}
	}
	return values
}
