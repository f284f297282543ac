package datastreams_test

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestOneWorkerReadsAnAccountAtATime(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.worker("a")
		b := &worker{world: w, name: "b"}
		for range 10 {
			pass(5 * time.Second)
			if reply := b.beat(); reply.Refused == "" {
				w.Fatal("a second worker got the account")
			}
			if reply := a.beat(); reply.Refused != "" {
				w.Fatalf("the first worker lost the account: %s", reply.Refused)
			}
		}
		if g := b.ask(warehousetest.Contacts(), penstock.Backfill); g.Token != "" {
			w.Error("a run was granted to a worker that does not hold the account")
		}
		pass(lease - time.Second)
		if reply := b.beat(); reply.Refused == "" {
			w.Error("the account was given away before the lease was over")
		}
		pass(2 * time.Second)
		if reply := b.beat(); reply.Refused != "" {
			w.Errorf("the account of a silent worker was refused: %s", reply.Refused)
		}
		if reply := a.beat(); reply.Refused == "" {
			w.Error("two workers hold the account")
		}
	})
}

func TestAfterARestartTheFormerHolderKeepsTheAccountForALease(t *testing.T) {
	inBubble(t, func(w *world) {
		a, b := w.worker("a"), &worker{world: w, name: "b"}
		w.restart()
		if reply := b.beat(); reply.Refused == "" {
			w.Error("another worker got the account at once")
		}
		if reply := a.beat(); reply.Refused != "" {
			w.Errorf("the former holder was refused: %s", reply.Refused)
		}
		w.restart()
		b.beat()
		pass(lease + time.Second)
		if reply := b.beat(); reply.Refused != "" {
			w.Errorf("a lease later the account was refused still: %s", reply.Refused)
		}
	})
}

func TestStampsOfTheNextHolderAreAboveAllThatWereUsed(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.worker("a")
		for range 20 {
			a.stamp += 200_000 // between two heartbeats
			a.beat()
		}
		a.stamp += 200_000 // and these nobody heard of
		pass(lease + time.Second)
		b := w.worker("b")
		if b.stamp <= a.stamp {
			w.Errorf("the next holder begins at %d, the one before used %d", b.stamp, a.stamp)
		}
		w.restart()
		(&worker{world: w, name: "c"}).beat() // the former holder has a lease from now
		pass(lease + time.Second)
		if c := w.worker("c"); c.stamp < b.stamp {
			w.Errorf("after a restart the next begins at %d, below %d", c.stamp, b.stamp)
		}
	})
}

func TestAHolderThatComesBackIsToldStampsAboveTheWarehouses(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"the catalog is lost":       func(w *world) { removeCatalog(w) },
		"the catalog is yesterdays": func(w *world) { w.copyCatalog(w.path+".yesterday", w.path) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				a := w.worker("a")
				w.end()
				w.copyCatalog(w.path, w.path+".yesterday")
				w.start()
				a.beat()
				w.discover("a")
				pass(lease + time.Second)
				b := w.worker("b")
				b.stamp += 30_000_000
				r := b.granted(warehousetest.Contacts(), penstock.Backfill)
				r.publish(1)
				settle()
				w.end()
				spoil(w)
				// The warehouse answers only after the worker has spoken.
				w.store.fails(func() { w.store.claims = []error{errAway, errAway, errAway, errAway} })
				w.start()
				from := int64(0)
				for range 10 {
					if reply := a.beat(); reply.Refused == "" {
						from = reply.StampFrom
					}
					pass(2 * time.Second)
				}
				if from <= b.stamp {
					w.Errorf("stamps begin at %d, but the warehouse holds %d: what is observed now would count as older", from, b.stamp)
				}
			})
		})
	}
}

func removeCatalog(w *world) {
	for _, tail := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(w.path + tail); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.Fatal(err)
		}
	}
}

func TestQ1TheDaysCallsSurviveRestartsAndHolders(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.worker("a")
		b := a.message()
		b.Spent = penstock.Spent{Day: "2026-11-21", Calls: 1234, Limit: 250_000}
		w.service.Beat(w.Context(), b)
		w.restart()
		pass(lease + time.Second)
		w.service.Beat(w.Context(), (&worker{world: w, name: "b"}).message())
		pass(lease + time.Second)
		reply := (&worker{world: w, name: "b"}).beat()
		if !reflect.DeepEqual(reply.Spent, b.Spent) {
			w.Errorf("the next holder is told %+v, want %+v", reply.Spent, b.Spent)
		}
		if st := w.service.Connections()[0]; !reflect.DeepEqual(st.Spent, b.Spent) {
			w.Errorf("the status shows %+v", st.Spent)
		}
	})
}

func TestV4AnotherAccountIsRefusedWithTheWayOut(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		other := &worker{world: w, name: "b"}
		b := other.message()
		b.Account.ID = 815
		for range 20 {
			if reply := w.service.Beat(w.Context(), b); reply.Refused == "" || len(reply.Runs) > 0 {
				w.Fatalf("another account was let in: %+v", reply)
			}
			pass(time.Second)
		}
		all := w.troubles(false)
		if len(all) != 1 || all[0].Kind != "other_account" || !strings.Contains(all[0].Remedy, "second connection") {
			w.Errorf("troubles: %+v, want one, with the way out", all)
		}
		if st := w.service.Connections()[0]; st.State != "refused" || st.Account != account {
			w.Errorf("the connection is %q, of account %d", st.State, st.Account)
		}
		k.beat()
		if open := w.troubles(true); len(open) > 0 {
			w.Errorf("still open though the right account is read: %+v", open)
		}
	})
}

func TestV4AWarehouseOfAnotherAccountIsRefused(t *testing.T) {
	synctestWorld(t, func(w *world) {
		if err := w.store.Claim(w.Context(), warehouse.Claim{Loader: "x", Installation: "here", Account: 815}); err != nil {
			w.Fatal(err)
		}
		filled := warehousetest.Range{Lane: penstock.Backfill, Grant: "x"}
		items := []warehouse.Item{{Batch: filled.Next(contacts().Put(1, 1, 1, "v")), Current: "x"}}
		if _, err := w.store.Load(w.Context(), items, warehouse.Moment{Account: 815}); err != nil {
			w.Fatal(err)
		}
		w.start()
		for range 5 {
			if reply := (&worker{world: w, name: "a"}).beat(); reply.Refused == "" {
				w.Fatal("the account was let in")
			}
			pass(time.Second)
		}
		st := w.service.Connections()[0]
		if st.Account != 0 || st.State != "warehouse down" {
			w.Errorf("the connection stands as %+v", st)
		}
		for _, trouble := range w.troubles(true) {
			if trouble.Kind != "other_account" || trouble.Heals || trouble.Remedy == "" {
				w.Errorf("trouble: %+v", trouble)
			}
		}
	})
}

func TestACredentialIsSealedToTheWorkerAndReplacedWithoutARestart(t *testing.T) {
	synctestWorld(t, func(w *world) {
		now := "one"
		var broken error
		w.token = func() (string, error) { return now, broken }
		w.start()
		k := w.worker("a")
		if got := string(k.beat().Secret); got != "key:one" {
			w.Errorf("sealed %q", got)
		}
		now = "two"
		if got := string(k.beat().Secret); got != "key:two" {
			w.Errorf("sealed %q after it was replaced", got)
		}
		broken = errors.New("token_file cannot be read")
		if reply := k.beat(); !strings.Contains(reply.Refused, "cannot be read") {
			w.Errorf("refused with %q", reply.Refused)
		}
		k.beat()
		if open := w.troubles(true); len(open) != 1 || open[0].Kind != "credential" {
			w.Errorf("troubles: %+v", open)
		}
		broken = nil
		k.beat()
		if open := w.troubles(true); len(open) != 0 {
			w.Errorf("still open: %+v", open)
		}
	})
}

func TestAWorkersTroubleIsShownOnceUntilItIsOver(t *testing.T) {
	inBubble(t, func(w *world) {
		k := w.worker("a")
		b := k.message()
		b.Trouble = &penstock.Trouble{Kind: "unauthorized", Message: "401", Remedy: "give a valid token"}
		for range 5 {
			credential := k.message()
			credential.Account = penstock.Account{}
			w.service.Beat(w.Context(), credential)
			w.service.Beat(w.Context(), b)
			pass(time.Second)
		}
		if all := w.troubles(false); len(all) != 1 || all[0].Count != 1 {
			w.Errorf("troubles: %+v", all)
		}
		k.beat()
		if open := w.troubles(true); len(open) != 0 {
			w.Errorf("still open: %+v", open)
		}
	})
}
