package catalog

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"penstock"
)

// keptTroubles is how many resolved troubles of a connection are kept.
const keptTroubles = 1000

// A Place is where something fails: a connection, a stream of it, or a lane of
// that.
type Place struct {
	Connection string
	Stream     string        // empty: the whole connection
	Lane       penstock.Lane // empty: the whole stream
}

// A Trouble is something that failed at a place, once or again and again.
type Trouble struct {
	penstock.Trouble
	Place
	ID       int64
	First    time.Time
	Last     time.Time
	Count    int
	Resolved time.Time // zero while it is so
}

// A TroubleQuery chooses troubles; what is empty chooses all.
type TroubleQuery struct {
	Connection string
	Stream     string
	Open       bool  // only what is not resolved
	Before     int64 // only troubles with a lower number, to page on
	Limit      int   // at most 1,000; 0 is 100
}

// Report records a trouble. One of the same place and kind that is not
// resolved is counted once more and takes the words of this one.
func (c *Catalog) Report(ctx context.Context, p Place, t penstock.Trouble, at time.Time) error {
	return c.write(ctx, "record a trouble", func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO troubles (connection, stream, lane, kind, message, remedy, heals, until, first, last)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
			ON CONFLICT (connection, stream, lane, kind) WHERE resolved = 0 DO UPDATE SET
				message = excluded.message, remedy = excluded.remedy, heals = excluded.heals, until = excluded.until,
				last = excluded.last, count = count + 1`,
			p.Connection, p.Stream, p.Lane, t.Kind, t.Message, t.Remedy, t.Heals, stamp(t.Until), stamp(at))
	})
}

// Resolve records that all is well at a place: what was not resolved there
// is. The oldest resolved troubles of the connection are forgotten.
func (c *Catalog) Resolve(ctx context.Context, p Place, at time.Time) error {
	const open = `connection = ?1 AND stream = ?2 AND lane = ?3 AND resolved = 0`
	place := []any{p.Connection, p.Stream, p.Lane}
	var found int64
	err := c.read(ctx, "resolve troubles", func(conn *sqlite.Conn) (err error) {
		found, err = number(conn, `SELECT count(*) FROM troubles WHERE `+open, place...)
		return err
	})
	if err != nil || found == 0 {
		return err // most of the time nothing is wrong, and nothing is written
	}
	return c.write(ctx, "resolve troubles", func(conn *sqlite.Conn) error {
		if err := exec(conn, `UPDATE troubles SET resolved = ?4 WHERE `+open, append(place, max(stamp(at), 1))...); err != nil {
			return err
		}
		return exec(conn, `DELETE FROM troubles WHERE connection = ?1 AND resolved > 0 AND id <=
			(SELECT id FROM troubles WHERE connection = ?1 AND resolved > 0 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
			p.Connection, keptTroubles)
	})
}

// Troubles are the chosen troubles, newest first.
func (c *Catalog) Troubles(ctx context.Context, q TroubleQuery) (troubles []Trouble, err error) {
	err = c.read(ctx, "read troubles", func(conn *sqlite.Conn) error {
		return each(conn, `SELECT id, connection, stream, lane, kind, message, remedy, heals, until, first, last, count, resolved
			FROM troubles
			WHERE (?1 = '' OR connection = ?1) AND (?2 = '' OR stream = ?2) AND (NOT ?3 OR resolved = 0) AND (?4 <= 0 OR id < ?4)
			ORDER BY id DESC LIMIT ?5`,
			func(row *sqlite.Stmt) { troubles = append(troubles, readTrouble(row)) },
			q.Connection, q.Stream, q.Open, q.Before, limited(q.Limit))
	})
	return troubles, err
}

func readTrouble(row *sqlite.Stmt) Trouble {
	return Trouble{
		Trouble: penstock.Trouble{
			Kind: row.GetText("kind"), Message: row.GetText("message"), Remedy: row.GetText("remedy"),
			Heals: row.GetBool("heals"), Until: moment(row.GetInt64("until")),
		},
		Place: Place{
			Connection: row.GetText("connection"), Stream: row.GetText("stream"), Lane: penstock.Lane(row.GetText("lane")),
		},
		ID:    row.GetInt64("id"),
		First: moment(row.GetInt64("first")), Last: moment(row.GetInt64("last")),
		Count: int(row.GetInt64("count")), Resolved: moment(row.GetInt64("resolved")),
	}
}
