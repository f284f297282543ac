package hubspotsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
		found := a.linked(c.tables[0], c.tables[1], id)
		if err != nil || len(found) == 0 {
			errors = append(errors, unlinked(c.tables[0].kind, c.tables[1].kind, string(in.ID)))
			continue
		}
		if shown++; shown > 1 {
			out = append(out, ',')
		}
		out = appendLinks(out, c, id, after(found, string(in.After)))
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

// after drops what a former page has named, by its token.
func after(found []link, token string) []link {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return found
	}
	last, err := strconv.ParseInt(string(raw[strings.LastIndexByte(string(raw), '-')+1:]), 10, 64)
	for err == nil && len(found) > 0 && found[0].to <= last {
		found = found[1:]
	}
	return found
}

// appendLinks appends one object's associations, in the words of the path's
// version.
func appendLinks(out []byte, c *call, id int64, found []link) []byte {
	from, to := c.tables[0].kind, c.tables[1].kind
	more := len(found) > pageOfLinks
	found = found[:min(pageOfLinks, len(found))]
	out = append(out, `{"from":{"id":"`...)
	out = strconv.AppendInt(out, id, 10)
	out = append(out, `"},"to":[`...)
	for i, l := range found {
		if i > 0 {
			out = append(out, ',')
		}
		if c.legacy {
			out = append(strconv.AppendInt(append(out, `{"id":"`...), l.to, 10), `","type":"`...)
			out = append(append(append(append(out, from.singular...), "_to_"...), to.singular...), `"}`...)
			continue
		}
		out = strconv.AppendInt(append(out, `{"toObjectId":`...), l.to, 10)
		out = appendJSON(append(out, `,"associationTypes":`...), labels(from, l.primary))
		out = append(out, '}')
	}
	out = append(out, ']')
	if more {
		last := found[len(found)-1].to
		token := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%d", to.id, last))
		out = append(appendString(append(out, `,"paging":{"next":{"after":`...), token), "}}"...)
	}
	return append(out, '}')
}

// A label is a kind of association; each direction has its own numbers.
type label struct {
	Category string  `json:"category"`
	TypeID   int     `json:"typeId"`
	Label    *string `json:"label"`
}

func labels(from kind, primary bool) []label {
	name := "Primary"
	first, plain := 1, 279
	if from.id == companyType {
		first, plain = 2, 280
	}
	all := []label{{"HUBSPOT_DEFINED", first, &name}, {"HUBSPOT_DEFINED", plain, nil}}
	if !primary {
		return all[1:]
	}
	return all
}

// answerLabels serves the kinds of associations between two types.
func (a *Account) answerLabels(c *call, out []byte) (int, []byte) {
	kinds := []label{}
	from, to := c.tables[0].kind, c.tables[1].kind
	if from.id == contactType && to.id == companyType || from.id == companyType && to.id == contactType {
		kinds = labels(from, true)
	}
	return 200, append(appendJSON(append(out, `{"results":`...), kinds), '}')
}
