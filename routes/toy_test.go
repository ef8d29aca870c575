package routes_test

import (
	"context"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/db"
	"gatepost/delivery"
	"gatepost/identity"
	"gatepost/routes"
)

// withToy has sign-ups go to a CRM that nobody knows but the wiring, and which has others
// beside it.
func withToy(t *testing.T, a *acme, box *toy.CRM, others ...*crm.Provider) with {
	return func(c *routes.Config) {
		a.next, c.Vault.HTTP.Transport = c.Vault.HTTP.Transport, a
		c.Vault.Callback = func(id string) string { return c.URL + "/integrations/" + id + "/callback" }
		c.CRMs = append(crm.Providers{toy.Provider}, others...)
		for _, p := range c.CRMs {
			err := c.Vault.AddService(t.Context(), identity.Service{ID: p.Service, Name: p.Name, LoginURL: "https://id.acme.example", AuthorizeURL: "/authorize", TokenURL: "/token",
				Revoke: identity.Revocation{URL: "/revoke"}, Scopes: []string{"people"}, OrgField: "team.id", NameField: "team.name"})
			if err == nil {
				err = c.Vault.SetService(t.Context(), p.Service, identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		vault := c.Vault
		c.Delivery.(*delivery.Dispatcher).Connect = func(ctx context.Context, to db.DestinationKey) (crm.CRM, error) {
			if _, err := vault.Get(ctx, toy.Service, to.TenantID, 0); err != nil {
				return nil, &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: err}
			}
			return box, nil
		}
	}
}

// A CRM that nobody knows by its name is in the portal as any other, in its own words.
func TestAnyCRMIsInThePortal(t *testing.T) {
	t.Parallel()
	a, box := &acme{account: "one"}, toy.New()
	w := open(t, withToy(t, a, box))
	b := w.as(john, "contoso")
	others := []string{"Salesforce", "sfdc", "Contact", "Lead", "My Domain"}
	b.get("/").is(200, "Connect Toy CRM", "may create people").hasNot(others...)
	b.get("/integrations").is(200, "Every new subscriber becomes a person in Toy CRM.", "Connect Toy CRM").hasNot("becomes a Contact", "My Domain")
	b.get("/integrations/toy").is(200, "Toy CRM").hasNot(others...)
	b.get("/integrations/sfdc/problems").is(404)
	w.signUp("ada@example.com", "Ada", "Lovelace")
	b.get("/integrations/toy").is(200, "1").hasNot(others...)
	b.get("/help").is(200, "How sign-ups reach Toy CRM", "Reconnect Toy CRM", `href="/integrations/toy"`, "under Toys").hasNot(others...)
	b.get("/newsletter/signup").is(200, "becomes a real person", "connect Toy CRM").hasNot(others...)
	settings := b.get("/integrations/toy/settings").is(200, "When a person has the address", "When several people have the address", "org’s Turns is used", "in 3 hours")
	settings.hasNot(append(others, "Unique field", "duplicate rule", "Last name when none")...)

	refused := b.get(b.get(strings.Replace(b.authorize("toy"), "code=code", "error=access_denied", 1)).is(303).head("Location"))
	refused.is(200, "Somebody refused it at Toy CRM").hasNot(others...)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations")
	b.get("/integrations").is(200, "Toy CRM is connected.", "Connected to Team one")

	// Who waited arrives, and the pages tell so.
	w.eventually("the sign-up arrives", func() bool { return strings.Contains(b.get("/subscribers").is(200).body, "In Toy CRM <span>1</span>") })
	b.get("/integrations/toy").is(200, "Toy CRM", "In Toy CRM", "Turns").hasNot(others...)
	b.get("/integrations/toy/problems").is(200, "Toy CRM").hasNot(others...)
	b.get("/").is(200, "Toy CRM").hasNot(others...)
	b.get(w.personOf("ada@example.com")).is(200, "Arrived in Toy CRM", "https://toy.example/people/card-1", "Person").hasNot(others...)
	b.submit("/integrations/toy/checkup").to("/integrations/toy/checkup")
	b.get("/integrations/toy/checkup").is(200, "The toy works.").hasNot(others...)
}

// another is a CRM beside the toy, as like it as can be.
func another(service, name string) *crm.Provider {
	p := *toy.Provider
	p.Service, p.Name, p.Record, p.Records = service, name, "card", "cards"
	return &p
}

// Where there are several CRMs to choose from, they are equals, and none is meant before one
// is connected.
func TestSeveralCRMsAreEquals(t *testing.T) {
	t.Parallel()
	a, box := &acme{account: "one"}, toy.New()
	w := open(t, withToy(t, a, box, another("wagon", "Wagon CRM"), another("yarn", "Yarn CRM")))
	b := w.as(john, "contoso")
	names := []string{"Toy CRM", "Wagon CRM", "Yarn CRM"}
	w.signUp("ada@example.com", "Ada", "Lovelace")

	b.get("/integrations").is(200, append(names, "1 sign-up waits for your first CRM", "It is kept", "Connect Toy CRM", "Connect Wagon CRM", "Connect Yarn CRM", "becomes a card in Yarn CRM")...).hasNot("button primary")
	b.get("/").is(200, "Connect your CRM", "Choose your CRM").hasNot(names...)
	b.get("/help").is(200, "How sign-ups reach your CRM", "Your CRM refused them").hasNot(names...)
	b.get("/newsletter/signup").is(200, "becomes a real record", "Your CRM is not connected", "connect your CRM").hasNot(names...)
	b.get("/subscribers").is(200, "No CRM yet", `href="/integrations"`).hasNot(names...)
	b.get(w.personOf("ada@example.com")).is(200, "No CRM connected yet", "In your CRM", "View integrations").hasNot(names...)
	b.get("/newsletters/contoso-weekly").is(200, "No CRM yet").hasNot(names...)
	for _, service := range []string{"toy", "wagon"} {
		for _, path := range []string{"/problems", "/settings", "/checkup", "/sum", "/move", "/problems.csv"} {
			b.get("/integrations/" + service + path).to("/integrations/" + service)
		}
		b.submit("/integrations/"+service+"/settings", "one", "fill", "several", "newest", "share", "90").to("/integrations/" + service)
	}
	b.get("/integrations/wagon/live", "HX-Request", "true").is(204)
	b.get("/integrations/wagon").is(200, "Wagon CRM", "Not connected yet", "may create cards", "Connect Wagon CRM").hasNot("Toy CRM", "Problems")
	b.get("/integrations/acme/problems").is(404)

	// Once one is connected, pages call it by its name, and the others stay to be connected.
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations")
	w.eventually("the sign-up arrives", func() bool { return strings.Contains(b.get("/subscribers").is(200).body, "In Toy CRM <span>1</span>") })
	b.get("/integrations").is(200, "Connected to Team one", "View status", "Connect Wagon CRM", "Connect Yarn CRM").hasNot("first CRM", "Connect Toy CRM")
	b.get("/integrations/wagon").is(200, "Not connected yet").hasNot("Team one")
	b.get("/help").is(200, "How sign-ups reach Toy CRM").hasNot(names[1:]...)
	b.get("/newsletters/contoso-weekly").is(200, "Sign-ups go to", "Toy CRM").hasNot(names[1:]...)
	b.get("/subscribers?in=wagon&state=delivered").is(200, "In Toy CRM", "1 subscriber").hasNot("in=wagon", `class="chip"`)
}

// A CRM that there is no app for says what is missing, rather than fail when one connects it;
// with an app of one's own it can be connected.
func TestCRMWithoutAnApp(t *testing.T) {
	t.Parallel()
	a, box := &acme{account: "one"}, toy.New()
	toys := withToy(t, a, box, another("wagon", "Wagon CRM"))
	w := open(t, func(c *routes.Config) {
		toys(c)
		if err := c.Vault.SetService(t.Context(), "wagon", identity.ServiceChange{ClientID: new(""), ClientSecret: new("")}); err != nil {
			t.Fatal(err)
		}
	})
	b := w.as(john, "contoso")
	const missing = "have not set up an app at Wagon CRM yet"
	for _, path := range []string{"/integrations", "/integrations/wagon", "/integrations/wagon/card"} {
		b.get(path).is(200, missing, `href="/integrations/wagon/app"`).hasNot("Connect Wagon CRM", "an app at Toy CRM")
	}
	b.get("/integrations").is(200, "Connect Toy CRM")
	b.submit("/integrations/wagon/connect").is(503, "have not set up the app")
	b.submit("/integrations/wagon/app", "client_id", "own-app", "client_secret", "own-hidden").to("/integrations/wagon/app")
	for _, path := range []string{"/integrations", "/integrations/wagon"} {
		b.get(path).is(200, "Connect Wagon CRM").hasNot(missing)
	}
	w.as(ann, "fabrikam").get("/integrations").is(200, missing)
	if address := b.authorize("wagon"); !strings.Contains(address, "/integrations/wagon/callback") {
		t.Errorf("leads to %s", address)
	}
}

// personOf is the page of the subscriber with an address.
func (w *world) personOf(email string) string {
	w.t.Helper()
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email = $1`, email).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return "/subscribers/" + id
}
