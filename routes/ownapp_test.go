package routes_test

import (
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/outbound"
	"gatepost/routes"
)

const (
	ownAppPage = "/integrations/sfdc/app"
	ownID      = "3MVG9own"
	ownSecret  = "the-secret-of-contoso"
)

// registerOwn makes Contoso's own app known to the simulated Salesforce.
func (w *world) registerOwn(id, secret string) {
	w.t.Helper()
	w.control("clients", `{"client_id":"`+id+`","client_secret":"`+secret+`","redirect_uris":["`+w.url+`/integrations/sfdc/callback"]}`)
}

func TestOwnAppIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get(ownAppPage).is(200, "You use the shared app", `value="`+w.url+`/integrations/sfdc/callback"`, `data-copy="redirect-url"`, "When empty: api refresh_token id.").
		hasNot("understood", "app/remove", `name="host"`, clientID, secret)
	for want, pairs := range map[string][]string{
		"enter the client ID":             {"client_secret", ownSecret},
		"enter the client secret":         {"client_id", ownID},
		"be a client ID":                  {"client_id", "a b", "client_secret", ownSecret},
		"be a client secret: it is":       {"client_id", ownID, "client_secret", "a b"},
		"client ID: it is too long":       {"client_id", strings.Repeat("x", 501), "client_secret", ownSecret},
		"these too: refresh_token, api.":  {"client_id", ownID, "client_secret", ownSecret, "scopes", "id"},
		"“\"q\"” is not a scope":          {"client_id", ownID, "client_secret", ownSecret, "scopes", `api refresh_token "q"`},
		"Error: Your own app":             {},
		"Please look at the marked field": {"client_id", "", "client_secret", ""},
	} {
		p := b.submit(ownAppPage, pairs...).is(422, want, "You use the shared app").hasNot(ownSecret)
		if len(pairs) > 0 && pairs[1] == ownID {
			p.is(422, `value="`+ownID+`"`)
		}
	}
	if w.count(`SELECT COUNT(*) FROM tenant_apps`) != 0 {
		t.Error("something was set")
	}
	b.get(ownAppPage + "/remove").to(ownAppPage)
	b.submit(ownAppPage + "/remove").to(ownAppPage)
	b.get(ownAppPage).is(200, "has no app of its own")
	for _, path := range []string{"/integrations/other/app", "/integrations/other/app/remove"} {
		b.get(path).is(404)
		b.submit(path, "client_id", ownID, "client_secret", ownSecret).is(404)
	}
	if strings.Contains(w.log.String(), ownSecret) {
		t.Error("the log has the secret")
	}
}

func TestOwnApp(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	w.registerOwn(ownID, ownSecret)
	w.registerOwn("3MVG9newer", "newer-secret")
	j, a := w.as(john, "contoso"), w.as(ann, "fabrikam")
	client := func(b *browser) string { return mustQuery(t, b.begin()).Get("client_id") }
	j.connect(sfJohn).to(connected)
	j.get(ownAppPage).is(200, "made with the shared app and goes on with it").hasNot("understood")
	j.get("/integrations/sfdc/settings").is(200, `href="`+ownAppPage+`"`, "Use your own app", "The shared one")

	j.submit(ownAppPage, "client_id", " "+ownID+" ", "client_secret", ownSecret+"\n").to(ownAppPage)
	j.get(ownAppPage).is(200, "Your own app is saved", "You use an app of your own", `value="`+ownID+`"`, "goes on with it").hasNot(ownSecret, "understood")
	j.get(ownAppPage+"/remove").is(200, "No connection that works uses it")
	if got := client(j); got != ownID {
		t.Errorf("Contoso authorizes with %s", got)
	}
	// Nobody else sees or uses it.
	a.get(ownAppPage).is(200, "You use the shared app").hasNot(ownID)
	a.submit(ownAppPage + "/remove").to(ownAppPage)
	if got := client(a); got != clientID {
		t.Errorf("Fabrikam authorizes with %s", got)
	}

	j.connect(sfJohn).to(connected)
	if w.count(`SELECT COUNT(*) FROM identities WHERE own_app = 1`) != 1 {
		t.Fatal("it wasn't made with the own app")
	}
	j.get("/integrations/sfdc/settings").is(200, "Your own").hasNot("The shared one")
	w.someone("contoso", "reader@contoso.test")
	w.eventually("it is there", func() bool { return w.control("stats", "")["contacts"] == 1.0 })

	// What ends it has to be meant.
	j.get(ownAppPage).is(200, "1 connection works with your app now.", `name="understood"`)
	j.submit(ownAppPage, "client_id", "3MVG9newer", "client_secret", "newer-secret").is(422, "ends the connection", `value="3MVG9newer"`, `aria-describedby="understood-error"`).hasNot("newer-secret")
	if got := client(j); got != ownID {
		t.Errorf("it was changed to %s", got)
	}
	j.submit(ownAppPage, "client_id", ownID, "scopes", "api refresh_token").to(ownAppPage) // the secret stays
	j.submit(ownAppPage, "client_id", ownID, "client_secret", "mistyped").to(ownAppPage)
	w.control("expire-access-tokens", "{}")
	w.someone("contoso", "second@contoso.test")
	w.eventually("it breaks", func() bool {
		return strings.Contains(j.get("/integrations").body, "no longer accepts your organisation")
	})
	j.failed(j.decide(j.begin(), sfJohn, "allow"), "doesn’t accept your own app")
	j.submit(ownAppPage, "client_id", ownID, "client_secret", ownSecret).to(ownAppPage)
	w.eventually("it goes on by itself", func() bool { return w.control("stats", "")["contacts"] == 2.0 })

	begun := j.begin()
	j.get(ownAppPage+"/remove").is(200, "Remove your own app?", ownID, "1 connection stops at once")
	if w.count(`SELECT COUNT(*) FROM tenant_apps`) != 1 {
		t.Error("asking removed it")
	}
	j.submit(ownAppPage + "/remove").to("/integrations")
	j.get("/integrations").is(200, "Reconnect Salesforce now", "Connection lost", "an app of your organisation’s own")
	j.failed(j.decide(begun, sfJohn, "allow"), "Your own app was removed meanwhile")
	w.someone("contoso", "third@contoso.test")
	j.connect(sfJohn).to(connected)
	if w.count(`SELECT COUNT(*) FROM identities WHERE own_app = 1`) != 0 {
		t.Error("it was made with the app that is gone")
	}
	w.eventually("what waited arrives", func() bool { return w.control("stats", "")["contacts"] == 3.0 })
	for _, s := range []string{ownSecret, "newer-secret", "mistyped"} {
		if strings.Contains(w.log.String(), s) {
			t.Errorf("the log has %q", s)
		}
	}
}

// A service that tenants may run themselves asks for its address.
func TestOwnAppOnOnesOwnHost(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *routes.Config) {
		service := identity.SalesforceService(clientID, secret, c.URL+"/integrations/sfdc/callback", "")
		service.SelfManaged = true
		vault, err := identity.New(identity.Config{Store: c.Store.(*db.DB), Keys: c.Vault.Keys, HTTP: outbound.Client(outbound.Trust()), Services: []identity.Service{service}})
		if err != nil {
			t.Fatal(err)
		}
		c.Vault = vault
	})
	b := w.as(john, "contoso")
	b.get(ownAppPage).is(200, `name="host"`, "Address of your own Salesforce")
	app := func(pairs ...string) page { return b.submit(ownAppPage, append(pairs, "client_id", ownID)...) }
	for _, host := range []string{"http://git.contoso.example", "https://127.0.0.1", "localhost", "https://git.contoso.example/path"} {
		app("client_secret", ownSecret, "host", host).is(422, "the name of a host", `value="`+host+`"`)
	}
	if err := w.store.AddServiceDefinition(t.Context(), db.ServiceDefinition{ID: "acme", Definition: `{"login_url": "https://id.acme.example"}`}); err != nil {
		t.Fatal(err)
	}
	app("client_secret", ownSecret, "host", "https://id.acme.example").is(422, "can’t be used here", `value="https://id.acme.example"`)
	app("client_secret", ownSecret, "host", "Git.contoso.example").to(ownAppPage)
	b.get(ownAppPage).is(200, `value="https://git.contoso.example"`)
	app("host", "https://evil.example").is(422, "secret has to be entered again")
	app().is(422, "secret has to be entered again")
	if address := b.begin(); !strings.HasPrefix(address, "https://git.contoso.example/") {
		t.Errorf("leads to %s", address)
	}
	if address := w.as(ann, "fabrikam").begin(); !strings.HasPrefix(address, "https://login.salesforce.com/") {
		t.Errorf("another tenant is led to %s", address)
	}
	if _, err := w.store.Writer().Exec(`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name,
		sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at, own_app) VALUES ('i', 'sfdc', $1, 1, '', '', 0, '', '', '', '', 0, '', '', '', 1, 1, 1)`, w.tenant("contoso").ID); err != nil {
		t.Fatal(err)
	}
	app("client_secret", ownSecret, "host", "https://other.contoso.example").is(422, "If I change the client ID or the address", "ends the connection")
	app("client_secret", ownSecret, "host", "https://other.contoso.example", "understood", "on").to(ownAppPage)
}
