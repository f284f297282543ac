package postgres

import (
	"strings"
	"testing"
)

func TestAnAddressSaysAllAndTheEnvironmentNothing(t *testing.T) {
	for name, value := range map[string]string{
		"PGHOST": "elsewhere", "PGPORT": "1", "PGUSER": "other", "PGPASSWORD": "theirs", "PGDATABASE": "other", "PGSSLMODE": "disable",
		"PGOPTIONS": "-c search_path=x", "PGTZ": "Europe/Rome", "PGAPPNAME": "x", "PGTARGETSESSIONATTRS": "standby", "PGPASSFILE": "/x", "PGREQUIREAUTH": "none",
	} {
		t.Setenv(name, value)
	}
	a, err := parseAddress("postgres://me@warehouse.example/db")
	if err != nil {
		t.Fatal(err)
	}
	c := a.config
	if c.Host != "warehouse.example" || c.Port != 5432 || c.User != "me" || c.Password != "" || c.Database != "db" || c.RequireAuth != "" {
		t.Errorf("the target is %s:%d %s %q %s", c.Host, c.Port, c.User, c.Password, c.Database)
	}
	if len(c.RuntimeParams) != 1 || c.RuntimeParams["application_name"] != "penstock" || c.ValidateConnect != nil {
		t.Errorf("the session begins with %v", c.RuntimeParams)
	}
	if c.TLSConfig == nil || c.TLSConfig.InsecureSkipVerify || c.TLSConfig.ServerName != "warehouse.example" || len(c.Fallbacks) != 0 {
		t.Errorf("the server's name is not verified: %+v", c.TLSConfig)
	}
	if a.schema != "hubspot" {
		t.Errorf("schema %q", a.schema)
	}
	for _, near := range []string{"postgres://me@localhost/db", "postgres://me@[::1]:6000/db", "postgres://me@127.0.0.9/db", "postgres://me@/db?host=/run"} {
		a, err := parseAddress(near)
		if err != nil || a.config.TLSConfig != nil && !a.config.TLSConfig.InsecureSkipVerify {
			t.Errorf("%s is verified: %v", near, err)
		}
	}
}

func TestAnAddressThatCannotBeUsedSaysWhyAndNeverThePassword(t *testing.T) {
	const password = "s3cr3t"
	for text, says := range map[string]string{
		"postgres://me:s3cr3t@h/db?sslmod=x":          "unknown key \"sslmod\": the keys are connect_timeout, host, port, schema",
		"postgres://me:s3cr3t@h/db?sslmode=x":         "the modes are disable, prefer",
		"postgres://me:s3cr3t@h/db?sslrootcert=/none": "unable to read CA file",
		"postgres://me:s3cr3t@h/db?sslcert=/none":     "sslkey",
		"postgres://me:s3cr3t@h/db?connect_timeout=0": "connect_timeout",
		"postgres://me:s3cr3t@h/db?schema=pg_x":       "schema",
		"postgres://me:s3cr3t@h/":                     "names no database",
		"postgres://h/db":                             "names no user",
		"postgres://me:s3cr3t@h:port/db":              "not a URL",
		"postgres://me:s3cr3t@h:99999999/db":          "cannot be used",
		"postgres://me:s3cr3t@a,b/db":                 "several hosts",
		"postgres://me:s3%cr3t@h/db":                  "percent-encode",
		"mysql://me:s3cr3t@h/db":                      "begins with postgres://",
		"postgres://me:s3cr3t@h/db?schema=a&schema=b": "twice",
	} {
		_, err := Open(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
	store, err := Open("postgres://me:s3cr3t@127.0.0.1:1/db")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(t.Context(), claimOf("loader")); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("a server that is not there: %v", err)
	}
	t.Setenv("PGSERVICE", "x")
	if _, err := Open("postgres://me:s3cr3t@h/db"); err == nil || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("another service is named: %v", err)
	}
}
