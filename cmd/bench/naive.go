package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// extract is what one writes first: pages one after the other, encoding/json,
// an INSERT a row, a transaction a page.
func extract(address, path string) (err error) {
	names, err := properties(address)
	if err != nil {
		return err
	}
	conn, err := sqlite.OpenConn(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"`
	}
	script := "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE contacts (id INTEGER PRIMARY KEY, " + strings.Join(quoted, ",") + ");"
	for statement := range strings.SplitSeq(script, ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if err := sqlitex.ExecuteTransient(conn, statement, nil); err != nil {
			return err
		}
	}
	insert := "INSERT OR REPLACE INTO contacts VALUES (?" + strings.Repeat(",?", len(names)) + ")"
	for after := ""; ; {
		page, err := list(address, names, after)
		if err != nil {
			return err
		}
		if err := store(conn, insert, names, page.Results); err != nil {
			return err
		}
		if after = page.Paging.Next.After; after == "" {
			return nil
		}
	}
}

type page struct {
	Results []struct {
		ID         string             `json:"id"`
		Properties map[string]*string `json:"properties"`
	} `json:"results"`
	Paging struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

func store(conn *sqlite.Conn, insert string, names []string, results []struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
}) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	for _, object := range results {
		args := make([]any, 0, len(names)+1)
		args = append(args, object.ID)
		for _, name := range names {
			if value := object.Properties[name]; value != nil {
				args = append(args, *value)
			} else {
				args = append(args, nil)
			}
		}
		if err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: args}); err != nil {
			return err
		}
	}
	return nil
}

func properties(address string) ([]string, error) {
	var answer struct{ Results []struct{ Name string } }
	if err := get(address+"/crm/v3/properties/contacts", &answer); err != nil {
		return nil, err
	}
	var names []string
	for _, p := range answer.Results {
		names = append(names, p.Name)
	}
	return names, nil
}

func list(address string, names []string, after string) (page, error) {
	q := url.Values{"limit": {"100"}, "properties": {strings.Join(names, ",")}}
	if after != "" {
		q.Set("after", after)
	}
	var p page
	return p, get(address+"/crm/v3/objects/contacts?"+q.Encode(), &p)
}

func get(address string, into any) error {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer bench")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", req.URL.Path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
