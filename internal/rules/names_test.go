package rules_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

func exportedNamesAreExplained(f *file) []string {
	if f.test {
		return nil
	}
	var found []string
	miss := func(pos token.Pos, name string) {
		found = append(found, f.at(pos, "%s is exported and has no doc sentence", name))
	}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && receiverIsExported(d) && d.Doc.Text() == "" {
				miss(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if name := unexplained(d, spec); name != "" {
					miss(spec.Pos(), name)
				}
			}
		}
	}
	return found
}

// receiverIsExported is true of functions without a receiver, too.
func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	kind := d.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.IndexListExpr:
			kind = k.X
		case *ast.Ident:
			return k.IsExported()
		default:
			return true
		}
	}
}

// unexplained is the exported name in the spec that nothing explains. A group
// of constants or variables may be explained as a whole, a type may not.
func unexplained(d *ast.GenDecl, spec ast.Spec) string {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		alone := !d.Lparen.IsValid() && d.Doc.Text() != ""
		if spec.Name.IsExported() && !alone && spec.Doc.Text() == "" {
			return spec.Name.Name
		}
	case *ast.ValueSpec:
		if d.Doc.Text() != "" || spec.Doc.Text() != "" || spec.Comment.Text() != "" {
			return ""
		}
		for _, name := range spec.Names {
			if name.IsExported() {
				return name.Name
			}
		}
	}
	return ""
}

// packagesAreExplained looks at the whole module: what a package knows and
// what it does not stands at one of its files.
func packagesAreExplained(files []*file) []string {
	explained := map[string]bool{}
	for _, f := range files {
		explained[f.dir] = explained[f.dir] || strings.TrimSpace(f.syntax.Doc.Text()) != ""
	}
	var found []string
	for dir, is := range explained {
		if !is {
			found = append(found, fmt.Sprintf("%s: the package has no doc comment", dir))
		}
	}
	slices.Sort(found)
	return found
}

func nothingHappensAtInit(f *file) []string {
	var found []string
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, f.at(fn.Pos(), "func init: let who needs it call it"))
		}
	}
	return found
}

// variablesAreFields allows those package variables that cannot carry state
// from one user to the next: errors, tables, embedded files, and assertions.
func variablesAreFields(f *file) []string {
	var found []string
	for _, d := range f.syntax.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			if !embeds(group.Doc) && !embeds(v.Doc) && !isAssertion(v) && !isConstant(v) {
				found = append(found, f.at(v.Pos(), "package variable %s: make it a field, or a function that returns it", v.Names[0].Name))
			}
		}
	}
	return found
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

func isAssertion(v *ast.ValueSpec) bool {
	return v.Type != nil && !slices.ContainsFunc(v.Names, func(name *ast.Ident) bool { return name.Name != "_" })
}

// isConstant tells whether every value is an error or a table.
func isConstant(v *ast.ValueSpec) bool {
	if len(v.Values) != len(v.Names) {
		return false
	}
	for i, value := range v.Values {
		if !isTable(value) && !isError(v.Names[i].Name, value) {
			return false
		}
	}
	return true
}

// isTable: a struct is no table, even where it is made by a literal.
func isTable(value ast.Expr) bool {
	literal, ok := value.(*ast.CompositeLit)
	if !ok {
		return false
	}
	switch literal.Type.(type) {
	case *ast.ArrayType, *ast.MapType:
		return true
	}
	return false
}

func isError(name string, value ast.Expr) bool {
	if !strings.HasPrefix(strings.ToLower(name), "err") {
		return false
	}
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	return isSelector(call.Fun, "errors", "New") || isSelector(call.Fun, "fmt", "Errorf")
}

func isSelector(e ast.Expr, owner, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	ident, ok := selector.X.(*ast.Ident)
	return ok && ident.Name == owner
}

// noSleepsInTests: a test that sleeps is slow, or fails on a slower machine.
func noSleepsInTests(f *file) []string {
	if !f.ofTests() {
		return nil
	}
	clock := importedAs(f, "time")
	var found []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if e, ok := n.(*ast.SelectorExpr); ok && isSelector(e, clock, "Sleep") {
			found = append(found, f.at(e.Pos(), "a test sleeps: wait for a signal, in testing/synctest for a timer"))
		}
		return true
	})
	return found
}

// importedAs is the name that the file has for a package of the standard
// library; empty when it does not import it.
func importedAs(f *file, name string) string {
	for _, spec := range f.syntax.Imports {
		if spec.Path.Value != strconv.Quote(name) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return name
	}
	return ""
}
