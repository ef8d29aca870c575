package routes_test

import (
	"testing"

	"gatepost/identity"
	"gatepost/routes"
)

// The pages of a CRM and of another service tell what the settings ask for by now and was
// not granted.
func TestPagesTellMissingPermissions(t *testing.T) {
	t.Parallel()
	var vault *identity.Vault
	w := openBoth(t, withAcme(t, &acme{account: "one"}), func(c *routes.Config) { vault = c.Vault })
	if err := vault.SetService(t.Context(), "acme", identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")}); err != nil {
		t.Fatal(err)
	}
	b := w.as(john, "contoso")
	b.connect(sfJohn)
	b.get(b.authorize("acme")).is(303)
	b.get("/integrations/sfdc").is(200, "Permissions").hasNot("Not permitted yet")
	b.get("/integrations/acme").is(200, "Permissions").hasNot("Not permitted yet")
	for service, scopes := range map[string][]string{"sfdc": {"api", "refresh_token", "id", "chatter_api"}, "acme": {"read", "more_of_it"}} {
		if err := vault.SetService(t.Context(), service, identity.ServiceChange{Scopes: &scopes}); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/integrations/sfdc").is(200, "Not permitted yet", "chatter_api. Reconnect to grant it.")
	b.get("/integrations/acme").is(200, "Not permitted yet", "<code>more_of_it</code>", "Reconnect to grant it.").hasNot("<code>chatter_api</code>")
}
