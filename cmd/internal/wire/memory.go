package wire

import (
	"os"
	"runtime/debug"
	"strings"
)

// memoryLimit is what the Go runtime aims to stay below, so that an
// installation takes as much memory for a million rows as for a few. SQLite's
// cache comes on top.
const memoryLimit = 160 << 20

// lakeMemoryLimit is the limit of a process that writes Parquet files: a row
// group of each table in hand.
const lakeMemoryLimit = 400 << 20

// LimitMemory sets the limit, unless GOMEMLIMIT says otherwise.
func LimitMemory() { limitMemory(memoryLimit) }

func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// writesFiles tells whether a warehouse of the connections is a lake.
func writesFiles(connections []ConnectionSettings) bool {
	for _, c := range connections {
		for _, address := range append([]string{c.Warehouse}, c.Followers...) {
			if scheme, _, _ := strings.Cut(address, ":"); scheme == icebergScheme || scheme == icebergS3Scheme {
				return true
			}
		}
	}
	return false
}
