package postgres

import (
	"fmt"
	"slices"
	"strings"

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
	reason, where, args := penstock.WantAbsent, "NOT t._deleted", []any{inv.Stamp}
	if inv.Archived {
		reason = penstock.WantUnlisted
		where = "t._deleted_why = 'archived' AND (t._deleted_at IS NULL OR t._deleted_at >= $2)" // as in the partial index
		args = append(args, moment(warehouse.Listed(a.at.Now).UnixMilli()))
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
	unnamed, _, err := a.unnamed(where, args)
	if err != nil {
		return err
	}
	wants := make([]wanting, len(unnamed))
	for i, key := range unnamed {
		want := penstock.Want{Key: key.Text(), Reason: reason, Stamp: inv.Stamp}
		wants[i] = wanting{Want: want, stream: a.table.stream.Name, applied: a.applied}
	}
	return a.flushWants(wants)
}

// inventoryOf buries what belongs to objects and is not named with them, on
// HubSpot's answer about these very ids (V3), and takes the objects off the
// lists of wanted and of rejected ones. Of a table that buries nothing it takes
// only what nobody knows that we ever loaded.
func (a *applying) inventoryOf(inv *penstock.Inventory) error {
	term, ids, err := a.table.among(inv.Of, 1)
	if err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	where := "t._print IS NULL AND "
	if warehouse.Buries(a.table.stream) {
		where = "(NOT t._deleted OR t._print IS NULL) AND "
	}
	unnamed, whys, err := a.unnamed(where+term, []any{inv.Stamp, ids})
	if err != nil {
		return err
	}
	since, stamps := make([]int64, len(unnamed)), make([]int64, len(unnamed))
	for i := range unnamed {
		since[i], stamps[i] = a.at.Now.UnixMilli(), inv.Stamp
		a.table.wrote(&whys[i], penstock.Gone)
		a.applied.Buried++
	}
	if len(unnamed) > 0 {
		if err := a.entomb(a.table, keySetOf(a.table.keys, unnamed), since, stamps); err != nil {
			return err
		}
	}
	if err := a.acceptOf(inv.Of); err != nil {
		return err
	}
	if a.table.wanted {
		stamps := make([]int64, len(inv.Of))
		for i := range stamps {
			stamps[i] = inv.Stamp
		}
		a.unwant(a.table.stream.Name, inv.Of, stamps)
	}
	return nil
}

// among is the term for rows whose key begins with one of the ids, which are
// the parameter after the given ones.
func (t *table) among(ids []string, given int) (string, any, error) {
	first := newKeySet(t.keys[:1], len(ids))
	for _, id := range ids {
		if err := warehouse.CheckKey(t.stream, penstock.Key{id}); err != nil {
			return "", nil, err
		}
		first.put(penstock.Key{id})
	}
	casts, args := first.args(given)
	return fmt.Sprintf("t.%s = ANY (%s)", quote(t.keys[0].Name), casts), args[0], nil
}

// acceptOf drops the rejects of objects that have now been read, but for those
// that came with the batch.
func (a *applying) acceptOf(ids []string) error {
	if !a.table.rejects {
		return nil
	}
	var keys, properties []string
	err := a.conn.query("SELECT key, property FROM _penstock_rejects WHERE stream = $1 AND key = ANY ($2)", func(r row) error {
		key, property := r.text(0), r.text(1)
		if !slices.ContainsFunc(a.rejected[key], func(r penstock.Reject) bool { return r.Property == property }) {
			keys, properties = append(keys, key), append(properties, property)
		}
		return nil
	}, a.table.stream.Name, ids)
	if err != nil || len(keys) == 0 {
		return err
	}
	a.conn.exec(`DELETE FROM _penstock_rejects AS r USING unnest($2::text[], $3::text[]) AS k(key, property)
		WHERE r.stream = $1 AND r.key = k.key AND r.property = k.property`, a.table.stream.Name, keys, properties)
	return nil
}

// unnamed lists the rows where the condition holds that the batch does not
// name and that have not been observed since the stamp, which is the first of
// the arguments, and why they are deleted. What an untrusted row says of its
// stamp counts for nothing.
func (a *applying) unnamed(where string, args []any) (keys []penstock.Key, whys []penstock.Why, err error) {
	if !a.table.made {
		return nil, nil, nil
	}
	t := a.table
	err = a.conn.query(fmt.Sprintf(`SELECT %s, t._deleted_why FROM %s AS t WHERE %s AND (t._stamp < $1 OR t._print IS NULL) ORDER BY %s`,
		keyList("t", t.keys), quote(t.parts[0]), where, keyList("t", t.keys)), func(r row) error {
		if key := readKey(t.keys, r, 0); !a.keys[key.Text()] {
			keys, whys = append(keys, key), append(whys, penstock.Why(r.text(len(t.keys))))
		}
		return nil
	}, args...)
	if err != nil || len(keys) == 0 || !t.seen {
		return keys, whys, err
	}
	return a.unseen(keys, whys, args[0])
}

// unseen keeps the keys that were not observed unchanged at the stamp or
// later.
func (a *applying) unseen(keys []penstock.Key, whys []penstock.Why, stamp any) ([]penstock.Key, []penstock.Why, error) {
	texts, seen := make([]string, len(keys)), map[string]bool{}
	for i, key := range keys {
		texts[i] = key.Text()
	}
	err := a.conn.query("SELECT key FROM _penstock_seen WHERE stream = $1 AND key = ANY ($2) AND stamp >= $3", func(r row) error {
		seen[r.text(0)] = true
		return nil
	}, a.table.stream.Name, texts, stamp)
	left := 0
	for i, text := range texts {
		if !seen[text] {
			keys[left], whys[left] = keys[i], whys[i]
			left++
		}
	}
	return keys[:left], whys[:left], err
}

// quoteText is a text within a statement.
func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
