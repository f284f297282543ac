package catalog

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
)

// The states of a run.
const (
	StateOpen  = "open"
	StateEnded = "ended"
)

// keptRuns is how many ended runs of a stream and lane are kept; at an
// interval of five minutes, three days and a half.
const keptRuns = 1000

// A Run is one granted stretch of work, as history keeps it.
type Run struct {
	ID         int64
	Connection string
	Stream     string
	Lane       penstock.Lane
	Grant      string
	Worker     string
	State      string // StateOpen or StateEnded
	Began      time.Time
	Ended      time.Time // zero while open
	Outcome    penstock.Outcome
	Why        string
	Counts     penstock.Counts
	Applied    penstock.Applied
	Batches    int
}

// A RunQuery chooses runs; what is empty chooses all.
type RunQuery struct {
	Connection string
	Stream     string
	Lane       penstock.Lane
	Before     int64 // only runs with a lower number, to page on
	Limit      int   // at most 1,000; 0 is 100
}

const runColumns = `id, connection, stream, lane, token, worker, open, began, ended, outcome, why,
	fetched, rejected, buried, "values", loaded, unchanged, superseded, entombed, wanted, batches`

func readRun(row *sqlite.Stmt) Run {
	r := Run{
		ID: row.GetInt64("id"), Connection: row.GetText("connection"), Stream: row.GetText("stream"),
		Lane: penstock.Lane(row.GetText("lane")), Grant: row.GetText("token"), Worker: row.GetText("worker"),
		State: StateEnded, Began: moment(row.GetInt64("began")), Ended: moment(row.GetInt64("ended")),
		Outcome: penstock.Outcome(row.GetText("outcome")), Why: row.GetText("why"),
		Counts: penstock.Counts{
			Fetched: int(row.GetInt64("fetched")), Rejected: int(row.GetInt64("rejected")),
			Buried: int(row.GetInt64("buried")), Values: int(row.GetInt64("values")),
		},
		Applied: penstock.Applied{
			Loaded: int(row.GetInt64("loaded")), Unchanged: int(row.GetInt64("unchanged")),
			Superseded: int(row.GetInt64("superseded")), Buried: int(row.GetInt64("entombed")),
			Wanted: int(row.GetInt64("wanted")),
		},
		Batches: int(row.GetInt64("batches")),
	}
	if row.GetBool("open") {
		r.State = StateOpen
	}
	return r
}

// BeginRun records an open run and gives it its number, which only grows.
func (c *Catalog) BeginRun(ctx context.Context, r Run) (id int64, err error) {
	err = c.write(ctx, "record the beginning of a run", func(conn *sqlite.Conn) error {
		err := exec(conn, `INSERT INTO runs (connection, stream, lane, token, worker, began) VALUES (?, ?, ?, ?, ?, ?)`,
			r.Connection, r.Stream, r.Lane, r.Grant, r.Worker, stamp(r.Began))
		if err != nil {
			return err
		}
		id = conn.LastInsertRowID()
		return exec(conn, `INSERT INTO last_runs (connection, stream, lane, newest) VALUES (?, ?, ?, ?)
			ON CONFLICT (connection, stream, lane) DO UPDATE SET newest = excluded.newest`,
			r.Connection, r.Stream, r.Lane, id)
	})
	return id, err
}

// EndRun records how the open run with r's number ended: when, the outcome,
// why and the counts. ErrNoRun when it has ended before. The oldest ended
// runs of its lane are forgotten.
func (c *Catalog) EndRun(ctx context.Context, r Run) error {
	return c.write(ctx, "record the end of a run", func(conn *sqlite.Conn) error {
		err := exec(conn, `UPDATE runs SET open = 0, ended = ?, outcome = ?, why = ?,
				fetched = ?, rejected = ?, buried = ?, "values" = ?,
				loaded = ?, unchanged = ?, superseded = ?, entombed = ?, wanted = ?, batches = ?
				WHERE id = ? AND open`,
			stamp(r.Ended), r.Outcome, r.Why,
			r.Counts.Fetched, r.Counts.Rejected, r.Counts.Buried, r.Counts.Values,
			r.Applied.Loaded, r.Applied.Unchanged, r.Applied.Superseded, r.Applied.Buried, r.Applied.Wanted,
			r.Batches, r.ID)
		if err != nil {
			return err
		}
		if conn.Changes() == 0 {
			return ErrNoRun
		}
		if r.Outcome == penstock.Done {
			err := exec(conn, `UPDATE last_runs SET done = max(done, ?1) WHERE (connection, stream, lane) =
				(SELECT connection, stream, lane FROM runs WHERE id = ?1)`, r.ID)
			if err != nil {
				return err
			}
		}
		return pruneRuns(conn, r.ID)
	})
}

// pruneRuns forgets the oldest runs of the lane that the run is of. The
// newest and the newest done stay, and open ones.
func pruneRuns(conn *sqlite.Conn, run int64) error {
	return exec(conn, `WITH of AS (SELECT connection, stream, lane FROM runs WHERE id = ?1)
		DELETE FROM runs WHERE (connection, stream, lane) = (SELECT connection, stream, lane FROM of) AND NOT open
		AND id <= (SELECT r.id FROM runs r, of WHERE r.connection = of.connection AND r.stream = of.stream AND r.lane = of.lane
			ORDER BY r.id DESC LIMIT 1 OFFSET ?2)
		AND id NOT IN (SELECT done FROM last_runs WHERE (connection, stream, lane) = (SELECT connection, stream, lane FROM of))`,
		run, keptRuns)
}

// OpenRuns are the connection's runs that have not ended, oldest first.
func (c *Catalog) OpenRuns(ctx context.Context, connection string) ([]Run, error) {
	return c.runs(ctx, `SELECT `+runColumns+` FROM runs WHERE connection = ? AND open ORDER BY id`, connection)
}

// LastRuns are, of each stream and lane of the connection, the newest run
// and, where it is another one, the newest that ended as done; newest first.
func (c *Catalog) LastRuns(ctx context.Context, connection string) ([]Run, error) {
	return c.runs(ctx, `SELECT `+runColumns+` FROM runs WHERE id IN (
			SELECT newest FROM last_runs WHERE connection = ?1 UNION SELECT done FROM last_runs WHERE connection = ?1)
		ORDER BY id DESC`, connection)
}

// Runs are the chosen runs, newest first.
func (c *Catalog) Runs(ctx context.Context, q RunQuery) ([]Run, error) {
	return c.runs(ctx, `SELECT `+runColumns+` FROM runs
		WHERE (?1 = '' OR connection = ?1) AND (?2 = '' OR stream = ?2) AND (?3 = '' OR lane = ?3) AND (?4 <= 0 OR id < ?4)
		ORDER BY id DESC LIMIT ?5`, q.Connection, q.Stream, q.Lane, q.Before, limited(q.Limit))
}

func (c *Catalog) runs(ctx context.Context, query string, args ...any) (runs []Run, err error) {
	err = c.read(ctx, "read runs", func(conn *sqlite.Conn) error {
		return each(conn, query, func(row *sqlite.Stmt) { runs = append(runs, readRun(row)) }, args...)
	})
	return runs, err
}
