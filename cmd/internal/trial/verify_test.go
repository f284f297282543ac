package trial_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"penstock"
	"penstock/internal/datastreams"
	"penstock/internal/hubspot/hubspotsim"
)

// byHand changes the warehouse as somebody with a SQLite tool would.
func (w *weeks) byHand(statements ...string) {
	w.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(w.dir, "hubspot.db"), sqlite.OpenReadWrite)
	if err != nil {
		w.Fatal(err)
	}
	conn.SetBusyTimeout(5 * time.Second)
	for _, statement := range statements {
		if err := sqlitex.ExecuteTransient(conn, statement, nil); err != nil {
			w.Fatalf("%s: %v", statement, err)
		}
	}
	if err := conn.Close(); err != nil {
		w.Fatal(err)
	}
}

// verify compares contacts with HubSpot.
func (w *weeks) verify(every bool) datastreams.Verification {
	w.Helper()
	reports, err := w.service.Verify(w.Context(), "default", []string{"contacts"}, every)
	if err != nil || len(reports) != 1 {
		w.Fatalf("%d reports, %v", len(reports), err)
	}
	w.Logf("%+v", reports[0])
	return reports[0]
}

// TestVerifyFindsAndRepairsWhatWasDoneByHand deletes, alters and invents rows.
func TestVerifyFindsAndRepairsWhatWasDoneByHand(t *testing.T) {
	for _, every := range []bool{false, true} {
		t.Run(fmt.Sprint("every object ", every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { verified(t, every) })
		})
	}
}

func verified(t *testing.T, every bool) {
	account, err := hubspotsim.New(hubspotsim.Options{
		Seed: 3, Unlimited: true, Latency: 20 * time.Millisecond,
		Counts: map[string]int{"contacts": 6000}, Properties: map[string]int{"contacts": 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, end := newWeeks(t, account, 3)
	defer end()
	w.random = nil // loses nothing
	w.source.Streams = []string{"contacts"}
	w.source.Sweep = datastreams.SweepPolicy{} // what is found here, verify has found
	w.serve()
	w.work()
	<-time.After(2*virtualLag + 10*time.Minute) // what was read at first is settled
	w.checkRepair(every, 6000)
	w.stopWorker()
	w.stopServer()
	compareObjects(t, filepath.Join(w.dir, "hubspot.db"), account, "contacts")
}

// checkRepair verifies contacts of which there are so many, spoils some, and has
// them found and repaired.
func (w *weeks) checkRepair(every bool, rows int) {
	w.Helper()
	if v := w.verify(every); !v.Equal() || v.Calls > 100 || v.Rows != int64(rows) {
		w.Errorf("an equal table: %+v", v)
	}
	w.byHand(
		fmt.Sprintf(`DELETE FROM contacts WHERE id IN (SELECT id FROM contacts ORDER BY id LIMIT 50 OFFSET %d)`, rows/6),
		fmt.Sprintf(`UPDATE contacts SET email = 'forged@example.com' WHERE id IN (SELECT id FROM contacts ORDER BY id LIMIT 25 OFFSET %d)`, rows/2),
		fmt.Sprintf(`UPDATE contacts SET _updated_at = '2099-01-01T00:00:00.000Z', email = NULL
			WHERE id IN (SELECT id FROM contacts ORDER BY id LIMIT 25 OFFSET %d)`, rows*2/3),
		fmt.Sprintf(`INSERT INTO contacts (id, email, _deleted, _updated_at) SELECT id + 7, 'nobody@example.com', 0, _updated_at FROM
			(SELECT id, _updated_at FROM contacts WHERE id + 7 NOT IN (SELECT id FROM contacts) ORDER BY id LIMIT 50 OFFSET %d)`, rows*5/6),
	)
	v := w.verify(every)
	if v.Missing != 50 || v.Altered+v.Extra+v.Stale < 100 || v.Altered+v.Extra+v.Stale > 150 || v.Repaired+v.Open != v.Missing+v.Altered+v.Extra+v.Stale || v.Open > 50 {
		w.Errorf("50 rows deleted, 50 altered, 50 invented: %+v", v)
	}
	<-time.After(3 * time.Hour) // invented ones are asked for twice
	if v := w.verify(every); !v.Equal() {
		w.Errorf("after the repair: %+v", v)
	}
	reports, err := w.service.Verifications(context.Background(), "default", 0, 10)
	if err != nil || len(reports) != 3 || reports[1].Missing != 50 || reports[1].Repaired != v.Repaired {
		w.Errorf("kept: %+v, %v", reports, err)
	}
}

// newWeeks is an account with nothing beside it yet.
func newWeeks(t *testing.T, account *hubspotsim.Account, seed uint64) (w *weeks, end func()) {
	client, end := account.InProcess()
	w = &weeks{T: t, account: account, client: client, dir: t.TempDir(), pipe: newPipe(seed)}
	w.source = datastreams.Source{
		Connection: penstock.Connection{
			Name: "default", BaseURL: "http://localhost", Lag: virtualLag, Streams: append(types(), "owners", "pipelines", "pipeline_stages"),
			Schedule: penstock.Schedule{On: true, Every: 5 * time.Minute},
		},
		Token:   func() (string, error) { return "pat-na1-virtual", nil },
		Sweep:   datastreams.SweepPolicy{Share: 1, Every: sweepEach},
		History: map[string][]string{"deals": {"dealstage", "dealname"}},
	}
	return w, end
}
