package warehousetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// A Fresh makes an empty warehouse and returns what opens it, as often as
// wanted, each call standing for another process, and what changes a row of it
// behind its back.
type Fresh func(t *testing.T) (open func() warehouse.Store, tamper func(Tampering))

// Run checks that an engine keeps the promises, but for those named that are
// about values that it cannot hold: its own tests say what becomes of them.
func Run(t *testing.T, fresh Fresh, but ...string) { run(t, fresh, false, but) }

// RunTyped is Run for an engine whose columns hold nothing but what their type
// says: moments of the calendar, and numbers of 38 digits with 9 after the
// point. What changes its rows may put any moment where it is told to put a
// text that is none.
func RunTyped(t *testing.T, fresh Fresh) {
	run(t, fresh, true, []string{"LongNumbersAreComparedByTheirValue"})
}

func run(t *testing.T, fresh Fresh, typed bool, but []string) {
	for _, p := range slices.Concat(admission, splits, claims, lists, links, growth, comings, prints, counts, erasures, queries, longNumbers) {
		if slices.Contains(but, p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, fresh)
			b.typed = typed
			p.check(b)
		})
	}
	for _, h := range slices.Concat(versions, tombstones, merges, absences, fills, sweeps) {
		t.Run("W5/"+h.name, func(t *testing.T) {
			t.Parallel()
			t.Run("ATransactionEach", func(t *testing.T) { h.check(start(t, fresh), false) })
			t.Run("AllInOneTransaction", func(t *testing.T) { h.check(start(t, fresh), true) })
		})
	}
	t.Run("TheEngineAgreesWithTheModelOnAnyHistory", func(t *testing.T) {
		t.Parallel()
		agree(t, fresh, typed)
	})
}

// A promise is one test of the suite.
type promise struct {
	name  string
	check func(b *bench)
}

const (
	account = int64(4711)
	zero    = int64(1_760_000_000_000) // the moment that tests count from, in ms
	hour    = int64(3600)              // in seconds
)

// at is a moment a number of seconds after zero.
func at(seconds int64) int64 { return zero + seconds*1000 }

func text(property string) penstock.Column {
	return penstock.Column{Property: property, Type: penstock.Text}
}

func number(property string) penstock.Column {
	return penstock.Column{Property: property, Type: penstock.Number}
}

// contact begins a batch of contacts with one text column.
func contact() *Builder { return NewBatch(Contacts(), text("v")) }

// A bench is a claimed warehouse and a run that loads into it.
type bench struct {
	*testing.T
	open  func() warehouse.Store
	alter func(Tampering)
	store warehouse.Store
	run   *Range            // of contacts
	runs  map[string]*Range // of other streams
	at    warehouse.Moment  // of the loads
	typed bool              // as RunTyped says
}

func start(t *testing.T, fresh Fresh) *bench {
	open, alter := fresh(t)
	b := &bench{T: t, open: open, alter: alter, run: &Range{Lane: penstock.Named, Grant: "grant"}, runs: map[string]*Range{}, at: now()}
	b.store = b.opened()
	b.claim(b.store, "loader")
	return b
}

// opened opens the warehouse as another process would.
func (b *bench) opened() warehouse.Store {
	store := b.open()
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return store
}

func (b *bench) claim(store warehouse.Store, loader string) {
	b.Helper()
	err := store.Claim(b.Context(), warehouse.Claim{Loader: loader, Installation: "here", Account: account})
	if err != nil {
		b.Fatalf("claim: %v", err)
	}
}

func now() warehouse.Moment {
	return warehouse.Moment{Now: time.UnixMilli(at(0)), Account: account}
}

// load loads the builders' batches in one transaction and checks that each
// was applied and that its counts balance (V1).
func (b *bench) load(builders ...*Builder) []penstock.Applied {
	b.Helper()
	items := make([]warehouse.Item, len(builders))
	for i, builder := range builders {
		items[i] = warehouse.Item{Batch: b.runOf(builder).Next(builder), Current: b.run.Grant}
	}
	outcomes, err := b.store.Load(b.Context(), items, b.at)
	if err != nil {
		b.Fatalf("load: %v", err)
	}
	applied := make([]penstock.Applied, len(outcomes))
	for i, o := range outcomes {
		applied[i] = o.Applied
		c := items[i].Batch.Counts
		if o.Verdict != warehouse.Apply {
			b.Fatalf("batch %d: %v, want it applied", i, o.Verdict)
		}
		if sum := o.Applied.Loaded + o.Applied.Unchanged + o.Applied.Superseded + c.Rejected; sum != c.Fetched {
			b.Errorf("batch %d fetched %d, but %+v and %d rejected (V1)", i, c.Fetched, o.Applied, c.Rejected)
		}
	}
	return applied
}

// runOf is the run that the builder's batch belongs to.
func (b *bench) runOf(builder *Builder) *Range {
	stream := builder.table.Stream.Name
	if stream == Contacts().Name {
		return b.run
	}
	if b.runs[stream] == nil {
		b.runs[stream] = &Range{Lane: penstock.Named, Grant: b.run.Grant}
	}
	return b.runs[stream]
}

// verdicts loads the items in one call and returns what was decided.
func (b *bench) verdicts(items ...warehouse.Item) []warehouse.Verdict {
	b.Helper()
	outcomes, err := b.store.Load(b.Context(), items, now())
	if err != nil {
		b.Fatalf("load: %v", err)
	}
	verdicts := make([]warehouse.Verdict, len(outcomes))
	for i, o := range outcomes {
		verdicts[i] = o.Verdict
	}
	return verdicts
}

// same fails unless got, printed line by line, is what is wanted.
func (b *bench) same(what string, got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// table reads chosen columns of all rows, tombstones too, a line each.
func (b *bench) table(stream string, fields ...string) []string {
	b.Helper()
	return b.reads(warehouse.Query{Stream: stream, Fields: fields, Deleted: true})
}

// show prints a value; a moment as the seconds since zero.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		if t, err := time.Parse("2006-01-02T15:04:05.000Z", v); err == nil {
			return fmt.Sprintf("@%d", (t.UnixMilli()-zero)/1000)
		}
		return v
	}
	return fmt.Sprint(v)
}

// contacts are all contacts: id, value, date, why deleted and when, winner.
func (b *bench) contacts() []string {
	b.Helper()
	return b.table("contacts", "id", "v", "_updated_at", "_deleted_why", "_deleted_at", "_merged_into")
}

// wanted are the contacts wanted that are due at a moment, in the order to
// read them.
func (b *bench) wanted(seconds int64) []string {
	b.Helper()
	return b.wantedOf("contacts", seconds)
}

func (b *bench) wantedOf(stream string, seconds int64) []string {
	b.Helper()
	wants, err := b.store.Wanted(b.Context(), stream, time.UnixMilli(at(seconds)), 100, "")
	if err != nil {
		b.Fatalf("wanted: %v", err)
	}
	lines := []string{}
	for _, w := range wants {
		lines = append(lines, fmt.Sprintf("%s@%d %s", w.Key, w.Stamp, w.Reason))
	}
	return lines
}

// rejects are all rejects, read in pages of two.
func (b *bench) rejects() []string {
	b.Helper()
	lines, place := []string{}, ""
	for {
		rejects, next, err := b.store.Rejects(b.Context(), "", place, 2)
		if err != nil {
			b.Fatalf("rejects: %v", err)
		}
		for _, r := range rejects {
			lines = append(lines, fmt.Sprintf("%s %s %q=%s", r.Stream, r.Key, r.Property, r.Original))
		}
		if next == "" {
			return lines
		}
		place = next
	}
}

// heads are the heads of a lane of contacts.
func (b *bench) heads(lane penstock.Lane) []string {
	b.Helper()
	heads, err := b.store.Heads(b.Context(), "contacts", lane)
	if err != nil {
		b.Fatalf("heads: %v", err)
	}
	lines := []string{}
	for _, h := range heads {
		lines = append(lines, fmt.Sprintf("%d %q %d %q", h.Range, h.Grant, h.Seq, h.Cursor))
	}
	return lines
}

// described is the description of contacts.
func (b *bench) described() warehouse.TableState {
	b.Helper()
	tables, err := b.store.Tables(b.Context())
	if err != nil || len(tables) == 0 {
		b.Fatalf("tables: %v, %v", tables, err)
	}
	return tables[0]
}
