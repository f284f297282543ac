package rules_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// moduleName is what the module's own imports begin with.
const moduleName = "penstock"

// A file is one parsed source file of the module.
type file struct {
	path   string // from the module's root, with slashes
	dir    string // the same of its package; "." is the root
	test   bool
	lines  int
	fset   *token.FileSet
	syntax *ast.File
}

func parse(name string, source []byte) (*file, error) {
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &file{
		path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(source, []byte("\n")), fset: fset, syntax: syntax,
	}, nil
}

// tree parses every Go file of the module below root, but for generated ones
// and those that the go command leaves out. What cannot be parsed comes back
// as found.
func tree(t *testing.T, root string) (files []*file, found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(root, name)
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(relative), source)
		switch {
		case err != nil:
			found = append(found, err.Error())
		case !ast.IsGenerated(f.syntax):
			files = append(files, f)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	return files, found
}

// enter says whether the folder belongs to the module.
func enter(root, name string) error {
	if name == root {
		return nil
	}
	base := filepath.Base(name)
	if base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// at is a violation with its place.
func (f *file) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", f.path, f.line(pos)) + fmt.Sprintf(format, args...)
}

func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// span is how many lines a node takes beyond its first.
func (f *file) span(n ast.Node) int { return f.line(n.End()) - f.line(n.Pos()) }

// ofTests tells whether only tests run the file.
func (f *file) ofTests() bool { return f.test || matches(suites, f.dir) }
