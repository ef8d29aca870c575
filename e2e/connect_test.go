package e2e

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"
)

// TestDeny is about somebody who chooses Deny, and then Allow, without scripts. TestEachCRM
// does so with them.
func TestDeny(t *testing.T) {
	t.Parallel()
	each(t, usual[1:], func(t *testing.T, v *visitor) {
		v.enter()
		v.toSalesforce("Connect Salesforce", johnOfContoso)
		v.press("Deny")
		v.heading("Access was not allowed")
		v.says("access_denied")
		v.look("denied")
		v.toSalesforce("Try again", johnOfContoso) // nothing is connected: it asks who is meant
		v.press("Allow")
		v.says("Salesforce is connected.")
	})
}

// TestForwarding is about the page between the portal and Salesforce, where the
// browser doesn't go on by itself.
func TestForwarding(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		away, err := url.Parse(v.d.salesforce)
		must(t, err)
		unreachable := func(r playwright.Route) {
			_ = r.Fulfill(playwright.RouteFulfillOptions{Status: playwright.Int(http.StatusNoContent)})
		}
		must(t, v.page.Route(v.d.salesforce+"/**", unreachable))
		v.press("Connect Salesforce")
		v.heading("Taking you to Salesforce…")
		v.says(away.Host)
		v.look("forwarding")
		must(t, v.page.UnrouteAll())
		v.follow("Go to Salesforce")
		v.heading("Log In")
	})
}

// TestReconnect is about replacing a connection in place.
func TestReconnect(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		v.connect()
		before := v.d.grants(t)
		v.open(crmSettings)
		v.look("reconnect")
		v.press("Reconnect Salesforce")
		v.heading("Allow Access?")
		v.press("Allow")
		v.says("Salesforce is connected.")
		v.sample("after@reader.example")
		v.d.contact(t, "after@reader.example")
		eventually(t, "the replaced authorization is revoked", func() bool { return v.d.grants(t) == before })
	})
}

// TestElsewhere is about the other login addresses.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		v.unfold("Use a sandbox or My Domain")
		v.look("elsewhere")
		for typed, said := range map[string]string{
			"contoso.lightning.force.com": "not of its login",
			"salesforce.attacker.example": "isn’t a Salesforce login address",
		} {
			v.step(v.page.GetByRole("radio", playwright.PageGetByRoleOptions{Name: "My Domain"}).Check(), "choose My Domain")
			v.fill("My Domain address", typed)
			v.press("Continue")
			v.says(said)
			v.step(expect.Locator(v.field("My Domain address")).ToHaveValue(typed), "find what was typed")
		}
		v.look("elsewhere-wrong")
	})
}

// TestAnotherOrg is about an authorization of another org, which waits for a
// decision: no, and then yes; without scripts. TestEachCRM does so with them.
func TestAnotherOrg(t *testing.T) {
	t.Parallel()
	each(t, usual[1:], func(t *testing.T, v *visitor) {
		v.enter()
		v.connect()
		before := v.d.grants(t)
		v.reconnectAs(janeOfFabrikam)
		v.says("another Salesforce organisation than before")
		v.says("Fabrikam")
		v.look("held")
		v.sample("held@reader.example")
		contoso := v.d.contact(t, "held@reader.example").OrgID
		v.visit("Integrations")
		v.press("Keep the old one")
		v.says("The connection stays as it was.")
		eventually(t, "the authorization that wasn't wanted is revoked", func() bool { return v.d.grants(t) == before })

		v.reconnectAs(janeOfFabrikam)
		v.press("Confirm switch")
		v.says("The new organisation is connected.")
		v.says("Fabrikam")
		v.sample("switched@reader.example")
		if got := v.d.contact(t, "switched@reader.example").OrgID; got == contoso {
			t.Errorf("after the switch a sign-up went to org %s still", got)
		}
		eventually(t, "the old authorization is revoked", func() bool { return v.d.grants(t) == before })
	})
}

// reconnectAs reconnects with another person's login.
func (v *visitor) reconnectAs(user string) {
	v.t.Helper()
	v.step(v.context.ClearCookies(playwright.BrowserContextClearCookiesOptions{Name: salesforceCookie}), "forget who is logged in at Salesforce")
	v.open(crmSettings)
	v.toSalesforce("Reconnect Salesforce", user)
	v.press("Allow")
	v.at("/integrations")
}

// TestWaitsForConnection is about sign-ups while nothing is connected.
func TestWaitsForConnection(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		for _, email := range []string{"one@reader.example", "two@reader.example", "three@reader.example"} {
			v.d.signUp(t, email)
		}
		v.enter()
		v.says("3 sign-ups wait for your first CRM")
		v.visit("Subscribers")
		v.step(expect.Locator(v.page.Locator("tbody tr", playwright.PageLocatorOptions{HasText: "Waiting"})).ToHaveCount(3), "see three wait")
		v.look("subscribers-waiting")
		v.visit("Integrations")
		v.connect()
		for _, email := range []string{"one@reader.example", "two@reader.example", "three@reader.example"} {
			v.d.contact(t, email)
		}
		v.open("/subscribers")
		v.step(expect.Locator(v.page.Locator("tbody tr", playwright.PageLocatorOptions{HasText: "In Salesforce"})).ToHaveCount(3), "see three delivered")
	})
}

// TestTokenEndpointDown is about a Salesforce that fails in the middle.
func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		for _, fault := range []string{`{"on":"token","status":503,"html":true,"count":1}`, `{"on":"token","drop":true,"count":1}`} {
			v.d.control(t, "fail", fault)
			v.toSalesforce("Connect Salesforce", johnOfContoso)
			v.press("Allow")
			v.heading("Salesforce didn’t answer")
			v.look("unreachable")
			v.follow("Back to integrations")
			v.says("Not connected")
		}
		v.d.control(t, "fail", `{"on":"token","status":400,"error_code":"invalid_grant","count":1}`)
		v.toSalesforce("Connect Salesforce", johnOfContoso)
		v.press("Allow")
		v.heading("Salesforce took the log-in back")
		v.look("refused")
		v.toSalesforce("Try again", johnOfContoso)
		v.press("Allow")
		v.says("Salesforce is connected.")
	})
}

// TestBroken is about an admin at Salesforce who takes the access back.
func TestBroken(t *testing.T) {
	t.Parallel()
	each(t, usual, breakAndReconnect)
}

func breakAndReconnect(t *testing.T, v *visitor) {
	v.enter()
	v.connect()
	v.d.control(t, "revoke", "")
	v.d.control(t, "expire-access-tokens", "")
	v.d.signUp(t, "late@reader.example")
	v.broken()
	for _, page := range []string{"/integrations", "/subscribers", "/newsletter/signup", "/account", "/integrations/sfdc/disconnect"} {
		v.open(page)
		banner := v.page.GetByRole("region", playwright.PageGetByRoleOptions{Name: "Connection to Salesforce lost"})
		v.step(expect.Locator(banner).ToContainText("Salesforce has ended the access"), "see the reason on %s", page)
		v.step(expect.Locator(banner).ToContainText("Reconnect Salesforce"), "see the mend on %s", page)
		v.look("broken" + unfitForFiles.ReplaceAllString(page, "-"))
	}
	v.open("/integrations")
	v.says("Connection lost")
	v.press("Reconnect Salesforce")
	v.press("Allow")
	v.says("Salesforce is connected.")
	v.silent("Connection to Salesforce lost")
	v.d.contact(t, "late@reader.example")
}

// broken waits until the portal knows that the connection is broken.
func (v *visitor) broken() {
	v.t.Helper()
	v.open("/integrations")
	v.comes("Connection lost")
}

// TestDisconnectUnreachable is about disconnecting while Salesforce is away.
func TestDisconnectUnreachable(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		v.connect()
		v.d.control(t, "fail", `{"on":"revoke","status":503,"count":1000}`)
		v.open(crmSettings)
		v.follow("Disconnect")
		v.press("Disconnect Salesforce")
		v.says("couldn’t be reached to revoke it")
		v.says("we keep trying")
		v.says("You disconnected")
		v.look("revocation-pending")
	})
}

// TestCallback is about answers from Salesforce that are opened twice, made up or
// somebody else's.
func TestCallback(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		var callback atomic.Value
		v.page.OnRequest(func(r playwright.Request) {
			if u, err := url.Parse(r.URL()); err == nil && u.Path == "/integrations/sfdc/callback" {
				callback.Store(r.URL())
			}
		})
		v.connect()
		v.open(callback.Load().(string))
		v.says("Salesforce is connected.")
		v.look("callback-again")
		v.open("/integrations/sfdc/callback?code=aPrx&state=made-up")
		v.heading("This link has expired")
		v.look("callback-expired")
		v.open("/integrations/sfdc/connected?error=access_denied&error_description=Call+us")
		v.at("/integrations")
		v.silent("Call us")
		v.open(crmSettings)
		v.says("Connected by")
	})
}

// TestSomebodyElsesCallback sends an answer to a browser that didn't ask.
func TestSomebodyElsesCallback(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	asks, other := newVisitor(t, d, profile{}), newVisitor(t, d, profile{noScript: true})
	asks.enter()
	other.enter()
	asks.toSalesforce("Connect Salesforce", johnOfContoso)
	callback := asks.allowWithoutReturning()
	other.open(callback)
	other.heading("This link has expired")
	other.open("/integrations")
	other.says("Not connected")

	asks.open("/subscribers")
	asks.open(callback)
	asks.says("Salesforce is connected.")
}

// allowWithoutReturning presses Allow and returns the address that Salesforce
// sends the browser back to, where it doesn't go.
func (v *visitor) allowWithoutReturning() string {
	v.t.Helper()
	locations := make(chan string, 1)
	v.step(v.page.Route(v.d.salesforce+"/setup/secur/**", func(r playwright.Route) {
		answer, err := r.Fetch(playwright.RouteFetchOptions{MaxRedirects: playwright.Int(0)})
		if err != nil {
			v.problem("Allow: %v", err)
			close(locations)
			return
		}
		locations <- answer.Headers()["location"]
		_ = r.Fulfill(playwright.RouteFulfillOptions{Status: playwright.Int(http.StatusNoContent)})
	}), "stay at Salesforce")
	v.press("Allow")
	select {
	case location := <-locations:
		return location
	case <-time.After(patience):
		v.t.Fatal("Allow leads nowhere")
	}
	return ""
}
