package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is that of the repository.
func root(t *testing.T) string {
	t.Helper()
	at, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// blocks are the blocks of code in a document, in a language.
func blocks(t *testing.T, file, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}

// run runs a command in a folder. What it needs of modules comes from where this machine gets them: a module that
// uses this one reads more go.mod files than this one's build does, and they needn't be in the cache.
func run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOFLAGS=-mod=mod", "GOSUMDB=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Another module uses this one by the lines of the document, and its program is built.
func TestTheModuleIsUsedFromACopy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	shell, programs := blocks(t, "go.md", "sh"), blocks(t, "go.md", "go")
	if len(shell) != 2 || len(programs) != 1 {
		t.Fatalf("%d blocks for a shell, %d programs", len(shell), len(programs))
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.go": programs[0], "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, folder, "go", "mod", "init", "app.example")
	here := strings.Replace(shell[0], "gatepost=../gatepost\n", "gatepost="+root(t)+"\n", 1)
	if here == shell[0] {
		t.Fatal("the document doesn't say where the copy is")
	}
	run(t, folder, "sh", "-euc", here)
	run(t, folder, "go", "vet", ".") // it type-checks, and links nothing
}

// elsewhere are the folders with what isn't written here.
var elsewhere = map[string]bool{".git": true, "node_modules": true, "pictures": true}

// sources calls see with each text file of the repository.
func sources(t *testing.T, at string, see func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && elsewhere[d.Name()]:
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil && !strings.ContainsRune(string(text), 0) {
			see(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// withoutImports is a source of Go without what it imports.
func withoutImports(t *testing.T, path, text string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		text = strings.Replace(text, i.Path.Value, "", 1)
	}
	return text
}

// inDocument is an import in the code of a document, or of a page.
var inDocument = regexp.MustCompile(`(?m)^\s*(import )?"[^"]*"$`)

// The module's path is its owner's to choose: it stands in go.mod and in imports alone.
func TestTheModulePathStandsInImportsAlone(t *testing.T) {
	t.Parallel()
	module := strings.TrimSpace(run(t, root(t), "go", "list", "-m"))
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for _, f := range folders {
		if inside, err := filepath.Glob(filepath.Join("..", f.Name(), "*.go")); err == nil && f.IsDir() && len(inside) > 0 {
			rooms = append(rooms, f.Name())
		}
	}
	path := regexp.MustCompile(`(^|[^\w./-])` + regexp.QuoteMeta(module) + `/(` + strings.Join(rooms, "|") + `|")\b`)
	imports := 0
	sources(t, "..", func(file, text string) {
		switch filepath.Ext(file) {
		case ".go":
			rest := withoutImports(t, file, text)
			imports += strings.Count(text, `"`+module+"/") - strings.Count(rest, `"`+module+"/")
			text = rest
		case ".templ", ".md":
			text = inDocument.ReplaceAllString(text, "")
		}
		for line := range strings.Lines(text) {
			if path.MatchString(line) || strings.Contains(line, `"`+module+`/"`) {
				t.Errorf("%s names the module's path: derive it, or leave it out: %s", file, strings.TrimSpace(line))
			}
		}
	})
	if imports < 500 || len(rooms) < 15 {
		t.Errorf("%d imports and %d rooms were seen", imports, len(rooms))
	}
}

// The owner gives the module another path by the lines of the document.
func TestTheModuleGetsAnotherPath(t *testing.T) {
	t.Parallel()
	copied, old := t.TempDir(), strings.TrimSpace(run(t, root(t), "go", "list", "-m"))
	if err := os.CopyFS(copied, withoutElsewhere{os.DirFS("..")}); err != nil {
		t.Fatal(err)
	}
	run(t, copied, "sh", "-euc", blocks(t, "go.md", "sh")[1])
	module := strings.TrimSpace(run(t, copied, "go", "list", "-m"))
	if module != "example.com/you/gatepost" {
		t.Errorf("the module is %s", module)
	}
	if unmended := run(t, copied, "gofmt", "-l", "."); unmended != "" {
		t.Errorf("not formatted: %s", unmended)
	}
	known := run(t, copied, "go", "list", "-deps", "-test", "./...")
	for line := range strings.Lines(known) {
		if strings.HasPrefix(line, old+"/") {
			t.Errorf("%s is left", line)
		}
	}
	if !strings.Contains(known, "\n"+module+"/identity\n") {
		t.Error("package identity is gone")
	}
}

// withoutElsewhere is a file system without what isn't written here.
type withoutElsewhere struct{ fs.FS }

// ReadDir leaves it out.
func (w withoutElsewhere) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	kept := all[:0]
	for _, d := range all {
		if !elsewhere[d.Name()] && (d.IsDir() || d.Type().IsRegular()) {
			kept = append(kept, d)
		}
	}
	return kept, err
}
