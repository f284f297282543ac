package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// A lossy connection passes a COMMIT on, and loses what the server says of it,
// while it is told to.
type lossy struct {
	net.Conn
	told *atomic.Bool
	lost atomic.Bool
}

func (c *lossy) Write(p []byte) (int, error) {
	if c.told.Load() && bytes.Contains(p, []byte("COMMIT\x00")) {
		c.lost.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *lossy) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.lost.Load() && err == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestW2ACommitWhoseAnswerIsLostIsDecidedByTheHead(t *testing.T) {
	w := newWorld(t)
	store, run, told := open(t, w.fresh()), named(), &atomic.Bool{}
	sound := store.address.config.DialFunc
	store.address.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := sound(ctx, network, address)
		return &lossy{Conn: c, told: told}, err
	}
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	next := one(run, 1, 2000, "B")
	told.Store(true)
	if _, err := tryLoad(t, store, next); err == nil {
		t.Fatal("the answer was lost and the load knows that it stands")
	}
	told.Store(false)
	if outcomes := mustLoad(t, store, next); outcomes[0].Verdict != warehouse.Repeat {
		t.Errorf("the same again is %v", outcomes[0].Verdict)
	}
	mustLoad(t, store, one(run, 1, 3000, "C"))
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v", "_load"}}), "1 C 3")
}

func TestASessionThatIsEndedInTheMiddleOfALoadIsReplaced(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	next, steps := one(run, 1, 2000, "B"), 0
	store.loader.conn.step = func(name string) {
		if steps++; strings.HasPrefix(name, "COPY") {
			ask(t, dsn, fmt.Sprintf("SELECT pg_terminate_backend(%d)", store.loader.conn.pg.PID()))
		}
	}
	if _, err := tryLoad(t, store, next); err == nil || errors.Is(err, warehouse.ErrBatch) {
		t.Errorf("the session was ended: %v", err)
	}
	mustLoad(t, store, next)
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v"}}), "1 B")
}

func TestACancelledLoadChangesNothingAndTheNextOneRuns(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	mustLoad(t, store, one(run, 1, 1000, "A"))
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	store.loader.conn.step = func(name string) {
		if strings.HasPrefix(name, "COPY") {
			cancel(enough)
		}
	}
	next := one(run, 1, 2000, "B")
	if _, err := store.Load(ctx, []warehouse.Item{next}, warehouse.Moment{Account: 1}); !errors.Is(err, enough) {
		t.Errorf("a cancelled load: %v", err)
	}
	store.loader.conn.step = nil
	mustLoad(t, store, next)
	want(t, "rows", lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"id", "v", "_load"}}), "1 B 2")
}

func TestRowsThatAreEqualAreNotRewritten(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	store, run := open(t, dsn), named()
	claim(t, store)
	columns := []penstock.Column{text("t"), number("n"), {Property: "b", Type: penstock.Bool}, {Property: "d", Type: penstock.Date}, {Property: "dt", Type: penstock.DateTime}}
	batch := func(stamp int64, v string) *warehousetest.Builder {
		return warehousetest.NewBatch(warehousetest.Contacts(), columns...).Put(1, 1, stamp, "A", "-12.50", true, int64(9), int64(9)).
			Put(2, 1, stamp, v, nil, nil, nil, nil)
	}
	mustLoad(t, store, item(run, batch(1, "A")))
	const versions = "SELECT id, xmin, ctid FROM contacts WHERE id = 1"
	before := ask(t, dsn, versions)
	mustLoad(t, store, item(run, batch(2, "A")))
	mustLoad(t, store, item(run, batch(3, "B")))
	if after := ask(t, dsn, versions); after != before {
		t.Errorf("the row was %s and is %s", before, after)
	}
	if got := ask(t, dsn, "SELECT * FROM _penstock_seen ORDER BY key"); got != "contacts,1,3;contacts,2,2;" {
		t.Errorf("seen %s", got)
	}
}

func TestAReaderSeesWholeTransactionsWhileALoadRuns(t *testing.T) {
	w := newWorld(t)
	store, run := open(t, w.fresh()), named()
	claim(t, store)
	write := func(version int64) error {
		b := warehousetest.NewBatch(warehousetest.Contacts(), number("v"))
		for id := range int64(200) {
			b.Put(id+1, version, version, fmt.Sprint(version))
		}
		_, err := tryLoad(t, store, item(run, b))
		return err
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for version := int64(2); version < 15 && err == nil; version++ {
			err = write(version)
		}
		done <- err
	}()
	for reading := true; reading; {
		select {
		case err := <-done:
			if reading = false; err != nil {
				t.Error(err)
			}
		default:
		}
		rows := lines(t, store, warehouse.Query{Stream: "contacts", Fields: []string{"v"}})
		if len(rows) != 200 || rows[0] != rows[199] {
			t.Fatalf("%d rows, the first of version %s, the last of %s", len(rows), rows[0], rows[len(rows)-1])
		}
	}
}

func TestTwoThatClaimAnEmptySchemaAtOnceLeaveOneLoader(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	var stores []*Store
	for range 4 {
		stores = append(stores, open(t, dsn))
	}
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() {
			if err := s.Claim(t.Context(), claimOf(fmt.Sprint(i))); err != nil {
				t.Errorf("claim: %v", err)
			}
		})
	}
	all.Wait()
	loaded := 0
	for _, s := range stores {
		switch _, err := tryLoad(t, s, one(named(), 1, 1000, "A")); {
		case err == nil:
			loaded++
		case !errors.Is(err, warehouse.ErrFenced):
			t.Errorf("load: %v", err)
		}
	}
	if loaded != 1 {
		t.Errorf("%d could load", loaded)
	}
}

func TestTablesOfANewerFormatAreRefused(t *testing.T) {
	w := newWorld(t)
	dsn := w.fresh()
	claim(t, open(t, dsn))
	ask(t, dsn, "UPDATE _penstock_meta SET format = 99")
	if err := open(t, dsn).Claim(t.Context(), claimOf("loader")); !errors.Is(err, warehouse.ErrNewer) || !strings.Contains(err.Error(), "99") {
		t.Errorf("claim: %v", err)
	}
}
