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
		Bare: len(r.values) == 0,
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
		if _, trusted := old.kept(); !trusted {
			v.Untrusted = true
		}
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
		m.want(m.table.stream.Name, penstock.Want{Key: text, Reason: warehouse.FillReason(m.batch.Lane), Stamp: new.Stamp})
		return
	case warehouse.Doubt:
		m.doubt(old, new)
		return
	default:
		if new.Op == penstock.Put || new.Op == penstock.Fill {
			m.count.Superseded++
		}
	}
	if new.Op != penstock.Fill && warehouse.Answers(new) {
		m.answered(text, new.Stamp)
	}
}

// answered removes the want that an observation answers.
func (m *modelBatch) answered(key string, stamp int64) {
	e := entry{stream: m.table.stream.Name, key: key}
	if m.wanted[e].Stamp <= stamp {
		delete(m.wanted, e)
	}
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
	_, trusted := old.kept()
	trusted = trusted && !old.version.Untrusted
	if trusted && new.Op == penstock.Put && equal(old.columns, next) {
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
	// What is wrong with columns that are not named stays wrong.
	off := warehouse.Print(0)
	if trusted && new.Op == penstock.Put && len(r.values) < len(m.table.columns) {
		off = old.off()
	}
	row.reprint(off)
	m.follow(r.key.Text(), new.Stamp, old != nil)
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
		off := old.off()
		for name, v := range r.values {
			old.columns[name] = v
		}
		m.loaded(old)
		old.reprint(off)
	}
	m.rowRejects(r, penstock.Fill)
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
