package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"penstock/internal/warehouse/postgres/pgserver"
)

const (
	editEvery   = 20 // one contact in so many changes before the second sync
	lessWritten = 10 // times as much has the first sync to write as the second
	lessCPU     = 2  // times as much of it has what sync is measured beside to take
)

func (w *world) startServer() (err error) {
	if w.server, err = pgserver.New(); err != nil {
		return err
	}
	return w.server.Start(context.Background())
}

func (b *bench) postgres() error {
	b.heading("PostgreSQL", b.Contacts, b.Properties)
	ours, batched, err := b.beside("batched INSERTs", inServer)
	if err != nil {
		return err
	}
	if err := b.judge(ours, batched, b.PostgresRatio); err != nil {
		return err
	}
	if less := batched.cpu.Seconds() / ours.cpu.Seconds(); b.PostgresRatio > 0 && less < lessCPU {
		return fmt.Errorf("sync took 1/%.2f of the batched INSERTs' CPU, and 1/%d was asked for", less, lessCPU)
	}
	return b.again()
}

// again syncs twice and compares what the server had to write.
func (b *bench) again() (err error) {
	fmt.Printf("\nThe same again, then one contact in %d changes:\n\n", editEvery)
	columns()
	w, err := b.open(b.unlimited(b.Contacts), inServer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	nothing, err := w.written()
	if err != nil {
		return err
	}
	if _, err := w.run("first sync", b.Contacts, (*world).sync); err != nil {
		return err
	}
	first, err := w.written()
	if err != nil {
		return err
	}
	edited, err := w.edit(editEvery)
	if err != nil {
		return err
	}
	if _, err := w.run("second sync", edited, (*world).sync); err != nil {
		return err
	}
	second, err := w.written()
	if err != nil {
		return err
	}
	return compare(first.minus(nothing), second.minus(first), edited)
}

// compare holds the log against the promise. The rows are the changed contacts
// and as many ids whose associations have to be read again.
func compare(first, second writes, edited int) error {
	fmt.Printf("\nwritten: first %d rows and %.1f MB of log, second %d rows and %.1f MB of log, for %d changed contacts\n",
		first.rows, float64(first.log)/1e6, second.rows, float64(second.log)/1e6, edited)
	switch {
	case second.rows < int64(edited):
		return fmt.Errorf("the second sync wrote %d rows and %d contacts had changed", second.rows, edited)
	case second.log*lessWritten > first.log:
		return fmt.Errorf("the second sync wrote more than 1/%d of the first", lessWritten)
	}
	return nil
}

// writes are what a server has written.
type writes struct {
	rows int64 // inserted, updated and deleted, in all tables that last
	log  int64 // bytes of the write-ahead log
}

func (w writes) minus(other writes) writes { return writes{w.rows - other.rows, w.log - other.log} }

// written asks when all sessions have ended: only then are their rows counted.
func (w *world) written() (counted writes, err error) {
	const others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
	err = until("the sessions do not end", func() bool {
		answer, err := w.ask(others)
		return err == nil && answer == "0"
	})
	if err != nil {
		return counted, err
	}
	answer, err := w.ask("SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0), pg_current_wal_lsn() - '0/0'::pg_lsn FROM pg_stat_user_tables")
	if err != nil {
		return counted, err
	}
	_, err = fmt.Sscanf(strings.ReplaceAll(answer, "|", " "), "%d %d", &counted.rows, &counted.log)
	return counted, err
}

func (w *world) ask(question string) (string, error) {
	answer, err := w.server.Client(nil, "psql", "-Atqc", question)
	return strings.TrimSpace(string(answer)), err
}
