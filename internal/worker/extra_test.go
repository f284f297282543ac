package worker_test

import (
	"testing"
	"testing/synctest"

	"penstock/internal/hubspot/hubspotsim"
)

type simOptions = hubspotsim.Options

func property(name string) hubspotsim.Property {
	return hubspotsim.Property{Name: name, Type: "string", Filled: true}
}

func faults() []string { return hubspotsim.AllFaults() }

// bubble is a world with settings made before its worker starts.
func bubble(t *testing.T, o hubspotsim.Options, set, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.close()
		set(w)
		w.start()
		test(w)
	})
}

// bubbleWith is inBubble with settings made before the worker starts.
func bubbleWith(t *testing.T, set, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, small(250))
		defer w.close()
		set(w)
		w.start()
		test(w)
	})
}
