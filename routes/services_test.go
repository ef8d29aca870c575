package routes_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gatepost/identity"
	"gatepost/routes"
)

// acme is a service at https addresses, which lead to this handler.
type acme struct {
	next    http.RoundTripper
	tokens  int
	account string // of whoever logs in
	refuse  string // code of a refusal of the token end point
	revoked int
	down    bool
}

func (a *acme) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Host, ".acme.example") {
		return a.next.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case a.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/revoke":
		a.revoked++
	case a.refuse != "":
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": a.refuse, "error_description": "as <b>said</b>"})
	default:
		a.tokens++
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "access-" + a.account, "refresh_token": "refresh-" + a.account, "expires_in": 3600,
			"team": map[string]string{"id": a.account, "name": "Team " + a.account}})
	}
	return w.Result(), nil
}

// withAcme defines two services: Acme, and Dead End, which revokes nothing.
func withAcme(t *testing.T, a *acme) with {
	return func(c *routes.Config) {
		a.next, c.Vault.HTTP.Transport = c.Vault.HTTP.Transport, a
		c.Vault.Callback = func(id string) string { return c.URL + "/integrations/" + id + "/callback" }
		s := identity.Service{ID: "acme", Name: "Acme & Sons", LoginURL: "https://id.acme.example", AuthorizeURL: "/authorize", TokenURL: "/token",
			Revoke: identity.Revocation{URL: "/revoke"}, Scopes: []string{"contacts"}, OrgField: "team.id", NameField: "team.name"}
		end := s
		end.ID, end.Name, end.Revoke.URL = "dead-end", "Dead End", ""
		for _, s := range []identity.Service{s, end} {
			if err := c.Vault.AddService(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// authorize presses Connect and returns where the service would send the browser back.
func (b *browser) authorize(service string) string {
	b.w.t.Helper()
	p := b.submit("/integrations/" + service + "/connect").is(200)
	m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`).FindStringSubmatch(p.body)
	if m == nil {
		b.w.t.Fatalf("leads nowhere: %s", p.body)
	}
	q := mustQuery(b.w.t, html.UnescapeString(m[1]))
	if !strings.HasPrefix(html.UnescapeString(m[1]), "https://id.acme.example/authorize?") || q.Get("redirect_uri") != b.w.url+"/integrations/"+service+"/callback" {
		b.w.t.Fatalf("leads to %s", m[1])
	}
	return "/integrations/" + service + "/callback?" + url.Values{"state": {q.Get("state")}, "code": {"code"}}.Encode()
}

func TestOtherServicesInThePortal(t *testing.T) {
	t.Parallel()
	a := &acme{account: "one"}
	var vault *identity.Vault
	w := openBoth(t, withAcme(t, a), func(c *routes.Config) { vault = c.Vault })
	b := w.as(john, "contoso")
	// Nobody offers it before an app is set.
	b.get("/integrations").is(200, "Salesforce").hasNot("Acme", "Dead End")
	b.submit("/integrations/acme/connect").is(404)
	for _, id := range []string{"acme", "dead-end"} {
		if err := vault.SetService(t.Context(), id, identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")}); err != nil {
			t.Fatal(err)
		}
	}
	page := b.get("/integrations").is(200, "Acme & Sons</a>", "Dead End</a>", "No sign-ups go there")
	if strings.Index(page.body, "integration-sfdc") > strings.Index(page.body, "integration-acme") {
		t.Error("Salesforce doesn't come first")
	}
	b.get("/integrations/acme/card?seen=x").is(200, "Acme & Sons</a>", "Not connected yet").hasNot("sign-up", "Contact")
	b.get("/integrations/acme").is(200, "Connect Acme & Sons").hasNot("sign-up", "Contact")
	// What is about deliveries isn't there.
	for _, r := range w.app.GetRoutes(true) {
		rest, below := strings.CutPrefix(r.Path, "/integrations/:service")
		if !below || r.Method == http.MethodHead || strings.HasPrefix(rest, "/app") {
			continue
		}
		switch rest {
		case "", "/card", "/connect", "/callback", "/connected", "/held", "/disconnect":
			continue
		}
		if r.Method == http.MethodPost {
			b.submit("/integrations/acme" + rest).is(404)
			continue
		}
		b.get("/integrations/acme" + rest).is(404)
	}
	// Failures speak of the right service.
	failed := func(callback string, texts ...string) {
		t.Helper()
		b.get(b.get(callback).is(303).head("Location")).is(200, texts...).hasNot("Salesforce refused", "Salesforce didn", "at Salesforce", "<b>said</b>")
	}
	failed("/integrations/acme/callback?state=x&code=y", "This link has expired")
	failed(strings.Replace(b.authorize("acme"), "code=code", "error=access_denied", 1), "Somebody refused it at Acme & Sons")
	a.refuse = "invalid_client"
	failed(b.authorize("acme"), "Acme & Sons doesn’t accept our app", "invalid_client")
	a.refuse = "odd_code"
	failed(b.authorize("acme"), "Acme & Sons refused", "odd_code")
	a.refuse, a.down = "", true
	failed(b.authorize("acme"), "Acme & Sons didn’t answer")
	a.down = false
	// Connecting.
	b.get(b.authorize("acme")).to("/integrations/acme/connected")
	b.get("/integrations/acme/connected").to("/integrations")
	b.get("/integrations").is(200, "Acme & Sons is connected.", "Team one", john).hasNot("access-one", "refresh-one")
	// Another account is asked about.
	a.account = "two"
	b.get(b.authorize("acme")).to("/integrations/acme/connected")
	held := b.get("/integrations/acme").is(200, "another Acme & Sons account than before", "Team two")
	b.submit("/integrations/acme/held", "held", held.hidden("held"), "decision", "switch").to("/integrations")
	b.get("/integrations").is(200, "The new Acme & Sons account is connected.", "Team two").hasNot("Team one")
	if a.revoked != 1 {
		t.Errorf("%d revoked", a.revoked)
	}
	// Another tenant sees nothing of it.
	w.as(ann, "fabrikam").get("/integrations/acme").is(200, "Connect Acme & Sons").hasNot("Team two")
	// It dies, and says so everywhere.
	i, err := vault.Identity(t.Context(), "acme", w.tenant("contoso").ID)
	if err != nil {
		t.Fatal(err)
	}
	a.refuse = "invalid_grant"
	if _, err := vault.Get(t.Context(), "acme", i.TenantID, i.Generation); err == nil {
		t.Error("renewed")
	}
	a.refuse = ""
	b.get("/account").is(200, "Connection to Acme & Sons lost")
	b.get("/integrations/acme").is(200, "Acme & Sons has ended the access: it was revoked, or it ran out.", "Reconnect Acme & Sons.").hasNot("Sign-ups wait safely and are sent")
	b.get(b.authorize("acme")).to("/integrations/acme/connected")
	b.get("/account").is(200).hasNot("Connection to Acme")
	// Disconnecting, with what is true of the service.
	b.get("/integrations/acme/disconnect").is(200, "gives its access back to Acme & Sons").hasNot("New sign-ups")
	b.submit("/integrations/acme/disconnect").to("/integrations")
	b.get("/integrations").is(200, "Disconnected from Acme & Sons. Our access was revoked there")
	b.get(b.authorize("dead-end")).to("/integrations/dead-end/connected")
	b.get("/integrations/dead-end/disconnect").is(200, "Dead End offers no way to give an access back")
	b.submit("/integrations/dead-end/disconnect").to("/integrations")
	b.get("/integrations").is(200, "Dead End offers no way to revoke the access from here").hasNot("Our access was revoked there")
	if w.identities() != 0 || w.count(`SELECT count(*) FROM revocations`) != 0 {
		t.Error("something is left")
	}
}

// TestServicesThatConcernATenant shows a service without a shared app to those alone
// who have an app of their own, or are connected.
func TestServicesThatConcernATenant(t *testing.T) {
	t.Parallel()
	var vault *identity.Vault
	w := openBoth(t, withAcme(t, &acme{account: "one"}), func(c *routes.Config) { vault = c.Vault })
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	set := func(id, secret string) {
		t.Helper()
		if err := vault.SetService(t.Context(), "acme", identity.ServiceChange{ClientID: &id, ClientSecret: &secret}); err != nil {
			t.Fatal(err)
		}
	}
	b.submit("/integrations/acme/app", "client_id", "own", "client_secret", "hidden").is(303)
	b.get("/integrations/acme").is(200, "Connect Acme & Sons")
	other.get("/integrations").is(200).hasNot("Acme")
	b.submit("/integrations/acme/app/remove").is(303)
	b.get("/integrations").is(200, "Your own app is removed")
	b.get("/integrations").is(200).hasNot("Acme")
	b.get("/integrations/acme").is(404)
	set("app", "hidden")
	b.get(b.authorize("acme")).is(303)
	set("", "")
	b.get("/integrations").is(200, "Acme & Sons").hasNot("Connect Acme")
	other.get("/integrations").is(200).hasNot("Acme")
}
