package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const about = `Penstock copies a HubSpot account into a data warehouse and keeps it equal.

Every list is paged: it takes ` + "`limit`" + ` (1 to 1000, by default 100) and ` + "`after`" + `, the ` + "`next`" + ` of the answer before, and the last page has no ` + "`next`" + `. Times are RFC 3339 in UTC, durations are written like 5m0s. Whatever is refused is answered with a problem document (RFC 9457) whose ` + "`remedy`" + ` says what to do. Query parameters and members of bodies that are not described here are refused.

The routes without ` + "`/v1`" + ` speak of the connection ` + "`default`" + `, or of the one that ` + "`connection`" + ` names.`

// The groups of operations.
const (
	tagEveryday    = "everyday"
	tagConnections = "connections"
	tagHealth      = "health"
)

// description is the API's own description, to which each route adds itself.
func description(version string) huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Penstock", Version: version, Description: about},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {
					Type: "http", Scheme: "bearer",
					Description: "The value of PENSTOCK_API_TOKEN. A server that is bound to a loopback address needs none.",
				}},
			},
			Security: []map[string][]string{{"bearer": {}}},
			Tags: []*huma.Tag{
				{Name: tagEveryday, Description: "Start, stop, look at the rows, see what failed."},
				{Name: tagConnections, Description: "The same and more, by connection."},
				{Name: tagHealth, Description: "For whoever starts and watches the process; no token is needed."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true, // so that a misspelt one is noticed
		Transformers:                 []huma.Transformer{translate},
	}
}

// openAPI serves the description once all routes are in it.
func openAPI(routes huma.API) http.Handler {
	text := sync.OnceValues(func() ([]byte, error) { return json.MarshalIndent(routes.OpenAPI(), "", "  ") })
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := text()
		if err != nil {
			newProblem(unavailable, "the description cannot be written: "+err.Error(), "").write(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body) // a caller that is gone has nobody to be told
	})
}
