// Package pgtest gives tests PostgreSQL servers of their own. It knows nothing
// of what is kept in them.
package pgtest

import (
	"errors"
	"os"
	"strings"
	"testing"

	"penstock/internal/warehouse/postgres/pgserver"
)

// A Server is a server of a test's own.
type Server struct{ server *pgserver.Server }

// Start runs a server until the test ends and returns the address of an empty
// database as its owner. Durability is off: a test that kills the server wants
// New.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	s := New(t, "fsync=off", "full_page_writes=off")
	s.Start(t)
	return s.DSN()
}

// New makes a server that does not run yet, with settings such as "fsync=off".
// It skips the test where PostgreSQL is not installed, but fails where CI=true.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	server, err := pgserver.New(settings...)
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Errorf("remove the server: %v", err)
		}
	})
	return &Server{server}
}

// DSN is the address of the server's database.
func (s *Server) DSN() string { return s.server.DSN() }

// As is the address for another role, which needs no password.
func (s *Server) As(name string) string { return s.server.As(name) }

// Start runs the server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server and its sessions as a power cut would, without a word.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.server.Kill(); err != nil {
		t.Errorf("kill postgres: %v", err)
	}
}

// Stop ends the server; one that does not run stays so.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.server.Stop(); err != nil {
		t.Errorf("stop postgres: %v", err)
	}
}

// Dump is a schema as pg_dump writes it down.
func (s *Server) Dump(t testing.TB, schema string) string {
	t.Helper()
	output, err := s.server.Client(nil, "pg_dump", "-n", schema)
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

// Restore runs statements with psql.
func (s *Server) Restore(t testing.TB, statements string) {
	t.Helper()
	if _, err := s.server.Client(strings.NewReader(statements), "psql", "-v", "ON_ERROR_STOP=1", "-q"); err != nil {
		t.Fatal(err)
	}
}
