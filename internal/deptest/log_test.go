package deptest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ofNodes are the parts whose logger names role, organisation and node already,
// because app binds them (see oplog): the hub's parts speak of many.
var ofNodes = []string{"noroshi/sense/", "noroshi/share/edge"}

// byID are the parts that know a node by its id alone: whoever has the bus cut
// off its connections has said before whose it is.
var byID = []string{"noroshi/bus"}

// aboutRecords are the keys by which a line names a record of one organisation.
var aboutRecords = []string{"node", "finding", "indicator"}

// TestLogLinesNameWhoTheyAreAbout reads every warning and error that is logged:
// its keys are written out, none stands twice, and a line about a record names
// the organisation whose it is.
func TestLogLinesNameWhoTheyAreAbout(t *testing.T) {
	calls := 0
	for _, p := range list(t) {
		if f := folder(p.ImportPath); f == "" || f == "oplog" || f == "bench" || f == "internal" {
			continue
		}
		within := func(list []string) bool {
			return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(p.ImportPath, s) })
		}
		hub := !within(ofNodes)
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				attrs, ok := logged(call)
				if !ok {
					return true
				}
				calls++
				at := fset.Position(call.Pos())
				keys, plain := keysOf(attrs)
				if !plain {
					t.Errorf("%s: the keys of a log line are written out, as strings", at)
				}
				for i, k := range keys {
					if slices.Contains(keys[:i], k) {
						t.Errorf("%s: the key %q stands twice", at, k)
					}
					if hub && slices.Contains(aboutRecords, k) && !(k == "node" && within(byID)) && !slices.Contains(keys, "org") {
						t.Errorf("%s: a line about a %s names the organisation, too", at, k)
					}
				}
				return true
			})
		}
	}
	if calls < 20 {
		t.Errorf("only %d log lines were found", calls)
	}
}

// logged returns the attributes of a call that logs a warning or an error: one
// of these methods on something called log.
func logged(call *ast.CallExpr) ([]ast.Expr, bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil, false
	}
	before, ok := map[string]int{"Warn": 1, "Error": 1, "WarnContext": 2, "ErrorContext": 2}[f.Sel.Name]
	if !ok || len(call.Args) < before || call.Ellipsis.IsValid() {
		return nil, false
	}
	var on string
	switch x := f.X.(type) {
	case *ast.Ident:
		on = x.Name
	case *ast.SelectorExpr:
		on = x.Sel.Name
	}
	return call.Args[before:], strings.EqualFold(on, "log")
}

func keysOf(attrs []ast.Expr) (keys []string, plain bool) {
	for i := 0; i < len(attrs); i += 2 {
		lit, ok := attrs[i].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return keys, false
		}
		k, err := strconv.Unquote(lit.Value)
		if err != nil {
			return keys, false
		}
		keys = append(keys, k)
	}
	return keys, len(attrs)%2 == 0
}
