package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTenantAppIsSet(t *testing.T) {
	d, g, environ := connected(t, "http://127.0.0.1:1")
	environ = append(environ, "GATEPOST_SFDC_CLIENT_ID=shared", "GATEPOST_SFDC_CLIENT_SECRET=hidden-one")
	run := func(in string, want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, append([]string{"service"}, args...)...)
		if code != want {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		if strings.Contains(out+errOut, "hidden") {
			t.Errorf("%v printed the secret:\n%s%s", args, out, errOut)
		}
		return out + errOut
	}
	get := func() (r serviceRow) {
		t.Helper()
		if err := json.Unmarshal([]byte(run("", 0, "get", "sfdc", "--tenant", "contoso", "-o", "json")), &r); err != nil {
			t.Error(err)
		}
		return r
	}
	set := func(more ...string) []string { return append([]string{"set", "sfdc", "--tenant", "contoso"}, more...) }
	for want, args := range map[string][]string{
		"has no app of its own at sfdc: the": {"get", "sfdc", "--tenant", "contoso"},
		"has no app of its own":              set("--unset", "app"),
		`no tenant "nobody"`:                 {"set", "sfdc", "--tenant", "nobody", "--client-id", "x"},
		`there is no tenant "none"`:          {"get", "sfdc", "--tenant", "none"},
		`no service "other"`:                 {"set", "other", "--tenant", "contoso", "--client-id", "x"},
		"there is nothing to set":            set(),
		"needs --client-id and":              set("--client-id", "x"),
		"app by itself":                      set("--unset", "app", "--client-id", "x"),
		"app by itself for":                  set("--unset", "app,scope"),
		"--unset takes scope":                set("--unset", "client-secret"),
		"is not run on hosts":                set("--login-url", "https://own.example", "--client-id", "x"),
		"spaces or control":                  set("--client-id", "a b"),
	} {
		if out := run("", 1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	for _, args := range [][]string{{"set", "sfdc", "--tenant", "", "--client-id", "theirs"}, {"get", "sfdc", "--tenant", ""}} { // not the installation's app
		if out := run("", 2, args...); !strings.Contains(out, "--tenant is empty: leave it out") {
			t.Errorf("%v: %s", args, out)
		}
	}
	if out := run("hidden-two\n", 1, set("--client-id", "own", "--client-secret-stdin", "--scope", "id")...); !strings.Contains(out, "refresh_token and api") {
		t.Error(out)
	}
	if set, err := d.ServiceSettings(t.Context(), "sfdc"); err != nil || set.ClientID != "" {
		t.Errorf("the installation's app is %q, %v", set.ClientID, err)
	}
	if _, err := d.TenantApp(t.Context(), "sfdc", g.TenantID); err == nil {
		t.Error("something was set")
	}
	if out := run("hidden-two\n", 0, set("--client-id", "own", "--client-secret-stdin", "--scope", "api refresh_token")...); !strings.Contains(out, "sfdc of contoso") {
		t.Error(out)
	}
	if r := get(); r.Tenant != "contoso" || r.ClientID != (setting{"own", "set"}) || r.ClientSecret != (setting{From: "set"}) ||
		r.Scopes != (setting{"api refresh_token", "set"}) || r.LoginURL != (setting{"http://127.0.0.1:1", "environment"}) || r.SetAt == nil {
		t.Errorf("%+v", r)
	}
	run("", 0, "set", "sfdc", "--scope", "full refresh_token", "--login-url", "https://sso.example")
	run("", 0, set("--unset", "scope")...)
	if r := get(); r.Scopes != (setting{"full refresh_token", "installation"}) || r.LoginURL != (setting{"https://sso.example", "installation"}) {
		t.Errorf("%+v", r)
	}
	if _, err := d.Writer().Exec(`UPDATE identities SET own_app = 1`); err != nil {
		t.Fatal(err)
	}
	if out := run("", 0, set("--client-id", "own")...); strings.Contains(out, "connect anew") {
		t.Errorf("the same client:\n%s", out)
	}
	if out := run("", 0, set("--client-id", "newer")...); !strings.Contains(out, "app before: 1.") {
		t.Error(out)
	}
	if out := run("", 0, set("--unset", "app")...); !strings.Contains(out, "had made: 1.") {
		t.Error(out)
	}
	if i, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil || i.BrokenCode != "app_removed" {
		t.Errorf("%s, %v", i.BrokenCode, err)
	}
	var shared serviceRow
	if err := json.Unmarshal([]byte(run("", 0, "get", "sfdc", "-o", "json")), &shared); err != nil || shared.ClientID.Value != "shared" || shared.Tenant != "" {
		t.Errorf("%+v, %v", shared, err)
	}
}
