package api

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

const defaultConnection = "default"

// maxLimit is the most items of a page.
const maxLimit = 1000

// AtDefault names the connection that a route without /v1 speaks of.
type AtDefault struct {
	Connection string `query:"connection" default:"default" maxLength:"40" doc:"The connection, by name."`
}

// AtConnection names the connection that a route under /v1 speaks of.
type AtConnection struct {
	Connection string `path:"connection" maxLength:"40" example:"default" doc:"The connection, by name."`
}

// Paging says which part of a list to answer.
type Paging struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"The most items to answer."`
	After string `query:"after" maxLength:"32768" doc:"Go on after the former answer: its next."`
}

// A Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false" doc:"The items."`
	Next  string `json:"next,omitempty" doc:"The value of after for the next page; absent on the last one."`
}

// pageOf is the part of a list that is asked for; name tells its items apart.
func pageOf[T any](all []T, name func(T) string, p Paging) (*answer[Page[T]], error) {
	if p.After != "" {
		at := slices.IndexFunc(all, func(item T) bool { return name(item) == p.After })
		if at < 0 {
			return nil, unknownPlace()
		}
		all = all[at+1:]
	}
	page := Page[T]{Items: append([]T{}, all[:min(p.Limit, len(all))]...)}
	if len(all) > p.Limit {
		page.Next = name(page.Items[p.Limit-1])
	}
	return answered(page), nil
}

// numbered is a page of what is numbered, the newest first. A full page names a
// next one, which may turn out to be empty.
func numbered[T, U any](found []T, p Paging, shown func(T) U, number func(T) int64) *answer[Page[U]] {
	page := Page[U]{Items: []U{}}
	for _, item := range found {
		page.Items = append(page.Items, shown(item))
	}
	if len(found) >= p.Limit {
		page.Next = strconv.FormatInt(number(found[len(found)-1]), 10)
	}
	return answered(page)
}

// before is the number that a page of what is numbered begins below; 0 for the
// first page.
func (p Paging) before() (int64, error) {
	if p.After == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(p.After, 10, 64)
	if err != nil || number <= 0 {
		return 0, unknownPlace()
	}
	return number, nil
}

func unknownPlace() *Problem {
	return newProblem(badToken, "after is not the next of a former answer of this list",
		"give next unchanged, or leave after away to begin at the beginning")
}

// tokenOf hides a place in a list from callers, so that they do not come to
// rely on what is in it.
func tokenOf(list string, place ...string) string {
	text, _ := json.Marshal(append([]string{list}, place...)) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(text)
}

// placeOf reads what tokenOf wrote for a list whose places have n parts.
func placeOf(token, list string, n int) ([]string, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	var place []string
	if err != nil || json.Unmarshal(text, &place) != nil || len(place) != n+1 || place[0] != list {
		return nil, unknownPlace()
	}
	return place[1:], nil
}

// unique drops what was named before, and spaces around names.
func unique(names []string) []string {
	var out []string
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
