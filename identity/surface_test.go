package identity_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// surface is what the files of a package show to others: the types of all that is exported, by its name.
func surface(t *testing.T, files []*ast.File) map[string]ast.Node {
	t.Helper()
	shown := map[string]ast.Node{}
	for _, file := range files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if name := d.Name.Name; ast.IsExported(name) && exportedReceiver(d) {
					shown[receiver(d)+name] = d.Type
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					showSpec(shown, s)
				}
			}
		}
	}
	return shown
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	return of.(*ast.Ident).Name + "."
}

func exportedReceiver(d *ast.FuncDecl) bool { return d.Recv == nil || ast.IsExported(receiver(d)) }

func showSpec(shown map[string]ast.Node, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if ast.IsExported(s.Name.Name) {
			shown[s.Name.Name] = shownType(s.Type)
		}
	case *ast.ValueSpec:
		for i, name := range s.Names {
			switch {
			case !ast.IsExported(name.Name):
			case s.Type != nil:
				shown[name.Name] = s.Type
			case i < len(s.Values):
				shown[name.Name] = valueType(s.Values[i])
			}
		}
	}
}

// shownType is a type without the fields that nobody else sees.
func shownType(t ast.Expr) ast.Expr {
	s, ok := t.(*ast.StructType)
	if !ok {
		return t
	}
	fields := slices.DeleteFunc(slices.Clone(s.Fields.List), func(f *ast.Field) bool {
		return len(f.Names) > 0 && !slices.ContainsFunc(f.Names, func(n *ast.Ident) bool { return n.IsExported() })
	})
	return &ast.StructType{Struct: s.Struct, Fields: &ast.FieldList{List: fields}}
}

// valueType is what tells the type of a value: of a literal that of it, and else all of it.
func valueType(v ast.Expr) ast.Expr {
	if literal, ok := v.(*ast.CompositeLit); ok {
		return literal.Type
	}
	return v
}

// parsed are the files of this package, without its tests.
func parsed(t *testing.T) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// names are the packages that a type names.
func names(n ast.Node) (all []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if of, ok := s.X.(*ast.Ident); ok {
				all = append(all, of.Name)
			}
		}
		return true
	})
	return all
}

// An application needs no package but this one for what it is shown, and a store none but stored.
func TestTheSurfaceNamesNoDatabase(t *testing.T) {
	shown := surface(t, parsed(t))
	if len(shown) < 100 || shown["Vault.Find"] == nil || shown["Store"] == nil || shown["Credential"] == nil {
		t.Fatalf("this is not the surface of the package: %d names", len(shown))
	}
	for name, is := range shown {
		if slices.Contains(names(is), "db") {
			t.Errorf("%s names a type of package db: give it one of package stored", name)
		}
	}
}

// What the document promises to stay is there: each name in the first two tables, and what it says of structs.
func TestTheNamesThatStay(t *testing.T) {
	shown := surface(t, parsed(t))
	text, err := os.ReadFile("../docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	_, promises, _ := strings.Cut(string(text), "\n## What there is\n")
	promises, _, found := strings.Cut(promises, "\n## Give the module")
	if !found {
		t.Fatal("the document has other parts")
	}
	seen := 0
	for _, m := range regexp.MustCompile("`\\*?([A-Z][A-Za-z]*(?:\\.[A-Z][A-Za-z]*)?)`").FindAllStringSubmatch(promises, -1) {
		seen++
		of, field, nested := strings.Cut(m[1], ".")
		if shown[m[1]] == nil && !(nested && hasField(shown[of], field)) && !hasField(shown["Credential"], m[1]) && !hasField(shown["UnavailableError"], m[1]) && !hasField(shown["BrokenError"], m[1]) && !hasField(shown["AmbiguousError"], m[1]) {
			t.Errorf("the document names %s, which isn't there", m[1])
		}
	}
	if seen < 60 {
		t.Errorf("%d names were seen", seen)
	}
}

func hasField(n ast.Node, name string) bool {
	s, ok := n.(*ast.StructType)
	return ok && slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		return slices.ContainsFunc(f.Names, func(i *ast.Ident) bool { return i.Name == name })
	})
}
