package hubspot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxAssociations is how many records one read of associations may ask about
// (developers.hubspot.com, changelog "batch read limit for associations").
const MaxAssociations = 1000

// An AssociationRequest asks what records of one type are linked with in
// another. Types are names or objectTypeIds.
type AssociationRequest struct {
	From, To string
	Inputs   []AssociationInput // at most MaxAssociations; one that stands twice is asked for once
}

// An AssociationInput is one record whose links are asked for.
type AssociationInput struct {
	ID    string
	After string // the Next of its former page; "" to begin
}

// An AssociationPage is one verified answer about links. Each id that was
// asked for stands in exactly one of Linked, None and Unanswered.
type AssociationPage struct {
	Linked     []Linked  // in the order received
	None       []string  // the ids that HubSpot named as having no links
	Unanswered []string  // the ids whose links are unknown: no word, another error, or an answer that contradicts itself; begin them again
	Date       time.Time // HubSpot's clock
	Stamp      int64     // taken before the answered attempt was sent
}

// Linked is a page of the links of one record.
type Linked struct {
	From     string
	Links    []Link
	Rejected []string // links that cannot be read, as they came but for length
	Next     string   // the cursor of its next page; "" only when the answer says that there is none
}

// A Link is one linked record, with every type of link to it.
type Link struct {
	To    int64
	Types []AssociationType // at least one, each once
}

// An AssociationType is a kind of link. Each direction has its own.
type AssociationType struct {
	Category string // HUBSPOT_DEFINED, USER_DEFINED, INTEGRATOR_DEFINED or WORK; unique together with ID
	ID       int64
	Label    string // "" for an unlabelled one
}

// Associations reads links. They are not paged together but record by record.
// An id is in None only on HubSpot's own word about it, never for silence.
func (c *Client) Associations(ctx context.Context, r AssociationRequest) (*AssociationPage, error) {
	op := "read associations of " + r.From + " with " + r.To
	body, asked, err := associationBody(r)
	if err != nil {
		return nil, &Error{Kind: BadRequest, Op: op, Err: err}
	}
	var page *AssociationPage
	a, err := c.ask(ctx, question{
		op:      op,
		path:    c.path(AssociationsFamily, r.From, r.To, "batch", "read"),
		body:    body,
		counted: byAssociations,
		partial: true,
		verify: func(a *answer) (err error) {
			if err := wholeList(a); err != nil {
				return err
			}
			page, err = readAssociations(a, asked)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	page.Date, page.Stamp = a.date, a.stamp
	return page, nil
}

// associationBody also returns what is asked for, in its order.
func associationBody(r AssociationRequest) ([]byte, []AssociationInput, error) {
	type input struct {
		ID    string `json:"id"`
		After string `json:"after,omitempty"`
	}
	var request struct {
		Inputs []input `json:"inputs"`
	}
	var asked []AssociationInput
	places := make(map[string]string, len(r.Inputs))
	for _, in := range r.Inputs {
		place, twice := places[in.ID]
		switch {
		case in.ID == "":
			return nil, nil, errors.New("an id asked for is empty")
		case twice && place != in.After:
			return nil, nil, fmt.Errorf("id %s is asked for at two places", in.ID)
		case twice:
			continue
		}
		places[in.ID] = in.After
		asked = append(asked, in)
		request.Inputs = append(request.Inputs, input(in))
	}
	if n := len(asked); n == 0 || n > MaxAssociations {
		return nil, nil, fmt.Errorf("%d ids asked for: give from 1 to %d", n, MaxAssociations)
	}
	body, err := json.Marshal(request)
	return body, asked, err
}

// readAssociations sorts the ids asked for by what the answer says of them. An
// id of which it says two things is one of which it says nothing, also when it
// brings two results.
func readAssociations(a *answer, asked []AssociationInput) (*AssociationPage, error) {
	none, failed, err := associationErrors(a)
	if err != nil {
		return nil, err
	}
	order, results, err := resultsByID(a)
	if err != nil {
		return nil, err
	}
	page := &AssociationPage{}
	read := make(map[string]Linked, len(results))
	for _, in := range asked {
		found := results[in.ID]
		switch {
		case failed[in.ID], none[in.ID] && len(found) > 0:
		case none[in.ID] && in.After == "": // after a former page with links it would contradict that
			page.None = append(page.None, in.ID)
			continue
		case len(found) == 1:
			if l, ok := readLinked(found[0], in); ok {
				read[in.ID] = l
				continue
			}
		}
		page.Unanswered = append(page.Unanswered, in.ID)
	}
	for _, id := range order {
		if l, ok := read[id]; ok {
			page.Linked = append(page.Linked, l)
		}
	}
	return page, nil
}

// resultsByID finds the results of each record, whether asked for or not, and
// the order of the records.
func resultsByID(a *answer) (order []string, results map[string][][]member, err error) {
	results = make(map[string][][]member, a.env.results)
	for item := range each(a.env.value("results")) {
		result, ok := readMembers(item)
		if !ok {
			return nil, nil, errors.New("a result of the answer is not an object")
		}
		id, ok := scalar(valueOf(find(result, "from"), "id"))
		if !ok {
			continue // the record it belongs to goes without an answer
		}
		if results[id] == nil {
			order = append(order, id)
		}
		results[id] = append(results[id], result)
	}
	return order, results, nil
}

// associationErrors reads the ids that the answer names as having no links,
// which HubSpot calls an error, and those it names with any other error.
func associationErrors(a *answer) (none, failed map[string]bool, err error) {
	list := a.env.value("errors")
	if !absent(list) && list[0] != '[' {
		return nil, nil, errors.New("the errors of the answer are not a list")
	}
	none, failed = map[string]bool{}, map[string]bool{}
	for item := range each(list) {
		members, ok := readMembers(item)
		if !ok {
			return nil, nil, errors.New("an error of the answer is not an object")
		}
		named := failed
		if sub, _ := scalar(find(members, "subCategory")); sub == "crm.associations.NO_ASSOCIATIONS_FOUND" {
			named = none
		}
		for _, id := range texts(valueOf(find(members, "context"), "fromObjectId")) {
			named[id] = true
		}
	}
	return none, failed, nil
}

// readLinked reads the links of one record; false when they are not certain to
// be all of them.
func readLinked(result []member, in AssociationInput) (Linked, bool) {
	l := Linked{From: in.ID}
	next, err := nextCursor(find(result, "paging"))
	if err != nil || next != "" && next == in.After {
		return l, false
	}
	list := find(result, "to")
	if len(list) == 0 || list[0] != '[' {
		return l, false
	}
	l.Next = next
	places := map[int64]int{}
	for item := range each(list) {
		link, ok := readLink(item)
		if !ok {
			l.Rejected = append(l.Rejected, printable(string(item), ""))
			continue
		}
		if place, twice := places[link.To]; twice {
			l.Links[place].add(link.Types)
			continue
		}
		places[link.To] = len(l.Links)
		l.Links = append(l.Links, link)
	}
	return l, true
}

// readLink reads one link; false when the record at its other end or one of
// its types cannot be told.
func readLink(item []byte) (Link, bool) {
	to, ok := positive(valueOf(item, "toObjectId"))
	if !ok {
		return Link{}, false
	}
	link := Link{To: to}
	for one := range each(valueOf(item, "associationTypes")) {
		t, ok := readAssociationType(one)
		if !ok {
			return Link{}, false
		}
		link.add([]AssociationType{t})
	}
	return link, len(link.Types) > 0
}

// add takes over the types that the link has not yet.
func (l *Link) add(types []AssociationType) {
	for _, t := range types {
		if !slices.Contains(l.Types, t) {
			l.Types = append(l.Types, t)
		}
	}
}

func readAssociationType(item []byte) (AssociationType, bool) {
	id, ok := positive(valueOf(item, "typeId"))
	if !ok {
		return AssociationType{}, false
	}
	// Words that are no text, or no UTF-8, do not make the link uncertain.
	category, _ := scalar(valueOf(item, "category"))
	label, _ := jsontext.AppendUnquote(nil, valueOf(item, "label"))
	return AssociationType{Category: category, ID: id, Label: string(label)}, true
}

// positive reads a number above zero that fits 64 bits. HubSpot documents the
// id of a linked record as a string and sends a number.
func positive(value []byte) (int64, bool) {
	text, ok := scalar(value)
	if !ok || !isNumber(text) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}

// An AssociationTypePage is one answer about the types of links; it is never paged.
type AssociationTypePage struct {
	Types []AssociationType
	Date  time.Time // HubSpot's clock
	Stamp int64     // taken before the answered attempt was sent
}

// AssociationLabels lists the types that links from one object type to another
// may have, labelled or not.
func (c *Client) AssociationLabels(ctx context.Context, from, to string) (AssociationTypePage, error) {
	var types []AssociationType
	a, err := c.ask(ctx, question{
		op:      "read the association labels of " + from + " with " + to,
		path:    c.path(AssociationsFamily, from, to, "labels"),
		counted: byAssociations,
		verify: func(a *answer) error {
			types = nil
			for item := range each(a.env.value("results")) {
				t, ok := readAssociationType(item)
				if !ok {
					return errors.New("a label of the answer has no type id")
				}
				types = append(types, t)
			}
			return wholeList(a)
		},
	})
	if err != nil {
		return AssociationTypePage{}, err
	}
	return AssociationTypePage{Types: types, Date: a.date, Stamp: a.stamp}, nil
}
