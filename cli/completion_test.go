package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatepost/auth"
)

func TestShellsCompleteTheCommands(t *testing.T) {
	for shell, begins := range map[string]string{"bash": "# bash completion", "zsh": "#compdef gatepost", "fish": "# fish completion", "powershell": "# powershell completion"} {
		code, out, errOut := command(t, "", nil, "completion", shell)
		if code != 0 || errOut != "" || !strings.HasPrefix(out, begins) || !strings.Contains(out, "gatepost") {
			t.Errorf("%s: exit %d\n%.100s%s", shell, code, out, errOut)
		}
	}
	if _, out, _ := command(t, "", nil, "--help"); !strings.Contains(out, "completion") {
		t.Error("help doesn't tell of it")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("no bash to try the script with")
	}
	_, script, _ := command(t, "", nil, "completion", "bash")
	check := exec.Command(bash, "-n")
	check.Stdin = strings.NewReader(script)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("bash doesn't take it: %s", out)
	}
}

func TestServicesAndTenantsAreCompleted(t *testing.T) {
	_, _, environ := connected(t, "https://login.salesforce.com")
	for _, args := range []string{"tenant add fabrikam", "service add acme --name Acme --login-url https://id.acme.example --authorize-url /authorize --token-url /token"} {
		if code, _, errOut := command(t, "", environ, strings.Fields(args)...); code != 0 {
			t.Fatal(errOut)
		}
	}
	complete := func(environ []string, args ...string) (words []string, directive string) {
		t.Helper()
		_, out, _ := command(t, "", environ, append([]string{"__complete"}, args...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for _, line := range lines[:len(lines)-1] {
			word, _, _ := strings.Cut(line, "\t")
			words = append(words, word)
		}
		return words, lines[len(lines)-1]
	}
	tenants := []string{"contoso", "fabrikam"}
	const none, files = ":4", ":0"
	for _, c := range []struct {
		args      string
		want      []string
		directive string
	}{
		{"identity ls --tenant |", tenants, none},
		{"identity get sfdc |", tenants, none},
		{"identity rm sfdc contoso |", nil, none},
		{"apikey add x --tenant |", tenants, none},
		{"user add x@x.example --tenant |", tenants, none},
		{"tenant add |", nil, none},
		{"newsletter add news --tenant |", tenants, none},
		{"apikey add x --allow |", auth.ActionNames(), none},
		{"identity ls --output |", []string{"table", "json"}, none},
		{"identity export |", nil, files},
	} {
		args := strings.Fields(strings.TrimSuffix(c.args, "|"))
		if got, directive := complete(environ, append(args, "")...); !slices.Equal(got, c.want) || directive != c.directive {
			t.Errorf("%s: %q %s, want %q %s", c.args, got, directive, c.want, c.directive)
		}
	}
	for _, args := range [][]string{{"identity", "get"}, {"service", "get"}, {"identity", "ls", "--service"}, {"apikey", "add", "x", "--service"}} {
		if got, _ := complete(environ, append(args, "")...); !slices.Contains(got, "sfdc") || !slices.Contains(got, "slack") || !slices.Contains(got, "acme") {
			t.Errorf("%v: %q", args, got)
		}
	}
	// Whoever presses the tab key has not asked for a database.
	missing := filepath.Join(t.TempDir(), "missing.db")
	if got, directive := complete([]string{"GATEPOST_DATABASE=" + missing}, "identity", "ls", "--tenant", ""); len(got) != 0 || directive != ":1" {
		t.Errorf("without a database: %q %s", got, directive)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("completing made a database")
	}
}

// Every command that lists or shows takes --output json, and prints what a script
// can read.
func TestListingsForScripts(t *testing.T) {
	_, _, environ := connected(t, "https://login.salesforce.com")
	for _, args := range []string{"tenant ls", "user ls", "newsletter ls", "newsletter ls --tenant contoso", "newsletter reports", "apikey ls", "identity ls", "identity get sfdc contoso", "keys status", "service ls", "service get sfdc"} {
		list := append(strings.Fields(args), "--output")
		code, out, errOut := command(t, "", environ, append(list, "json")...)
		if code != 0 || errOut != "" || !json.Valid([]byte(out)) || strings.Contains(out, "null") {
			t.Errorf("%s: exit %d\n%s%s", args, code, out, errOut)
		}
		if code, out, errOut := command(t, "", environ, append(list, "xml")...); code != 2 || out != "" || !strings.Contains(errOut, "table or json") {
			t.Errorf("%s as xml: exit %d\n%s%s", args, code, out, errOut)
		}
	}
	var tenants []tenantRow
	if _, out, _ := command(t, "", environ, "tenant", "ls", "-o", "json"); json.Unmarshal([]byte(out), &tenants) != nil || len(tenants) != 1 || tenants[0].Slug != "contoso" ||
		tenants[0].Name != "Contoso" || tenants[0].CreatedAt.IsZero() {
		t.Errorf("tenants: %+v", tenants)
	}
	var users []userRow
	if _, out, _ := command(t, "", environ, "user", "ls", "-o", "json"); json.Unmarshal([]byte(out), &users) != nil || len(users) != 1 ||
		users[0].Email != "john@contoso.example" || !slices.Equal(users[0].Tenants, []string{"contoso"}) || users[0].CreatedAt.IsZero() {
		t.Errorf("users: %+v", users)
	}
	nobody := []string{"GATEPOST_DATABASE=" + filepath.Join(t.TempDir(), "x.db")}
	command(t, "", nobody, "tenant", "add", "contoso")
	if _, out, _ := command(t, "", nobody, "user", "ls", "-o", "json"); out != "[]\n" {
		t.Errorf("nobody yet: %q", out)
	}
}
