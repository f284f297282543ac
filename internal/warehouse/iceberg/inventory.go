package iceberg

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
	where, args := "deleted = 0", []any{inv.Stamp}
	if inv.Archived {
		want.Reason = penstock.WantUnlisted
		where = "why = 'archived' AND (deleted_at IS NULL OR deleted_at >= ?2)" // as in the partial index
		args = append(args, warehouse.Listed(a.at.Now).UnixMilli())
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
	for _, s := range unnamed {
		want.Key = s.whole().Text()
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
	where := "print IS NULL AND "
	if warehouse.Buries(a.table.stream) {
		where = "(deleted = 0 OR print IS NULL) AND "
	}
	unnamed, err := a.unnamed(where+term, args)
	if err != nil {
		return err
	}
	for _, s := range unnamed {
		stamp, _ := args[0].(int64)
		if err := a.entomb(a.table, s, grave{since: a.at.Now.UnixMilli(), stamp: stamp}); err != nil {
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
func (a *applying) unnamed(where string, args []any) ([]*standing, error) {
	if !a.table.made {
		return nil, nil
	}
	rows, err := a.table.where(where+" AND (stamp < ?1 OR print IS NULL)", args)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(s *standing) bool { return a.keys[s.whole().Text()] })
	return a.unseen(rows, args[0])
}

// unseen keeps the rows that were not observed unchanged at the stamp or
// later.
func (a *applying) unseen(rows []*standing, stamp any) ([]*standing, error) {
	var unseen []*standing
	for _, s := range rows {
		seen := false
		name, err := a.table.seenName(s.whole())
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
			unseen = append(unseen, s)
		}
	}
	return unseen, nil
}
