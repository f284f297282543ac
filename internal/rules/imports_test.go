package rules_test

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// layers are the packages from the ground up: a package imports lower layers
// only. A new package finds its place here first.
var layers = [][]string{
	{".", "docs", "internal/hubspot", "internal/secret", "internal/web", "internal/rules"},
	{
		"internal/hubspot/hubspotsim", "internal/cursor", "internal/shape", "internal/bus",
		"internal/warehouse", "internal/catalog", "internal/credential", "internal/warehouse/postgres/pgserver",
	},
	{"internal/warehouse/*", "internal/warehouse/postgres/pgtest", "internal/datastreams", "internal/worker"},
	{"internal/api"},
	{"internal/api/client"},
	{"cmd/internal/*"},
	{"cmd/*"},
}

// helpers may be imported by the tests of any package.
var helpers = []string{"internal/hubspot/hubspotsim", "internal/warehouse/postgres/pgtest", "internal/warehouse/warehousetest"}

// suites are packages that only tests run: they keep the rules of tests.
var suites = []string{"internal/warehouse/postgres/pgtest", "internal/warehouse/warehousetest"}

// programs are where flags and files are read and everything meets.
var programs = []string{"cmd/*", "cmd/internal/*"}

// A reserved import belongs to the packages named.
type reserved struct {
	prefix string
	to     []string
	why    string
}

// reservations keep each outside system behind one package, so that it can be
// replaced, and what is for tests out of the programs.
var reservations = []reserved{
	{"github.com/nats-io", []string{"internal/bus"}, "NATS is internal/bus's alone"},
	{"zombiezen.com/go/sqlite", []string{"internal/warehouse/sqlite", "internal/warehouse/iceberg", "internal/catalog"}, "SQLite belongs to the warehouse engines and the catalog"},
	{"github.com/apache/iceberg-go", []string{"internal/warehouse/iceberg"}, "Iceberg belongs to its engine"},
	{"github.com/apache/arrow-go/v18/parquet", []string{"internal/warehouse/iceberg", "internal/api"}, "Parquet belongs to the lake and to answers"},
	{"github.com/aws", []string{"internal/warehouse/iceberg"}, "object stores belong to the engine that writes to them"},
	{"github.com/johannesboyne/gofakes3", suites, "what is for tests does not ship"},
	{"github.com/jackc/pgx", []string{"internal/warehouse/postgres", "cmd/bench"}, "PostgreSQL belongs to its warehouse engine, and to what it is measured beside"},
	{"github.com/danielgtaylor/huma", []string{"internal/api"}, "the HTTP library belongs to internal/api"},
	{"github.com/prometheus", []string{"internal/api"}, "metrics are shown by internal/api"},
	{"github.com/alecthomas/kong", programs, "flags are read in cmd only"},
	{"gopkg.in/yaml.v3", programs, "penstock.yaml is read in cmd only"},
	{"filippo.io/age", []string{"internal/secret"}, "sealing belongs to internal/secret"},
	{"penstock/internal/bus", programs, "services declare the few methods they need; cmd hands them the bus"},
	{"testing", suites, "what is for tests does not ship"},
	{"pgregory.net/rapid", suites, "what is for tests does not ship"},
	{"go.uber.org/goleak", suites, "what is for tests does not ship"},
	{"github.com/rogpeppe/go-internal", suites, "what is for tests does not ship"},
}

// foundations are the packages that stand on almost nothing, with the outside
// modules that they may import.
var foundations = map[string][]string{
	".":                {"github.com/apache/arrow-go/v18"},
	"internal/hubspot": {"github.com/go-json-experiment/json"},
	"internal/web":     nil,
}

func importsPointDown(f *file) []string {
	self := layerOf(f.dir)
	if self < 0 {
		return []string{f.at(f.syntax.Package, "package %s has no layer: give it one in internal/rules/imports_test.go", f.dir)}
	}
	var found []string
	for _, spec := range f.syntax.Imports {
		name, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		if why := forbidden(f, self, name); why != "" {
			found = append(found, f.at(spec.Pos(), "imports %s: %s", name, why))
		}
	}
	return found
}

// forbidden says why the file may not import the package; empty when it may.
func forbidden(f *file, self int, name string) string {
	if dir, ours := within(name); ours {
		other := layerOf(dir)
		switch {
		case f.test && (other <= self || slices.Contains(helpers, dir)):
			return ""
		case f.test:
			return "a test imports its own layer, lower ones and test helpers"
		case other >= self:
			return "layer " + strconv.Itoa(self) + " imports lower layers only, and this is of layer " + strconv.Itoa(other)
		}
	}
	if f.test {
		return ""
	}
	for _, r := range reservations {
		if below(r.prefix, name) && !matches(r.to, f.dir) {
			return r.why
		}
	}
	if allowed, named := foundations[f.dir]; named && outside(name) {
		if !slices.ContainsFunc(allowed, func(prefix string) bool { return below(prefix, name) }) {
			return f.dir + " stands on the standard library and " + strings.Join(append(allowed, "nothing else"), ", ")
		}
	}
	return ""
}

// within is the folder of one of the module's own packages.
func within(name string) (dir string, ours bool) {
	if name == moduleName {
		return ".", true
	}
	return strings.CutPrefix(name, moduleName+"/")
}

// outside tells whether the package is another module's: the standard
// library's paths have no dot in their first part.
func outside(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.Contains(first, ".")
}

func below(prefix, name string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func layerOf(dir string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return matches(layer, dir) })
}

// matches finds the folder among the names; a star stands for one part.
func matches(names []string, dir string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		same, err := path.Match(name, dir)
		return same && err == nil
	})
}
