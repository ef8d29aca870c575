package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/e2e/setup"
)

// TestReferenceOfTheAPI looks at the page that shows the API's description to anybody.
func TestReferenceOfTheAPI(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, p := range usual {
		v := newVisitor(t, d, p)
		v.open("/api/v1/docs")
		v.heading("HTTP API")
		v.look("api")
	}
}

// sample is the demo's tenant that is connected from the beginning.
const sample = "fabrikam-sample"

// What makes the clients.
const (
	goGenerator = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2"
	generators  = 5 * time.Minute // that they may take, with what they fetch
)

// TestGeneratedClients has others' generators make clients of the description that is
// served, and a program use each.
func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	key := d.prints(t, "apikey", "add", "clients", "--allow", "read,authorize", "--return-to", "https://app.example/done")
	for name, make := range map[string]func(t *testing.T, folder string) *exec.Cmd{"go": goClient, "ts": tsClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			must(t, os.CopyFS(folder, os.DirFS("testdata/client-"+name)))
			d.describe(t, filepath.Join(folder, "openapi.json"))
			client := make(t, folder)
			client.Args = append(client.Args, d.portal+"/api/v1", key, sample)
			client.Dir = folder
			if out, err := client.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ok" {
				t.Errorf("the client says %s, %v", out, err)
			}
		})
	}
}

// goClient makes a client in Go, which is compiled.
func goClient(t *testing.T, folder string) *exec.Cmd {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(folder, "gatepost"), 0o755))
	for _, args := range [][]string{
		{"run", goGenerator, "-config", "oapi-codegen.yaml", "openapi.json"},
		{"build", "-o", "client", "."},
	} {
		command := exec.Command("go", args...)
		command.Dir = folder
		must(t, setup.Run(generators, command))
	}
	return exec.Command(filepath.Join(folder, "client"))
}

// tsClient makes a client in TypeScript, which is checked.
func tsClient(t *testing.T, folder string) *exec.Cmd {
	t.Helper()
	modules, err := nodeModules("testdata/client-ts")
	must(t, err)
	must(t, os.Symlink(modules, filepath.Join(folder, "node_modules")))
	for _, args := range [][]string{{"node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "schema.d.ts"}, {"node_modules/typescript/bin/tsc", "-p", "."}} {
		command := exec.Command("node", args...)
		command.Dir = folder
		must(t, setup.Run(generators, command))
	}
	return exec.Command("node", "out/main.js")
}

// describe stores the description that the demo serves.
func (d *demo) describe(t *testing.T, to string) {
	t.Helper()
	resp, err := http.Get(d.portal + "/api/v1/openapi.json")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	must(t, write(to, resp.Body))
}

// prints runs another gatepost command on the demo's database, and returns the line that it
// says.
func (d *demo) prints(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"GATEPOST_DATABASE=" + d.database(), "GATEPOST_KEYSET=" + filepath.Join(d.data, "keyset.json")}
	out, err := cmd.Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}
