package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestFurtherService connects a service that the operator defined without code:
// the simulated Salesforce serves as any OAuth 2.0 service does.
func TestFurtherService(t *testing.T) {
	t.Parallel()
	const clientID, secret = "portal-at-acme", "a-secret-at-acme"
	each(t, usual, func(t *testing.T, v *visitor) {
		app, err := json.Marshal(map[string]any{"client_id": clientID, "client_secret": secret, "redirect_uris": []string{v.d.portal + "/integrations/acme/callback"}})
		must(t, err)
		v.d.control(t, "clients", string(app))
		v.enter()
		v.silent("Acme CRM")
		v.d.command(t, "", "service", "add", "acme", "--name", "Acme CRM", "--login-url", v.d.salesforce,
			"--authorize-url", "/services/oauth2/authorize", "--token-url", "/services/oauth2/token", "--revoke-url", "/services/oauth2/revoke",
			"--introspect-url", "/services/oauth2/introspect", "--scope", "api refresh_token", "--rotates")
		v.d.command(t, secret+"\n", "service", "set", "acme", "--client-id", clientID, "--client-secret-stdin")
		v.visit("Integrations")
		v.says("Acme CRM")
		v.look("services")
		before := v.d.grants(t)
		v.open("/integrations/acme")
		v.toSalesforce("Connect Acme CRM", johnOfContoso)
		v.says(clientID)
		v.press("Deny")
		v.heading("Access was not allowed")
		v.look("service-denied")

		v.open("/integrations/acme")
		v.press("Connect Acme CRM")
		v.heading("Allow Access?")
		v.press("Allow")
		v.at("/integrations")
		v.says("Acme CRM is connected.")
		v.look("service-connected")
		v.refused("/integrations/acme/settings", http.StatusNotFound)
		v.open("/integrations")
		v.step(v.page.Locator("#integration-acme").GetByRole("link").GetByText("Disconnect").Click(), "disconnect")
		v.heading("Disconnect Acme CRM")
		v.look("service-disconnect")
		v.press("Disconnect Acme CRM")
		v.says("Disconnected from Acme CRM.")
		eventually(t, "the authorization is revoked", func() bool { return v.d.grants(t) == before })
	})
}
