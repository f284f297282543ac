package api

import (
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"penstock/internal/warehouse"
)

const (
	maxFilters = 50   // of one request
	maxValues  = 1000 // of one filter
)

const howToFilter = "write filter[property][op]=value, where op is eq, ne, lt, le, gt, ge, in or null"

// filtersOf reads the filters of a query: filter[property][op]=value.
func filtersOf(query url.Values, all []column) ([]warehouse.Filter, error) {
	var filters []warehouse.Filter
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if !strings.HasPrefix(key, "filter[") {
			continue
		}
		name, op, ok := cutTerm(key)
		if !ok {
			return nil, newProblem(badFilter, shorten(key)+" is not a filter", howToFilter)
		}
		c, err := named(all, name)
		if err != nil {
			return nil, err
		}
		for _, value := range query[key] {
			f := warehouse.Filter{Column: c.name, Op: warehouse.Compare(op), Values: []string{value}}
			if f.Op == warehouse.In {
				if f.Values, err = listed(value); err != nil {
					return nil, newProblem(badFilter, shorten(key)+": "+err.Error(), `separate values by commas, and quote one that holds a comma, as in "a,b",c`)
				}
			}
			if _, err := warehouse.TypedFilter(f, c.kind); err != nil {
				return nil, newProblem(badFilter, err.Error(), howToFilter)
			}
			filters = append(filters, f)
		}
	}
	if len(filters) > maxFilters {
		return nil, newProblem(badFilter, "there are more than 50 filters", "use in, which takes many values")
	}
	return filters, nil
}

// cutTerm splits filter[property][op].
func cutTerm(key string) (name, op string, ok bool) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(key, "filter["), "]")
	at := strings.LastIndex(inner, "][")
	if !ok || at < 1 {
		return "", "", false
	}
	return inner[:at], inner[at+2:], true
}

// listed are the values of one record of CSV.
func listed(text string) ([]string, error) {
	if text == "" {
		return []string{""}, nil
	}
	reader := csv.NewReader(strings.NewReader(text))
	values, err := reader.Read()
	if err != nil {
		return nil, err
	}
	if _, err := reader.Read(); !errors.Is(err, io.EOF) {
		return nil, errors.New("a line break must be within quotes")
	}
	if len(values) > maxValues {
		return nil, errors.New("there are more than 1000 values")
	}
	return values, nil
}

// describeFilter completes the description of the parameter filter, whose
// second level the HTTP library cannot derive.
func describeFilter(routes huma.API, path string) {
	operators := map[string]*huma.Schema{}
	for op, text := range map[warehouse.Compare]string{
		warehouse.Equal: "equal", warehouse.NotEqual: "another value", warehouse.Less: "less", warehouse.LessOrEqual: "less or equal",
		warehouse.Greater: "greater", warehouse.GreaterOrEqual: "greater or equal", warehouse.In: "one of these, separated by commas, quoted as in CSV",
		warehouse.Null: "true: without a value; false: with one",
	} {
		operators[string(op)] = &huma.Schema{Type: huma.TypeString, Description: text}
	}
	for _, p := range routes.OpenAPI().Paths[path].Get.Parameters {
		if p.Name == "filter" {
			p.Schema = &huma.Schema{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{
				Type: huma.TypeObject, Properties: operators, AdditionalProperties: false,
			}}
		}
	}
}
