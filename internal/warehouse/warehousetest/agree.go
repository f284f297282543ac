package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock"
	"penstock/internal/warehouse"
)

// agree loads the same random histories into the model and the engine, and
// compares everything that can be asked after each step. The values are few,
// so that versions, keys and names collide all the time.
func agree(t *testing.T, fresh Fresh, typed bool) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &randomHistory{T: rt, model: NewModel(), doubted: map[string]bool{}, typed: typed}
		h.endRuns()
		h.open, h.alter = fresh(t)
		h.engine = h.open()
		defer func() {
			if err := h.engine.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		h.claim()
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			h.step()
			h.compare()
		}
	})
}

type randomHistory struct {
	*rapid.T
	open    func() warehouse.Store
	alter   func(Tampering)
	doubted map[string]bool // streams that Want has been asked about
	typed   bool            // as RunTyped says
	model   *Model
	engine  warehouse.Store
	runs    map[place]*Range
	grants  map[place]string // of lanes
	former  []warehouse.Item
	seconds int64 // the clock
}

func (h *randomHistory) claim() {
	c := warehouse.Claim{Loader: fmt.Sprintf("loader %d", h.seconds), Installation: "here", Account: account}
	for _, s := range h.stores() {
		if err := s.Claim(context.Background(), c); err != nil {
			h.Fatalf("claim: %v", err)
		}
	}
}

func (h *randomHistory) stores() []warehouse.Store { return []warehouse.Store{h.model, h.engine} }

func (h *randomHistory) int(low, high int, label string) int {
	return rapid.IntRange(low, high).Draw(h.T, label)
}

func (h *randomHistory) one(label string, of int) bool { return h.int(1, of, label) == of }

func (h *randomHistory) step() {
	h.seconds += int64(h.int(0, 3000, "pause"))
	switch {
	case h.one("reopen", 12):
		if err := h.engine.Close(); err != nil {
			h.Fatalf("close: %v", err)
		}
		h.engine = h.open()
		h.claim()
	case h.one("restart", 12):
		for _, s := range h.stores() {
			if err := s.Restart(context.Background(), "contacts"); err != nil {
				h.Fatalf("restart: %v", err)
			}
		}
		h.endRuns()
	case h.one("erase", 8):
		h.erase()
	case h.one("tamper", 6):
		h.tamper()
	case h.one("distrust", 6):
		h.distrust()
	default:
		h.load()
	}
}

// some is a stream with a table; none while there is none.
func (h *randomHistory) some() (penstock.Stream, bool) {
	tables, err := h.model.Tables(context.Background())
	if err != nil || len(tables) == 0 {
		return penstock.Stream{}, false
	}
	return rapid.SampledFrom(tables).Draw(h.T, "of").Stream, true
}

func (h *randomHistory) erase() {
	stream, ok := h.some()
	if !ok {
		return
	}
	var counts []int64
	for _, s := range h.stores() {
		n, err := s.Erase(context.Background(), stream.Name, time.UnixMilli(at(h.seconds-3000)), time.UnixMilli(at(h.seconds)))
		if err != nil {
			h.Fatalf("erase: %v", err)
		}
		counts = append(counts, n)
	}
	if counts[0] != counts[1] {
		h.Fatalf("the engine erased %d rows of %s, the model %d", counts[1], stream.Name, counts[0])
	}
}

// tamper alters a row in a way that leaves the number of live rows.
func (h *randomHistory) tamper() {
	stream, ok := h.some()
	if !ok || len(h.model.view().tables[stream.Name].rows) == 0 {
		return
	}
	t := h.model.view().tables[stream.Name]
	keys := slices.Sorted(maps.Keys(t.rows))
	change := Tampering{Stream: stream.Name, Key: t.rows[rapid.SampledFrom(keys).Draw(h.T, "victim")].key}
	set := []map[string]any{
		{"_updated_at": moment(at(99999))}, {"_created_at": moment(at(5))}, {"_stamp": int64(99)}, {"_print": nil},
	}
	if !h.typed {
		set = append(set, map[string]any{"_updated_at": "infinity"}, map[string]any{"_created_at": "-infinity"})
	}
	for _, c := range t.columns {
		if c.Type == penstock.Text {
			set = append(set, map[string]any{c.Name: "by hand"}, map[string]any{c.Name: nil})
		}
	}
	change.Set = rapid.SampledFrom(set).Draw(h.T, "set")
	h.model.Tamper(change)
	h.alter(change)
}

// distrust wants keys once for each stream: the moment of a want is the
// machine's, and their order must not depend on it.
func (h *randomHistory) distrust() {
	stream, ok := h.some()
	if !ok || h.doubted[stream.Name] {
		return
	}
	h.doubted[stream.Name] = true
	var wants []penstock.Want
	for range h.int(1, 3, "wants") {
		wants = append(wants, penstock.Want{Key: h.wantable(stream), Reason: penstock.WantVerify, Stamp: int64(h.int(1, 9, "stamp"))})
	}
	for _, s := range h.stores() {
		if err := s.Want(context.Background(), wants, stream.Name); err != nil {
			h.Fatalf("want: %v", err)
		}
	}
}

func (h *randomHistory) load() {
	items := make([]warehouse.Item, h.int(1, 3, "items"))
	for i := range items {
		items[i] = h.item()
	}
	at := warehouse.Moment{Now: time.UnixMilli(at(h.seconds)), Account: account, Followers: map[string][]string{
		"contacts": {Links().Name, History().Name}, "owners": {"nobody"},
	}}
	expected, wantErr := h.model.Load(context.Background(), items, at)
	got, err := h.engine.Load(context.Background(), items, at)
	if (err == nil) != (wantErr == nil) {
		h.Fatalf("the engine says %v, the model %v", err, wantErr)
	}
	if err != nil {
		h.endRuns()
		return
	}
	for i := range items {
		if got[i] != expected[i] {
			h.Fatalf("batch %d: the engine says %+v, the model %+v", i, got[i], expected[i])
		}
	}
}

// item is mostly the next batch of its range; else one that was sent before,
// or of another run.
func (h *randomHistory) item() warehouse.Item {
	if len(h.former) > 0 && h.one("repeat", 8) {
		return rapid.SampledFrom(h.former).Draw(h.T, "former")
	}
	streams := []penstock.Stream{Contacts(), Contacts(), Contacts(), Owners(), Stages(), Links(), Links(), History()}
	stream := rapid.SampledFrom(streams).Draw(h.T, "stream")
	lane := rapid.SampledFrom([]penstock.Lane{penstock.Backfill, penstock.Named, penstock.Sweep}).Draw(h.T, "lane")
	run := h.run(place{stream.Name, lane, rapid.SampledFrom([]int64{0, 0, 0, 5}).Draw(h.T, "range")})
	builder := h.batch(stream)
	if h.one("split", 6) {
		h.split(builder, place{stream.Name, lane, 5})
	}
	item := warehouse.Item{Batch: run.Next(builder), Current: run.Grant}
	if h.one("zombie", 15) {
		item.Current = "another"
		h.endRuns()
	}
	h.former = append(h.former, item)
	return item
}

// endRuns makes the next batch of each lane that of another run.
func (h *randomHistory) endRuns() { h.runs, h.grants = map[place]*Range{}, map[place]string{} }

// grant is the lane's, drawn when its first batch is.
func (h *randomHistory) grant(p place) string {
	p.first = 0
	if h.grants[p] == "" {
		h.grants[p] = fmt.Sprintf("%s %s %d", p.stream, p.lane, len(h.former))
	}
	return h.grants[p]
}

// run is the range where it was left, or as the model has it.
func (h *randomHistory) run(p place) *Range {
	if h.runs[p] == nil {
		h.runs[p] = &Range{Lane: p.lane, Grant: h.grant(p), First: p.first, Cursor: h.model.view().heads[p].Cursor}
	}
	return h.runs[p]
}

// split cuts a range off, mostly one that can be.
func (h *randomHistory) split(b *Builder, p place) {
	cursor := penstock.Cursor(fmt.Sprint("split ", h.seconds))
	b.Split(p.first, cursor)
	h.runs[p] = &Range{Lane: p.lane, Grant: h.grant(p), First: p.first, Cursor: cursor}
}

func (h *randomHistory) batch(stream penstock.Stream) *Builder {
	columns := rapid.SliceOfNDistinct(rapid.SampledFrom(anyColumns), 0, 4,
		func(c penstock.Column) string { return c.Property }).Draw(h.T, "columns")
	b := NewBatch(stream, columns...)
	if h.one("empty page", 8) {
		b.Page()
	}
	for range h.int(0, 4, "rows") {
		b.Add(h.row(stream, columns))
		if h.one("page", 4) {
			b.Page()
		}
	}
	if h.one("bad", 20) {
		b.Add(Row{Op: 9, ID: 1, Key: h.key(stream)})
	}
	for range h.int(0, 2, "rejects") {
		property := rapid.SampledFrom([]string{"", "v", "n", "V"}).Draw(h.T, "property")
		b.Reject(h.key(stream).Text(), property, fmt.Sprint(h.seconds))
	}
	if h.one("want", 3) {
		b.Want(h.wantable(stream), int64(h.int(1, 9, "stamp")))
	}
	h.inventory(b, stream)
	if h.one("begin", 4) {
		b.Batch.Begin = "T0"
	}
	if h.one("filled", 3) {
		b.Batch.Filled = []string{"n", "v"}
	}
	if h.one("fresh", 3) {
		b.Batch.FreshAt, b.Batch.SettledAt = at(h.seconds), int64(h.int(0, 1, "settled"))
	}
	return b
}

// wantable is a key, or the id of an object that the stream belongs to.
func (h *randomHistory) wantable(stream penstock.Stream) string {
	key := h.key(stream)
	if stream.Of != "" {
		key = key[:1]
	}
	return key.Text()
}

func (h *randomHistory) inventory(b *Builder, stream penstock.Stream) {
	switch {
	case stream.Of != "" && h.one("of", 2):
		b.Of(int64(h.int(1, 9, "stamp")), h.wantable(stream), h.wantable(stream))
	case h.one("inventory", 4):
		b.Batch.Inventory = &penstock.Inventory{Stamp: int64(h.int(1, 9, "stamp")), Archived: h.one("archived", 2)}
		if h.one("from", 2) {
			b.Batch.Inventory.From = h.key(stream)
		}
		if h.one("to", 2) {
			b.Batch.Inventory.To = h.key(stream)
		}
	}
}

func (h *randomHistory) key(stream penstock.Stream) penstock.Key {
	var key penstock.Key
	for _, k := range stream.Key() {
		if k.Integer {
			key = append(key, rapid.SampledFrom([]string{"1", "2", "10"}).Draw(h.T, "id"))
		} else {
			key = append(key, rapid.SampledFrom([]string{"a", `<"é`, ""}).Draw(h.T, "id"))
		}
	}
	return key
}

func (h *randomHistory) row(stream penstock.Stream, columns []penstock.Column) Row {
	ops := []penstock.Op{penstock.Put, penstock.Put, penstock.Put, penstock.Bury, penstock.Fill, penstock.Missing, penstock.Missing}
	r := Row{
		Key: h.key(stream), Op: rapid.SampledFrom(ops).Draw(h.T, "op"), Via: penstock.Via(h.int(1, 3, "via")),
		Updated: at(int64(h.int(0, 2, "updated")) * 4000), Stamp: int64(h.int(1, 9, "stamp")),
		Created: zero * int64(h.int(0, 1, "created")),
	}
	if r.Op == penstock.Bury || r.Op == penstock.Put && h.one("deleted", 4) {
		whys := []penstock.Why{penstock.Archived, penstock.Archived, penstock.Merged, penstock.Erased}
		r.Why = rapid.SampledFrom(whys).Draw(h.T, "why")
		r.Deleted = rapid.SampledFrom([]int64{0, zero, zero - 91*24*hour*1000}).Draw(h.T, "when")
		if r.Why == penstock.Merged {
			r.MergedInto = int64(h.int(8, 9, "into"))
		}
	}
	for _, c := range columns {
		r.Values = append(r.Values, rapid.SampledFrom(anyValues[c.Type]).Draw(h.T, c.Property))
	}
	return r
}

var anyColumns = []penstock.Column{
	text("v"), text("w"), number("n"), text("n"), text("V"),
	{Property: "b", Type: penstock.Bool}, {Property: "d", Type: penstock.Date}, {Property: "dt", Type: penstock.DateTime},
}

var anyValues = map[penstock.Type][]any{
	penstock.Text:     {nil, "", "A", "A\x01B"},
	penstock.Number:   {nil, "1", "1.5", "12345678901234567890"},
	penstock.Bool:     {nil, true, false},
	penstock.Date:     {nil, int64(0), int64(-20000)},
	penstock.DateTime: {nil, int64(0), int64(-1), int64(253402300800000)},
}

// compare asks the model and the engine the same questions.
func (h *randomHistory) compare() {
	want, got := h.answers(h.model), h.answers(h.engine)
	if !slices.Equal(want, got) {
		h.Fatalf("the engine holds:\n%s\nthe model:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (h *randomHistory) answers(s warehouse.Store) []string {
	ctx := context.Background()
	lines := []string{}
	say := func(err error, what ...any) {
		if err != nil {
			h.Fatalf("%v: %v", what, err)
		}
		lines = append(lines, fmt.Sprintf("%q", fmt.Sprint(what...)))
	}
	stamp, err := s.Stamp(ctx)
	say(err, "stamp ", stamp)
	tables, err := s.Tables(ctx)
	say(err, len(tables), " tables")
	for _, t := range tables {
		say(nil, fmt.Sprintf("%+v", t))
		for _, line := range slices.Concat(h.everyRow(s, t), h.chosenRows(s, t)) {
			say(nil, line)
		}
		for _, lane := range []penstock.Lane{penstock.Backfill, penstock.Settled, penstock.Named, penstock.Sweep} {
			heads, err := s.Heads(ctx, t.Stream.Name, lane)
			say(err, heads)
		}
		h.verified(s, t.Stream, say)
	}
	for _, stream := range []string{"contacts", "owners", "pipeline_stages", Links().Name, History().Name, "nobody"} {
		for _, seconds := range []int64{h.seconds, h.seconds + 4*hour} {
			wants, err := s.Wanted(ctx, stream, time.UnixMilli(at(seconds)), 100, "")
			say(err, fmt.Sprintf("%+v", wants))
		}
		wants, err := s.Wanted(ctx, stream, time.UnixMilli(at(h.seconds)), 2, penstock.WantDoubt)
		say(err, "but doubts ", wants)
	}
	due, all, err := s.Due(ctx, time.UnixMilli(at(h.seconds)))
	say(err, "due ", fmt.Sprint(due, all))
	place := ""
	for range 100 {
		rejects, next, err := s.Rejects(ctx, "", place, 2)
		if say(err, fmt.Sprintf("%+v", rejects)); next == "" {
			break
		}
		place = next
	}
	return lines
}

// verified asks what verify does.
func (h *randomHistory) verified(s warehouse.Store, stream penstock.Stream, say func(error, ...any)) {
	ctx := context.Background()
	for after, more := penstock.Key(nil), true; more; {
		bad, next, err := s.Check(ctx, stream.Name, after, 2)
		say(err, "bad ", bad)
		after, more = next, next != nil
	}
	counts, err := s.Count(ctx, stream.Name, []penstock.Span{
		{}, {From: 2}, {To: 10}, {From: 1, To: 2}, {Since: at(4000), Until: at(8000)}, {From: 2, Until: at(6000)},
	})
	if keys := stream.Key(); len(keys) > 1 || !keys[0].Integer {
		say(nil, "no ids: ", errors.Is(err, warehouse.ErrNoIDs))
		return
	}
	say(err, "counts ", counts)
	ids, err := s.IDs(ctx, stream.Name, 1, 0, 2)
	say(err, "ids ", ids)
}

func (h *randomHistory) everyRow(s warehouse.Store, t warehouse.TableState) []string {
	fields := []string{"_stamp", "_print"}
	for _, k := range t.Stream.Key() {
		fields = append(fields, k.Name)
	}
	result, err := s.Rows(context.Background(), warehouse.Query{Stream: t.Stream.Name})
	if err != nil {
		h.Fatalf("rows: %v", err)
	}
	fields = append(fields, result.Columns...)
	return append([]string{fmt.Sprint(fields)}, h.rows(s, warehouse.Query{Stream: t.Stream.Name, Fields: fields, Deleted: true})...)
}

// chosenRows are rows by filters, of columns that nobody gives a value which is
// none of their kind, and by loads.
func (h *randomHistory) chosenRows(s warehouse.Store, t warehouse.TableState) []string {
	var lines []string
	q := warehouse.Query{Stream: t.Stream.Name, Fields: []string{t.Stream.Key()[0].Name, "_load"}, Deleted: true}
	for _, c := range t.Columns {
		value := map[penstock.Type]string{
			penstock.Text: "A", penstock.Number: "1.5", penstock.Bool: "false", penstock.Date: "1970-01-01",
			penstock.DateTime: "9999-12-31T23:59:59.999Z",
		}[c.Type]
		for _, op := range []string{"eq", "ne", "lt", "le", "gt", "ge", "in"} {
			q.Filters = filters(c.Name, op, value)
			lines = append(lines, c.Name+op+fmt.Sprint(h.rows(s, q)))
		}
		q.Filters = filters(c.Name, "null", "true")
		lines = append(lines, c.Name+fmt.Sprint(h.rows(s, q)))
	}
	q.Filters = nil
	for load := range t.Load + 1 {
		q.Loaded = &warehouse.Loaded{From: load, To: t.Load}
		lines = append(lines, fmt.Sprint(load, h.rows(s, q)))
	}
	return lines
}

func (h *randomHistory) rows(s warehouse.Store, q warehouse.Query) []string {
	result, err := s.Rows(context.Background(), q)
	if err != nil {
		h.Fatalf("rows: %v", err)
	}
	lines := []string{}
	for row, err := range result.Rows {
		if err != nil {
			h.Fatalf("rows: %v", err)
		}
		lines = append(lines, fmt.Sprintf("%#v", row))
	}
	return lines
}
