// Package pgserver runs a PostgreSQL server from the programs that are
// installed, in a folder of its own, for tests and measurements. It knows
// nothing of what is kept in it.
package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// ErrNotInstalled is New's where there is no PostgreSQL.
var ErrNotInstalled = errors.New("initdb and postgres are not installed: apt-get install postgresql")

const (
	role     = "tester"
	port     = "5432" // of the socket's name only
	patience = time.Minute
)

// A Server is reached by a socket in its folder.
type Server struct {
	folder  string
	bin     string
	account *syscall.Credential // who runs the server; nil for this process's user
	options []string
	running *exec.Cmd
	output  *bytes.Buffer
}

// New makes a server that does not run yet, with settings such as "fsync=off".
// Remove it when it is not needed any more.
func New(settings ...string) (*Server, error) {
	bin := programs()
	if bin == "" {
		return nil, ErrNotInstalled
	}
	// A socket's path may have 107 bytes, which a test's own folder exceeds.
	folder, err := os.MkdirTemp("", "pgserver")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, options: settings, output: &bytes.Buffer{}}
	if err := s.initialize(); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func (s *Server) initialize() (err error) {
	if os.Getuid() == 0 {
		if s.account, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(s.folder, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", role, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
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
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, program), args...)
	command.Dir = s.folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return command
}

// DSN is the address of the server's database, as its owner.
func (s *Server) DSN() string { return s.As(role) }

// As is the address for another role, which needs no password.
func (s *Server) As(name string) string {
	return fmt.Sprintf("postgres://%s@/postgres?host=%s&port=%s", url.User(name), url.QueryEscape(s.folder), port)
}

// Start runs the server and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	args := []string{"-D", s.data(), "-k", s.folder, "-p", port, "-c", "listen_addresses="}
	for _, option := range s.options {
		args = append(args, "-c", option)
	}
	running := s.command("postgres", args...)
	running.Stdout, running.Stderr = s.output, s.output
	if err := running.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.running = running
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for !s.answers() {
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("postgres does not answer: %w", ctx.Err()), s.Kill(), errors.New(s.output.String()))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// answers asks without a library: pg_isready knows how.
func (s *Server) answers() bool {
	connection, err := net.Dial("unix", filepath.Join(s.folder, ".s.PGSQL."+port))
	if err != nil || connection.Close() != nil {
		return false
	}
	return s.command("pg_isready", "-q", "-h", s.folder, "-p", port).Run() == nil
}

// Process is the id of the running server, whose children are its sessions.
func (s *Server) Process() int { return s.running.Process.Pid }

// Client runs one of PostgreSQL's own, such as psql, against the database and
// returns what it prints.
func (s *Server) Client(stdin io.Reader, program string, args ...string) ([]byte, error) {
	client := s.command(program, append([]string{"-h", s.folder, "-p", port, "-U", role, "-d", "postgres"}, args...)...)
	var trouble bytes.Buffer
	client.Stdin, client.Stderr = stdin, &trouble
	output, err := client.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, &trouble)
	}
	return output, nil
}

// Kill ends the server and its sessions as a power cut would, without a word.
func (s *Server) Kill() error {
	if s.running == nil {
		return nil
	}
	err := syscall.Kill(-s.running.Process.Pid, syscall.SIGKILL)
	return errors.Join(err, s.end(syscall.SIGKILL))
}

// Stop ends the server and its sessions; one that does not run stays so.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Remove stops the server and deletes what it held.
func (s *Server) Remove() error { return errors.Join(s.Stop(), os.RemoveAll(s.folder)) }

func (s *Server) end(signal syscall.Signal) error {
	if s.running == nil {
		return nil
	}
	err := s.running.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	waited := s.running.Wait()
	var exit *exec.ExitError // a server that was killed ends with an error
	if errors.As(waited, &exit) {
		waited = nil
	}
	s.running = nil
	return errors.Join(err, waited)
}
