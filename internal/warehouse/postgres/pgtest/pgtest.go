// Package pgtest starts PostgreSQL servers for tests, from the programs that
// are installed. It knows nothing of what is kept in them.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	role     = "tester"
	port     = "5432" // of the socket's name only
	patience = time.Minute
)

// A Server is a server of a test's own, in a folder of its own, reached by a
// socket in it.
type Server struct {
	folder  string
	bin     string
	account *syscall.Credential // who runs the server; nil for this process's user
	options []string
	running *exec.Cmd
	output  *bytes.Buffer
}

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
	bin := programs()
	if bin == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("initdb and postgres are not installed, and here they have to be: apt-get install postgresql")
		}
		t.Skip("needs initdb and postgres: apt-get install postgresql")
	}
	// A socket's path may have 107 bytes, which a test's own folder exceeds.
	folder, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{folder: folder, bin: bin, options: settings, output: &bytes.Buffer{}}
	t.Cleanup(func() {
		s.Stop(t)
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("remove the server's folder: %v", err)
		}
	})
	if os.Getuid() == 0 {
		s.account = unprivileged(t)
		if err := os.Chown(folder, int(s.account.Uid), int(s.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", role, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, output)
	}
	return s
}

// programs is the folder of the newest server that is installed; empty for
// none.
func programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is well formed
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	for _, name := range found {
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), "postgres")); err == nil {
			return filepath.Dir(name)
		}
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return ""
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return ""
	}
	return filepath.Dir(initdb)
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb)))) // a name that is no number is the oldest
	return n
}

// unprivileged is whom a server may run as when root may not.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Fatal("PostgreSQL does not run as root, and there is no user postgres or nobody")
	return nil
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, program), args...)
	command.Dir = s.folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return command
}

// DSN is the address of the server's database.
func (s *Server) DSN() string { return s.As(role) }

// As is the address for another role, which needs no password.
func (s *Server) As(name string) string {
	return fmt.Sprintf("postgres://%s@/postgres?host=%s&port=%s", url.User(name), url.QueryEscape(s.folder), port)
}

// Start runs the server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	args := []string{"-D", s.data(), "-k", s.folder, "-p", port, "-c", "listen_addresses="}
	for _, option := range s.options {
		args = append(args, "-c", option)
	}
	s.running = s.command("postgres", args...)
	s.running.Stdout, s.running.Stderr = s.output, s.output
	if err := s.running.Start(); err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for !s.answers() {
		select {
		case <-ctx.Done():
			t.Fatalf("postgres does not answer: %s", s.output)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers asks without a library: pg_isready knows how.
func (s *Server) answers() bool {
	connection, err := net.Dial("unix", filepath.Join(s.folder, ".s.PGSQL."+port))
	if err != nil || connection.Close() != nil {
		return false
	}
	return s.command("pg_isready", "-q", "-h", s.folder, "-p", port).Run() == nil
}

// Kill ends the server and its sessions as a power cut would, without a word.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.running == nil {
		return
	}
	if err := syscall.Kill(-s.running.Process.Pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill postgres: %v", err)
	}
	s.end(t, syscall.SIGKILL)
}

// Dump is a schema as pg_dump writes it down.
func (s *Server) Dump(t testing.TB, schema string) string {
	t.Helper()
	dump := s.command("pg_dump", "-h", s.folder, "-p", port, "-U", role, "-n", schema, "postgres")
	said := &bytes.Buffer{}
	dump.Stderr = said
	output, err := dump.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v: %s", err, said)
	}
	return string(output)
}

// Restore runs statements with psql.
func (s *Server) Restore(t testing.TB, statements string) {
	t.Helper()
	psql := s.command("psql", "-h", s.folder, "-p", port, "-U", role, "-v", "ON_ERROR_STOP=1", "-q", "postgres")
	psql.Stdin = strings.NewReader(statements)
	if output, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, output)
	}
}

// Stop ends the server; one that does not run stays so.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGINT) // a fast shutdown: sessions are ended
}

func (s *Server) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if s.running == nil {
		return
	}
	if err := s.running.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("end postgres: %v", err)
	}
	err := s.running.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Errorf("wait for postgres: %v", err)
	}
	s.running = nil
}
