package warehousetest_test

import (
	"testing"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

func TestTheModelKeepsThePromises(t *testing.T) {
	warehousetest.Run(t, func(*testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		model := warehousetest.NewModel()
		return func() warehouse.Store { return model.Reopen() }, model.Tamper
	})
}
