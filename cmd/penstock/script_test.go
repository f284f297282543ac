package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock/internal/hubspot/hubspotsim"
)

// The bounds of a script: a command that takes longer hangs.
const (
	commandWithin = 20 * time.Second
	contacts      = 120
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"penstock": main})
}

// TestTheCommandLine runs testdata/script: penstock as its user sees it, each
// script with a simulated account, a free port and an empty folder of its own.
func TestTheCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUp,
		Condition:           canMount,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"refuses": refuses, "ready": ready, "rows": rows, "account": changeAccount, "sql": sql, "rowsin": rowsIn, "tmpfs": tmpfs,
			"eventually": works,
		},
	})
}

// accounts are the two accounts of a script. Their tokens can be replaced.
type accounts struct {
	first, second *account
}

type account struct {
	*hubspotsim.Account
	token atomic.Pointer[string]
	seen  map[string]int64 // requests as last looked at
}

// setUp makes the accounts and the environment. Few streams are read: searches
// are limited to four a second.
func setUp(env *testscript.Env) error {
	first, err := serveAccount(env, "HUBSPOT_BASE_URL", 1, "first")
	if err != nil {
		return err
	}
	second, err := serveAccount(env, "OTHER_BASE_URL", 2, "second")
	if err != nil {
		return err
	}
	env.Values[accounts{}] = &accounts{first, second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("PENSTOCK_LISTEN", listener.Addr().String())
	env.Setenv("HUBSPOT_ACCESS_TOKEN", "first")
	env.Setenv("PENSTOCK_LAG", "1s")
	return listener.Close()
}

func serveAccount(env *testscript.Env, variable string, number int64, token string) (*account, error) {
	simulated, err := hubspotsim.New(hubspotsim.Options{
		Seed: uint64(number), AccountID: 147000000 + number,
		Counts: map[string]int{"contacts": contacts * int(number)}, Properties: map[string]int{"contacts": 15},
	})
	if err != nil {
		return nil, err
	}
	h := &account{Account: simulated, seen: map[string]int64{}}
	h.token.Store(&token)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*h.token.Load() {
			r.Header.Del("Authorization") // the account refuses it in HubSpot's words
		}
		simulated.ServeHTTP(w, r)
	}))
	env.Defer(server.Close)
	env.Setenv(variable, server.URL)
	return h, nil
}

// refuses STATUS PATTERN COMMAND...: the command ends soon with the status,
// prints nothing, and says one sentence that the pattern matches.
func refuses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: refuses STATUS PATTERN COMMAND...")
	}
	began := time.Now()
	err := ts.Exec(args[2], args[3:]...)
	status := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d (%v), want %s", status, err, args[0])
	}
	if took := time.Since(began); took > commandWithin {
		ts.Fatalf("it took %s", took)
	}
	said := strings.TrimSpace(ts.ReadFile("stderr"))
	last := said[strings.LastIndexByte(said, '\n')+1:]
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("it printed %q", out)
	}
	if !regexp.MustCompile(args[1]).MatchString(last) || !strings.HasPrefix(last, "penstock: ") {
		ts.Fatalf("it said %q, which does not match %q", last, args[1])
	}
	if args[0] == "2" && last != said {
		ts.Fatalf("it said more than one sentence")
	}
}

// ready [PATH]: waits until the server answers with 200 there.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	path := "/readyz"
	if len(args) > 0 {
		path = args[0]
	}
	eventually(ts, "the server is not ready", func() bool {
		response, err := http.Get("http://" + ts.Getenv("PENSTOCK_LISTEN") + path)
		if err != nil {
			return false
		}
		ts.Check(response.Body.Close())
		return response.StatusCode == http.StatusOK
	})
}

// eventually COMMAND...: the command works, at the latest after some tries.
func works(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, strings.Join(args, " ")+" does not work", func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

// eventually waits for what happens in another process.
func eventually(ts *testscript.TestScript, otherwise string, f func() bool) {
	deadline := time.After(commandWithin)
	for !f() {
		select {
		case <-deadline:
			ts.Fatalf("%s within %s", otherwise, commandWithin)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// rows FORMAT N: what was printed last is N rows in the format.
func rows(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, got := ts.ReadFile("stdout"), 0
	switch args[0] {
	case "json":
		var all []map[string]any
		ts.Check(json.Unmarshal([]byte(text), &all))
		got = len(all)
	case "ndjson":
		for line := range strings.Lines(text) {
			ts.Check(json.Unmarshal([]byte(line), &map[string]any{}))
			got++
		}
	case "csv":
		all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		ts.Check(err)
		got = len(all) - 1
	}
	if got != want {
		ts.Fatalf("%d rows, want %d", got, want)
	}
}

// account WHICH token TOKEN: the account takes that token and no other.
// account WHICH add N: N contacts are made.
// account WHICH asked KIND MAX: no more such requests came since asked last.
func changeAccount(ts *testscript.TestScript, _ bool, args []string) {
	both := ts.Value(accounts{}).(*accounts)
	h := map[string]*account{"first": both.first, "second": both.second}[args[0]]
	switch args[1] {
	case "token":
		h.token.Store(&args[2])
	case "add":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		for i := range n {
			_, err := h.Create("contacts", map[string]string{"email": fmt.Sprintf("contact-new-%06d@example.com", i)})
			ts.Check(err)
		}
	case "asked":
		most, err := strconv.ParseInt(args[3], 10, 64)
		ts.Check(err)
		now := h.Counters().Requests[args[2]]
		if n := now - h.seen[args[2]]; n > most {
			ts.Fatalf("%d requests of kind %s, want at most %d", n, args[2], most)
		}
		h.seen[args[2]] = now
	}
}

// sql FILE STATEMENT: changes a database behind penstock's back.
func sql(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := sqlite.OpenConn(ts.MkAbs(args[0]), sqlite.OpenReadWrite)
	ts.Check(err)
	ts.Check(errors.Join(sqlitex.ExecuteScript(conn, args[1], nil), conn.Close()))
}

// rowsin FILE TABLE N: so many rows are in the table.
func rowsIn(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := sqlite.OpenConn(ts.MkAbs(args[0]), sqlite.OpenReadOnly)
	ts.Check(err)
	n, err := sqlitex.ResultInt64(conn.Prep("SELECT count(*) FROM " + args[1]))
	ts.Check(errors.Join(err, conn.Close()))
	if fmt.Sprint(n) != args[2] {
		ts.Fatalf("%s has %d rows in %s, want %s", args[0], n, args[1], args[2])
	}
}

// tmpfs FOLDER SIZE: mounts a small disk.
func tmpfs(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(path, 0o700))
	ts.Check(unix.Mount("tmpfs", path, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			ts.Logf("unmount %s: %v", path, err)
		}
	})
}

// canMount is the condition tmpfs: whether this user may mount one.
func canMount(condition string) (bool, error) {
	if condition != "tmpfs" {
		return false, fmt.Errorf("there is no condition %q", condition)
	}
	dir, err := os.MkdirTemp("", "penstock-mount")
	if err != nil {
		return false, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false, os.Remove(dir)
	}
	return true, errors.Join(unix.Unmount(dir, 0), os.Remove(dir))
}
