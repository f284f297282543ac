package datastreams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// A Verification compares a stream's table with HubSpot, and has repaired what
// differs. What it says of objects is of those that were modified before
// settled_at: later changes are on their way.
type Verification struct {
	ID     int64     `json:"id"`
	Stream string    `json:"stream"`
	Every  bool      `json:"every_object" doc:"whether each object was compared, and not counts alone"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended" doc:"zero while it is under way"`
	Checks []Check   `json:"checks" doc:"what was compared, and how finely"`
	Calls  int64     `json:"calls" doc:"calls of HubSpot"`
	Rows   int64     `json:"rows" doc:"live rows of the table"`

	Missing  int      `json:"missing" doc:"objects of HubSpot's that the table had not"`
	Extra    int      `json:"extra" doc:"live rows that HubSpot did not list"`
	Stale    int      `json:"stale" doc:"rows of another modified date than HubSpot's"`
	Altered  int      `json:"altered" doc:"rows that are not as they were loaded: changed or added by hand"`
	Repaired int      `json:"repaired" doc:"of all these: read again and right by now"`
	Open     int      `json:"open" doc:"of all these: still to be read, or named as not found once and asked for again in an hour"`
	Unknown  []string `json:"unknown" doc:"what these methods cannot know"`
	Failed   string   `json:"failed,omitempty" doc:"why it did not come to its end"`
}

// A Check is one way in which a verification has compared.
type Check struct {
	Name       string `json:"name" enum:"fingerprints,id ranges,modified windows,every object"`
	Resolution string `json:"resolution"`
	Cells      int    `json:"cells" doc:"compared"`
	Differing  int    `json:"differing" doc:"of these"`
}

// Equal tells whether nothing differed.
func (v Verification) Equal() bool {
	return v.Failed == "" && v.Missing+v.Extra+v.Stale+v.Altered == 0
}

// The fineness of a verification by counts: equal tables of any size cost as
// many calls as there are cells at first.
const (
	idCells     = 48
	windowCells = 16
	cellLeast   = 500 // objects of a cell that is not cut any more: its objects are listed
	cutInto     = 8
	checkRows   = 5000 // of one question to the warehouse
)

// repairWithin is how long a verification waits for what it wants read.
const repairWithin = 10 * time.Minute

// verifier is a verification under way.
type verifier struct {
	c       *connection
	stream  penstock.Stream
	report  *Verification
	settled int64             // ms: of later changes nothing is said
	stamp   int64             // of the last answer
	wanted  map[string]string // reasons by key
}

// Verify compares streams with HubSpot, each after the other, and has what
// differs read again; without names all that are read. It returns the reports,
// which are kept, and the first error that kept it from going on.
func (s *Service) Verify(ctx context.Context, connection string, names []string, every bool) ([]Verification, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	streams, err := c.verifiable(ctx, names)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.verifying++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.verifying--
		c.mu.Unlock()
	}()
	var reports []Verification
	var failed error
	for _, stream := range streams {
		v := &verifier{c: c, stream: stream, wanted: map[string]string{}, report: &Verification{
			Stream: stream.Name, Every: every, Began: time.Now().UTC(), Unknown: []string{},
		}}
		if err := v.keep(ctx); err != nil {
			return reports, err
		}
		err := v.run(ctx)
		if err != nil {
			v.report.Failed = err.Error()
		}
		v.report.Ended = time.Now().UTC()
		if keepErr := v.keep(context.WithoutCancel(ctx)); err == nil {
			err = keepErr
		}
		reports = append(reports, *v.report)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("verify %s: %w", stream.Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return reports, failed
}

// verifiable are the streams of the names, or all that have tables.
func (c *connection) verifiable(ctx context.Context, names []string) ([]penstock.Stream, error) {
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("the warehouse does not answer: %w", err)
	}
	var streams []penstock.Stream
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range tables {
		if t.Stream.Of == "" && !c.Chosen(t.Stream.Name) || t.Stream.Of != "" && !c.relates(t.Stream) {
			continue // nothing that differs would be read
		}
		if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, t.Stream.Name) }) {
			streams = append(streams, t.Stream)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(streams, func(s penstock.Stream) bool { return strings.EqualFold(s.Name, name) }) {
			return nil, fmt.Errorf("there is no table %q in the warehouse; `penstock streams` lists them", name)
		}
	}
	return streams, nil
}

// keep stores the report as it is.
func (v *verifier) keep(ctx context.Context) (err error) {
	v.report.ID, err = v.c.service.cfg.Catalog.KeepVerification(ctx, v.c.Name, v.report.ID, v.report)
	return err
}

// run compares, and repairs.
func (v *verifier) run(ctx context.Context) error {
	if err := v.place(ctx); err != nil {
		return err
	}
	if err := v.fingerprints(ctx); err != nil {
		return err
	}
	v.c.mu.Lock()
	backfill := v.c.lanes[laneID{v.stream.Name, penstock.Backfill}]
	loaded := backfill != nil && backfill.complete
	v.c.mu.Unlock()
	var err error
	switch {
	case v.stream.Family != penstock.Objects || v.stream.Whole:
		v.report.Unknown = append(v.report.Unknown,
			"whether HubSpot has more, fewer or other rows: it counts objects only; this stream is compared each time it is read whole or swept")
	case !loaded || v.settled == 0:
		v.report.Unknown = append(v.report.Unknown, "whether HubSpot has more: the first load is not complete")
	case v.report.Every:
		err = v.everyObject(ctx)
	default:
		err = v.counts(ctx)
	}
	return errors.Join(err, v.repair(ctx))
}

// place finds out what the table holds and up to when it is complete.
func (v *verifier) place(ctx context.Context) error {
	tables, err := v.c.Store.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.Stream.Name == v.stream.Name {
			v.report.Rows, v.settled = t.Rows, t.SettledAt
		}
	}
	v.stamp, err = v.c.Store.Stamp(ctx)
	return err
}

// fingerprints compares each row with the print kept when it was loaded, which
// costs no call.
func (v *verifier) fingerprints(ctx context.Context) error {
	check := Check{Name: "fingerprints", Resolution: "each row"}
	for after := penstock.Key(nil); ; {
		bad, next, err := v.c.Store.Check(ctx, v.stream.Name, after, checkRows)
		if err != nil {
			return err
		}
		check.Differing += len(bad)
		for _, key := range bad {
			v.want(key, penstock.WantVerify, &v.report.Altered)
		}
		if next == nil {
			break
		}
		after = next
	}
	check.Cells = int(v.report.Rows)
	v.report.Checks = append(v.report.Checks, check)
	return nil
}

// want notes a key once, and counts it.
func (v *verifier) want(key, reason string, count *int) {
	if v.wanted[key] == "" {
		v.wanted[key] = reason
		*count++
	}
}

// repair has what differs read by id, and waits until it is.
func (v *verifier) repair(ctx context.Context) error {
	if len(v.wanted) == 0 {
		return nil
	}
	wants := make([]penstock.Want, 0, len(v.wanted))
	for key, reason := range v.wanted {
		wants = append(wants, penstock.Want{Key: v.readKey(key), Reason: reason, Stamp: v.stamp})
	}
	if err := v.c.Store.Want(ctx, wants, v.stream.Name); err != nil {
		return err
	}
	v.c.news.Store(true)
	began := time.Now()
	for {
		open, due, err := v.left(ctx, wants)
		if err != nil {
			return err
		}
		v.report.Open = open
		v.report.Repaired = v.report.Missing + v.report.Extra + v.report.Stale + v.report.Altered - open
		if due == 0 || time.Since(began) > repairWithin {
			return nil
		}
		if !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// readKey is what is read to repair a row: the row itself, or the object that
// it belongs to.
func (v *verifier) readKey(key string) string {
	if v.stream.Of == "" {
		return key
	}
	parsed, err := penstock.ParseKey(key, len(v.stream.Key()))
	if err != nil {
		return key
	}
	return parsed[0]
}

// left are how many of the wants are open, and how many of these are to be read
// now: the others were named as not found and are asked for once more later.
func (v *verifier) left(ctx context.Context, wants []penstock.Want) (open, due int, err error) {
	ours := map[string]bool{}
	for _, w := range wants {
		ours[w.Key] = true
	}
	for i, now := range []time.Time{time.Now().Add(2 * warehouse.GoneAfter), time.Now()} {
		all, err := v.c.Store.Wanted(ctx, v.stream.Name, now, 10*len(wants)+1000, "")
		if err != nil {
			return 0, 0, err
		}
		n := 0
		for _, w := range all {
			if ours[w.Key] {
				n++
			}
		}
		if i == 0 {
			open = n
		} else {
			due = n
		}
	}
	return open, due, nil
}

// Verifications are the reports on a connection before the one with the id, or
// the newest when it is 0, the newest first.
func (s *Service) Verifications(ctx context.Context, connection string, before int64, limit int) ([]Verification, error) {
	if s.connections[connection] == nil {
		return nil, errNoConnection(connection)
	}
	ids, texts, err := s.cfg.Catalog.Verifications(ctx, connection, before, limit)
	if err != nil {
		return nil, err
	}
	reports := make([]Verification, len(ids))
	for i, text := range texts {
		if err := json.Unmarshal(text, &reports[i]); err != nil {
			return nil, fmt.Errorf("verification %d cannot be read: %w", ids[i], err)
		}
		reports[i].ID = ids[i]
	}
	return reports, nil
}

// verifies compares all streams with HubSpot again and again, as often as is
// set, while the connection is read.
func (c *connection) verifies(ctx context.Context) error {
	every := c.service.cfg.VerifyEvery
	if every == 0 {
		return nil
	}
	for sleep(ctx, verifyLook) {
		c.mu.Lock()
		idle := !c.running() || c.verifying > 0 || len(c.streams) == 0
		c.mu.Unlock()
		if idle || !c.allLoaded() {
			continue
		}
		due, err := c.unverified(ctx, every)
		if err != nil || len(due) == 0 {
			continue
		}
		reports, err := c.service.Verify(ctx, c.Name, due, false)
		if err != nil && ctx.Err() == nil {
			c.logger().Warn("a verification did not come to its end; it is tried again", "error", err)
			sleep(ctx, min(every, time.Hour))
		}
		for _, v := range reports {
			if !v.Equal() {
				c.logger().Warn("a verification found differences; they are read again", "stream", v.Stream, "missing", v.Missing,
					"extra", v.Extra, "stale", v.Stale, "altered", v.Altered, "repaired", v.Repaired, "open", v.Open)
			}
		}
	}
	return nil
}

// unverified are the streams that were not compared, to the end, for so long.
func (c *connection) unverified(ctx context.Context, since time.Duration) ([]string, error) {
	streams, err := c.verifiable(ctx, nil)
	if err != nil {
		return nil, err
	}
	reports, err := c.service.Verifications(ctx, c.Name, 0, 1000)
	if err != nil {
		return nil, err
	}
	var due []string
	for _, s := range streams {
		recent := func(v Verification) bool {
			return v.Stream == s.Name && !v.Ended.IsZero() && v.Failed == "" && time.Since(v.Began) < since
		}
		if !slices.ContainsFunc(reports, recent) {
			due = append(due, s.Name)
		}
	}
	return due, nil
}

// verifyLook is how often it is looked whether a verification is due.
const verifyLook = time.Minute

// allLoaded tells whether no first load is under way.
func (c *connection) allLoaded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stream := range c.streams {
		l := c.lanes[laneID{stream.Name, penstock.Backfill}]
		if c.reads(stream) && stream.Of == "" && !stream.Whole && (l == nil || !l.complete && l.outcome != penstock.Skipped) {
			return false
		}
	}
	return true
}
