package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
)

// readingBytes is how much text of values an answer holds, so that it fits
// into a message.
const readingBytes = 200 << 10

// readObject asks for an object in all the ways there are: a batch read among
// the live ones, one among the archived ones, and a single read, which answers
// for an id that was merged away with the object it lives on in.
func (h *holder) readObject(ctx context.Context, stream penstock.Stream, q penstock.Read) (*penstock.Reading, error) {
	out := &penstock.Reading{State: penstock.StateNotFound}
	rules := h.rulesOf(stream)
	if err := rules.keyed(); err != nil {
		return nil, err
	}
	sources := rules.sources(q.Properties)
	defer func() { rules.conceal(out, q.Properties) }()
	id := strconv.FormatInt(q.ID, 10)
	for _, archived := range []bool{false, true} {
		page, err := h.client.BatchRead(ctx, hubspot.BatchRequest{
			Type: stream.ObjectType, IDs: []string{id}, Properties: sources, Archived: archived,
		})
		if err != nil {
			return nil, err
		}
		how, state := "batch read", penstock.StateLive
		if archived {
			how, state = "batch read archived", penstock.StateArchived
		}
		if err := h.hears(out, page, penstock.Read{ID: q.ID, Properties: sources}, penstock.Said{How: how, State: state}); err != nil {
			return nil, err
		}
	}
	page, err := h.client.Read(ctx, hubspot.ReadRequest{Type: stream.ObjectType, ID: id, Properties: []string{hubspot.ObjectID}})
	single := penstock.Said{How: "single read", State: penstock.StateLive}
	switch {
	case hubspot.KindOf(err) == hubspot.NotFound:
		single.State = penstock.StateNotFound
		out.Said = append(out.Said, single)
		return out, nil
	case err != nil:
		return nil, err
	}
	return out, h.hears(out, page, penstock.Read{ID: q.ID}, single)
}

// hears takes one answer about the object. An object by its own id says more
// than another's, and a live one more than an archived one.
func (h *holder) hears(out *penstock.Reading, page *hubspot.Page, q penstock.Read, said penstock.Said) error {
	h.clock.saw(page.Date)
	records, err := recordsOf(page)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		said.State = penstock.StateNotFound
		out.Said = append(out.Said, said)
		return nil
	}
	r := records[0]
	if said.ID, err = r.number(); err != nil {
		return err
	}
	switch {
	case said.ID != q.ID:
		said.State = penstock.StateMerged
		if out.State != penstock.StateLive {
			out.State, out.Into, out.Updated = said.State, said.ID, r.Updated
			out.Values, out.Left, out.TooLarge = nil, nil, nil
		}
	case out.State == penstock.StateNotFound:
		out.State, out.Updated = said.State, r.Updated
		take(out, r, q.Properties)
	}
	out.Said = append(out.Said, said)
	return nil
}

// take keeps the values that were asked for, as far as they fit.
func take(out *penstock.Reading, r record, properties []string) {
	out.Values = map[string]string{}
	room := readingBytes
	for _, name := range slices.Sorted(slices.Values(properties)) {
		raw, named := r.Properties[name]
		if !named {
			out.Left = append(out.Left, name)
			continue
		}
		text, set := textOf(raw)
		switch {
		case !set:
		case len(text) > room:
			out.TooLarge = append(out.TooLarge, name)
		default:
			out.Values[name] = text
			room -= len(text)
		}
	}
}

// textOf is a value as HubSpot wrote it; false for null.
func textOf(raw json.RawMessage) (string, bool) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return string(raw), true // no text, which HubSpot does not document
	}
	if text == nil {
		return "", false
	}
	return *text, true
}

// record is an object of an answer.
type record struct {
	ID         json.Number                `json:"id"`
	Updated    time.Time                  `json:"updatedAt"`
	Properties map[string]json.RawMessage `json:"properties"`
}

func (r record) number() (int64, error) {
	id, ok := cursor.ID(r.ID.String())
	if !ok {
		return 0, fmt.Errorf("%w: an object has no id", errBadPage)
	}
	return id, nil
}

func recordsOf(page *hubspot.Page) ([]record, error) {
	var body struct {
		Results []record `json:"results"`
	}
	if err := json.Unmarshal(page.Body, &body); err != nil {
		return nil, fmt.Errorf("%w: it cannot be read", errBadPage)
	}
	return body.Results, nil
}
