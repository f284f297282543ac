//go:build !race

package trial_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"penstock/internal/warehouse/iceberg"
	"penstock/internal/warehouse/postgres"
	"penstock/internal/warehouse/postgres/pgtest"
)

// What befalls the server and the network, how often while a batch is being
// written, and how many sessions a loader and its readers have at most.
const (
	serverKills = 5
	networkCuts = 15
	whileLoaded = 10
	poolMost    = 1 + 3 + 3
)

// TestEveryValueArrivesThoughTheServerIsKilledAndTheNetworkCut loads PostgreSQL
// through a network that is cut again and again, also in the middle of the
// answer to a COMMIT, while the server is killed, with a folder of Iceberg tables
// that follows. Every value of both is the account's at the end (W1 to W3, B1).
func TestEveryValueArrivesThoughTheServerIsKilledAndTheNetworkCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; run without -short")
	}
	t.Parallel()
	server := pgtest.New(t)
	server.Start(t)
	seed := seedOf(t)
	options := little(8000)
	options.Seed = seed
	w, network := newWorld(t, build(t), options), newNetwork(t, server)
	lake := w.follow(network.address())
	w.slow.Store(int64(time.Second)) // while the first load is disturbed
	w.start("worker")
	servers := w.start("data-streams")
	stop := w.churn()
	defer func() { stop() }()
	w.untilLoaded(1)
	w.trouble(server, network, rand.New(rand.NewPCG(seed, 1)))
	stop()
	w.settle()
	w.catchUp() // the follower too
	w.checkSessions(server, network)
	servers.kill()
	w.equalBoth(server.DSN(), lake)
	if n := w.log.count("is missing") + w.log.count("were lost on the bus"); n > 0 {
		t.Errorf("%d runs ended because a batch was lost, and none was", n)
	}
}

// follow has the programs load PostgreSQL, and a folder that follows.
func (w *world) follow(postgres string) (lake string) {
	lake = "iceberg:" + filepath.Join(filepath.Dir(w.dir), "lake")
	w.configure(fmt.Sprintf("%s    warehouse: %q\n    followers: [%q]\n", settings, postgres, lake))
	return lake
}

// trouble kills the server and cuts the network, in an order of its own.
func (w *world) trouble(server *pgtest.Server, network *network, random *rand.Rand) {
	w.t.Helper()
	struck, halved := 0, 0
	for n, what := range random.Perm(serverKills + networkCuts) {
		hit := false
		network.untilLoading(random)
		switch {
		case what < serverKills:
			hit = network.loading()
			server.Kill(w.t)
			server.Start(w.t)
		case what%3 == 0 && network.halve():
			hit = true
			halved++
		default:
			hit = network.cut(time.Duration(random.IntN(300)) * time.Millisecond)
		}
		if hit {
			struck++
		}
		<-time.After(time.Duration(random.IntN(100)) * time.Millisecond)
		network.mend()
		if n == duringFirst {
			w.untilLoading(1)
			w.slow.Store(0)
		}
	}
	w.t.Logf("%d of %d troubles struck while a batch was written, %d in the middle of a COMMIT's answer", struck, serverKills+networkCuts, halved)
	if struck < whileLoaded || halved < networkCuts/6 {
		w.t.Errorf("only %d troubles struck while a batch was written, and %d in the middle of a COMMIT's answer", struck, halved)
	}
}

// duringFirst is how many troubles come during the first load at least.
const duringFirst = 5

// untilLoading waits until a batch is being written, if one is, and a little on.
func (n *network) untilLoading(random *rand.Rand) {
	for range 2000 {
		if n.loading() {
			break
		}
		<-time.After(time.Millisecond)
	}
	<-time.After(time.Duration(random.IntN(8)) * time.Millisecond)
}

// checkSessions asks the server who is connected: the loader and its readers,
// none of them in the middle of anything.
func (w *world) checkSessions(server *pgtest.Server, network *network) {
	w.t.Helper()
	var open, known int
	for range 50 {
		open, known = sessions(w.t, server.DSN()), network.open()
		if open <= poolMost && open == known {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Errorf("the server has %d sessions of ours and the network %d, and the pool has %d at most", open, known, poolMost)
}

// sessions is how many of ours a server has.
func sessions(t *testing.T, dsn string) int {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	result := conn.ExecParams(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'penstock'`, nil, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	n, err := strconv.Atoi(string(result.Rows[0][0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// equalBoth compares the first warehouse and its follower with the truth.
func (w *world) equalBoth(dsn, lake string) {
	w.t.Helper()
	first, err := postgres.Open(dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	follower, err := iceberg.Open(lake, w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Log("PostgreSQL")
	judgedOf(w.t, first, &judge{store: first, account: w.account}, (*judge).everything)
	w.t.Log("the follower")
	judgedOf(w.t, first, &judge{store: follower, account: w.account}, (*judge).everything)
	for _, store := range []interface{ Close() error }{first, follower} {
		if err := store.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

// TestYesterdaysDumpRestoredWhileItIsLoadedHealsByItself puts a dump of the
// schema back, in one transaction, under a data-streams that goes on running and
// is followed by a folder of Iceberg tables.
func TestYesterdaysDumpRestoredWhileItIsLoadedHealsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; run without -short")
	}
	t.Parallel()
	server := pgtest.New(t)
	server.Start(t)
	w := newWorld(t, build(t), little(1000))
	lake := w.follow(server.DSN())
	w.start("worker")
	servers := w.start("data-streams")
	w.catchUp()
	stop := w.churn()
	defer func() { stop() }()
	<-time.After(time.Second) // of changes
	yesterday := server.Dump(t, "hubspot")
	<-time.After(5 * time.Second) // of changes that the dump does not hold
	w.catchUp()
	server.Restore(t, "BEGIN; DROP SCHEMA hubspot CASCADE;\n"+yesterday+"\nCOMMIT;")
	<-time.After(2 * time.Second) // of changes to what is there now
	stop()
	w.settle()
	w.catchUp() // the follower too
	for _, noticed := range []string{"the warehouse was restored or replaced", "is not the one that was copied from"} {
		if w.log.count(noticed) == 0 {
			t.Errorf("nobody has noticed: %s", noticed)
		}
	}
	select {
	case <-servers.gone:
		t.Error("data-streams has ended")
	default:
	}
	servers.kill()
	w.equalBoth(server.DSN(), lake)
}
