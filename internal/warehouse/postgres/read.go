package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"penstock"
	"penstock/internal/warehouse"
)

// Heads are the ranges of a lane as committed, by their first id.
func (s *Store) Heads(ctx context.Context, stream string, lane penstock.Lane) ([]penstock.Head, error) {
	var heads []penstock.Head
	err := s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT `+headColumns+` FROM _penstock_heads WHERE stream = $1 AND lane = $2 ORDER BY "range"`,
			func(r row) error {
				heads = append(heads, readHead(r))
				return nil
			}, stream, string(lane))
	})
	if err != nil {
		return nil, fmt.Errorf("read heads of %s %s in %s: %w", stream, lane, s.address.name, err)
	}
	return heads, nil
}

// Stamp is the highest stamp the warehouse has seen.
func (s *Store) Stamp(ctx context.Context) (int64, error) {
	stamp := int64(0)
	err := s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT stamp FROM _penstock_meta`, func(r row) error {
			stamp = r.int(0)
			return nil
		})
	})
	if err != nil {
		return 0, fmt.Errorf("read the highest stamp in %s: %w", s.address.name, err)
	}
	return stamp, nil
}

// Claims are those that the schema has seen, with the transactions so far.
func (s *Store) Claims(ctx context.Context) (warehouse.Claims, error) {
	var claims warehouse.Claims
	err := s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT claims, commits FROM _penstock_meta`, func(r row) error {
			claims = warehouse.Claims{Begun: warehouse.ReadClaims(r.text(0)), Commits: r.int(1)}
			return nil
		})
	})
	if err != nil {
		return claims, fmt.Errorf("read the claims of %s: %w", s.address.name, err)
	}
	return claims, nil
}

// Wanted lists keys that are due to be read.
func (s *Store) Wanted(ctx context.Context, stream string, now time.Time, limit int, but string) ([]penstock.Want, error) {
	var wants []penstock.Want
	err := s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT key, reason, stamp FROM _penstock_wanted
			WHERE stream = $1 AND asked <= $2 AND reason <> $4 ORDER BY since, key LIMIT $3`,
			func(r row) error {
				wants = append(wants, penstock.Want{Key: r.text(0), Reason: r.text(1), Stamp: r.int(2)})
				return nil
			}, stream, now.Add(-warehouse.GoneAfter).UnixMilli(), max(limit, 0), but)
	})
	if err != nil {
		return nil, fmt.Errorf("read wanted ids of %s in %s: %w", stream, s.address.name, err)
	}
	return wants, nil
}

// Due counts the wanted keys by stream and reason: those that are due, and all.
func (s *Store) Due(ctx context.Context, now time.Time) (due, all map[string]map[string]int64, err error) {
	due, all = map[string]map[string]int64{}, map[string]map[string]int64{}
	err = s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT stream, reason, count(*) FILTER (WHERE asked <= $1), count(*) FROM _penstock_wanted GROUP BY stream, reason`,
			func(r row) error {
				for i, counts := range []map[string]map[string]int64{due, all} {
					stream := r.text(0)
					if counts[stream] == nil {
						counts[stream] = map[string]int64{}
					}
					counts[stream][r.text(1)] = r.int(2 + i)
				}
				return nil
			}, now.Add(-warehouse.GoneAfter).UnixMilli())
	})
	if err != nil {
		return nil, nil, fmt.Errorf("count wanted ids in %s: %w", s.address.name, err)
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
	only := "AND $4 = ''"
	if stream != "" {
		only = "AND stream = $4"
	}
	limit = max(limit, 1)
	rejects := []penstock.Reject{}
	err := s.lookups.read(ctx, func(conn *conn) error {
		return conn.query(`SELECT stream, key, property, original, reason, at FROM _penstock_rejects
			WHERE (stream, key, property) > ($1, $2, $3) `+only+` ORDER BY stream, key, property LIMIT $5`, func(r row) error {
			rejects = append(rejects, penstock.Reject{
				Stream: r.text(0), Key: r.text(1), Property: r.text(2), Original: r.text(3), Reason: r.text(4), At: r.int(5),
			})
			return nil
		}, visible(place[0]), visible(place[1]), visible(place[2]), stream, limit+1)
	})
	if err != nil {
		return nil, "", fmt.Errorf("read rejects in %s: %w", s.address.name, err)
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
	at := map[string]int{}
	err := s.lookups.read(ctx, func(conn *conn) error {
		err := conn.query(`SELECT stream, family, object_type, to_type, belongs, whole, load, "rows", deleted, fresh_at, settled_at,
			(SELECT count(*) FROM _penstock_rejects AS r WHERE r.stream = t.stream),
			(SELECT count(*) FROM _penstock_wanted AS w WHERE w.stream = t.stream)
			FROM _penstock_tables AS t ORDER BY stream`, func(r row) error {
			at[r.text(0)] = len(tables)
			tables = append(tables, warehouse.TableState{
				Stream: penstock.Stream{
					Name: r.text(0), Family: penstock.Family(r.text(1)), ObjectType: r.text(2), ToType: r.text(3), Of: r.text(4), Whole: r.bool(5),
				},
				Load: r.int(6), Rows: r.int(7), Deleted: r.int(8), FreshAt: r.int(9), SettledAt: r.int(10),
				Rejects: r.int(11), Wanted: r.int(12),
			})
			return nil
		})
		if err != nil {
			return err
		}
		return conn.query(`SELECT name, property, type, filled, absent, stream FROM _penstock_columns ORDER BY stream, position`,
			func(r row) error {
				if i, known := at[r.text(5)]; known {
					tables[i].Columns = append(tables[i].Columns, readColumn(r))
				}
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("describe the tables in %s: %w", s.address.name, err)
	}
	return tables, nil
}

func joined(terms []string) string { return strings.Join(terms, ", ") }
