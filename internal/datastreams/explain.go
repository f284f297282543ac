package datastreams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock"
	"penstock/internal/catalog"
	"penstock/internal/cursor"
	"penstock/internal/warehouse"
)

// An Explanation is all that is known of one object: what HubSpot says now,
// what the warehouse holds, and why they differ where they do.
type Explanation struct {
	Connection  string            `json:"connection" doc:"The connection."`
	Stream      string            `json:"stream" doc:"The stream."`
	ID          int64             `json:"id" doc:"The object's id."`
	Summary     string            `json:"summary" doc:"All of it in one sentence."`
	Reasons     []string          `json:"reasons" nullable:"false" doc:"Why the row is absent or differs, one by one."`
	HubSpot     *penstock.Reading `json:"hubspot,omitempty" doc:"What HubSpot says now; absent when it could not be asked."`
	NotAsked    string            `json:"not_asked,omitempty" doc:"Why HubSpot could not be asked."`
	Row         map[string]any    `json:"row,omitempty" doc:"The row by column, a deleted one too; absent when there is none."`
	Differences []Difference      `json:"differences" nullable:"false" doc:"Columns that differ from HubSpot's value."`
	Wanted      []string          `json:"wanted" nullable:"false" doc:"Why the object is to be read again."`
	Rejects     []RejectedValue   `json:"rejects" nullable:"false" doc:"Values of it that could not be loaded as typed."`
	Lanes       []LaneRun         `json:"lanes" nullable:"false" doc:"The last runs that may have touched it, the newest first."`

	stream  penstock.Stream
	columns []warehouse.Recorded
}

// A Difference is a column whose value is not HubSpot's.
type Difference struct {
	Property  string  `json:"property" doc:"HubSpot's name of the property."`
	Column    string  `json:"column" doc:"The column's name."`
	HubSpot   *string `json:"hubspot" doc:"HubSpot's text; null for none."`
	Warehouse any     `json:"warehouse" doc:"The row's value."`
	Why       string  `json:"why" doc:"The reason, as far as it is known."`
}

// A RejectedValue could not be loaded as typed.
type RejectedValue struct {
	Property string    `json:"property,omitempty" doc:"The property; absent when it is the whole object."`
	Original string    `json:"original" doc:"The value as HubSpot sent it."`
	Reason   string    `json:"reason" doc:"Why it could not be loaded."`
	At       time.Time `json:"at,omitzero" doc:"When it was read, on HubSpot's clock."`
}

// A LaneRun is the last run of a lane.
type LaneRun struct {
	Lane    string    `json:"lane" doc:"The way of reading."`
	Run     int64     `json:"run" doc:"Its number."`
	Outcome string    `json:"outcome,omitempty" doc:"How it ended; absent while it is open."`
	Why     string    `json:"why,omitempty" doc:"The reason, where it did not end well."`
	Began   time.Time `json:"began" doc:"When it was granted."`
	Ended   time.Time `json:"ended,omitzero" doc:"When it ended."`
	Loaded  int       `json:"loaded" doc:"Rows that it changed."`
}

// How much is looked at to explain one object.
const (
	hubspotWithin = 30 * time.Second
	wantedLooked  = 100_000
	rejectsLooked = 1000 // of a page
	rejectPages   = 100
)

// Explain tells all that is known of an object.
func (s *Service) Explain(ctx context.Context, connection, name string, id int64) (*Explanation, error) {
	c := s.connections[connection]
	if c == nil {
		return nil, errNoConnection(connection)
	}
	stream, err := c.stream(ctx, name)
	if err != nil {
		return nil, err
	}
	e := &Explanation{
		Connection: connection, Stream: stream.Name, ID: id, stream: stream,
		Reasons: []string{}, Differences: []Difference{}, Wanted: []string{}, Rejects: []RejectedValue{}, Lanes: []LaneRun{},
	}
	// HubSpot is asked first: what the warehouse holds then is not older.
	if err := c.explainHubSpot(ctx, e); err != nil {
		return nil, err
	}
	for _, look := range []func(context.Context, *Explanation) error{c.explainRow, c.explainDoubts, c.explainLanes, c.explainWhy} {
		if err := look(ctx, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// explainHubSpot asks HubSpot for the object with the properties that the table
// has columns for.
func (c *connection) explainHubSpot(ctx context.Context, e *Explanation) error {
	tables, err := c.Store.Tables(ctx)
	if err != nil {
		return fmt.Errorf("the warehouse does not answer: %w", err)
	}
	var properties []string
	for _, t := range tables {
		if t.Stream.Name != e.Stream {
			continue
		}
		for _, column := range t.Columns {
			if !column.Absent {
				e.columns, properties = append(e.columns, column), append(properties, column.Property)
			}
		}
	}
	asking, cancel := context.WithTimeout(ctx, hubspotWithin)
	defer cancel()
	a, err := c.ask(asking, penstock.Question{
		Stream: e.stream, For: penstock.ForExplain, Read: &penstock.Read{ID: e.ID, Properties: properties},
	})
	switch {
	case err != nil:
		e.NotAsked = err.Error()
	case a.Reading == nil:
		e.NotAsked = "the worker is of another version"
	default:
		e.HubSpot = a.Reading
	}
	return ctx.Err()
}

// explainRow reads the row.
func (c *connection) explainRow(ctx context.Context, e *Explanation) error {
	result, err := c.Store.Rows(ctx, warehouse.Query{
		Stream: e.Stream, After: penstock.Key{strconv.FormatInt(e.ID-1, 10)}, Limit: 1, Deleted: true,
	})
	if errors.Is(err, warehouse.ErrNoTable) {
		return nil
	}
	if err != nil {
		return err
	}
	for row, err := range result.Rows {
		if err != nil {
			return err
		}
		if spelled(row[0]) != strconv.FormatInt(e.ID, 10) {
			return nil
		}
		e.Row = map[string]any{}
		for i, column := range result.Columns {
			e.Row[column] = row[i]
		}
	}
	return nil
}

// explainDoubts finds what is wanted of the object and what of it was rejected.
func (c *connection) explainDoubts(ctx context.Context, e *Explanation) error {
	key := strconv.FormatInt(e.ID, 10)
	later := time.Now().Add(2 * warehouse.GoneAfter) // what is not due yet is wanted all the same
	wanted, err := c.Store.Wanted(ctx, e.Stream, later, wantedLooked, "")
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if w.Key == key {
			e.Wanted = append(e.Wanted, w.Reason)
		}
	}
	after := ""
	for range rejectPages {
		rejects, next, err := c.Store.Rejects(ctx, e.Stream, after, rejectsLooked)
		if err != nil {
			return err
		}
		for _, r := range rejects {
			if r.Key == key {
				e.Rejects = append(e.Rejects, RejectedValue{r.Property, r.Original, r.Reason, moment(r.At)})
			}
		}
		if after = next; next == "" {
			break
		}
	}
	return nil
}

// explainLanes lists the last runs of the stream.
func (c *connection) explainLanes(ctx context.Context, e *Explanation) error {
	runs, err := c.service.cfg.Catalog.LastRuns(ctx, c.Name)
	for _, r := range runs {
		if r.Stream == e.Stream {
			e.Lanes = append(e.Lanes, laneRun(r))
		}
	}
	return err
}

func laneRun(r catalog.Run) LaneRun {
	return LaneRun{
		Lane: string(r.Lane), Run: r.ID, Outcome: string(r.Outcome), Why: r.Why,
		Began: r.Began.UTC(), Ended: r.Ended.UTC(), Loaded: r.Applied.Loaded,
	}
}

// explainWhy compares, and says why there are differences.
func (c *connection) explainWhy(ctx context.Context, e *Explanation) error {
	e.compare()
	standing, err := c.standingReasons(ctx, e)
	if err != nil {
		return err
	}
	e.Reasons = append(e.Reasons, standing...)
	for _, reason := range e.Wanted {
		e.Reasons = append(e.Reasons, "it is to be read again: "+reason)
	}
	e.Summary = e.sum()
	return nil
}

// standingReasons are those that lie in how the stream stands.
func (c *connection) standingReasons(ctx context.Context, e *Explanation) ([]string, error) {
	var reasons []string
	if !c.Chosen(e.Stream) {
		reasons = append(reasons, "the stream is not among the chosen ones of penstock.yaml")
	}
	c.mu.Lock()
	if !c.schedule.On {
		reasons = append(reasons, "reading is paused: `penstock start` goes on")
	}
	for _, name := range e.stream.Lanes() {
		if l := c.lanes[laneID{e.Stream, name}]; l != nil && l.outcome == penstock.Skipped {
			reasons = append(reasons, "the stream is skipped: "+l.why)
			break
		}
	}
	c.mu.Unlock()
	if down := c.loader.down.Load(); down != nil {
		reasons = append(reasons, down.Message)
	}
	heads, err := c.Store.Heads(ctx, e.Stream, penstock.Backfill)
	if err != nil || e.stream.Whole || e.Row != nil {
		return reasons, err
	}
	place, err := unread(heads, e.ID)
	if place != "" {
		reasons = append(reasons, place)
	}
	return reasons, err
}

// unread says where the first load stands if it has not come to the id.
func unread(heads []penstock.Head, id int64) (string, error) {
	if len(heads) == 0 {
		return "the first load has not begun", nil
	}
	parts, err := cursor.Parts(heads)
	if err != nil {
		return "", err
	}
	i := len(parts) - 1
	for i > 0 && parts[i].Range > id {
		i--
	}
	place := parts[i].Place
	if after, _ := cursor.ID(place.After); place.Done || after > id {
		return "", nil
	}
	if place.After == "" {
		return "the first load has not come to it yet: it is at the beginning", nil
	}
	return fmt.Sprintf("the first load has not come to it yet: its range is read up to id %s", place.After), nil
}

// sum says all of it in one sentence.
func (e *Explanation) sum() string {
	deleted := e.Row != nil && truth(e.Row["_deleted"])
	switch {
	case e.HubSpot == nil && e.Row == nil:
		return "The warehouse has no such row, and HubSpot could not be asked."
	case e.HubSpot == nil:
		return "The warehouse has the row; HubSpot could not be asked."
	case e.HubSpot.State == penstock.StateNotFound && e.Row == nil:
		return "HubSpot has no such object, and the warehouse has no such row."
	case e.Row == nil:
		return "The object is " + e.HubSpot.State + " in HubSpot, and the warehouse has no such row."
	case e.HubSpot.State == penstock.StateLive && deleted:
		return "The object is live in HubSpot, and the row is marked as deleted."
	case e.HubSpot.State == penstock.StateLive && len(e.Differences) == 0:
		return "The row is equal to HubSpot's object."
	case e.HubSpot.State == penstock.StateLive:
		return fmt.Sprintf("The row differs from HubSpot's object in %d columns.", len(e.Differences))
	case !deleted:
		return "The object is " + e.HubSpot.State + " in HubSpot, and the row is not marked as deleted."
	}
	return fmt.Sprintf("The object is %s in HubSpot, and the row is marked as %v.", e.HubSpot.State, e.Row["_deleted_why"])
}

func truth(value any) bool {
	yes, err := strconv.ParseBool(spelled(value))
	return err == nil && yes
}

// compare finds the columns that differ and says why. A row of another version
// differs for one reason; the columns of the same one have each their own.
func (e *Explanation) compare() {
	if e.HubSpot == nil || e.Row == nil {
		return
	}
	held, known := instant(spelled(e.Row["_updated_at"]))
	older := known && e.HubSpot.Updated.Truncate(time.Millisecond).After(held)
	if older {
		e.Reasons = append(e.Reasons, fmt.Sprintf("the row is as of %s, and the object changed at %s: the lanes fresh and settled bring it",
			held.Format(time.RFC3339Nano), e.HubSpot.Updated.UTC().Format(time.RFC3339Nano)))
	}
	if e.HubSpot.Values == nil {
		return
	}
	for _, column := range e.columns {
		text, set := e.HubSpot.Values[column.Property]
		value := e.Row[column.Name]
		if slices.Contains(e.HubSpot.TooLarge, column.Property) || same(column.Type, text, set, value) {
			continue
		}
		d := Difference{Property: column.Property, Column: column.Name, Warehouse: value, Why: e.differs(column, older)}
		if set {
			d.HubSpot = &text
		}
		e.Differences = append(e.Differences, d)
	}
}

// differs says why a column differs.
func (e *Explanation) differs(column warehouse.Recorded, older bool) string {
	for _, r := range e.Rejects {
		if r.Property == column.Property {
			return "the value could not be loaded: " + r.Reason
		}
	}
	switch {
	case slices.Contains(e.HubSpot.Left, column.Property):
		return "HubSpot does not answer with the property: it is gone, or the credential may not read it; the column keeps its value"
	case older:
		return "the row is of an older version"
	case !column.Filled:
		return "the column came later, and its values are not read for old rows yet"
	}
	return "HubSpot changed the value without a newer date, as it does with calculated ones: the next sweep reads it"
}
