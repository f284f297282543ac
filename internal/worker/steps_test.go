package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/hubspot/hubspotsim"
	"penstock/internal/warehouse"
)

// begin allows one run of the lane; its end comes on the channel.
func (w *world) begin(stream penstock.Stream, lane penstock.Lane, g penstock.Grant) <-chan penstock.RunEnd {
	d := w.desk
	over := make(chan penstock.RunEnd, 1)
	d.mu.Lock()
	key := laneOf(stream.Name, lane)
	d.allowed[key], d.over[key] = g, over
	d.mu.Unlock()
	d.announce(func(c *penstock.Connection) { c.Once += "+" })
	return over
}

// run lets the lane run once and waits until that is over.
func (w *world) run(stream penstock.Stream, lane penstock.Lane, g penstock.Grant) penstock.RunEnd {
	w.Helper()
	select {
	case e := <-w.begin(stream, lane, g):
		synctest.Wait()
		return e
	case <-time.After(3 * time.Hour):
		w.Fatalf("the run of %s (%s) does not end", stream.Name, lane)
		return penstock.RunEnd{}
	}
}

// done lets the lane run once to its end.
func (w *world) done(lane penstock.Lane) penstock.RunEnd {
	w.Helper()
	e := w.run(contacts(), lane, penstock.Grant{})
	if e.Outcome != penstock.Done {
		w.Fatalf("the run of the %s lane ended as %s: %+v", lane, e.Outcome, e.Trouble)
	}
	return e
}

// heard lets a heartbeat tell the worker what is committed.
func (w *world) heard() { pass(6 * time.Second) }

// taken are the batches since the last call.
func (w *world) taken() []*penstock.Batch {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	batches := w.desk.batches
	w.desk.batches = nil
	return batches
}

// set changes what the desk answers.
func (w *world) set(change func(d *desk)) {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	change(w.desk)
}

// cursor is where a lane of contacts stands.
func (w *world) cursor(lane penstock.Lane) penstock.Cursor {
	w.Helper()
	heads, err := w.desk.store.Heads(w.Context(), "contacts", lane)
	if err != nil || len(heads) != 1 {
		w.Fatalf("heads of the %s lane: %+v, %v", lane, heads, err)
	}
	return heads[0].Cursor
}

// table are rows of a stream, a line each: id, why deleted and the fields.
func (w *world) table(stream string, fields ...string) []string {
	w.Helper()
	result, err := w.desk.store.Rows(w.Context(), warehouse.Query{Stream: stream, Fields: fields, Deleted: true})
	if err != nil {
		w.Fatal(err)
	}
	var lines []string
	for row, err := range result.Rows {
		if err != nil {
			w.Fatal(err)
		}
		lines = append(lines, strings.TrimSuffix(fmt.Sprintln(row...), "\n"))
	}
	return lines
}

// isWhole checks that every contact is in the warehouse as it is in HubSpot.
func (w *world) isWhole() {
	w.Helper()
	var want []string
	add := func(o hubspotsim.Object, why any) {
		email := any(nil)
		if text, ok := o.Properties["email"]; ok && text != "" {
			email = text
		}
		updated := o.Updated.Format("2006-01-02T15:04:05.000Z")
		want = append(want, strings.TrimSuffix(fmt.Sprintln(o.ID, why, updated, email), "\n"))
	}
	for o := range w.account.Truth("contacts") {
		add(o, nil)
	}
	for o := range w.account.Archived("contacts") {
		add(o, "archived")
	}
	var got []string
	for _, line := range w.table("contacts", "id", "_deleted_why", "_updated_at", "email") {
		if !strings.Contains(line, "merged") {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("%d rows, %d contacts; missing %v, too many %v", len(got), len(want), without(want, got), without(got, want))
	}
}

// without are the first lines of a that b has not.
func without(a, b []string) []string {
	var out []string
	for _, line := range a {
		if _, found := slices.BinarySearch(b, line); !found && len(out) < 5 {
			out = append(out, line)
		}
	}
	return out
}

// ids are the ids of contacts, in order.
func (w *world) ids() []int64 {
	var ids []int64
	for o := range w.account.Truth("contacts") {
		ids = append(ids, o.ID)
	}
	return ids
}

// counted is how many of the requests contain the text.
func counted(requests []string, text string) int {
	n := 0
	for _, r := range requests {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

// try fails the test on an error.
func (w *world) try(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
