package main

import (
	"strings"
	"testing"

	"penstock/cmd/internal/wire"
)

func TestWithoutAMessageServerItSaysWhatToSet(t *testing.T) {
	var said strings.Builder
	status := wire.Report(&said, "data-streams", run(t.Context(), wire.Settings{}))
	if status != 2 || !strings.Contains(said.String(), "PENSTOCK_NATS_URL") {
		t.Errorf("exit status %d: %s", status, said.String())
	}
}
