package datastreams_test

import (
	"strconv"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/warehouse/warehousetest"
)

// worker speaks with the service as a worker does.
type worker struct {
	*world
	name  string
	stamp int64
	spent penstock.Spent
	runs  []*granted
}

// granted is a run at its worker.
type granted struct {
	k     *worker
	grant penstock.Grant
	rng   *warehousetest.Range
	end   *penstock.RunEnd
}

// worker makes one that holds the account.
func (w *world) worker(name string) *worker {
	w.Helper()
	k := &worker{world: w, name: name}
	reply := k.beat()
	if reply.Refused != "" {
		w.Fatalf("the account was refused: %s", reply.Refused)
	}
	k.stamp = reply.StampFrom
	w.discover(name)
	return k
}

func (w *world) discover(string) []penstock.Stream {
	w.Helper()
	streams, err := w.service.Discover(w.Context(), penstock.Discovery{
		Connection: "default", Account: penstock.Account{ID: account},
		Found: []penstock.Found{{Name: "contacts", ObjectType: "0-1"}, {Name: "deals", ObjectType: "0-3"}},
	})
	if err != nil {
		w.Fatal(err)
	}
	return streams
}

// message is what the worker's next heartbeat says.
func (k *worker) message() penstock.Beat {
	b := penstock.Beat{
		Worker: k.name, PublicKey: "key", Connection: "default", Stamp: k.stamp,
		Account: penstock.Account{ID: account, TimeZone: "UTC"}, Spent: k.spent,
	}
	for _, r := range k.runs {
		p := penstock.Progress{Grant: r.grant.Token, End: r.end}
		if r.rng.Seq > 0 {
			p.Published = []penstock.Mark{{Seq: r.rng.Seq}}
		}
		b.Runs = append(b.Runs, p)
	}
	return b
}

func (k *worker) beat() penstock.BeatReply {
	k.Helper()
	reply := k.service.Beat(k.Context(), k.message())
	synctest.Wait()
	return reply
}

// live lets time go by while the worker's heart beats.
func (k *worker) live(d time.Duration) penstock.BeatReply {
	k.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		pass(min(5*time.Second, time.Until(end)))
		k.beat()
	}
	return k.beat()
}

// ask asks for a run once.
func (k *worker) ask(stream penstock.Stream, lane penstock.Lane) penstock.Grant {
	k.Helper()
	return k.service.Grant(k.Context(), penstock.GrantRequest{
		Worker: k.name, Connection: "default", Stream: stream, Lane: lane,
	})
}

// granted asks for a run that must be granted.
func (k *worker) granted(stream penstock.Stream, lane penstock.Lane) *granted {
	k.Helper()
	g := k.ask(stream, lane)
	if g.Token == "" {
		k.Fatalf("%s of %s is not granted: %s", lane, stream.Name, g.Refused)
	}
	r := &granted{k: k, grant: g, rng: &warehousetest.Range{Lane: lane, Grant: g.Token}}
	for _, h := range g.Heads {
		if h.Lane == lane {
			r.rng.Cursor = h.Cursor
		}
	}
	k.runs = append(k.runs, r)
	return r
}

// batch is the run's next batch, with one contact.
func (r *granted) batch(id int64) *penstock.Batch {
	r.k.stamp++
	return r.next(contacts().Put(id, 1000+r.k.stamp, r.k.stamp, "v"))
}

func (r *granted) next(b *warehousetest.Builder) *penstock.Batch {
	if b.Batch.After == "" && r.rng.Lane == penstock.Backfill {
		b.Batch.After = cursor.Pass{After: strconv.FormatUint(r.rng.Seq+1, 10)}.Cursor()
	}
	batch := r.rng.Next(b)
	batch.Connection = "default"
	return batch
}

// publish puts the run's next batch on the bus.
func (r *granted) publish(id int64) *message {
	m := r.k.bus.queue.publish(&message{batch: r.batch(id)})
	synctest.Wait()
	return m
}

// over is the word that the run is over.
func (r *granted) over(o penstock.Outcome) penstock.RunEnd {
	e := penstock.RunEnd{
		Worker: r.k.name, Connection: "default", Grant: r.grant.Token, Outcome: o,
		Last: []penstock.Mark{{Seq: r.rng.Seq}},
	}
	r.end = &e
	return e
}

// tell ends the run.
func (r *granted) tell(o penstock.Outcome) {
	r.k.Helper()
	if err := r.k.service.End(r.k.Context(), r.over(o)); err != nil {
		r.k.Fatal(err)
	}
	synctest.Wait()
}

// status is what a heartbeat hears of the run.
func (r *granted) status(reply penstock.BeatReply) penstock.RunStatus {
	r.k.Helper()
	for _, s := range reply.Runs {
		if s.Grant == r.grant.Token {
			return s
		}
	}
	r.k.Fatalf("the heartbeat's answer says nothing of the run: %+v", reply)
	return penstock.RunStatus{}
}

// contacts begins a batch of contacts with one column.
func contacts() *warehousetest.Builder {
	return warehousetest.NewBatch(warehousetest.Contacts(), penstock.Column{Property: "v", Type: penstock.Text})
}

// settle lets the loader's pauses pass.
func settle() { pass(2 * time.Second) }
