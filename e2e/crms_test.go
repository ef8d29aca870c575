package e2e

import (
	"regexp"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// crm is a simulated CRM as somebody with a browser meets it.
type crm struct {
	service, name string
	cookie        string               // that holds the log-in there
	consent       string               // a word of the page that asks whether the portal may come in
	account       string               // to choose, where John has several
	allow, deny   string               // buttons
	withdraw      string               // how its admin takes the access back, as the control page names it
	url           func(d *demo) string // where it is
	people        string               // the page with its people
	other         string               // what the portal calls Jane's account: HubSpot tells no name
}

var crms = []crm{
	{service: "sfdc", name: "Salesforce", cookie: salesforceCookie, consent: "Allow Access?", allow: "Allow", deny: "Deny", withdraw: "revoke",
		url: func(d *demo) string { return d.salesforce }, people: "/", other: "Fabrikam"},
	{service: "hubspot", name: "HubSpot", cookie: "mockhubspot_sid", consent: "Connect an app to HubSpot", account: "Contoso 62515", allow: "Connect app", deny: "Deny", withdraw: "uninstall",
		url: func(d *demo) string { return d.hubspot }, people: "/contacts/62515", other: "62517"},
	{service: "zoho", name: "Zoho CRM", cookie: "mockzoho_sid", consent: "wants to access your Zoho CRM", account: "Contoso production", allow: "Accept", deny: "Reject", withdraw: "revoke",
		url: func(d *demo) string { return d.zoho }, people: "/", other: "Fabrikam"},
}

// TestEachCRM tells the story of a connection of each CRM, from Deny to the end.
func TestEachCRM(t *testing.T) {
	t.Parallel()
	for _, c := range crms {
		t.Run(c.service, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t, startDemo(t), usual[0])
			at := simulated{t, c.url(v.d)}
			v.enter()
			v.denyAndAllow(c)
			v.seeInCRM(c, at, "early@reader.example")
			v.keepAndSwitch(c, at)
			v.withdrawAndReconnect(c, at)
			v.disconnectFrom(c, at)
		})
	}
}

// denyAndAllow doesn't let the portal in, and then does.
func (v *visitor) denyAndAllow(c crm) {
	v.t.Helper()
	v.toCRM(c, "Connect "+c.name, johnOfContoso)
	v.press(c.deny)
	v.heading("Access was not allowed")
	v.look(c.service + "-denied")
	v.toCRM(c, "Try again", johnOfContoso)
	v.look(c.service + "-consent")
	v.press(c.allow)
	v.says(c.name + " is connected.")
	v.look(c.service + "-connected")
}

// toCRM goes to a CRM by a button, logs in there unless it knows who it is, and chooses an
// account where it asks.
func (v *visitor) toCRM(c crm, button, user string) {
	v.t.Helper()
	v.press(button)
	v.step(expect.Page(v.page).ToHaveURL(regexp.MustCompile("^"+regexp.QuoteMeta(c.url(v.d)))), "come to %s", c.name)
	h1 := v.page.GetByRole("heading", playwright.PageGetByRoleOptions{Level: playwright.Int(1)})
	v.step(h1.WaitFor(), "see a page of %s", c.name)
	if title, err := h1.TextContent(); err == nil && title == "Log In" {
		v.fill("Username", user)
		v.press("Log In")
	}
	if c.account != "" && user == johnOfContoso {
		v.follow(c.account)
	}
	v.step(expect.Locator(h1).ToContainText(c.consent), "be asked")
}

// seeInCRM signs somebody up, and finds them on the portal's pages and on the CRM's.
func (v *visitor) seeInCRM(c crm, at simulated, email string) {
	v.t.Helper()
	v.sample(email)
	v.comes("In " + c.name)
	v.look(c.service + "-delivered")
	record := v.link(at.contact(email).ID)
	tab, err := v.context.ExpectPage(func() error { return record.Click() })
	v.step(err, "open the record")
	v.step(expect.Locator(tab.Locator("main")).ToContainText(email), "see the record")
	v.step(tab.Close(), "close the tab")
	v.open(c.url(v.d) + c.people)
	v.says(email)
}

// keepAndSwitch reconnects with somebody else's account, which waits for a decision: no,
// and then yes.
func (v *visitor) keepAndSwitch(c crm, at simulated) {
	v.t.Helper()
	before := at.grants()
	v.asJane(c)
	v.look(c.service + "-held")
	v.press("Keep the old one")
	v.says("The connection stays as it was.")
	eventually(v.t, "the authorization that wasn't wanted is revoked", func() bool { return at.grants() == before })
	v.asJane(c)
	v.press("Confirm switch")
	v.says(c.other)
	v.silent("Keep the old one")
	v.d.signUp(v.t, "switched@reader.example")
	if org := at.contact("switched@reader.example").org(); org == at.contact("early@reader.example").org() {
		v.t.Errorf("after the switch a sign-up went to %s still", org)
	}
	eventually(v.t, "the old authorization is revoked", func() bool { return at.grants() == before })
}

// asJane reconnects with Jane's account, where another company is.
func (v *visitor) asJane(c crm) {
	v.t.Helper()
	v.step(v.context.ClearCookies(playwright.BrowserContextClearCookiesOptions{Name: c.cookie}), "forget who is logged in at %s", c.name)
	v.open("/integrations/" + c.service + "/settings")
	v.toCRM(c, "Reconnect "+c.name, janeOfFabrikam)
	v.press(c.allow)
	v.at("/integrations")
	v.says(c.other)
}

// withdrawAndReconnect has the CRM's admin take the access back: that is shown at once, on
// every page, and mended by reconnecting.
func (v *visitor) withdrawAndReconnect(c crm, at simulated) {
	v.t.Helper()
	at.control(c.withdraw, "")
	at.control("expire-access-tokens", "")
	v.d.signUp(v.t, "late@reader.example")
	v.broken()
	v.open("/subscribers")
	banner := v.page.GetByRole("region", playwright.PageGetByRoleOptions{Name: "Connection to " + c.name + " lost"})
	v.step(expect.Locator(banner).ToContainText("Reconnect "+c.name), "see the mend")
	v.look(c.service + "-broken")
	v.open("/integrations")
	v.toCRM(c, "Reconnect "+c.name, janeOfFabrikam)
	v.press(c.allow)
	v.says(c.name + " is connected.")
	at.contact("late@reader.example")
}

// disconnectFrom gives the connection up: the access ends at the CRM, too.
func (v *visitor) disconnectFrom(c crm, at simulated) {
	v.t.Helper()
	v.open("/integrations/" + c.service + "/settings")
	v.follow("Disconnect")
	v.look(c.service + "-disconnect")
	v.press("Disconnect " + c.name)
	v.says("You disconnected")
	eventually(v.t, "no authorization is left", func() bool { return at.grants() == 0 })
}

// TestMove moves an organisation that has been there for six months from Salesforce to
// HubSpot: it adds the second CRM, sends everybody there as well, compares, and removes the
// first one.
func TestMove(t *testing.T) {
	t.Parallel()
	v, to := newVisitor(t, startDemo(t), profile{}), crms[1]
	at := simulated{t, to.url(v.d)}
	at.control("settings", `{"rate_limit":0}`) // what it allows would take a while
	v.enterAs(maria)
	v.open("/integrations")
	v.toCRM(to, "Connect HubSpot", janeOfFabrikam)
	v.press(to.allow)
	v.says("HubSpot is connected.")
	for _, page := range []string{"/", "/integrations", "/integrations/hubspot", "/integrations/hubspot/settings", "/subscribers", "/subscribers?in=hubspot"} {
		v.open(page)
		v.look("two-crms" + unfitForFiles.ReplaceAllString(page, "-"))
	}
	v.open("/integrations/hubspot/everybody")
	v.look("everybody")
	v.step(v.page.Locator("main").GetByRole("button", playwright.LocatorGetByRoleOptions{Name: "people"}).Click(), "send everybody")
	v.comes("people are on the way to HubSpot")
	v.look("everybody-done")
	eventually(t, "they are in HubSpot", func() bool { return at.stats().Contacts > 2000 }) // as many as the sample has at least
	v.open("/integrations/hubspot/everybody")
	v.says("Everybody has been sent to HubSpot")
	if n := at.stats().Most; n != 1 {
		t.Errorf("an address is there %d times", n)
	}
	v.open("/integrations/sfdc/remove")
	v.look("remove")
	v.press("Remove Salesforce")
	v.says("Salesforce")
	v.open("/subscribers")
	v.says("In HubSpot")
	v.silent("In Salesforce")
}
