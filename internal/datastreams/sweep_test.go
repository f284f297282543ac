package datastreams_test

import (
	"testing"
	"time"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/datastreams"
	"penstock/internal/warehouse/warehousetest"
)

func TestWhatIsNoSweepPolicyIsRefused(t *testing.T) {
	for text, want := range map[string]datastreams.SweepPolicy{
		"":                {Share: 0.25},
		"none":            {},
		"5%":              {Share: 0.05},
		"22:00-06:30":     {Share: 0.25, From: 22 * time.Hour, To: 6*time.Hour + 30*time.Minute},
		"100% 1:00-02:00": {Share: 1, From: time.Hour, To: 2 * time.Hour},
	} {
		if got, err := datastreams.ParseSweep(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"0%", "101%", "NaN%", "-1%", "half", "22:00", "25:00-26:00", "none 5%", "5", "5% tea"} {
		if got, err := datastreams.ParseSweep(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// sweeps asks for a sweep of contacts with a policy, once the backfill is done.
func sweeps(t *testing.T, policy string, test func(w *world, k *worker)) {
	inWorld(t, func(w *world) {
		w.alter = func(cfg *datastreams.Config) {
			var err error
			if cfg.Sources[0].Sweep, err = datastreams.ParseSweep(policy); err != nil {
				t.Fatal(err)
			}
		}
	}, func(w *world) {
		k := w.worker("a")
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" {
			t.Error("a sweep was granted before anything was read")
		}
		k.read(penstock.Backfill, cursor.Pass{Done: true}.Cursor())
		k.ask(warehousetest.Contacts(), penstock.Backfill) // finds it complete
		test(w, k)
	})
}

func TestASweepGoesOnAtOnceAndRestsWhenItHasComeToItsEnd(t *testing.T) {
	sweeps(t, "", func(w *world, k *worker) {
		began := time.Now().UnixMilli()
		for _, place := range []cursor.Pass{{Began: began, After: "5000"}, {Began: began, After: "9000"}, {Swept: began}} {
			k.read(penstock.Sweep, place.Cursor())
		}
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" || g.Again > time.Minute {
			t.Errorf("a sweep begins again at once: %+v", g)
		}
		k.live(12*time.Hour + time.Minute)
		k.granted(warehousetest.Contacts(), penstock.Sweep)
	})
}

func TestASweepUsesItsShareOfTheDaysCallsOnly(t *testing.T) {
	sweeps(t, "10%", func(w *world, k *worker) {
		k.spent = penstock.Spent{Day: "2000-01-01", Calls: 5000, Limit: 20_000, By: []penstock.LaneCalls{
			{Stream: "contacts", Lane: penstock.Sweep, Calls: 1500}, {Stream: "contacts", Lane: penstock.Fresh, Calls: 3000},
			{Stream: "deals", Lane: penstock.Sweep, Calls: 400},
		}}
		k.beat()
		k.granted(warehousetest.Contacts(), penstock.Sweep).tell(penstock.Stopped)
		k.spent.Calls, k.spent.By[2].Calls = 5100, 500
		k.beat()
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" {
			t.Error("granted though a tenth of the day's calls is used up")
		}
	})
}

func TestASweepKeepsToItsTimeOfDay(t *testing.T) {
	sweeps(t, "22:00-02:00", func(w *world, k *worker) { // a bubble begins at midnight, UTC
		k.granted(warehousetest.Contacts(), penstock.Sweep).tell(penstock.Stopped)
		k.live(2 * time.Hour)
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" {
			t.Error("granted at two in the morning")
		}
		k.live(20 * time.Hour)
		k.granted(warehousetest.Contacts(), penstock.Sweep)
	})
	sweeps(t, "none", func(w *world, k *worker) {
		if g := k.ask(warehousetest.Contacts(), penstock.Sweep); g.Token != "" {
			t.Error("granted though sweeps are switched off")
		}
	})
}
