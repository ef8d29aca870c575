package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"gatepost/db"
	"gatepost/identity"

	"github.com/creack/pty"
)

func TestServiceIsSet(t *testing.T) {
	_, _, environ := connected(t, "http://127.0.0.1:1")
	environ = append(environ, "GATEPOST_SFDC_CLIENT_ID=from-environment", "GATEPOST_SFDC_CLIENT_SECRET=hidden-one")
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
		if err := json.Unmarshal([]byte(run("", 0, "get", "sfdc", "-o", "json")), &r); err != nil {
			t.Error(err)
		}
		return r
	}
	if r := get(); r.ClientID != (setting{"from-environment", "environment"}) || r.ClientSecret != (setting{From: "environment"}) ||
		r.Scopes != (setting{"api refresh_token id", "default"}) || r.LoginURL != (setting{"http://127.0.0.1:1", "environment"}) || r.SetAt != nil {
		t.Errorf("%+v", r)
	}
	refused := map[string][]string{
		"there is nothing to set":     {"set", "sfdc"},
		`no service "other"`:          {"set", "other", "--client-id", "x"},
		"--unset client-id":           {"set", "sfdc", "--client-id", ""},
		"--unset client-secret":       {"set", "sfdc", "--client-secret-stdin"},
		"--unset scope":               {"set", "sfdc", "--scope", " "},
		"spaces or control":           {"set", "sfdc", "--client-id", "a b"},
		"refresh_token and api":       {"set", "sfdc", "--scope", "id"},
		"is not a scope":              {"set", "sfdc", "--scope", `api refresh_token "`},
		"use https":                   {"set", "sfdc", "--login-url", "http://sso.example"},
		"scheme and host alone":       {"set", "sfdc", "--login-url", "https://sso.example/path"},
		"there is client-id, client-": {"set", "sfdc", "--unset", "everything"},
	}
	for want, args := range refused {
		if out := run("", 1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	if r := get(); r.SetAt != nil {
		t.Errorf("something was set: %+v", r)
	}
	run("hidden-two\n", 0, "set", "sfdc", "--client-id", "set-here", "--client-secret-stdin", "--scope", "full", "--scope", "refresh_token", "--login-url", "https://sso.example")
	if r := get(); r.ClientID != (setting{"set-here", "set"}) || r.ClientSecret != (setting{From: "set"}) ||
		r.Scopes != (setting{"full refresh_token", "set"}) || r.LoginURL != (setting{"https://sso.example", "set"}) || r.SetAt == nil {
		t.Errorf("%+v", r)
	}
	if out := run("", 0, "set", "sfdc", "--unset", "client-id,client-secret"); !strings.Contains(out, "from-environment") || !strings.Contains(out, "(not shown)") || !strings.Contains(out, "set (0 min ago)") {
		t.Error(out)
	}
	if r := get(); r.ClientID.From != "environment" || r.ClientSecret.From != "environment" || r.LoginURL.From != "set" {
		t.Errorf("%+v", r)
	}
}

func TestServeNeedsAnApp(t *testing.T) {
	_, _, environ := connected(t, "http://127.0.0.1:1")
	environ = append(environ, "GATEPOST_URL=http://localhost:8080", "GATEPOST_ADDR=127.0.0.1:0")
	code, out, errOut := command(t, "", environ, "serve")
	if code != 1 || out != "" || !strings.Contains(errOut, "GATEPOST_SFDC_CLIENT_ID") || !strings.Contains(errOut, "service set sfdc") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	if code, _, errOut := command(t, "secret", environ, "service", "set", "sfdc", "--client-id", "app", "--client-secret-stdin"); code != 0 {
		t.Fatal(errOut)
	}
	p := start(t, environ, "serve")
	if line := p.line(); !strings.Contains(line, "Nobody can log in yet") && !strings.HasPrefix(line, "Portal: ") {
		t.Errorf("it did not start: %q", line)
	}
}

// realConnection connects the tenant anew at a server that issues, and revokes.
func realConnection(t *testing.T) (d *db.DB, g db.Grant, environ []string, revoked *atomic.Int32) {
	t.Helper()
	revoked = new(atomic.Int32)
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("POST /services/oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"a","refresh_token":"r","scope":"api refresh_token","token_type":"Bearer",
			"instance_url":%q,"id":"%s/id/00D000000000001/005000000000001"}`, srv.URL, srv.URL)
	})
	mux.HandleFunc("POST /services/oauth2/revoke", func(_ http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") == "r" {
			revoked.Add(1)
		}
	})
	d, g, environ = connected(t, srv.URL)
	if _, err := d.DeleteIdentity(t.Context(), "sfdc", g.TenantID, ""); err != nil {
		t.Fatal(err)
	}
	c := identityConfig{Keyset: strings.TrimPrefix(environ[1], "GATEPOST_KEYSET="), ClientID: "app", ClientSecret: "secret", LoginURL: srv.URL}
	v, err := openVault(t.Context(), d, c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Wait()
	address, err := v.Authorize(t.Context(), identity.AuthorizeRequest{Service: "sfdc", TenantID: g.TenantID, UserID: g.ConnectedBy, SessionID: "session"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Finish(t.Context(), identity.Callback{Service: "sfdc", SessionID: "session", State: u.Query().Get("state"), Code: "c"}); err != nil {
		t.Fatal(err)
	}
	return d, g, environ, revoked
}

// Somebody at a terminal is asked; only a yes removes anything.
func TestIdentityIsRemovedWhenConfirmed(t *testing.T) {
	d, g, environ, revoked := realConnection(t)
	answer := func(text string) (code int, out string) {
		t.Helper()
		keyboard, terminal, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = keyboard.Close(), terminal.Close() }()
		if _, err := keyboard.WriteString(text); err != nil {
			t.Fatal(err)
		}
		var o output
		code = Main([]string{"identity", "rm", "sfdc", "contoso"}, terminal, &o, &o, environ)
		return code, o.String()
	}
	for _, no := range []string{"\n", "n\n", "nonsense\n", "\x04"} {
		if code, out := answer(no); code != 1 || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%q: exit %d\n%s", no, code, out)
		}
	}
	if _, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil || revoked.Load() != 0 {
		t.Fatalf("removed: %v, %d revoked", err, revoked.Load())
	}
	if code, out := answer("Yes\n"); code != 0 || !strings.Contains(out, "It is revoked at the service") || revoked.Load() != 1 {
		t.Errorf("exit %d, %d revoked\n%s", code, revoked.Load(), out)
	}
	if _, err := d.Identity(t.Context(), "sfdc", g.TenantID); err == nil {
		t.Error("it is still there")
	}
}

// Whoever stores another client id is told what that means for connections.
func TestAnotherAppIsToldOf(t *testing.T) {
	d, g, environ, _ := realConnection(t)
	set := func(id string) string {
		t.Helper()
		code, out, errOut := command(t, "secret", environ, "service", "set", "sfdc", "--client-id", id, "--client-secret-stdin")
		if code != 0 {
			t.Fatal(errOut)
		}
		return out
	}
	if out := set("app"); strings.Contains(out, "connect anew") {
		t.Errorf("the same app:\n%s", out)
	}
	if out := set("newer"); !strings.Contains(out, "app before: 1.") {
		t.Error(out)
	}
	if i, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil || i.BrokenCode != db.OtherApp {
		t.Errorf("%s, %v", i.BrokenCode, err)
	}
	if out := set("app"); strings.Contains(out, "connect anew") {
		t.Errorf("set back:\n%s", out)
	}
	if i, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil || !i.BrokenAt.IsZero() {
		t.Errorf("%s, %v", i.BrokenCode, err)
	}
}
