//go:build !race

package trial_test

import (
	"bytes"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/warehouse/postgres/pgtest"
)

// A network lies between the programs and a PostgreSQL server. It can be cut:
// then it resets every session, and refuses others until it is mended.
type network struct {
	socket   string
	listener net.Listener
	away     atomic.Bool
	armed    atomic.Bool   // the next answer to a COMMIT arrives by half
	halved   chan struct{} // it did
	answered atomic.Int64  // COMMITs whose answers have arrived

	mu       sync.Mutex
	sessions map[*session]bool
	pumps    sync.WaitGroup
}

// A session is one connection through the network.
type session struct {
	client  *net.TCPConn
	server  net.Conn
	loading atomic.Bool // a transaction that writes is open, as far as the client knows
	commits atomic.Bool // and its COMMIT is sent
	lost    atomic.Bool // cut, whether the server knows it or not
}

// What tells a transaction that writes: it begins without a word about
// reading only, and ends when the server is ready outside of any.
const (
	beginMessage  = "\x00BEGIN\x00"
	commitMessage = "Q\x00\x00\x00\x0bCOMMIT\x00"
	readyMessage  = "Z\x00\x00\x00\x05I"
)

func newNetwork(t *testing.T, server *pgtest.Server) *network {
	t.Helper()
	address, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	keys := address.Query()
	n := &network{
		socket:   filepath.Join(keys.Get("host"), ".s.PGSQL."+keys.Get("port")),
		listener: listener, sessions: map[*session]bool{}, halved: make(chan struct{}, 1),
	}
	n.pumps.Go(n.accept)
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		n.cut(0)
		n.pumps.Wait()
	})
	return n
}

// address is how the programs reach the server.
func (n *network) address() string {
	return "postgres://tester@" + n.listener.Addr().String() + "/postgres"
}

func (n *network) accept() {
	for {
		conn, err := n.listener.Accept()
		if err != nil {
			return // closed
		}
		s := &session{client: conn.(*net.TCPConn)}
		if s.server, err = net.Dial("unix", n.socket); err != nil || n.away.Load() {
			s.reset()
			if err == nil {
				_ = s.server.Close() // nothing was said
			}
			continue
		}
		n.mu.Lock()
		n.sessions[s] = true
		n.mu.Unlock()
		n.pumps.Go(func() { n.up(s) })
		n.pumps.Go(func() { n.down(s) })
	}
}

// up carries what the client says.
func (n *network) up(s *session) {
	defer func() {
		if !s.lost.Load() {
			_ = s.server.Close() // it may be cut already
		}
	}()
	for buffer := make([]byte, 64<<10); ; {
		size, err := s.client.Read(buffer)
		said := buffer[:size]
		if bytes.Contains(said, []byte(beginMessage)) {
			s.loading.Store(true)
		}
		if bytes.HasSuffix(said, []byte(commitMessage)) {
			s.commits.Store(true)
		}
		if _, failed := s.server.Write(said); err != nil || failed != nil {
			return
		}
	}
}

// down carries what the server answers.
func (n *network) down(s *session) {
	defer n.forget(s)
	for buffer := make([]byte, 64<<10); ; {
		size, err := s.server.Read(buffer)
		answer := buffer[:size]
		halved := size > 0 && s.commits.Load() && n.armed.CompareAndSwap(true, false)
		if halved {
			answer = answer[:size/2]
		}
		if _, failed := s.client.Write(answer); err != nil || failed != nil {
			return
		}
		if halved {
			n.cut(0)
			n.halved <- struct{}{}
			return
		}
		if bytes.HasSuffix(answer, []byte(readyMessage)) {
			s.loading.Store(false)
			if s.commits.Swap(false) {
				n.answered.Add(1)
			}
		}
	}
}

func (n *network) forget(s *session) {
	n.mu.Lock()
	delete(n.sessions, s)
	n.mu.Unlock()
	s.reset()
	_ = s.server.Close() // it may be cut already
}

// reset ends the client's connection as a router does that has lost it.
func (s *session) reset() {
	_ = s.client.SetLinger(0) // one that is closed is reset already
	_ = s.client.Close()
}

// loading tells whether a batch is being written.
func (n *network) loading() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.sessions {
		if s.loading.Load() && !s.lost.Load() {
			return true
		}
	}
	return false
}

// cut resets every session and tells whether it struck one that was writing
// batches. The server hears of it later: until then its ends of the sessions
// keep their locks.
func (n *network) cut(later time.Duration) (struck bool) {
	n.away.Store(true)
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.sessions {
		struck = struck || s.loading.Load() && !s.lost.Load()
		s.lost.Store(true)
		s.reset()
		time.AfterFunc(later, func() { _ = s.server.Close() }) // it may end by itself before
	}
	return struck
}

// halve cuts the network in the middle of the next answer to a COMMIT; false
// when none comes for a while.
func (n *network) halve() bool {
	n.armed.Store(true)
	select {
	case <-n.halved:
		return true
	case <-time.After(3 * time.Second):
	}
	if n.armed.CompareAndSwap(true, false) {
		return false
	}
	<-n.halved // at the last moment
	return true
}

// mend waits for a transaction that succeeds: a loader that fails again and again
// tries ever more rarely.
func (n *network) mend() {
	n.away.Store(false)
	for before, tries := n.answered.Load(), 0; n.answered.Load() == before && tries < 300; tries++ {
		<-time.After(10 * time.Millisecond)
	}
}

// open is how many sessions there are.
func (n *network) open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sessions)
}
