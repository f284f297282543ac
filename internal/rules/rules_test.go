// Package rules_test checks the rules of the code that a reader would
// otherwise have to check: which package may import which, how long things
// are, what is explained, and what state there is.
//
// It reads the source and nothing else: it knows no types, and what needs them
// is the linter's.
package rules_test

import (
	"fmt"
	"strings"
	"testing"
)

// rulesOfFiles each look at one file and say what breaks the rule.
var rulesOfFiles = map[string]func(*file) []string{
	"imports point down":           importsPointDown,
	"functions are short":          functionsAreShort,
	"files are short":              filesAreShort,
	"parameters are few":           parametersAreFew,
	"exported names are explained": exportedNamesAreExplained,
	"variables are fields":         variablesAreFields,
	"nothing happens at init":      nothingHappensAtInit,
	"no sleeps in tests":           noSleepsInTests,
}

// rulesOfModules look at all files together.
var rulesOfModules = map[string]func([]*file) []string{
	"most functions are short": mostFunctionsAreShort,
	"packages are explained":   packagesAreExplained,
}

func TestTheModuleKeepsItsRules(t *testing.T) {
	files, unread := tree(t, "../..")
	if len(files) < 10 {
		t.Fatalf("only %d files were found: is this the module's root?", len(files))
	}
	report := func(rule string, found []string) {
		t.Run(rule, func(t *testing.T) {
			if len(found) > 0 {
				t.Errorf("%d found:\n%s", len(found), strings.Join(found, "\n"))
			}
		})
	}
	report("everything parses", unread)
	for name, rule := range rulesOfFiles {
		var found []string
		for _, f := range files {
			found = append(found, rule(f)...)
		}
		report(name, found)
	}
	for name, rule := range rulesOfModules {
		report(name, rule(files))
	}
}

func TestEachRuleSeesWhatBreaksItAndNothingElse(t *testing.T) {
	long := func(n int) string { return "package p\nfunc f() {\n" + strings.Repeat("\tg()\n", n-2) + "}" }
	table := func(n int) string {
		return "package p\nfunc f() {\n\tg([]int{\n" + strings.Repeat("\t1,\n", n) + "\t})\n}"
	}
	for _, c := range []struct {
		rule, path, source string
		broken             bool
	}{
		{"imports point down", "internal/shape/a.go", `package p; import "penstock/internal/hubspot"`, false},
		{"imports point down", "internal/shape/a.go", `package p; import "penstock/internal/cursor"`, true},
		{"imports point down", "internal/shape/a.go", `package p; import "penstock/internal/worker"`, true},
		{"imports point down", "internal/hubspot/a.go", `package p; import "penstock"`, true},
		{"imports point down", "internal/shape/a_test.go", `package p; import "penstock/internal/cursor"`, false},
		{"imports point down", "internal/shape/a_test.go", `package p; import "penstock/internal/worker"`, true},
		{"imports point down", "internal/hubspot/a_test.go", `package p; import "penstock/internal/hubspot/hubspotsim"`, false},
		{"imports point down", "internal/unheardof/a.go", `package p`, true},
		{"imports point down", "internal/warehouse/postgres/a.go", `package p; import "penstock/internal/warehouse"`, false},
		{"imports point down", "internal/worker/a.go", `package p; import "penstock/internal/bus"`, true},
		{"imports point down", "cmd/worker/a.go", `package p; import "penstock/internal/bus"`, false},
		{"imports point down", "internal/worker/a.go", `package p; import "github.com/nats-io/nats.go"`, true},
		{"imports point down", "internal/bus/a.go", `package p; import "github.com/nats-io/nats.go/jetstream"`, false},
		{"imports point down", "a.go", `package p; import "golang.org/x/sync/errgroup"`, true},
		{"imports point down", "a.go", `package p; import "github.com/apache/arrow-go/v18/arrow"`, false},
		{"imports point down", "internal/worker/a.go", `package p; import "testing"`, true},
		{"functions are short", "a.go", long(maxFunction), false},
		{"functions are short", "a.go", long(maxFunction + 1), true},
		{"functions are short", "a.go", table(maxFunction), true},
		{"functions are short", "a_test.go", table(maxFunction), false},
		{"functions are short", "internal/warehouse/warehousetest/a.go", table(maxFunction), false},
		{"most functions are short", "a.go", long(maxFunctionMost), false},
		{"most functions are short", "a.go", long(maxFunctionMost + 1), true},
		{"files are short", "a.go", "package p" + strings.Repeat("\n", maxFile), false},
		{"files are short", "a.go", "package p" + strings.Repeat("\n", maxFile+1), true},
		{"files are short", "a_test.go", table(maxFile), false},
		{"parameters are few", "a.go", `package p; func f(ctx context.Context, a, b, c, d int)`, false},
		{"parameters are few", "a.go", `package p; func f(a, b, c, d, e int)`, true},
		{"parameters are few", "a.go", `package p; type T interface { F(int, int, int, int, int) }`, true},
		{"exported names are explained", "a.go", "package p\n// F is.\nfunc F() {}\nfunc f() {}", false},
		{"exported names are explained", "a.go", "package p\nfunc F() {}", true},
		{"exported names are explained", "a.go", "package p\ntype T struct{}", true},
		{"exported names are explained", "a.go", "package p\nfunc (t *t) F() {}", false},
		{"exported names are explained", "a.go", "package p\nfunc (t *T[A]) F() {}", true},
		{"exported names are explained", "a.go", "package p\n// All.\nconst (\n\tA = 1\n\tB = 2\n)", false},
		{"exported names are explained", "a.go", "package p\nconst (\n\tA = 1 // one\n\tB = 2\n)", true},
		{"packages are explained", "a.go", "// Package p is.\npackage p", false},
		{"packages are explained", "a.go", "package p", true},
		{"variables are fields", "a.go", "package p\nvar ErrA, errB = errors.New(`a`), fmt.Errorf(`b`)", false},
		{"variables are fields", "a.go", "package p\nvar table = map[string]int{}", false},
		{"variables are fields", "a.go", "package p\nvar _ I = (*T)(nil)", false},
		{"variables are fields", "a.go", "package p\n//go:embed a.txt\nvar text string", false},
		{"variables are fields", "a.go", "package p\nvar count int", true},
		{"variables are fields", "a.go", "package p\nvar pattern = regexp.MustCompile(`a`)", true},
		{"variables are fields", "a.go", "package p\nvar one = T{}", true},
		{"nothing happens at init", "a.go", "package p\nfunc init() {}", true},
		{"nothing happens at init", "a.go", "package p\nfunc (t T) init() {}", false},
		{"no sleeps in tests", "a_test.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }", true},
		{"no sleeps in tests", "a_test.go", "package p\nimport t \"time\"\nfunc f() { t.Sleep(1) }", true},
		{"no sleeps in tests", "internal/warehouse/warehousetest/a.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }", true},
		{"no sleeps in tests", "a.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }", false},
	} {
		f, err := parse(c.path, []byte(c.source))
		if err != nil {
			t.Fatalf("parse %q: %v", c.source, err)
		}
		if found := check(c.rule, f); (len(found) > 0) != c.broken {
			t.Errorf("%s: %s %q: found %q", c.rule, c.path, short(c.source), found)
		}
	}
}

func check(rule string, f *file) []string {
	if one, ok := rulesOfFiles[rule]; ok {
		return one(f)
	}
	return rulesOfModules[rule]([]*file{f})
}

func short(text string) string { return fmt.Sprintf("%.80s", text) }
