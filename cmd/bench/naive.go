package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the usual driver of those who build without cgo
)

// extract is what one writes first: pages one after the other, encoding/json,
// database/sql, an INSERT a row, a transaction a page, as durable as ours.
func extract(address, path string) (err error) {
	names, err := properties(address)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // the settings below are the connection's
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"`
	}
	for _, statement := range []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
		"CREATE TABLE contacts (id INTEGER PRIMARY KEY, " + strings.Join(quoted, ",") + ")",
	} {
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	insert := "INSERT OR REPLACE INTO contacts VALUES (?" + strings.Repeat(",?", len(names)) + ")"
	for after := ""; ; {
		page, err := list(address, names, after)
		if err != nil {
			return err
		}
		if err := store(db, insert, names, page.Results); err != nil {
			return err
		}
		if after = page.Paging.Next.After; after == "" {
			return nil
		}
	}
}

type object struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
}

type page struct {
	Results []object `json:"results"`
	Paging  struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

func store(db *sql.DB, insert string, names []string, results []object) (err error) {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, o := range results {
		args := make([]any, 0, len(names)+1)
		args = append(args, o.ID)
		for _, name := range names {
			args = append(args, o.Properties[name])
		}
		if _, err := tx.Exec(insert, args...); err != nil {
			return err
		}
	}
	return tx.Commit()
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
	return send(req, into)
}

// send reads the answer into a value, or to its end where nobody wants it.
func send(req *http.Request, into any) error {
	req.Header.Set("Authorization", "Bearer bench")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", req.URL.Path, resp.Status)
	}
	if into == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
