package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAPIKeys(t *testing.T) {
	d, _, environ := connected(t, "https://login.salesforce.com")
	run := func(want int, args ...string) (out, errOut string) {
		t.Helper()
		code, out, errOut := command(t, "", environ, append([]string{"apikey"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out, errOut
	}
	for _, wrong := range [][]string{{"add", "x", "--tenant", "nobody"}, {"add", "x", "--service", "sfcd"}, {"add", "x", "--allow", "write"}, {"add", "x", "--allow", ""}, {"rm", "x"}} {
		if _, errOut := run(1, wrong...); errOut == "" {
			t.Errorf("%v fails without a word", wrong)
		}
	}
	for _, wrong := range [][]string{{"add"}, {"add", ""}, {"ls", "-o", "xml"}} {
		if _, errOut := run(2, wrong...); errOut == "" {
			t.Errorf("%v fails without a word", wrong)
		}
	}
	// What is named by nothing, as by a variable that isn't set, would be for all.
	for _, empty := range [][]string{{"add", "x", "--tenant", ""}, {"add", "x", "--tenant="}, {"add", "x", "--service", ""}, {"add", "x", "--tenant", "contoso", "--service", "sfdc,"}, {"rm", ""}} {
		if _, errOut := run(2, empty...); !strings.Contains(errOut, "empty") {
			t.Errorf("%q: %s", empty, errOut)
		}
	}
	if out, _ := run(0, "ls", "-o", "json"); out != "[]\n" {
		t.Errorf("none yet: %s", out)
	}
	secret, said := run(0, "add", "billing", "--tenant", "contoso", "--service", "sfdc,hubspot", "--allow", "read,delete")
	if !strings.HasPrefix(secret, "gp_") || strings.Count(secret, "\n") != 1 || !strings.Contains(said, "sfdc, hubspot of contoso, to read and delete") {
		t.Errorf("printed %q, %q", secret, said)
	}
	other, said := run(0, "add", "all of it")
	if other == secret || !strings.Contains(said, "all services of all tenants, to read") {
		t.Errorf("printed %q", said)
	}
	var rows []apiKeyRow
	out, _ := run(0, "ls", "-o", "json")
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 2 || rows[0].Tenants[0] != "contoso" || len(rows[1].Tenants) != 0 || rows[0].UsedAt != nil {
		t.Errorf("%+v, %v", rows, err)
	}
	table, _ := run(0, "ls")
	for _, text := range []string{"billing", "contoso", "sfdc, hubspot", "all of it", "never"} {
		if text != "never" && !strings.Contains(table, text) {
			t.Errorf("no %q in\n%s", text, table)
		}
	}
	if strings.Contains(out+table, strings.TrimSpace(secret)[4:]) {
		t.Error("a listing shows a key")
	}
	var stored int
	if err := d.Writer().QueryRow(`SELECT count(*) FROM api_keys WHERE secret_hash LIKE 'gp\_%' ESCAPE '\'`).Scan(&stored); err != nil || stored != 0 {
		t.Errorf("%d keys are stored as they are, %v", stored, err)
	}
	run(0, "rm", rows[0].ID)
	run(1, "rm", rows[0].ID)
}
