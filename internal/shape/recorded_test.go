package shape_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/hubspot"
	"penstock/internal/shape"
)

// recorded is a recorded answer as the naive way reads it.
type recorded struct {
	name string
	body []byte
	page struct {
		Results []struct {
			ID         string                     `json:"id"`
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"results"`
	}
}

// recordedAnswers reads every JSON file below PENSTOCK_RECORDED.
func recordedAnswers(t *testing.T) []recorded {
	folder := os.Getenv("PENSTOCK_RECORDED")
	if folder == "" {
		t.Skip("PENSTOCK_RECORDED names no folder of recorded answers")
	}
	var all []recorded
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		body, err := os.ReadFile(path)
		all = append(all, recorded{name: filepath.Base(path), body: body})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// V1, V2: whatever the properties' types are said to be.
func TestEveryRecordedValueIsInARowOrAReject(t *testing.T) {
	pages, values := 0, 0
	for _, answer := range recordedAnswers(t) {
		if json.Unmarshal(answer.body, &answer.page) != nil || len(answer.page.Results) == 0 || answer.page.Results[0].Properties == nil {
			continue // not a page of objects
		}
		pages++
		t.Run(answer.name, func(t *testing.T) {
			for _, kind := range []string{"string", "number", "bool", "date", "datetime"} {
				values += checkRecorded(t, answer, kind)
			}
		})
	}
	if pages == 0 {
		t.Fatal("no page of objects was found")
	}
	t.Logf("%d values of %d pages", values, pages)
}

// checkRecorded shapes the answer with all properties of one type and looks
// for every value.
func checkRecorded(t *testing.T, answer recorded, kind string) (values int) {
	var properties []hubspot.Property
	for _, o := range answer.page.Results {
		for name := range o.Properties {
			properties = append(properties, hubspot.Property{Name: name, Type: kind})
		}
	}
	table := shape.TableOf(contacts(), properties)
	b := shape.NewBuilder(table)
	told, err := b.Objects(pageOf(string(answer.body)), penstock.ByList)
	if err != nil {
		t.Fatal(err)
	}
	rows, built := flush(t, b, table)
	if len(told) != len(answer.page.Results) || built.Counts.Fetched != len(told) {
		t.Fatalf("%d objects became %d, counts %+v", len(answer.page.Results), len(told), built.Counts)
	}
	kept := map[[3]string]bool{}
	whole := ""
	for _, r := range built.Rejects {
		kept[[3]string{r.Key, r.Property, r.Original}] = true
		if r.Property == "" {
			whole += r.Original
		}
	}
	at := 0
	for i, o := range answer.page.Results {
		var cells row
		if !told[i].Rejected {
			cells = rows[at]
			at += 1 + len(told[i].Merged)
		}
		for name, raw := range o.Properties {
			text := recordedText(raw)
			cell, loaded := cells["p:"+name]
			found := text == "" && !loaded || loaded && (kind != "string" || cell == text) || kept[[3]string{o.ID, name, text}]
			if !found && !(told[i].Rejected && strings.Contains(whole, string(raw))) {
				t.Errorf("%s %s as %s: %q is %q", o.ID, name, kind, text, cell)
			}
			values++
		}
	}
	return values
}

func recordedText(raw json.RawMessage) string {
	var text *string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	if text == nil {
		return ""
	}
	return *text
}

func TestRecordedDefinitionsBecomeRows(t *testing.T) {
	definitions := 0
	for _, answer := range recordedAnswers(t) {
		var list struct {
			Results []hubspot.Property `json:"results"`
		}
		if !strings.Contains(answer.name, "properties") || json.Unmarshal(answer.body, &list) != nil || len(list.Results) == 0 {
			continue
		}
		definitions += len(list.Results)
		b := shape.NewBuilder(shape.PropertiesTable())
		b.Properties("contacts", list.Results, penstock.ByList)
		rows, built := flush(t, b, shape.PropertiesTable())
		for i, p := range list.Results {
			if p.Name != rows[i]["k:name"] || p.Label != rows[i]["p:label"] || strconv.FormatBool(p.Calculated) != rows[i]["p:calculated"] {
				t.Errorf("%s: %+v became %v", answer.name, p, rows[i])
			}
		}
		if len(built.Rejects) > 0 || len(shape.TableOf(contacts(), list.Results).Columns) != len(list.Results) {
			t.Errorf("%s: rejects %+v", answer.name, built.Rejects)
		}
	}
	if definitions == 0 {
		t.Fatal("no property was found")
	}
}

func TestRecordedPipelinesBecomeRows(t *testing.T) {
	stages := 0
	for _, answer := range recordedAnswers(t) {
		var list struct {
			Results []hubspot.Pipeline `json:"results"`
		}
		if !strings.Contains(answer.name, "pipelines") || json.Unmarshal(answer.body, &list) != nil {
			continue
		}
		b := shape.NewBuilder(shape.StagesTable())
		b.Stages("deals", hubspot.PipelinePage{Pipelines: list.Results, Date: answered(), Stamp: 7}, penstock.ByList)
		rows, built := flush(t, b, shape.StagesTable())
		for _, p := range list.Results {
			for _, s := range p.Stages {
				cells := rows[0]
				rows = rows[1:]
				if cells["k:id"] != s.ID || cells["k:pipeline_id"] != p.ID || cells["p:label"] != s.Label || cells["p:is_closed"] != s.Metadata["isClosed"] {
					t.Errorf("%s: %+v became %v", answer.name, s, cells)
				}
				stages++
			}
		}
		if len(built.Rejects) > 0 || len(rows) > 0 {
			t.Errorf("%s: rejects %+v, rows %v", answer.name, built.Rejects, rows)
		}
	}
	if stages == 0 {
		t.Fatal("no stage was found")
	}
}
