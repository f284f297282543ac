package wire

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// settings are those of a user who set nothing but a token, in a folder of
// their own.
func settings(t *testing.T) Settings {
	t.Helper()
	dir := t.TempDir()
	return Settings{
		BaseURL: "https://api.hubapi.com", Token: "t", DataDir: filepath.Join(dir, "data"), Config: filepath.Join(dir, "penstock.yaml"),
		Every: 5 * time.Minute, Lag: time.Hour,
	}
}

func TestAFolderIsHeldByOneAtATimeAndKeepsItsName(t *testing.T) {
	s := settings(t)
	first, err := OpenFolder(s.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if ServerOf(s.DataDir) != "" {
		t.Error("a server is found before one has published its address")
	}
	if err := first.Publish("http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if at := ServerOf(s.DataDir); at != "http://127.0.0.1:1" {
		t.Errorf("the server is found at %q", at)
	}
	if _, err := OpenFolder(s.DataDir); !errors.Is(err, ErrInUse) {
		t.Errorf("the second got %v, want ErrInUse", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if ServerOf(s.DataDir) != "" {
		t.Error("a server is found after it ended")
	}
	second, err := OpenFolder(s.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if second.Installation != first.Installation {
		t.Error("the installation has another name after a restart")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledServerIsNotTakenForARunningOne(t *testing.T) {
	s := settings(t)
	folder, err := OpenFolder(s.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(folder.Publish("http://127.0.0.1:1"), folder.lock.Close()); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	if at := ServerOf(s.DataDir); at != "" {
		t.Errorf("a server is found at %q", at)
	}
}

// TestWhereATokenComesFrom: a connection's own place wins, and the default one
// falls back to the environment's.
func TestWhereATokenComesFrom(t *testing.T) {
	t.Setenv("OF_A", " a\n")
	s := settings(t)
	if err := os.WriteFile(s.Config, []byte("connections: [{name: a, token_env: OF_A}, {name: default}, {name: b}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	connections, err := s.Connections()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "a", "default": "t", "b": ""}
	for _, c := range connections {
		token, err := c.Token()
		if token != want[c.Name] || (err != nil) != (token == "") {
			t.Errorf("%s: %q, %v; want %q", c.Name, token, err, want[c.Name])
		}
	}
	if err := s.CheckTokens("a"); err != nil {
		t.Errorf("a has a token: %v", err)
	}
	if err := s.CheckTokens(""); err == nil {
		t.Error("b has no token, and it is not said")
	}
}

// TestATokenFileIsReadEachTime: it may be replaced while a program runs.
func TestATokenFileIsReadEachTime(t *testing.T) {
	c := ConnectionSettings{Name: DefaultConnection, TokenFile: filepath.Join(t.TempDir(), "token")}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(c.TokenFile, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Token(); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

// TestEachConnectionHasItsOwnWarehouse: also when none is named.
func TestEachConnectionHasItsOwnWarehouse(t *testing.T) {
	s := settings(t)
	if err := os.WriteFile(s.Config, []byte("connections: [{name: default}, {name: shop}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	connections, err := s.Connections()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"sqlite:" + filepath.Join(s.DataDir, "hubspot.db"), "sqlite:" + filepath.Join(s.DataDir, "hubspot_shop.db")}
	for i, c := range connections {
		if c.Warehouse != want[i] {
			t.Errorf("%s is written to %s, want %s", c.Name, c.Warehouse, want[i])
		}
	}
}
