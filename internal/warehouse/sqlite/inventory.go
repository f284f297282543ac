package sqlite

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"penstock"
	"penstock/internal/warehouse"
)

// inventory finds the rows of ours that the batch does not name though it
// names all there are.
func (a *applying) inventory() error {
	switch inv := a.batch.Inventory; {
	case inv == nil:
		return nil
	case len(inv.Of) > 0:
		return a.inventoryOf(inv)
	default:
		return a.inventoryBetween(inv)
	}
}

// inventoryBetween wants the rows in the stretch that the list did not name.
func (a *applying) inventoryBetween(inv *penstock.Inventory) error {
	want := penstock.Want{Reason: penstock.WantAbsent, Stamp: inv.Stamp}
	where, args := "_deleted = 0", []any{inv.Stamp}
	if inv.Archived {
		want.Reason = penstock.WantUnlisted
		where = "_deleted_why = 'archived' AND (_deleted_at IS NULL OR _deleted_at >= ?2)" // as in the partial index
		args = append(args, isoText(warehouse.Listed(a.at.Now).UnixMilli()))
	}
	for _, end := range []struct {
		key penstock.Key
		op  string
	}{{inv.From, ">="}, {inv.To, "<"}} {
		term, values, err := a.table.bound(end.key, end.op, len(args))
		if err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
		where, args = where+" AND "+term, append(args, values...)
	}
	unnamed, err := a.unnamed(where, args)
	if err != nil {
		return err
	}
	for _, key := range unnamed {
		want.Key = key.Text()
		if err := a.want(want); err != nil {
			return err
		}
	}
	return nil
}

// inventoryOf buries what belongs to objects and is not named with them, on
// HubSpot's answer about these very ids (V3), and takes the objects off the
// lists of wanted and of rejected ones.
func (a *applying) inventoryOf(inv *penstock.Inventory) error {
	for _, id := range inv.Of {
		term, values, err := a.table.bound(penstock.Key{id}, "=", 1)
		if err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
		if err := a.buryOf(term, append([]any{inv.Stamp}, values...)); err != nil {
			return err
		}
		if err := a.acceptOf(id); err != nil {
			return err
		}
		if !a.table.wanted {
			continue
		}
		if err := a.unwant(id, inv.Stamp); err != nil {
			return err
		}
	}
	return nil
}

// buryOf buries the rows of an object that are not named, and those of which
// nobody knows that we ever loaded them whatever the stream.
func (a *applying) buryOf(term string, args []any) error {
	where := "_print IS NULL AND "
	if warehouse.Buries(a.table.stream) {
		where = "(_deleted = 0 OR _print IS NULL) AND "
	}
	unnamed, err := a.unnamed(where+term, args)
	if err != nil {
		return err
	}
	for _, key := range unnamed {
		stamp, _ := args[0].(int64)
		if err := a.entomb(a.table, key, grave{since: a.at.Now.UnixMilli(), stamp: stamp}); err != nil {
			return err
		}
		a.applied.Buried++
	}
	return nil
}

// acceptOf drops the rejects of an object that has now been read, but for those
// that came with the batch.
func (a *applying) acceptOf(id string) error {
	if !a.table.rejects {
		return nil
	}
	return a.dropRejects(id, func(property string) bool {
		return !slices.ContainsFunc(a.rejected[id], func(r penstock.Reject) bool { return r.Property == property })
	})
}

// unnamed lists the rows where the condition holds that the batch does not
// name and that have not been observed since the stamp, which is the first of
// the arguments. What an untrusted row says of its stamp counts for nothing.
func (a *applying) unnamed(where string, args []any) ([]penstock.Key, error) {
	if !a.table.made {
		return nil, nil
	}
	var keys []penstock.Key
	err := a.conn.query(fmt.Sprintf(`SELECT %s FROM %s WHERE %s AND (_stamp < ?1 OR _print IS NULL)`, keyList(a.table.keys),
		quote(a.table.stream.Name), where), func(row *sqlite.Stmt) error {
		key := make(penstock.Key, len(a.table.keys))
		for i := range key {
			key[i] = row.ColumnText(i)
		}
		if !a.keys[key.Text()] {
			keys = append(keys, key)
		}
		return nil
	}, args...)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return a.unseen(keys, args[0])
}

// unseen keeps the keys that were not observed unchanged at the stamp or
// later.
func (a *applying) unseen(keys []penstock.Key, stamp any) ([]penstock.Key, error) {
	unseen := keys[:0]
	for _, key := range keys {
		seen := false
		name, err := a.table.seenName(key)
		if err != nil {
			return nil, err
		}
		err = a.conn.query(`SELECT 1 FROM _penstock_seen WHERE stream = ?1 AND key = ?2 AND stamp >= ?3`,
			func(*sqlite.Stmt) error {
				seen = true
				return nil
			}, a.table.stream.Name, name, stamp)
		if err != nil {
			return nil, err
		}
		if !seen {
			unseen = append(unseen, key)
		}
	}
	return unseen, nil
}
