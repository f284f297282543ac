//go:build !race

package trial_test

import (
	"slices"
	"testing"
	"time"

	"penstock"
	"penstock/internal/hubspot/hubspotsim"
)

// TestPropertiesMayComeAndGoWhileEverythingIsRead adds, retypes, removes and
// brings back properties of contacts under the first load and later, with kills
// of both programs each time: every value is the account's at the end, in a
// column of the present type, and a column that nothing is read for keeps what
// it held.
func TestPropertiesMayComeAndGoWhileEverythingIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; run without -short")
	}
	t.Parallel()
	options := little(3000)
	options.ArchiveTouches = true // so that a quiet moment needs no sweep
	w := newWorld(t, build(t), options)
	w.slow.Store(int64(500 * time.Millisecond)) // while the first load is disturbed
	w.define("back", "number")
	w.define("late", "string")
	w.define("soon", "string")
	programs := map[string]*program{"worker": w.start("worker"), "data-streams": w.start("data-streams")}
	kill := func() {
		for _, name := range []string{"worker", "data-streams"} {
			programs[name].kill()
			programs[name] = w.start(name)
		}
	}
	stop := w.churn()
	w.untilLoading(300)
	w.define("early", "datetime")
	w.remove("soon")
	w.define("soon", "number")
	kill()
	w.untilLoading(1500)
	w.remove("back")
	kill()
	w.slow.Store(0)
	stop()
	<-time.After(w.lag + 2*time.Second)
	w.catchUp()

	held := w.values("late")
	stop = w.churn()
	defer func() { stop() }()
	w.remove("late")
	w.define("back", "number")
	kill()
	w.define("later", "bool")
	w.remove("early")
	w.define("early", "string")
	kill()
	<-time.After(time.Second) // of changes
	stop()
	w.settle()
	for _, p := range programs {
		p.kill()
	}
	compare(t, w.warehouse(), w.account)
	judged(t, w.warehouse(), w.account, func(j *judge) {
		j.kept(held, "late")
		j.typed(map[string][]penstock.Type{
			"early": {penstock.DateTime, penstock.Text}, "soon": {penstock.Text, penstock.Number},
			"late": {penstock.Text}, "later": {penstock.Bool}, "back": {penstock.Number},
		})
	})
}

// untilLoading waits until so many contacts are in the warehouse, and not all.
func (w *world) untilLoading(rows int) {
	w.t.Helper()
	n := w.untilLoaded(rows)
	if all := w.account.Count("contacts"); n > all*9/10 {
		w.t.Errorf("%d of %d contacts are loaded: there is no first load to disturb any more", n, all)
	}
	w.t.Logf("after %d contacts", n)
}

// define adds a property of which most contacts have a value at once, or brings
// it back.
func (w *world) define(name, kind string) {
	w.t.Helper()
	if err := w.account.AddProperty("contacts", hubspotsim.Property{Name: name, Type: kind, Filled: true}); err != nil {
		w.t.Fatal(err)
	}
}

// remove archives a property.
func (w *world) remove(name string) {
	w.t.Helper()
	if err := w.account.RemoveProperty("contacts", name); err != nil {
		w.t.Fatal(err)
	}
}

// values are those that contacts have of a property.
func (w *world) values(property string) map[int64]string {
	values := map[int64]string{}
	for o := range w.account.Truth("contacts") {
		values[o.ID] = o.Properties[property]
	}
	return values
}

// kept checks that a column holds what a property had when it was removed, and
// nothing for what came later.
func (j *judge) kept(held map[int64]string, column string) {
	some := 0
	for r := range j.rows("contacts") {
		got, _ := r[column].(string)
		want, old := held[r["id"].(int64)]
		if slices.Contains(j.account.Erased("contacts"), r["id"].(int64)) {
			continue // for an hour nobody knows
		}
		if old && got != want || !old && r["_deleted"] == int64(0) && got != "" {
			j.differ("contacts %d.%s is %q, and was %q when the property was removed", r["id"], column, got, want)
		}
		if got != "" {
			some++
		}
	}
	if some < len(held)/2 {
		j.differ("only %d of %d values of %s are kept", some, len(held), column)
	}
}

// typed checks which columns each of the properties has got over time, and
// that the last is the one that is read, unless the property is gone.
func (j *judge) typed(want map[string][]penstock.Type) {
	defined := map[string]bool{}
	for _, p := range j.account.Properties("contacts") {
		defined[p.Name] = true
	}
	for property, types := range want {
		n := 0
		for _, c := range j.recorded("contacts") {
			if c.Property != property {
				continue
			}
			if n == len(types) || c.Type != types[n] {
				j.differ("another column of %s: %+v", property, c)
				continue
			}
			n++
			if gone := n < len(types) || !defined[property]; c.Absent != gone {
				j.differ("column %+v of %s: absent should be %v", c, property, gone)
			}
		}
		if n != len(types) {
			j.differ("%s has %d columns, not %d", property, n, len(types))
		}
	}
}
