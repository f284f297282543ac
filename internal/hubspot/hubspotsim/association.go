package hubspotsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// maxLinked is the cap of an association read: developers.hubspot.com,
// changelog "batch read limit for associations".
const maxLinked = 1000

// An associationRead is the body of a batch read of associations.
type associationRead struct {
	Inputs []struct {
		ID    text `json:"id"`
		After text `json:"after"`
	} `json:"inputs"`
}

// answerAssociations serves what objects are associated with. An object
// without any is an error of a 207, as HubSpot has it.
func (a *Account) answerAssociations(c *call, out []byte) (int, []byte) {
	var q associationRead
	if err := json.Unmarshal(c.body, &q); err != nil {
		return problem(out, 400, "VALIDATION_ERROR", "Invalid input JSON: "+err.Error())
	}
	if n := len(q.Inputs); n == 0 || n > maxLinked {
		return problem(out, 400, "VALIDATION_ERROR", fmt.Sprintf("%d inputs are not between 1 and %d", n, maxLinked))
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	var errors []trouble
	out = append(out, `{"status":"COMPLETE","results":[`...)
	shown := 0
	for _, in := range q.Inputs {
		id, err := strconv.ParseInt(string(in.ID), 10, 64)
		after := afterToken(string(in.After))
		found := a.linked(c.tables[0], c.tables[1], id, linkQuery{after: after, limit: a.options.LinkPage + 1})
		if err != nil || len(found) == 0 && after == 0 {
			errors = append(errors, unlinked(c.tables[0].kind, c.tables[1].kind, string(in.ID)))
			continue
		}
		if shown++; shown > 1 {
			out = append(out, ',')
		}
		out = a.appendLinks(out, c, id, found)
	}
	out = append(out, ']')
	status := 200
	if len(errors) > 0 {
		status = 207
		out = append(out, `,"numErrors":`...)
		out = strconv.AppendInt(out, int64(len(errors)), 10)
		out = appendJSON(append(out, `,"errors":`...), errors)
	}
	return status, appendTook(out)
}

func unlinked(from, to kind, id string) trouble {
	return trouble{
		Status: "error", Category: "OBJECT_NOT_FOUND", SubCategory: "crm.associations.NO_ASSOCIATIONS_FOUND",
		Message: "No " + to.singular + " is associated with " + from.singular + " " + id + ".",
		Context: map[string][]string{
			"fromObjectId": {id}, "fromObjectType": {from.singular}, "toObjectType": {to.singular},
		},
	}
}

// afterToken is the last id that a former page has named, 0 for a first page
// and for a token that is none of ours.
func afterToken(token string) int64 {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return 0
	}
	last, err := strconv.ParseInt(string(raw[strings.LastIndexByte(string(raw), '-')+1:]), 10, 64)
	if err != nil {
		return 0
	}
	return last
}

// appendLinks appends a page of one object's associations, in the words of
// the path's version.
func (a *Account) appendLinks(out []byte, c *call, id int64, found []link) []byte {
	from, to := c.tables[0].kind, c.tables[1].kind
	l, at := a.between(c.tables[0], c.tables[1])
	more := len(found) > a.options.LinkPage
	found = found[:min(a.options.LinkPage, len(found))]
	out = append(out, `{"from":{"id":"`...)
	out = strconv.AppendInt(out, id, 10)
	out = append(out, `"},"to":[`...)
	for i, x := range found {
		if i > 0 {
			out = append(out, ',')
		}
		if c.legacy {
			out = append(strconv.AppendInt(append(out, `{"id":"`...), x.to, 10), `","type":"`...)
			out = append(append(append(append(out, from.singular...), "_to_"...), to.singular...), `"}`...)
			continue
		}
		out = strconv.AppendInt(append(out, `{"toObjectId":`...), x.to, 10)
		out = appendJSON(append(out, `,"associationTypes":`...), labels(l.linkTypes(at, x.set)))
		out = append(out, '}')
	}
	out = append(out, ']')
	if more {
		last := found[len(found)-1].to
		token := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%d", to.id, last))
		out = appendString(append(out, `,"paging":{"next":{"after":`...), token)
		out = appendString(append(out, `,"link":`...), deadHost+c.r.URL.Path+"?after="+url.QueryEscape(token))
		out = append(out, "}}"...)
	}
	return append(out, '}')
}

// A label is a kind of association as the API writes it.
type label struct {
	Category string  `json:"category"`
	TypeID   int     `json:"typeId"`
	Label    *string `json:"label"`
}

func labels(types []LinkType) []label {
	list := make([]label, len(types))
	for i, t := range types {
		list[i] = label{Category: t.Category, TypeID: t.TypeID}
		if t.Label != "" {
			list[i].Label = &t.Label
		}
	}
	return list
}

// answerLabels serves the kinds of associations between two types.
func (a *Account) answerLabels(c *call, out []byte) (int, []byte) {
	kinds := []label{}
	if l, at := a.between(c.tables[0], c.tables[1]); l != nil {
		kinds = labels(l.linkTypes(at, l.all()))
	}
	return 200, append(appendJSON(append(out, `{"results":`...), kinds), '}')
}

// answerLink associates two objects in the ways that the body lists.
func (a *Account) answerLink(c *call, out []byte) (int, []byte) {
	var ways []struct {
		TypeID int `json:"associationTypeId"`
	}
	if err := json.Unmarshal(c.body, &ways); err != nil {
		return refused(out, err)
	}
	if len(ways) == 0 {
		return problem(out, 400, "VALIDATION_ERROR", "at least one association type is needed")
	}
	for _, way := range ways {
		if err := a.relate(c, way.TypeID, a.Link); err != nil {
			return refused(out, err)
		}
	}
	return a.related(c, out)
}

// answerDefaultLink associates two objects without a label.
func (a *Account) answerDefaultLink(c *call, out []byte) (int, []byte) {
	if err := a.relate(c, 0, a.Link); err != nil {
		return refused(out, err)
	}
	return a.related(c, out)
}

// answerUnlink takes every association of two objects back.
func (a *Account) answerUnlink(c *call, out []byte) (int, []byte) {
	if err := a.relate(c, 0, a.Unlink); err != nil {
		return refused(out, err)
	}
	return 204, out
}

// relate changes what holds between the two objects of the path.
func (a *Account) relate(c *call, typeID int, change func(from, to End, typeID int) error) error {
	from, err := strconv.ParseInt(c.args[0], 10, 64)
	if err != nil {
		return err
	}
	to, err := strconv.ParseInt(c.args[1], 10, 64)
	if err != nil {
		return err
	}
	return change(End{c.tables[0].kind.id, from}, End{c.tables[1].kind.id, to}, typeID)
}

// related answers with the two objects that are now associated.
func (a *Account) related(c *call, out []byte) (int, []byte) {
	return 201, appendJSON(out, map[string]any{
		"fromObjectTypeId": c.tables[0].kind.id, "fromObjectId": c.args[0],
		"toObjectTypeId": c.tables[1].kind.id, "toObjectId": c.args[1], "labels": []string{},
	})
}
