// Package iceberg keeps the warehouse of one connection as Iceberg tables in a
// folder or an object store, which DuckDB, Spark, Trino, Snowflake and
// BigQuery read.
//
// It knows Iceberg, Parquet and Arrow and keeps the promises W1 to W5; which
// batch is admitted, which row replaces which and how a column is named is
// decided by package warehouse. It knows no bus and no HubSpot.
package iceberg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/iceberg-go/table"

	"penstock"
	"penstock/internal/warehouse"
)

// A Store is the warehouse at one address. Nothing is written there before
// Claim.
type Store struct {
	address string
	lake    lake
	path    string            // of the index
	step    func(name string) // called before each step that writes; nil but in tests

	mu      sync.Mutex // one writer at a time: Claim, Load, Restart, Maintain, Close, and following the log
	index   *conn      // nil until it is needed
	loader  string     // our token; empty until claimed
	unsure  string     // the id of an entry of ours of which nobody knows whether it was made
	pending pending    // what may be committed and not published
	parsed  map[string]parsed

	claimed atomic.Bool // the index is ours to keep in line

	lookups *readers // short questions, such as the loader's own
	scans   *readers // rows, read as slowly as their reader likes
}

// pending are the tables whose latest version may not be published.
type pending struct {
	all     bool
	streams map[string]bool
}

// parsed is metadata of a table, by its file.
type parsed struct {
	name     string
	metadata table.Metadata
}

var _ warehouse.Store = (*Store)(nil)

// Open names a warehouse that need not exist yet: iceberg:PATH for a folder,
// iceberg+s3://BUCKET/PREFIX?endpoint=URL&region=NAME for a bucket, with
// credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN. In workdir, a folder on a local disk, lies an index of it
// that may be deleted when no process uses it.
func Open(address, workdir string) (*Store, error) {
	l, err := openLake(address)
	if err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", address, err)
	}
	if err := os.MkdirAll(workdir, 0o755); err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", address, err)
	}
	sum := sha256.Sum256([]byte(l.uri("")))
	s := &Store{address: address, lake: watched{l}, parsed: map[string]parsed{}, path: filepath.Join(workdir, "iceberg-"+hex.EncodeToString(sum[:6])+".db")}
	s.pending.streams = map[string]bool{}
	s.lookups, s.scans = &readers{path: s.path}, &readers{path: s.path}
	return s, nil
}

// CheckAddress refuses an address that Open would refuse. It touches nothing.
func CheckAddress(address string) error {
	if _, err := openLake(address); err != nil {
		return fmt.Errorf("the warehouse %s: %w", address, err)
	}
	return nil
}

// Gather says how long a loader does best to wait for more, and for how many
// bytes of it at most: each load is a snapshot of every table that it touches,
// and is in memory about four times over.
func (s *Store) Gather() (time.Duration, int64) { return 5 * time.Second, 32 << 20 }

// Claim makes the caller the only loader, and the place a warehouse if it is
// not one yet. What a loader that died has committed but not published is
// published, and the index brought in line with the lake.
func (s *Store) Claim(ctx context.Context, c warehouse.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.claim(ctx, c); err != nil {
		return fmt.Errorf("claim warehouse %s: %w", s.address, explain(ctx, err))
	}
	return nil
}

func (s *Store) claim(ctx context.Context, c warehouse.Claim) error {
	if err := s.connect(); err != nil {
		return err
	}
	s.loader = ""
	s.claimed.Store(false)
	for {
		err := s.transact(ctx, c.Loader, func(tx *tx) (bool, error) {
			m, err := readMeta(tx.conn)
			if err == nil {
				err = m.admits(c)
			}
			if err == nil {
				_, err = tx.repair()
			}
			if err == nil {
				err = setMeta(tx.conn, metaInstallation, c.Installation)
			}
			if err == nil {
				err = setMeta(tx.conn, metaClaims, warehouse.Claimed(m.claims, tx.begin.number))
			}
			return true, errors.Join(err, setMeta(tx.conn, metaLoader, c.Loader))
		})
		if errors.Is(err, errTaken) {
			continue // by a load or a claim in between: look again
		}
		if err != nil {
			return err
		}
		s.loader, s.pending.all = c.Loader, true
		s.claimed.Store(true)
		return s.publish(ctx)
	}
}

// admits refuses a claim on somebody else's tables (V4).
func (m meta) admits(c warehouse.Claim) error {
	switch {
	case m.installation != "" && m.installation != c.Installation:
		return fmt.Errorf("%w: load into another place, or from that data folder", warehouse.ErrOtherInstallation)
	case m.account != 0 && c.Account != 0 && m.account != c.Account:
		return m.otherAccount(c.Account)
	}
	return nil
}

func (m meta) otherAccount(account int64) error {
	return fmt.Errorf("%w: it holds %d and not %d; give the second account a connection and a place of its own",
		warehouse.ErrOtherAccount, m.account, account)
}

// connect opens the index unless it is open. One that is no index is
// made anew.
func (s *Store) connect() error {
	if s.index != nil {
		if _, err := os.Stat(s.path); err == nil {
			return nil
		}
		if err := s.disconnect(); err != nil { // it was deleted
			return err
		}
	}
	conn, err := openIndex(s.path)
	if err != nil && !damaged(err) {
		return err
	}
	if err != nil {
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(s.path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if conn, err = openIndex(s.path); err != nil {
			return err
		}
	}
	conn.step = s.step
	s.index = conn
	return nil
}

func (s *Store) disconnect() error {
	err := errors.Join(s.lookups.reset(), s.scans.reset())
	if s.index != nil {
		err = errors.Join(err, s.index.Close())
		s.index = nil
	}
	return err
}

// Close ends the store after the load in hand.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loader = ""
	s.claimed.Store(false)
	if err := errors.Join(s.lookups.close(), s.scans.close(), s.disconnect()); err != nil {
		return fmt.Errorf("close warehouse %s: %w", s.address, err)
	}
	return nil
}

// Restart forgets how far the backfill of a stream has come.
func (s *Store) Restart(ctx context.Context, stream string) error {
	err := s.write(ctx, func(tx *tx, _ meta) (bool, error) {
		return true, tx.conn.exec(`DELETE FROM _penstock_heads WHERE stream = ?1 AND lane = ?2`, stream, penstock.Backfill)
	})
	if err != nil {
		return fmt.Errorf("restart backfill of %s in %s: %w", stream, s.address, err)
	}
	return nil
}

// note lets a test die here.
func (s *Store) note(name string) {
	if s.step != nil {
		s.step(name)
	}
}

func randomID() string { return rand.Text() }
