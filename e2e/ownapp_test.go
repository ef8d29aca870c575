package e2e

import (
	"encoding/json"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// TestOwnApp moves a connection to an app that the tenant registered itself, and
// takes that app away again.
func TestOwnApp(t *testing.T) {
	t.Parallel()
	const clientID, secret = "contoso-own-app", "a-secret-of-contosos-own"
	each(t, usual, func(t *testing.T, v *visitor) {
		app, err := json.Marshal(map[string]any{"client_id": clientID, "client_secret": secret, "redirect_uris": []string{v.d.portal + "/integrations/sfdc/callback"}})
		must(t, err)
		v.d.control(t, "clients", string(app))
		v.enter()
		v.connect()
		v.open(crmSettings)
		v.follow("Use your own app")
		v.heading("Your own app")
		v.step(expect.Locator(v.field("Redirect URL")).ToHaveValue(v.d.portal+"/integrations/sfdc/callback"), "see the address to register")
		v.look("own-app")
		v.fill("Client ID", "with spaces in it")
		v.fill("Client secret", secret)
		v.press("Save")
		v.says("This can’t be a client ID")
		v.look("own-app-wrong")
		v.fill("Client ID", clientID)
		v.fill("Client secret", secret)
		v.press("Save")
		v.says("Your own app is saved.")
		v.look("own-app-set")
		v.silent(secret)

		v.open(crmSettings)
		v.press("Reconnect Salesforce")
		v.heading("Allow Access?")
		v.says(clientID)
		v.press("Allow")
		v.says("Salesforce is connected.")
		v.sample("own@reader.example")
		v.d.contact(t, "own@reader.example")

		v.open(crmSettings)
		v.says("Your own")
		v.follow("Use your own app")
		v.follow("Remove it")
		v.heading("Remove your own app")
		v.look("own-app-remove")
		v.press("Remove the app")
		v.says("Connection lost")
		v.look("own-app-removed")
		v.press("Reconnect Salesforce")
		v.heading("Allow Access?")
		v.silent(clientID)
		v.press("Allow")
		v.says("Salesforce is connected.")
	})
}

// unfold opens what stands behind a summary.
func (v *visitor) unfold(summary string) {
	v.t.Helper()
	v.step(v.page.Locator("summary", playwright.PageLocatorOptions{HasText: summary}).Click(), "unfold %q", summary)
}
