package routes_test

import (
	"context"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/delivery"
	"gatepost/identity"
	"gatepost/routes"
)

// withToy has sign-ups go to a CRM that nobody knows but the wiring.
func withToy(t *testing.T, a *acme, box *toy.CRM) with {
	return func(c *routes.Config) {
		a.next, c.Vault.HTTP.Transport = c.Vault.HTTP.Transport, a
		c.Vault.Callback = func(id string) string { return c.URL + "/integrations/" + id + "/callback" }
		err := c.Vault.AddService(t.Context(), identity.Service{ID: toy.Service, Name: toy.Provider.Name, LoginURL: "https://id.acme.example", AuthorizeURL: "/authorize", TokenURL: "/token",
			Revoke: identity.Revocation{URL: "/revoke"}, Scopes: []string{"people"}, OrgField: "team.id", NameField: "team.name"})
		if err == nil {
			err = c.Vault.SetService(t.Context(), toy.Service, identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")})
		}
		if err != nil {
			t.Fatal(err)
		}
		c.CRMs = crm.Providers{toy.Provider}
		vault := c.Vault
		c.Delivery.(*delivery.Dispatcher).Connect = func(ctx context.Context, tenant string) (crm.CRM, error) {
			if _, err := vault.Get(ctx, toy.Service, tenant, 0); err != nil {
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
	w.eventually("the sign-up arrives", func() bool { return strings.Contains(b.get("/subscribers").is(200).body, "In Toy CRM") })
	b.get("/integrations/toy").is(200, "Toy CRM", "In Toy CRM", "Turns").hasNot(others...)
	b.get("/integrations/toy/problems").is(200, "Toy CRM").hasNot(others...)
	b.get("/").is(200, "Toy CRM").hasNot(others...)
	b.get(w.personOf("ada@example.com")).is(200, "Arrived in Toy CRM", "https://toy.example/people/card-1", "Person").hasNot(others...)
	b.submit("/integrations/toy/checkup").to("/integrations/toy/checkup")
	b.get("/integrations/toy/checkup").is(200, "The toy works.").hasNot(others...)

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
