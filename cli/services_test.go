package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
	if out := run("", 2, append(slices.Clone(acme), "--param", "x")...); !strings.Contains(out, "NAME=VALUE") {
		t.Error(out)
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

// A definition of the operator's is shown whole, and changed in each of its parts; what
// would send tokens or the secret elsewhere is refused while there are any.
func TestDefinitionsAreChanged(t *testing.T) {
	d, g, environ := connected(t, "http://127.0.0.1:1")
	run := func(in string, want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, append([]string{"service"}, args...)...)
		if code != want {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, out, errOut)
		}
		return out + errOut
	}
	get := func() identity.Service {
		t.Helper()
		var r serviceRow
		if err := json.Unmarshal([]byte(run("", 0, "get", "acme", "-o", "json")), &r); err != nil || r.Definition == nil || !r.Defined {
			t.Fatalf("%+v, %v", r, err)
		}
		return *r.Definition
	}
	run("", 0, "add", "acme", "--name", "Acme", "--login-url", "https://id.acme.example", "--authorize-url", "/authorize", "--token-url", "/token", "--rotates", "--param", "a=b")
	// Each part, there and back.
	values := map[string]string{"authorize-url": "/a", "token-url": "/t", "introspect-url": "/i", "userinfo-url": "/u", "revoke-url": "/r", "revoke-method": "DELETE", "revoke-auth": "client", "revoke-ends": "org",
		"separator": ",", "param": "prompt=consent", "ask-param": "prompt=login", "host": ".acme.example", "api-host": "api.acme.example,b.acme.example", "api-prefix": "/v1/", "call-host": "api.acme.example",
		"login-param": "server", "org-field": "team.id"}
	var all []string
	for _, p := range settable() {
		before := get()
		if p.flag == "no-pkce" || p.flag == "basic-auth" || p.flag == "name" {
			continue // below; and a name can't be taken back
		}
		value := values[p.flag]
		if value == "" {
			value = "word"
		}
		flag := "--" + p.flag + "=" + value
		if _, is := p.at(&before).(*bool); is {
			flag = "--" + p.flag
		}
		run("", 0, "set", "acme", flag)
		if after := get(); p.text(&after) == "" || p.flag != "rotates" && p.text(&after) == p.text(&before) {
			t.Errorf("%s: %q, before %q", p.flag, p.text(&after), p.text(&before))
		}
		if p.flag != "authorize-url" && p.flag != "token-url" && p.flag != "host" && p.flag != "api-host" {
			all = append(all, p.flag)
		}
	}
	if text := run("", 0, "get", "acme"); !strings.Contains(text, "API PREFIX") || !strings.Contains(text, "prompt=consent") || !strings.Contains(text, "defined here") {
		t.Error(text)
	}
	slices.Reverse(all) // what needs hosts goes before them
	run("", 0, "set", "acme", "--unset", strings.Join(all, ","))
	for _, p := range settable() {
		if s := get(); slices.Contains(all, p.flag) && p.text(&s) != "" {
			t.Errorf("%s is still %q", p.flag, p.text(&s))
		}
	}
	run("", 0, "set", "acme", "--no-pkce", "--basic-auth", "--name", "Acme Ltd")
	run("", 0, "set", "acme", "--no-pkce=false", "--basic-auth=false")
	if s := get(); s.NoPKCE || s.BasicAuth || s.Name != "Acme Ltd" {
		t.Errorf("%+v", s)
	}
	// What makes no sense.
	for want, args := range map[string][]string{
		"needs the code challenge": {"set", "acme", "--public", "--no-pkce"}, "nothing to authenticate with": {"set", "acme", "--public", "--basic-auth"},
		"native: a field": {"set", "acme", "--native", "refresh_token"}, "api prefix": {"set", "acme", "--api-prefix", "/"}, "token url": {"set", "acme", "--token-url", "http://x.example"},
		"allow param: it can't be": {"set", "acme", "--allow-param", "hd request_uri"}, "is built in": {"set", "slack", "--separator", ";"}, "all tenants share": {"set", "acme", "--tenant", "contoso", "--no-pkce"}, "there is no service": {"set", "nobody", "--no-pkce"},
	} {
		if out := run("", 1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	// While a secret is set, and while there are identities.
	run("hidden\n", 0, "set", "acme", "--client-id", "app", "--client-secret-stdin")
	if out := run("", 1, "set", "acme", "--token-url", "https://evil.example/token"); !strings.Contains(out, "client secret that is set would be sent there") || !strings.Contains(out, "https://evil.example") {
		t.Error(out)
	}
	g.ID, g.Service = db.NewID(), "acme"
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--token-url", "--revoke-url", "--introspect-url", "--userinfo-url"} {
		if out := run("", 1, "set", "acme", flag, "https://evil.example/x"); !strings.Contains(out, "tokens of identities") {
			t.Errorf("%s: %s", flag, out)
		}
	}
	if out := run("", 1, "set", "acme", "--org-field", "team.id"); !strings.Contains(out, "told apart") {
		t.Error(out)
	}
	run("", 0, "set", "acme", "--token-url", "/elsewhere", "--rotates")
	if s := get(); s.TokenURL != "/elsewhere" || !s.Rotates {
		t.Errorf("%+v", s)
	}
	// A public client has no secret.
	run("", 0, "set", "acme", "--public")
	if out := run("hidden\n", 1, "set", "acme", "--client-secret-stdin"); !strings.Contains(out, "public client") {
		t.Error(out)
	}
	if out := run("hidden\n", 1, "set", "acme", "--tenant", "contoso", "--client-id", "x", "--client-secret-stdin"); !strings.Contains(out, "public client") {
		t.Error(out)
	}
}

// service test says of each check what it found, and fails when one does.
func TestServiceIsTried(t *testing.T) {
	_, _, environ := connected(t, "http://127.0.0.1:1")
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("redirect_uri"))
		if r.URL.Path == "/token" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		}
	}))
	t.Cleanup(server.Close)
	environ = append(environ, "GATEPOST_URL=https://portal.example")
	run := func(in string, want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, append([]string{"service"}, args...)...)
		if code != want || strings.Contains(out+errOut, "hidden") {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, out, errOut)
		}
		return out + errOut
	}
	run("", 1, "test", "acme")
	run("", 0, "add", "acme", "--name", "Acme", "--login-url", server.URL, "--authorize-url", "/authorize", "--token-url", "/token")
	if out := run("", 1, "test", "acme"); !strings.Contains(out, "no app is set") || !strings.Contains(out, "to mend it") || !strings.Contains(out, "a check failed") {
		t.Error(out)
	}
	run("hidden\n", 0, "set", "acme", "--client-id", "app", "--client-secret-stdin")
	asked = nil
	out := run("", 0, "test", "acme", "-o", "json")
	var checks []identity.Check
	if err := json.Unmarshal([]byte(out), &checks); err != nil || len(checks) != 7 || checks[2].Result != identity.CheckOK || checks[3].Result != identity.CheckSkipped {
		t.Errorf("%+v, %v", checks, err)
	}
	if len(asked) < 2 || asked[0] != "/authorize https://portal.example/integrations/acme/callback" {
		t.Errorf("asked %q", asked)
	}
	run("", 0, "set", "acme", "--revoke-url", "/token") // answers as it should, by chance
	run("", 0, "test", "acme")
}
