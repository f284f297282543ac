package iceberg

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/table"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestTheEngineKeepsThePromises(t *testing.T) {
	warehousetest.RunTyped(t, func(t *testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		address, workdir := "iceberg:"+t.TempDir(), t.TempDir()
		return func() warehouse.Store { return open(t, address, workdir) },
			func(change warehousetest.Tampering) { tamper(t, address, change) }
	})
}

// TestTheEngineKeepsThePromisesFromAnywhere gives each process an index of its
// own, as on another machine.
func TestTheEngineKeepsThePromisesFromAnywhere(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("the suite has run once")
	}
	warehousetest.RunTyped(t, func(t *testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		address := "iceberg:" + t.TempDir()
		return func() warehouse.Store { return open(t, address, t.TempDir()) },
			func(change warehousetest.Tampering) { tamper(t, address, change) }
	})
}

func open(t *testing.T, address, workdir string) *Store {
	t.Helper()
	store, err := Open(address, workdir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// tamper changes a row as another program would: by a snapshot of its own on
// top of ours, without a word to the log.
func tamper(t *testing.T, address string, change warehousetest.Tampering) {
	t.Helper()
	store := open(t, address, t.TempDir())
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := store.connect(); err != nil {
		t.Fatal(err)
	}
	err := store.transact(t.Context(), "", func(tx *tx) (bool, error) {
		held, err := tx.held(change.Stream)
		if err != nil {
			return false, err
		}
		return false, held.tamper(change)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (t *streamTable) tamper(change warehousetest.Tampering) error {
	key, err := rowKeyOf(t.keys, change.Key)
	if err != nil {
		return err
	}
	parts := change.Key
	if single(t.keys) {
		parts = nil
	}
	old, err := t.lookup(key, parts)
	if err != nil {
		return err
	}
	c := &snapshotOf{table: t, operation: table.OpOverwrite}
	set := map[string]any{}
	if old != nil {
		row, err := t.values(old)
		if err != nil {
			return err
		}
		for place, column := range t.layout.columns {
			set[column.name] = valueOf(row.column(place), row.row)
		}
		if err := c.deleteRows([]location{old.at}); err != nil {
			return err
		}
	}
	for i, k := range t.keys {
		set[k.Name] = change.Key[i]
		if k.Integer {
			set[k.Name], _ = strconv.ParseInt(change.Key[i], 10, 64)
		}
	}
	for name, value := range change.Set {
		set[name] = value
	}
	if !change.Delete {
		if err := t.put(c, set); err != nil {
			return err
		}
	}
	if err := c.stage(); err != nil {
		return err
	}
	content, err := t.tx.store.lake.read(t.tx.ctx, t.lake.location)
	if err != nil {
		return err
	}
	return t.tx.store.lake.create(t.tx.ctx, versionName(t.stream.Name, t.lake.version), content)
}

// put writes a row of the given values into a file of its own.
func (t *streamTable) put(c *snapshotOf, set map[string]any) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.layout.schema())
	for place, column := range t.layout.columns {
		value := set[column.name]
		switch into := b.Field(place).(type) {
		case *array.Int64Builder:
			if n, ok := value.(int64); ok {
				into.Append(n)
				continue
			}
		case *array.BooleanBuilder:
			if truth, ok := value.(bool); ok {
				into.Append(truth)
				continue
			}
		case *array.Decimal128Builder:
			if n, fits := decimalOf(fmt.Sprint(value)); fits {
				into.Append(n)
				continue
			}
		case *array.TimestampBuilder:
			if text, ok := value.(string); ok {
				ms, err := warehouse.ParseMoment(text)
				if err != nil {
					ms = -5_000_000_000_000 // a moment like any other
				}
				appendMoment(into, ms)
				continue
			}
		default:
			if text, ok := value.(string); ok {
				if err := into.AppendValueFromString(text); err != nil {
					return err
				}
				continue
			}
		}
		b.Field(place).AppendNull()
	}
	record := b.NewRecordBatch()
	w, err := newDataWriter(record)
	if err == nil {
		err = w.write(record)
	}
	if err == nil {
		err = c.addFile(w, t.fileName("data", "tampered", ".parquet"))
	}
	return err
}
