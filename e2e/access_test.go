package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// TestKeyboard logs in and connects without a mouse.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, startDemo(t), profile{})
	v.open("/login")
	v.step(expect.Locator(v.field("E-mail address")).ToBeFocused(), "begin in the first field")
	v.types(v.d.user)
	v.key("Tab")
	v.types(v.d.password)
	v.key("Enter")
	v.heading("Get started")

	v.key("Tab")
	v.step(expect.Locator(v.page.Locator(".skip")).ToBeFocused(), "come to the skip link first")
	v.step(expect.Locator(v.page.Locator(".skip")).ToBeInViewport(), "see the skip link")
	v.key("Enter")
	v.tabTo("Choose your CRM")
	v.key("Enter")
	v.heading("Integrations")
	v.tabTo("Connect Salesforce")
	v.key("Enter")
	v.heading("Log In")
	v.tabTo("Log In")
	v.key("Enter")
	v.heading("Allow Access?")
	v.tabTo("Allow")
	v.key("Space")
	v.says("Salesforce is connected.")
	v.open(crmSettings)
	v.tabTo("Disconnect")
	v.key("Enter")
	v.heading("Disconnect Salesforce")
	v.tabTo("Disconnect Salesforce")
	v.key("Enter")
	v.says("You disconnected")
}

func (v *visitor) key(name string) {
	v.t.Helper()
	v.step(v.page.Keyboard().Press(name), "press the key %s", name)
}

func (v *visitor) types(text string) {
	v.t.Helper()
	v.step(v.page.Keyboard().Type(text), "type")
}

// tabTo presses Tab until the button or link with a name has the focus, and
// checks that one can see that it has.
func (v *visitor) tabTo(name string) {
	v.t.Helper()
	const focus = `() => { const e = document.activeElement, s = getComputedStyle(e);
		return e.innerText.trim() + "|" + (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none") }`
	var passed []string
	for range 40 {
		v.key("Tab")
		at, err := v.page.Evaluate(focus)
		v.step(err, "ask what has the focus")
		text, visible, _ := strings.Cut(fmt.Sprint(at), "|")
		if text == name {
			if visible != "true" {
				v.t.Errorf("nothing shows that %q has the focus", name)
			}
			return
		}
		passed = append(passed, text)
	}
	v.t.Fatalf("Tab doesn't come to %q, but to %q", name, passed)
}

// TestNotFound is about addresses that lead nowhere.
func TestNotFound(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.refused("/signup/no-such-newsletter", http.StatusNotFound)
		v.heading("Newsletter not found")
		v.look("signup-not-found")
		v.refused("/no-such-page", http.StatusNotFound)
		v.look("not-found-outside")
		v.enter()
		v.refused("/no-such-page", http.StatusNotFound)
		v.look("not-found")
		v.refused("/newsletter/signup?sample=no-such-sample", http.StatusNotFound)
		v.refused("/integrations/no-such-service/disconnect", http.StatusNotFound)
		v.refused("/setup?token=no-such-token", http.StatusGone)
		v.look("setup-gone")
	})
}

// TestOtherTenant is about the ids of another tenant, and about somebody who
// belongs to two.
func TestOtherTenant(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		const jane, password = "jane@northwind.example", "a long enough password"
		v.d.command(t, "", "tenant", "add", "northwind", "--name", "Northwind")
		v.d.command(t, password+"\n", "user", "add", jane, "--tenant", "northwind", "--password-stdin")
		v.enter()
		v.sample("ours@reader.example")
		ours := v.page.URL()
		v.account()
		v.logOut()
		v.logIn(jane, password)
		v.heading("Get started")
		v.refused(ours, http.StatusNotFound)
		v.refused(strings.Replace(ours, "?sample=", "/", 1), http.StatusNotFound)
		v.open("/subscribers")
		v.says("No subscribers yet")

		v.d.command(t, "", "user", "add", jane, "--tenant", "contoso")
		v.open("/integrations")
		bar := v.bar()
		v.step(bar.Locator("summary", playwright.LocatorLocatorOptions{HasText: "2 organisations"}).Click(), "open the organisation's menu")
		v.step(bar.GetByRole("link", playwright.LocatorGetByRoleOptions{Name: "Switch organisation"}).Click(), "switch")
		v.heading("Choose an organisation")
		v.look("tenants")
		v.step(v.page.Locator("main").GetByRole("button").Filter(playwright.LocatorFilterOptions{HasText: "Contoso"}).Click(), "choose Contoso")
		v.heading("Get started")
		v.visit("Subscribers")
		v.says("ours@reader.example")
		v.open(ours)
		v.says("ours@reader.example")
	})
}

// TestAccount is about one's password and sessions.
func TestAccount(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		other := newVisitor(t, v.d, profile{noScript: true})
		other.enter()
		v.enter()
		v.account()
		v.fill("Current password", "not the password")
		v.fill("New password", "correct horse battery")
		v.fill("New password again", "correct horse battery")
		v.press("Change password")
		v.step(expect.Locator(v.field("Current password")).ToHaveAttribute("aria-invalid", "true"), "see the field marked")
		v.look("account-wrong")
		v.fill("Current password", v.d.password)
		v.fill("New password", "correct horse battery")
		v.fill("New password again", "correct horse battery")
		v.press("Change password")
		v.says("Your password is changed.")
		other.open("/account")
		other.heading("Log in")
		other.logIn(v.d.user, v.d.password)
		other.says("don’t belong together")
		other.logIn(v.d.user, "correct horse battery")
		other.heading("Account")
		v.open("/account")
		v.step(v.page.Locator("main tbody").GetByRole("button").Click(), "end the other session")
		v.says("That session is ended.")
		other.open("/account")
		other.heading("Log in")
		v.press("Log out everywhere")
		v.heading("Log in")
	})
}

// TestThrottle is about somebody who guesses.
func TestThrottle(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, startDemo(t), profile{phone: true})
	v.open("/login")
	tooMany := v.page.GetByText("There were too many tries.")
	for range 30 {
		v.logIn(v.d.user, "not the password")
		v.step(expect.Locator(v.page.Locator(".alert")).ToBeVisible(), "be told")
		if here, err := tooMany.IsVisible(); err == nil && here {
			v.look("throttle")
			return
		}
	}
	t.Error("after 30 wrong passwords there is no throttle")
}
