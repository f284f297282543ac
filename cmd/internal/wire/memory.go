package wire

import (
	"os"
	"runtime/debug"
)

// memoryLimit is what the Go runtime aims to stay below, so that an
// installation takes as much memory for a million rows as for a few. SQLite's
// cache comes on top.
const memoryLimit = 160 << 20

// LimitMemory sets the limit, unless GOMEMLIMIT says otherwise.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
