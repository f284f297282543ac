package warehousetest

import (
	"penstock"
	"penstock/internal/warehouse"
)

// An arriving is a row of a batch with its cells by name.
type arriving struct {
	key    penstock.Key
	fixed  map[string]any // by the names of the fixed columns
	values map[string]any // by the table's column, as Rows yields them
}

func (r arriving) arrival() warehouse.Arrival {
	number := func(name string) int64 {
		n, _ := r.fixed[name].(int64) // NULL counts as 0
		return n
	}
	why, _ := r.fixed[penstock.ColWhy].(string)
	return warehouse.Arrival{
		Op: penstock.Op(number(penstock.ColOp)), Via: penstock.Via(number(penstock.ColVia)),
		Updated: number(penstock.ColUpdated), Stamp: number(penstock.ColStamp),
		Why: penstock.Why(why), MergedInto: number(penstock.ColMergedInto),
	}
}

// row does what warehouse.Replace decides.
func (m *modelBatch) row(r arriving) {
	new := r.arrival()
	text := r.key.Text()
	m.keys[text] = true
	if new.Op == penstock.Put || new.Op == penstock.Fill {
		m.carried[text] = true
	}
	old := m.table.rows[text]
	var standing *warehouse.Standing
	if old != nil {
		v := old.version
		v.Stamp = max(v.Stamp, old.seen)
		standing = &v
	}
	switch warehouse.Replace(m.table.stream.Dated(), standing, new) {
	case warehouse.Write:
		m.write(r, old)
	case warehouse.Observe:
		old.seen = max(old.seen, new.Stamp)
	case warehouse.FillIn:
		m.fillIn(r, old)
		return
	case warehouse.Want:
		m.count.Superseded++
		m.want(penstock.Want{Key: text, Reason: penstock.WantFill, Stamp: new.Stamp})
		return
	case warehouse.Doubt:
		m.doubt(old, new)
		return
	default:
		if new.Op != penstock.Bury {
			m.count.Superseded++
		}
	}
	m.answered(text, new.Stamp, new.Op)
}

// answered removes the want that an observation answers.
func (m *modelBatch) answered(key string, stamp int64, op penstock.Op) {
	e := entry{stream: m.table.stream.Name, key: key}
	w, wanted := m.wanted[e]
	if wanted && w.Stamp <= stamp && (op != penstock.Put || w.Reason != penstock.WantFill || m.fills()) {
		delete(m.wanted, e)
	}
}

// fills tells whether the batch names every column that is being filled.
func (m *modelBatch) fills() bool {
	for _, c := range m.table.columns {
		if _, named := m.named[c.Property]; !named && !c.Filled {
			return false
		}
	}
	return true
}

// next is the row as the arrival leaves it.
func (r arriving) next(old *modelRow) map[string]any {
	columns := map[string]any{}
	if old != nil {
		for name, v := range old.columns {
			columns[name] = v
		}
	}
	time := func(name string) any { return shown(r.fixed[name], penstock.DateTime) }
	if created := time(penstock.ColCreated); created != nil || old == nil {
		columns["_created_at"] = created
	}
	columns["_updated_at"], columns["_deleted_at"] = time(penstock.ColUpdated), time(penstock.ColDeleted)
	new := r.arrival()
	columns["_deleted"], columns["_deleted_why"], columns["_merged_into"] = new.Why != penstock.Live, any(nil), any(nil)
	if new.Why != penstock.Live {
		columns["_deleted_why"] = string(new.Why)
	}
	if new.MergedInto != 0 {
		columns["_merged_into"] = new.MergedInto
	}
	if new.Op == penstock.Put {
		for name, v := range r.values {
			columns[name] = v
		}
	}
	return columns
}

func (m *modelBatch) write(r arriving, old *modelRow) {
	new := r.arrival()
	next := r.next(old)
	if old != nil && new.Op == penstock.Put && equal(old.columns, next) {
		old.seen = max(old.seen, new.Stamp)
		m.count.Unchanged++
		m.rowRejects(r, new.Op)
		return
	}
	if new.Op == penstock.Bury {
		m.count.Buried++
	} else {
		m.count.Loaded++
	}
	if old == nil {
		for i, k := range m.table.stream.Key() {
			next[k.Name] = r.key[i]
			if k.Integer {
				next[k.Name] = integer(r.key[i])
			}
		}
	}
	row := &modelRow{key: r.key, columns: next, version: warehouse.Standing{
		Updated: new.Updated, Stamp: new.Stamp, Why: new.Why, MergedInto: new.MergedInto,
	}}
	next["_stamp"] = new.Stamp
	m.loaded(row)
	m.table.rows[r.key.Text()] = row
	if new.Op == penstock.Put {
		m.rowRejects(r, new.Op)
	}
}

func equal(a, b map[string]any) bool {
	for name, v := range b {
		if a[name] != v {
			return false
		}
	}
	return true
}

// loaded stamps a written row with the transaction's number.
func (m *modelBatch) loaded(row *modelRow) {
	if name := m.table.stream.Name; !m.written[name] {
		m.written[name] = true
		m.table.load++
	}
	row.columns["_synced_at"] = moment(m.at.Now.UnixMilli())
	row.columns["_load"] = m.table.load
}

func (m *modelBatch) fillIn(r arriving, old *modelRow) {
	if equal(old.columns, r.values) {
		m.count.Unchanged++
	} else {
		m.count.Loaded++
		for name, v := range r.values {
			old.columns[name] = v
		}
		m.loaded(old)
	}
	m.rowRejects(r, penstock.Fill)
}

func (m *modelBatch) doubt(old *modelRow, new warehouse.Arrival) {
	e := entry{stream: m.table.stream.Name, key: old.key.Text()}
	w, wanted := m.wanted[e]
	switch {
	case warehouse.GoneNow(w.missed, new.Updated):
		delete(m.wanted, e)
		m.count.Loaded++
		old.version.Why, old.version.MergedInto, old.version.Stamp = penstock.Gone, 0, new.Stamp
		old.columns["_deleted"], old.columns["_deleted_why"] = true, string(penstock.Gone)
		old.columns["_merged_into"] = nil
		if old.columns["_deleted_at"] == nil {
			old.columns["_deleted_at"] = moment(w.missed)
		}
		old.columns["_stamp"] = new.Stamp
		m.loaded(old)
		return
	case w.missed == 0:
		if !wanted {
			w.since = m.at.Now.UnixMilli()
		}
		w.Want = penstock.Want{Key: e.key, Reason: penstock.WantDoubt, Stamp: max(w.Stamp, new.Stamp)}
		w.missed = new.Updated
		m.wanted[e] = w
		m.count.Wanted++
	}
	m.count.Superseded++
}

// rowRejects replaces the rejects of the row's columns by those that came
// with it and whose value did not load.
func (m *modelBatch) rowRejects(r arriving, op penstock.Op) {
	text := r.key.Text()
	for e := range m.rejects {
		if e.stream != m.table.stream.Name || e.key != text {
			continue
		}
		if _, named := m.named[e.property]; named || e.property == "" && op == penstock.Put {
			delete(m.rejects, e)
		}
	}
	for _, reject := range m.batch.Rejects {
		column, named := m.named[reject.Property]
		if reject.Key == text && reject.Property != "" && !(named && r.values[column] != nil) {
			m.reject(reject)
		}
	}
}
