package hubspotsim_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestHubSpotsOwnNodeClientReadsTheAccount(t *testing.T) {
	ci := os.Getenv("CI") == "true"
	node, err := exec.LookPath("node")
	if err != nil && !ci {
		t.Skip("install Node.js 22 or later to check the account with HubSpot's own client")
	}
	if _, err := os.Stat(filepath.Join("nodeclient", "node_modules")); err != nil {
		if !ci {
			t.Skip("run npm ci in internal/hubspot/hubspotsim/nodeclient to check the account with HubSpot's own client")
		}
		command := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
		command.Dir = "nodeclient"
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	o := unlimited(map[string]int{"contacts": 730, "companies": 40, "deals": 10, "2-1000002": 3})
	o.Token = "secret"
	server := httptest.NewServer(setup(t, o).account)
	defer server.Close()
	command := exec.CommandContext(t.Context(), node, "check.mjs")
	command.Dir = "nodeclient"
	command.Env = append(os.Environ(), "HUBSPOT_BASE_URL="+server.URL, "HUBSPOT_ACCESS_TOKEN=secret")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
