package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
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

func TestAPIKeysRunOutAndReturn(t *testing.T) {
	d, _, environ := connected(t, "https://login.salesforce.com")
	run := func(want int, args ...string) (out, errOut string) {
		t.Helper()
		code, out, errOut := command(t, "", environ, append([]string{"apikey"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out, errOut
	}
	refused := func(says string, args ...string) {
		t.Helper()
		if _, errOut := run(1, args...); !strings.Contains(errOut, says) {
			t.Errorf("%v: no %q in %s", args, says, errOut)
		}
	}
	rows := func() (rows []apiKeyRow) {
		t.Helper()
		out, _ := run(0, "ls", "-o", "json")
		if err := json.Unmarshal([]byte(out), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for _, text := range []string{"", "soon", "90", "-1d", "1.5d", "90 d", "2026-13-01", "2026-12-31T00:00:00Z", "d", "h", "999999999999d"} {
		refused("say a number of days or hours", "add", "x", "--expires="+text)
	}
	for _, text := range []string{"0d", "0h", "2020-01-01"} {
		refused("is over already", "add", "x", "--expires", text)
	}
	for _, text := range []string{"36501d", "9999-12-31"} {
		refused("say never", "add", "x", "--expires", text)
	}
	const done = "https://app.example/done"
	refused("needs a return address", "add", "x", "--allow", "read,authorize")
	refused("leave them out", "add", "x", "--return-to", done)
	refused("plain http is for", "add", "x", "--allow", "authorize", "--return-to", done, "--return-to", "http://app.example/done")
	refused("for all tenants and services", "add", "x", "--allow", "tenants", "--tenant", "contoso")
	refused("for all tenants and services", "add", "x", "--allow", "tenants", "--service", "sfdc")
	if len(rows()) != 0 {
		t.Fatal("a key that was refused is there")
	}

	_, said := run(0, "add", "app", "--allow", "read,authorize", "--expires", "3d", "--return-to", done+"?a,b", "--return-to", "http://localhost:3000/done")
	if !strings.Contains(said, "It runs out on "+time.Now().Add(72*time.Hour).UTC().Format("2006-01-02")) {
		t.Error(said)
	}
	_, said = run(0, "add", "operator", "--allow", "tenants,call,delete")
	if !strings.Contains(said, "to tenants and call and delete. It doesn't run out.") {
		t.Error(said)
	}
	run(0, "add", "dated", "--expires", time.Now().AddDate(0, 0, 60).UTC().Format(time.DateOnly))
	all := rows()
	id := all[0].ID
	if all[0].ReturnTo[0] != done+"?a,b" || len(all[0].ReturnTo) != 2 || all[0].Expired || all[1].ExpiresAt != nil || len(all[1].ReturnTo) != 0 {
		t.Errorf("%+v", all)
	}
	if at := all[2].ExpiresAt; at == nil || at.Format("15:04:05.000") != "00:00:00.000" || at.Format(time.DateOnly) != time.Now().AddDate(0, 0, 61).UTC().Format(time.DateOnly) {
		t.Errorf("the end of that day is %v", at)
	}
	table, said := run(0, "ls")
	if !strings.Contains(said, "within two weeks: 1.") || !strings.Contains(table, "in 3 days") || !strings.Contains(table, "never") || !strings.Contains(table, done) {
		t.Errorf("%s%s", table, said)
	}

	run(2, "set", id)
	refused(`no key with the id "nobody"`, "set", "nobody", "--name", "x")
	refused("needs a name", "set", id, "--name", "")
	refused("has no return address", "set", id, "--remove-return-to", done)
	refused("needs a return address", "set", id, "--remove-return-to", done+"?a,b", "--remove-return-to", "http://localhost:3000/done")
	refused("leave them out", "set", all[1].ID, "--return-to", done)
	out, _ := run(0, "set", id, "--name", "the app", "--expires", "24h", "--remove-return-to", done+"?a,b", "--return-to", done)
	if !strings.Contains(out, "Set the app. It runs out on ") || !strings.Contains(out, "http://localhost:3000/done "+done) {
		t.Error(out)
	}
	if _, err := d.Writer().Exec(`UPDATE api_keys SET expires_at = 1 WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	if all = rows(); !all[0].Expired || all[0].Name != "the app" {
		t.Errorf("%+v", all[0])
	}
	if table, said = run(0, "ls"); !strings.Contains(table, "expired") || said != "" {
		t.Errorf("%s%s", table, said)
	}
	run(0, "set", id, "--expires", "never")
	if all = rows(); all[0].Expired || all[0].ExpiresAt != nil {
		t.Errorf("%+v", all[0])
	}
}
