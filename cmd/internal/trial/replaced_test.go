//go:build !race

package trial_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock/internal/hubspot/hubspotsim"
)

// TestAWarehouseReplacedWhileItIsLoadedHealsByItself puts an older copy of the
// warehouse file in place, twice, under a data-streams that goes on running:
// one made by SQLite's backup, which looks like the original, while the log
// beside it holds all that was loaded; and one that a VACUUM has written, whose
// pages are others, while the log holds nothing.
func TestAWarehouseReplacedWhileItIsLoadedHealsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; run without -short")
	}
	t.Parallel()
	w := newWorld(t, build(t), little(1000))
	w.start("worker")
	servers := w.start("data-streams")
	w.catchUp()
	stop := w.churn()
	defer stop()
	for _, copied := range []func(string){w.backedUp, w.vacuumed} {
		yesterday := filepath.Join(filepath.Dir(w.dir), "yesterday.db")
		copied(yesterday)
		w.untilMore() // than the copy holds
		if err := os.Rename(yesterday, w.warehouse()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second) // of changes to the file that is there now
	}
	stop()
	w.settle()
	select {
	case <-servers.gone:
		t.Error("data-streams has ended")
	default:
	}
	servers.kill()
	compare(t, w.warehouse(), w.account)
}

// little is an account that is read and swept within seconds.
func little(contacts int) hubspotsim.Options {
	options := quiet(contacts)
	options.Counts["companies"], options.Counts["deals"], options.Window = 300, 200, 600
	options.Properties = map[string]int{"contacts": 16, "companies": 10, "deals": 10}
	return options
}

// warehouse is the file that the programs load.
func (w *world) warehouse() string { return filepath.Join(w.dir, "hubspot.db") }

// untilMore waits until contacts have been loaded in five more transactions.
func (w *world) untilMore() {
	w.t.Helper()
	for before, tries := w.loads(), 0; w.loads() < before+5; tries++ {
		if tries == 100 {
			w.t.Fatal("nothing is loaded any more")
		}
		<-time.After(200 * time.Millisecond)
	}
}

// loads is how many transactions of contacts the warehouse has had.
func (w *world) loads() int64 {
	w.t.Helper()
	n := int64(0)
	w.aside(func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, `SELECT max(_load) FROM contacts`, &sqlitex.ExecOptions{
			ResultFunc: func(row *sqlite.Stmt) error {
				n = row.ColumnInt64(0)
				return nil
			},
		})
	})
	return n
}

// aside uses the warehouse as any other program does.
func (w *world) aside(use func(*sqlite.Conn) error) {
	w.t.Helper()
	conn, err := sqlite.OpenConn(w.warehouse(), sqlite.OpenReadWrite)
	if err != nil {
		w.t.Fatal(err)
	}
	conn.SetBusyTimeout(10 * time.Second)
	if err := errors.Join(use(conn), conn.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) backedUp(to string) {
	w.t.Helper()
	w.aside(func(conn *sqlite.Conn) error {
		into, err := sqlite.OpenConn(to, sqlite.OpenReadWrite|sqlite.OpenCreate)
		if err != nil {
			return err
		}
		backup, err := sqlite.NewBackup(into, "", conn, "")
		if err == nil {
			_, err = backup.Step(-1)
			err = errors.Join(err, backup.Close())
		}
		return errors.Join(err, into.Close())
	})
}

func (w *world) vacuumed(to string) {
	w.t.Helper()
	w.aside(func(conn *sqlite.Conn) error {
		return errors.Join(
			sqlitex.ExecuteTransient(conn, `VACUUM INTO ?1`, &sqlitex.ExecOptions{Args: []any{to}}),
			sqlitex.ExecuteTransient(conn, `PRAGMA wal_checkpoint(TRUNCATE)`, nil),
		)
	})
}
