package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/identity"
)

func TestServicesAreDefinedAndListed(t *testing.T) {
	d, g, environ := connected(t, "http://127.0.0.1:1")
	environ = append(environ, "GATEPOST_SFDC_CLIENT_ID=from-environment", "GATEPOST_SFDC_CLIENT_SECRET=hidden-one")
	run := func(in string, want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, append([]string{"service"}, args...)...)
		if code != want {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, out, errOut)
		}
		if strings.Contains(out+errOut, "hidden") {
			t.Errorf("%v printed the secret:\n%s%s", args, out, errOut)
		}
		return out + errOut
	}
	list := func() (rows []listedRow) {
		t.Helper()
		if err := json.Unmarshal([]byte(run("", 0, "ls", "-o", "json")), &rows); err != nil {
			t.Error(err)
		}
		return rows
	}
	row := func(id string) listedRow {
		t.Helper()
		rows := list()
		i := slices.IndexFunc(rows, func(r listedRow) bool { return r.Service == id })
		if i < 0 {
			t.Fatalf("%s is not listed", id)
		}
		return rows[i]
	}
	if rows := list(); len(rows) != len(identity.BuiltIn()) || rows[0].Service != "sfdc" || rows[0].App != "environment" || rows[0].Identities != 1 {
		t.Errorf("listed %+v", rows)
	}
	acme := []string{"add", "acme", "--name", "Acme", "--login-url", "https://id.acme.example", "--authorize-url", "/authorize", "--token-url", "/token"}
	for want, args := range map[string][]string{
		"authorize url":            {"add", "acme"},
		"id: it has to be":         append([]string{"add", "Acme!"}, acme[2:]...),
		"there is a service slack": append([]string{"add", "slack"}, acme[2:]...),
		"NAME=VALUE":               append(slices.Clone(acme), "--param", "x"),
		`param "state"`:            append(slices.Clone(acme), "--param", "state=x"),
		"token url":                append(slices.Clone(acme), "--token-url", "http://id.acme.example"),
		`no service "acme"`:        {"get", "acme"},
		`no service "acme";`:       {"set", "acme", "--client-id", "x"},
		`there is no service`:      {"rm", "acme"},
		"is built in":              {"rm", "slack"},
		"at fixed addresses":       {"set", "slack", "--login-url", "https://slack.example"},
		"is not a scope":           {"set", "slack", "--scope", `"`},
	} {
		if out := run("", 1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	if out := run("", 0, append(acme, "--scope", "a b", "--param", "prompt=consent", "--rotates")...); !strings.Contains(out, "/integrations/acme/callback") {
		t.Error(out)
	}
	run("", 1, acme...)
	if r := row("acme"); r.App != "" || !r.Defined || r.Revokes || r.Callback != "/integrations/acme/callback" {
		t.Errorf("listed %+v", r)
	}
	// Its app, and that of one that is built in.
	for _, id := range []string{"acme", "githuboauth"} {
		run("hidden-two\n", 0, "set", id, "--client-id", "app-1", "--client-secret-stdin")
		var r serviceRow
		if err := json.Unmarshal([]byte(run("", 0, "get", id, "-o", "json")), &r); err != nil || r.ClientID != (setting{"app-1", "set"}) || r.ClientSecret.From != "set" || r.LoginURL.From != "default" {
			t.Errorf("%+v, %v", r, err)
		}
		if row(id).App != "set" {
			t.Errorf("%s has no app", id)
		}
	}
	g.ID, g.Service = db.NewID(), "acme"
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	if out := run("", 1, "rm", "acme"); !strings.Contains(out, "are left: 1") || row("acme").Identities != 1 {
		t.Error(out)
	}
	if _, err := d.DeleteIdentity(t.Context(), "acme", g.TenantID, ""); err != nil {
		t.Fatal(err)
	}
	if out := run("", 0, "rm", "acme"); !strings.Contains(out, "1 token was yet to be revoked") {
		t.Error(out)
	}
	if len(list()) != len(identity.BuiltIn()) {
		t.Error("still listed")
	}
	run("", 0, "set", "githuboauth", "--unset", "client-id,client-secret")
	if out := run("", 0, "ls"); !strings.Contains(out, "GitHub") || row("githuboauth").App != "" {
		t.Error(out)
	}
}
