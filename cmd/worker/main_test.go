package main

import (
	"strings"
	"testing"

	"penstock/cmd/internal/wire"
)

func TestWithoutAMessageServerItSaysWhatToSet(t *testing.T) {
	var said strings.Builder
	status := wire.Report(&said, "worker", run(t.Context(), wire.WorkerSettings{}))
	if status != 2 || !strings.Contains(said.String(), "PENSTOCK_NATS_URL") {
		t.Errorf("exit status %d: %s", status, said.String())
	}
}
