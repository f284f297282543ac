package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
	"penstock/internal/warehouse"
)

// headColumns are in the order of readHead and setHead.
const headColumns = `stream, lane, "range", "grant", seq, cursor, stamp`

func readHead(row *sqlite.Stmt) penstock.Head {
	return penstock.Head{
		Stream: row.ColumnText(0), Lane: penstock.Lane(row.ColumnText(1)), Range: row.ColumnInt64(2),
		Grant: row.ColumnText(3), Seq: uint64(row.ColumnInt64(4)), Cursor: penstock.Cursor(row.ColumnText(5)),
		Stamp: row.ColumnInt64(6),
	}
}

// readers are the connections that only read, opened when the first is asked
// for. They see whole transactions and never wait for the loader.
type readers struct {
	path string

	mu     sync.Mutex
	pool   *sqlitex.Pool
	closed bool
}

var errClosed = errors.New("the warehouse is closed")

// open returns the pool; nil while there is no warehouse in the file.
func (r *readers) open() (*sqlitex.Pool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if r.pool != nil {
		return r.pool, nil
	}
	if info, err := os.Stat(r.path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	pool, err := sqlitex.NewPool(r.path, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly, PoolSize: readerCount,
		PrepareConn: func(conn *sqlite.Conn) error {
			conn.SetBusyTimeout(busyTimeout)
			return query(conn, "PRAGMA cache_size = "+readerCache, nil)
		},
	})
	r.pool = pool
	return pool, err
}

func (r *readers) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// reset closes the connections, and lets the next reader open new ones.
func (r *readers) reset() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pool == nil {
		return nil
	}
	err := r.pool.Close()
	r.pool = nil
	return err
}

func (r *readers) close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.reset()
}

// read runs f in one snapshot of the index, for short questions.
func (s *Store) read(ctx context.Context, f func(*sqlite.Conn) error) error {
	return s.readBy(ctx, s.lookups, f)
}

// readBy brings the index to the lake first, if this process is not the one
// that loads.
func (s *Store) readBy(ctx context.Context, by *readers, f func(*sqlite.Conn) error) error {
	if err := s.fresh(ctx); err != nil {
		return explain(ctx, err)
	}
	pool, err := by.open()
	if err != nil || pool == nil {
		return explain(ctx, err)
	}
	conn, err := pool.Take(ctx)
	if err != nil {
		return explain(ctx, err)
	}
	defer pool.Put(conn)
	return explain(ctx, snapshot(conn, f))
}

// fresh brings the index of a store that does not load to the lake.
func (s *Store) fresh(ctx context.Context) error {
	if s.claimed.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lookups.isClosed() {
		return errClosed
	}
	if err := s.connect(); err != nil {
		return err
	}
	err := s.catchUp(ctx)
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy {
		return nil // another process uses the index, and keeps it in line
	}
	return err
}

func snapshot(conn *sqlite.Conn, f func(*sqlite.Conn) error) (err error) {
	end := sqlitex.Transaction(conn)
	defer func() { end(&err) }()
	return f(conn)
}

func query(conn *sqlite.Conn, text string, each func(row *sqlite.Stmt) error, args ...any) error {
	return sqlitex.Execute(conn, text, &sqlitex.ExecOptions{Args: args, ResultFunc: each})
}

// Heads are the ranges of a lane as committed, by their first id.
func (s *Store) Heads(ctx context.Context, stream string, lane penstock.Lane) ([]penstock.Head, error) {
	var heads []penstock.Head
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT `+headColumns+` FROM _penstock_heads WHERE stream = ?1 AND lane = ?2 ORDER BY "range"`,
			func(row *sqlite.Stmt) error {
				heads = append(heads, readHead(row))
				return nil
			}, stream, lane)
	})
	if err != nil {
		return nil, fmt.Errorf("read heads of %s %s in %s: %w", stream, lane, s.address, err)
	}
	return heads, nil
}

// Stamp is the highest stamp the warehouse has seen.
func (s *Store) Stamp(ctx context.Context) (int64, error) {
	stamp := int64(0)
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT value FROM _penstock_meta WHERE name = ?1`, func(row *sqlite.Stmt) error {
			stamp = row.ColumnInt64(0)
			return nil
		}, metaStamp)
	})
	if err != nil {
		return 0, fmt.Errorf("read the highest stamp in %s: %w", s.address, err)
	}
	return stamp, nil
}

// Claims are those that the lake has seen. Each entry of its log is a
// transaction.
func (s *Store) Claims(ctx context.Context) (warehouse.Claims, error) {
	var claims warehouse.Claims
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT (SELECT value FROM _penstock_meta WHERE name = ?1), (SELECT number FROM _local)`, func(row *sqlite.Stmt) error {
			claims = warehouse.Claims{Begun: warehouse.ReadClaims(row.ColumnText(0)), Commits: row.ColumnInt64(1)}
			return nil
		}, metaClaims)
	})
	if err != nil {
		return claims, fmt.Errorf("read the claims of %s: %w", s.address, err)
	}
	return claims, nil
}

// Wanted lists keys that are due to be read.
func (s *Store) Wanted(ctx context.Context, stream string, now time.Time, limit int, but string) ([]penstock.Want, error) {
	var wants []penstock.Want
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT key, reason, stamp FROM _penstock_wanted
			WHERE stream = ?1 AND asked <= ?2 AND reason <> ?4 ORDER BY since, key LIMIT ?3`,
			func(row *sqlite.Stmt) error {
				wants = append(wants, penstock.Want{
					Key: row.ColumnText(0), Reason: row.ColumnText(1), Stamp: row.ColumnInt64(2),
				})
				return nil
			}, stream, now.Add(-warehouse.GoneAfter).UnixMilli(), max(limit, 0), but)
	})
	if err != nil {
		return nil, fmt.Errorf("read wanted ids of %s in %s: %w", stream, s.address, err)
	}
	return wants, nil
}

// Due counts the wanted keys by stream and reason: those that are due, and all.
func (s *Store) Due(ctx context.Context, now time.Time) (due, all map[string]map[string]int64, err error) {
	due, all = map[string]map[string]int64{}, map[string]map[string]int64{}
	err = s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT stream, reason, count(*) FILTER (WHERE asked <= ?1), count(*) FROM _penstock_wanted GROUP BY stream, reason`,
			func(row *sqlite.Stmt) error {
				for i, counts := range []map[string]map[string]int64{due, all} {
					stream := row.ColumnText(0)
					if counts[stream] == nil {
						counts[stream] = map[string]int64{}
					}
					counts[stream][row.ColumnText(1)] = row.ColumnInt64(2 + i)
				}
				return nil
			}, now.Add(-warehouse.GoneAfter).UnixMilli())
	})
	if err != nil {
		return nil, nil, fmt.Errorf("count wanted ids in %s: %w", s.address, err)
	}
	return due, all, nil
}

// Rejects lists rejects in the order of stream, key and property. A place is
// these three of the last one that was listed.
func (s *Store) Rejects(ctx context.Context, stream, after string, limit int) ([]penstock.Reject, string, error) {
	var place [3]string
	if after != "" {
		if err := json.Unmarshal([]byte(after), &place); err != nil {
			return nil, "", fmt.Errorf("rejects after %q: not a place that this list gave: %w", after, err)
		}
	}
	only := "AND ?4 = ''"
	if stream != "" {
		only = "AND stream = ?4"
	}
	limit = max(limit, 1)
	rejects := []penstock.Reject{}
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return query(conn, `SELECT stream, key, property, original, reason, at FROM _penstock_rejects
			WHERE (stream, key, property) > (?1, ?2, ?3) `+only+` ORDER BY stream, key, property LIMIT ?5`, func(row *sqlite.Stmt) error {
			rejects = append(rejects, penstock.Reject{
				Stream: row.ColumnText(0), Key: row.ColumnText(1), Property: row.ColumnText(2),
				Original: row.ColumnText(3), Reason: row.ColumnText(4), At: row.ColumnInt64(5),
			})
			return nil
		}, place[0], place[1], place[2], stream, limit+1)
	})
	if err != nil {
		return nil, "", fmt.Errorf("read rejects in %s: %w", s.address, err)
	}
	if len(rejects) <= limit {
		return rejects, "", nil
	}
	last := rejects[limit-1]
	next, err := json.Marshal([3]string{last.Stream, last.Key, last.Property})
	return rejects[:limit], string(next), err
}

// Tables describes every table, by stream name.
func (s *Store) Tables(ctx context.Context) ([]warehouse.TableState, error) {
	var tables []warehouse.TableState
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		err := query(conn, `SELECT stream, family, object_type, load, "rows", deleted, fresh_at, settled_at, whole, to_type, belongs,
			(SELECT count(*) FROM _penstock_rejects AS r WHERE r.stream = t.stream),
			(SELECT count(*) FROM _penstock_wanted AS w WHERE w.stream = t.stream)
			FROM _penstock_tables AS t ORDER BY stream`, func(row *sqlite.Stmt) error {
			tables = append(tables, warehouse.TableState{
				Stream: penstock.Stream{
					Name: row.ColumnText(0), Family: penstock.Family(row.ColumnText(1)), ObjectType: row.ColumnText(2),
					Whole: row.ColumnBool(8), ToType: row.ColumnText(9), Of: row.ColumnText(10),
				},
				Load: row.ColumnInt64(3), Rows: row.ColumnInt64(4), Deleted: row.ColumnInt64(5),
				FreshAt: row.ColumnInt64(6), SettledAt: row.ColumnInt64(7),
				Rejects: row.ColumnInt64(11), Wanted: row.ColumnInt64(12),
			})
			return nil
		})
		for i := range tables {
			if err == nil {
				tables[i].Columns, err = readColumns(conn, tables[i].Stream.Name)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe the tables in %s: %w", s.address, err)
	}
	return tables, nil
}
