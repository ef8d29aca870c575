package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/db/dbtest/testdb"
	"gatepost/seal"

	"github.com/spf13/cobra"
)

// Only serve, demo and migrate bring tables up to date; the others say what to do.
func TestMigrate(t *testing.T) {
	environ := serveEnv(t)
	file := strings.TrimPrefix(environ[4], "GATEPOST_DATABASE=")
	if code, _, errOut := command(t, "", environ, "migrate", "--status"); code != 1 || !strings.Contains(errOut, "there is no database at "+file) {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a question has made a database")
	}
	if code, _, errOut := command(t, "", append(environ, "GATEPOST_MIGRATE=off"), "serve"); code != 1 || !strings.Contains(errOut, "run gatepost migrate, since GATEPOST_MIGRATE is off") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	code, out, errOut := command(t, "", environ, "migrate", "--to", "27")
	if code != 0 || !strings.HasPrefix(out, "Applied 00001_init\nApplied 00002_keys\n") || !strings.Contains(out, "Applied 00027_deltas\n") || !regexp.MustCompile(`To be applied: \d+ migrations?\.\n$`).MatchString(out) {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	for _, args := range [][]string{{"tenant", "ls"}, {"tenant", "add", "contoso"}, {"serve"}} {
		code, _, errOut := command(t, "", append(environ, "GATEPOST_MIGRATE=off"), args...)
		if code != 1 || errOut != "gatepost: open the database "+file+": its tables are of an earlier version: run gatepost migrate\n" {
			t.Errorf("%v: exit %d, %s", args, code, errOut)
		}
	}
	if code, out, errOut := command(t, "", environ, "migrate", "--status"); code != 0 || !strings.Contains(out, "00028_copies") || !strings.Contains(out, "migrations. Run gatepost migrate.") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	if code, out, errOut := command(t, "", environ, "migrate", "--to", "3"); code != 1 || !strings.Contains(errOut, "restore a backup") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	if code, out, errOut := command(t, "", environ, "migrate"); code != 0 || !strings.HasSuffix(out, "The tables are up to date.\n") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	var is struct {
		Migrations []struct {
			Name      string
			AppliedAt *string `json:"applied_at"`
		}
		ToApply int  `json:"to_apply"`
		Jobs    bool `json:"job_tables_up_to_date"`
	}
	_, out, errOut = command(t, "", environ, "migrate", "--status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &is); err != nil || len(is.Migrations) < 25 || is.Migrations[0].AppliedAt == nil || is.ToApply != 0 || !is.Jobs {
		t.Errorf("%s%s", out, errOut)
	}
	p := start(t, append(environ, "GATEPOST_MIGRATE=off"), "serve")
	for !strings.HasPrefix(p.line(), "Portal: ") {
	}
	p.end()
}

func TestServeMigrates(t *testing.T) {
	environ := serveEnv(t)
	if code, _, errOut := command(t, "", environ, "migrate", "--to", "27"); code != 0 {
		t.Fatal(errOut)
	}
	p := start(t, environ, "serve")
	for !strings.HasPrefix(p.line(), "Portal: ") {
	}
	p.end()
}

// mark has a database be one that was moved.
func mark(t *testing.T, where string) {
	t.Helper()
	d, err := db.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.Writer().Exec(`INSERT INTO database_copies (id, state, other, at) VALUES ('1', 'moved', 'postgres://db.example/gatepost', 86400000)`); err != nil {
		t.Fatal(err)
	}
}

// TestCommandsOnADatabaseThatWasMoved walks all commands: those that may change something
// are refused, since it would be lost.
func TestCommandsOnADatabaseThatWasMoved(t *testing.T) {
	const says = ": it was moved to postgres://db.example/gatepost, on 1970-01-02 00:00 UTC: serve that one, since two with the same connections end all of them. If that one is never served again, run gatepost database unmark\n"
	where := dbtest.Path(t)
	mark(t, where)
	more := map[string][]string{"gatepost service set": {"--login-url", "https://login.example"}}
	elsewhere := map[string]bool{"gatepost demo": true, "gatepost mocksalesforce": true, "gatepost mockhubspot": true, "gatepost mockzoho": true, "gatepost version": true, "gatepost help": true,
		"gatepost database copy": true, "gatepost database unmark": true, "gatepost migrate": true}
	walkCommands(newProgram(nil, io.Discard, io.Discard, nil).root(nil), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if elsewhere[path] || strings.HasPrefix(path, "gatepost completion ") {
			return
		}
		t.Run(path, func(t *testing.T) {
			environ := append(serveEnv(t), "GATEPOST_DATABASE="+where)
			_, _, errOut := command(t, "a long enough password", environ, append(argsOf(cmd, t.TempDir()), more[path]...)...)
			if refused := strings.HasSuffix(errOut, says); refused == onlyReads[path] {
				t.Errorf("refused %v: %s", refused, errOut)
			}
		})
	})
	environ := append(serveEnv(t), "GATEPOST_DATABASE="+where)
	if code, _, errOut := command(t, "", environ, "database", "unmark"); code != 1 || !strings.Contains(errOut, "use --yes") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if code, out, errOut := command(t, "", environ, "database", "unmark", "--yes"); code != 0 || out != "It may be served again. Never serve postgres://db.example/gatepost beside it.\n" {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	if code, _, errOut := command(t, "", environ, "database", "unmark", "--yes"); code != 1 || !strings.Contains(errOut, "it has no mark") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if code, _, errOut := command(t, "", environ, "tenant", "add", "contoso"); code != 0 {
		t.Error(errOut)
	}
}

// A server that runs while its database is marked ends: it lives elsewhere by now.
func TestServeEndsWhenItsDatabaseIsMoved(t *testing.T) {
	where := dbtest.Path(t)
	renewEvery = 1e6
	defer func() { renewEvery = db.ServingTime / 3 }()
	p := start(t, append(serveEnv(t), "GATEPOST_DATABASE="+where), "serve")
	for !strings.HasPrefix(p.line(), "Portal: ") {
	}
	mark(t, where)
	if err := <-p.done; err == nil || !strings.Contains(err.Error(), "it was moved to postgres://db.example/gatepost") {
		t.Errorf("got %v", err)
	}
}

func TestDatabaseCopy(t *testing.T) {
	if url, err := testdb.Server(); err != nil || url == "" {
		t.Skip("copies go to PostgreSQL: " + testdb.Variable + " names no server")
	}
	environ, to := serveEnv(t), testdb.NewTemplate("bare", func(context.Context, string) error { return nil }).Copy(t)
	file := strings.TrimPrefix(environ[4], "GATEPOST_DATABASE=")
	there := append(environ, "GATEPOST_DATABASE="+to)
	p := start(t, environ, "serve")
	for !strings.HasPrefix(p.line(), "Portal: ") {
	}
	if code, _, errOut := command(t, "", environ, "tenant", "add", "contoso"); code != 0 {
		t.Fatal(errOut)
	}
	if code, _, errOut := command(t, "", environ, "database", "copy", "--to", to); code != 1 || !strings.Contains(errOut, "a process serves it") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	p.end()
	code, out, errOut := command(t, "", environ, "database", "copy", "--to", to)
	keys := fmt.Sprintf("  mac_keys: %[1]d of %[1]d rows\n", len(seal.Purposes)) // else no link would work there
	if code != 0 || !strings.Contains(errOut, "  tenants: 1 of 1 rows\n") || !strings.Contains(errOut, keys) || !strings.Contains(out, "all have arrived") || !strings.Contains(out, "Start gatepost serve") || !strings.Contains(out, file) {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	if code, _, errOut := command(t, "", environ, "serve"); code != 1 || !strings.Contains(errOut, "it was moved to postgres://") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	for _, environ := range [][]string{environ, there} {
		if code, out, errOut := command(t, "", environ, "tenant", "ls"); code != 0 || !strings.Contains(out, "contoso") {
			t.Errorf("exit %d, %s%s", code, out, errOut)
		}
	}
	p = start(t, there, "serve")
	for !strings.HasPrefix(p.line(), "Portal: ") {
	}
	p.end()
}

func TestDemoOnADatabaseThatIsNamed(t *testing.T) {
	where := dbtest.Path(t)
	p := start(t, nil, append(slices.Clone(demoAnywhere), "--data", filepath.Join(t.TempDir(), "demo"), "--database", where)...)
	for !strings.HasPrefix(p.line(), "Simulated Zoho: ") {
	}
	p.end()
	if slugs, err := db.TenantSlugs(t.Context(), where); err != nil || !slices.Equal(slugs, []string{demoTenant, fabrikamSlug}) {
		t.Errorf("got %v, %v", slugs, err)
	}
	if code, _, errOut := command(t, "", nil, append(slices.Clone(demoAnywhere), "--database", "mysql://h/d", "--data", t.TempDir())...); code != 1 || !strings.Contains(errOut, "--database: it begins with mysql://") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if code, _, errOut := command(t, "", nil, append(slices.Clone(demoAnywhere), "--database", where)...); code != 1 || !strings.Contains(errOut, "--database needs --data") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}
