package e2e

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"
)

// TestForgottenPassword sets a new password by mail. The old one, the other
// browsers and the link end with it; the link is in no log.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		other := newVisitor(t, v.d, profile{noScript: true})
		other.enter()
		v.open("/login")
		v.follow("Forgot your password?")
		v.heading("Set a new password")
		v.look("forgot")
		v.fill("E-mail address", v.d.user)
		v.press("Send me a link")
		v.heading("Check your inbox")
		v.look("reset-sent")
		link := v.mailed("Set a new password")
		v.open(link)
		v.look("reset")
		v.fill("New password", "correct horse battery")
		v.fill("New password again", "another horse battery")
		v.press("Set the password")
		v.step(expect.Locator(v.field("New password again")).ToHaveAttribute("aria-invalid", "true"), "see the field marked")
		v.fill("New password", "correct horse battery")
		v.fill("New password again", "correct horse battery")
		v.press("Set the password")
		v.says("Your password is changed.")
		v.logIn(v.d.user, v.d.password)
		v.says("don’t belong together")
		v.logIn(v.d.user, "correct horse battery")
		v.heading("Get started")
		other.open("/account")
		other.heading("Log in")
		other.refused(link, http.StatusGone)
		other.says("used already")
		other.look("reset-ended")
		v.mailed("Set another password") // told that it was changed
		_, token, _ := strings.Cut(link, "token=")
		if token == "" || strings.Contains(v.d.output.String(), token) {
			t.Errorf("the link is in the log, or there is none: %q", link)
		}
	})
}

// inboxLink leads to the demo's mails.
var inboxLink = regexp.MustCompile(`Mails: (http://127\.0\.0\.1:\d+)`)

// mailed waits for a mail with a button, and returns where that leads.
func (v *visitor) mailed(button string) string {
	v.t.Helper()
	m := inboxLink.FindStringSubmatch(v.d.output.String())
	if m == nil {
		v.t.Fatal("the demo doesn't say where its mails are")
	}
	link := regexp.MustCompile(regexp.QuoteMeta(button) + `:\s+(http\S+)`)
	deadline, tick := time.After(2*patience), time.NewTicker(100*time.Millisecond) // troubles are looked for once a minute
	defer tick.Stop()
	for {
		for _, mail := range regexp.MustCompile(`href="(/\d+)"`).FindAllStringSubmatch(read(v.t, m[1]), -1) {
			if found := link.FindStringSubmatch(html.UnescapeString(read(v.t, m[1]+mail[1]))); found != nil {
				return found[1]
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			v.t.Fatalf("there is no mail that says %q", button)
		}
	}
}

func read(t *testing.T, address string) string {
	t.Helper()
	resp, err := noRedirects.Get(address)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(body)
}

// TestTrouble tells by mail of a connection that broke.
func TestTrouble(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, startDemo(t), profile{phone: true})
	v.enter()
	v.connect()
	v.d.control(t, "revoke", "")
	v.sample("broken@reader.example")
	v.open("/settings/notifications")
	v.step(expect.Locator(v.page.GetByRole("radio", playwright.PageGetByRoleOptions{Name: "At once"})).ToBeChecked(), "be told of problems by mail")
	v.look("notifications")
	v.open(v.mailed("View the connection"))
	v.heading("Integrations")
	v.broken()
}
