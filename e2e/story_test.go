package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gatepost/db/dbtest/postgres"
	"gatepost/db/dbtest/testdb"

	"github.com/playwright-community/playwright-go"
)

// TestStory is the whole story, however somebody looks at it.
func TestStory(t *testing.T) {
	t.Parallel()
	var all []profile
	for i := range 8 {
		all = append(all, profile{phone: i&1 != 0, dark: i&2 != 0, noScript: i&4 != 0})
	}
	each(t, all, story)
}

// TestOnPostgres tells the main stories again on PostgreSQL, on a server for each.
func TestOnPostgres(t *testing.T) {
	if os.Getenv(testdb.Variable) == testdb.Off {
		t.Skip(testdb.Variable + " is off: nothing is tested on PostgreSQL")
	}
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *visitor){"story": story, "break and reconnect": breakAndReconnect} {
		for _, p := range usual {
			t.Run(name+" "+p.name(), func(t *testing.T) {
				t.Parallel()
				server, err := postgres.Start()
				must(t, err)
				t.Cleanup(func() { must(t, server.Close()) })
				test(t, newVisitor(t, startDemoOn(t, server.URL()), p))
			})
		}
	}
}

func story(t *testing.T, v *visitor) {
	v.logInWrongThenRight()
	v.seeNothingConnected()
	v.sendSampleBeforeConnecting("early@reader.example")
	v.connectAndSeeIt()
	v.d.contact(t, "early@reader.example")
	v.sendSampleAndOpenRecord("sample@reader.example")
	v.signUpInPublic("rita@reader.example")
	v.signUpInPublic("RITA@reader.example")
	v.seeSubscribers("rita@reader.example", "sample@reader.example", "early@reader.example")
	v.seeContacts("rita@reader.example", "sample@reader.example", "early@reader.example")
	v.disconnectAndSeeIt()
	v.seeAccountAndLogOut()
}

// TestPages looks at the pages that the stories pass by.
func TestPages(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enterAs(maria)
		for _, page := range []string{"/", "/integrations/sfdc", "/integrations/sfdc/problems", "/integrations/sfdc/problems/attention/DUPLICATES_DETECTED", "/integrations/sfdc/checkup", "/integrations/sfdc/mapping",
			"/integrations/sfdc/sum", "/subscribers", "/newsletters", "/newsletters/fabrikam-news", "/newsletters/fabrikam-news/embed", "/newsletters/new", "/newsletters/fabrikam-news/protection", "/newsletters/fabrikam-news/settings", "/quarantine", "/newsletters/fabrikam-news/archive", "/settings", "/settings/notifications", "/help", "/_components"} {
			v.open(page)
			v.look("page" + unfitForFiles.ReplaceAllString(page, "-"))
		}
		v.mapFields()
	})
}

// mapFields has the CRM's fields read, and some of them suggested, added and previewed.
func (v *visitor) mapFields() {
	v.t.Helper()
	v.open("/integrations/sfdc/mapping")
	v.press("Read the fields")
	v.says("Read just now.")
	v.press("Suggest fields")
	v.says("These are suggestions")
	v.look("mapping-suggested")
	v.press("Preview")
	v.says("There is a Contact with this address")
	v.look("mapping-preview")
}

func (v *visitor) logInWrongThenRight() {
	v.t.Helper()
	v.open("/subscribers?state=waiting")
	v.heading("Log in")
	v.says("Log in as " + v.d.user)
	v.look("login")
	v.logIn(v.d.user, "not the password")
	v.says("don’t belong together")
	v.step(expect.Locator(v.field("E-mail address")).ToHaveValue(v.d.user), "find what was typed")
	v.look("login-wrong")
	v.logIn(v.d.user, v.d.password)
	v.at("/subscribers?state=waiting")
}

func (v *visitor) seeNothingConnected() {
	v.t.Helper()
	v.says("No subscribers yet")
	v.look("subscribers-empty")
	v.visit("Integrations")
	v.says("Not connected")
	v.look("not-connected")
}

func (v *visitor) sendSampleBeforeConnecting(email string) {
	v.t.Helper()
	v.open("/newsletter/signup")
	v.says("Your CRM is not connected")
	v.look("test")
	v.typo("Send a test sign-up")
	v.look("test-wrong")
	v.sample(email)
	v.comes("Waiting")
	v.look("test-waiting")
}

func (v *visitor) connectAndSeeIt() {
	v.t.Helper()
	v.visit("Integrations")
	v.says("waits for your first CRM")
	v.press("Connect Salesforce")
	v.heading("Log In")
	v.look("salesforce-login")
	v.fill("Username", johnOfContoso)
	v.press("Log In")
	v.heading("Allow Access?")
	v.look("salesforce-consent")
	v.press("Allow")
	v.at("/integrations")
	v.says("Salesforce is connected.")
	v.look("connected")
	v.open(crmSettings)
	facts := v.page.Locator("main")
	for _, want := range []string{"Connected", "Contoso", "00D", v.d.salesforce, "Connected by", v.d.user, "api", "refresh_token", "id"} {
		v.step(expect.Locator(facts).ToContainText(want), "find %q", want)
	}
	v.step(expect.Locator(facts.Locator("time").First()).ToHaveAttribute("datetime", regexp.MustCompile(`^20\d\d-`)), "find when it was connected")
	v.look("crm-settings")
}

func (v *visitor) sendSampleAndOpenRecord(email string) {
	v.t.Helper()
	v.sample(email)
	v.comes("Sent to Salesforce")
	id := v.d.contact(v.t, email).ID
	if v.p.noScript {
		_, err := v.page.Reload()
		v.step(err, "reload")
	}
	record := v.link(id)
	v.step(expect.Locator(record).ToBeVisible(), "find the record's link")
	v.says("In Salesforce")
	v.look("test-delivered")
	tab, err := v.context.ExpectPage(func() error { return record.Click() })
	v.step(err, "open the record")
	v.step(expect.Locator(tab.Locator("main")).ToContainText(email), "see the record")
	v.step(tab.Close(), "close the tab")
}

func (v *visitor) signUpInPublic(email string) {
	v.t.Helper()
	v.open(v.d.form)
	v.heading("Contoso Weekly")
	v.look("signup")
	v.typo("Sign up")
	v.look("signup-wrong")
	v.fill("E-mail address", email)
	v.fill("First name", "Rita")
	v.press("Sign up")
	v.heading("Thank you")
	v.look("signup-thanks")
	v.d.contact(v.t, strings.ToLower(email))
}

func (v *visitor) seeSubscribers(emails ...string) {
	v.t.Helper()
	there := v.page.Locator("tbody tr", playwright.PageLocatorOptions{HasText: "In Salesforce"})
	eventually(v.t, "all are shown as delivered", func() bool { // who came twice is sent again
		v.open("/subscribers")
		n, err := there.Count()
		v.step(err, "count who is in Salesforce")
		return n == len(emails)
	})
	for _, email := range emails {
		row := v.page.GetByRole("row").Filter(playwright.LocatorFilterOptions{HasText: email})
		v.step(expect.Locator(row).ToHaveCount(1), "find %s once", email)
		v.step(expect.Locator(row).ToContainText("In Salesforce"), "see %s delivered", email)
	}
	v.look("subscribers")
	v.search(emails[0][:4])
	v.step(expect.Locator(v.page.Locator("tbody tr")).ToHaveCount(1), "find one")
	v.says(emails[0])
	v.look("subscribers-found")
	v.search("nobody")
	v.says("No subscribers found")
	v.look("subscribers-none")
}

// search looks for subscribers.
func (v *visitor) search(text string) {
	v.t.Helper()
	v.step(v.page.GetByRole("searchbox").Fill(text), "fill in the search")
	v.press("Apply")
}

func (v *visitor) seeContacts(emails ...string) {
	v.t.Helper()
	v.open(v.d.salesforce)
	v.heading("Contacts of Contoso")
	v.step(expect.Locator(v.page.Locator("tbody tr")).ToHaveCount(len(emails)), "see %d Contacts", len(emails))
	for _, email := range emails {
		v.says(email)
	}
	v.look("salesforce-contacts")
}

func (v *visitor) disconnectAndSeeIt() {
	v.t.Helper()
	v.open(crmSettings)
	v.follow("Disconnect")
	v.heading("Disconnect Salesforce")
	v.look("disconnect")
	v.follow("Cancel")
	v.says("Connected by")
	v.follow("Disconnect")
	v.press("Disconnect Salesforce")
	v.says("Our access was revoked there and our copy is wiped.")
	v.says("You disconnected")
	v.look("disconnected")
}

func (v *visitor) seeAccountAndLogOut() {
	v.t.Helper()
	v.account()
	v.says("This browser")
	v.look("account")
	v.logOut()
	v.heading("Log in")
	v.open("/account")
	v.heading("Log in")
}

// typo sends a form with an address that is none, past the browser's own checks.
func (v *visitor) typo(button string) {
	v.t.Helper()
	const typed = "nobody@nowhere@example"
	v.fill("E-mail address", typed)
	_, err := v.page.Evaluate(`document.querySelectorAll("form").forEach(f => f.noValidate = true)`)
	v.step(err, "switch off the browser's own checks")
	v.press(button)
	field := v.field("E-mail address")
	v.step(expect.Locator(field).ToHaveAttribute("aria-invalid", "true"), "see the field marked")
	v.step(expect.Locator(field).ToHaveValue(typed), "find what was typed")
}
