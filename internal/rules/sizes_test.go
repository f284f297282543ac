package rules_test

import (
	"fmt"
	"go/ast"
	"slices"
)

// What fits the screen and the head.
const (
	maxFunction     = 70 // lines
	maxFunctionMost = 40 // lines of 95 of 100 functions
	maxFile         = 500
	maxParameters   = 4 // after the context
)

// A function is a declared function with its length in lines. In tests the
// lines of composite literals do not count: a table is as long as it must be.
type function struct {
	name  string
	where *file
	node  *ast.FuncDecl
	lines int
}

func functions(files []*file) []function {
	var all []function
	for _, f := range files {
		for _, d := range f.syntax.Decls {
			if node, ok := d.(*ast.FuncDecl); ok {
				lines := f.span(node.Type) + f.bodySpan(node) + 1 - tables(f, node)
				all = append(all, function{node.Name.Name, f, node, lines})
			}
		}
	}
	return all
}

func (f *file) bodySpan(node *ast.FuncDecl) int {
	if node.Body == nil {
		return 0
	}
	return f.line(node.Body.End()) - f.line(node.Type.End())
}

// tables counts the lines that composite literals add within the node of a
// test.
func tables(f *file, within ast.Node) int {
	if !f.ofTests() {
		return 0
	}
	lines := 0
	ast.Inspect(within, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if ok {
			lines += f.span(literal)
		}
		return !ok
	})
	return lines
}

func functionsAreShort(f *file) []string {
	var found []string
	for _, fn := range functions([]*file{f}) {
		if fn.lines > maxFunction {
			found = append(found, f.at(fn.node.Pos(), "%s has %d lines, more than %d", fn.name, fn.lines, maxFunction))
		}
	}
	return found
}

// mostFunctionsAreShort looks at the whole module.
func mostFunctionsAreShort(files []*file) []string {
	all := functions(files)
	if len(all) == 0 {
		return []string{"no functions were found"}
	}
	slices.SortFunc(all, func(a, b function) int { return a.lines - b.lines })
	limit := (len(all)*95+99)/100 - 1
	if all[limit].lines <= maxFunctionMost {
		return nil
	}
	found := []string{fmt.Sprintf("of 100 functions 95 have up to %d lines, more than %d; the longest are:",
		all[limit].lines, maxFunctionMost)}
	for _, fn := range all[limit:] {
		found = append(found, fn.where.at(fn.node.Pos(), "%s has %d lines", fn.name, fn.lines))
	}
	return found
}

func filesAreShort(f *file) []string {
	if lines := f.lines - tables(f, f.syntax); lines > maxFile {
		return []string{fmt.Sprintf("%s: %d lines, more than %d", f.path, lines, maxFile)}
	}
	return nil
}

// parametersAreFew counts those after the context, which in a test is its T.
func parametersAreFew(f *file) []string {
	var found []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		signature, ok := n.(*ast.FuncType)
		if !ok {
			return true
		}
		count := 0
		for i, p := range signature.Params.List {
			if i > 0 || !isContext(p.Type) {
				count += max(1, len(p.Names))
			}
		}
		if count > maxParameters {
			found = append(found, f.at(signature.Pos(), "%d parameters after the context, more than %d", count, maxParameters))
		}
		return true
	})
	return found
}

func isContext(parameter ast.Expr) bool {
	if pointer, ok := parameter.(*ast.StarExpr); ok {
		parameter = pointer.X
	}
	selector, ok := parameter.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	owner, ok := selector.X.(*ast.Ident)
	return ok && (owner.Name == "context" || owner.Name == "testing" || owner.Name == "rapid")
}
