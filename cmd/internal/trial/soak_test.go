//go:build soak

package trial_test

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestSoakTheWarehouseEqualsTheAccount runs schedules with fresh seeds for as
// long as PENSTOCK_SOAK says.
func TestSoakTheWarehouseEqualsTheAccount(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("PENSTOCK_SOAK"))
	if err != nil {
		t.Fatalf("PENSTOCK_SOAK: %v", err)
	}
	n := 0
	for end := time.Now().Add(long); time.Now().Before(end) && !t.Failed(); n++ {
		seed := uint64(time.Now().UnixNano())
		t.Run(fmt.Sprint("PENSTOCK_SEED=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { virtually(t, seed) })
			synctest.Test(t, func(t *testing.T) { virtuallyUnswept(t, seed) })
		})
	}
	t.Logf("%d schedules", n)
}
