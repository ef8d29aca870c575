package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

var unsubscribeAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/unsubscribe/[\w-]+`)

// TestReadersConfirmAndLeave follows a reader of a newsletter that was made in the portal: what looks like a robot's is
// held until somebody accepts it, a mail asks the reader to confirm, and only a press of its page's button
// does; then they are in Salesforce. They leave by their own address, and Salesforce is told.
func TestReadersConfirmAndLeave(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		const email = "rita@reader.example"
		v.enter()
		v.connect()
		v.makeNewsletter("Garden letters", "garden-letters")
		resp, err := http.PostForm(v.d.portal+"/signup/garden-letters", map[string][]string{"email": {email}, "first_name": {"Rita"}, "last_name": {"Reader"}, "topic_of_note": {"casino"}})
		must(t, err)
		must(t, resp.Body.Close())
		v.open("/quarantine")
		v.says(email)
		v.says("Hidden field")
		v.look("quarantine")
		v.step(v.page.GetByLabel(email).Check(), "choose it")
		v.press("Accept selected")
		v.open("/subscribers?state=unconfirmed")
		v.says(email)
		link := v.mailed("Confirm sign-up")
		v.open(link)
		v.heading("Confirm your sign-up for Garden letters")
		v.look("confirm")
		v.onlyAPersonPresses("Confirm sign-up", "You’re in")
		v.look("confirmed")
		if c := v.d.contact(t, email); c.FirstName != "Rita" {
			t.Errorf("the Contact is %+v", c)
		}
		v.open(v.leavesBy("garden-letters"))
		v.heading("Unsubscribe from Garden letters")
		v.look("unsubscribe")
		v.onlyAPersonPresses("Unsubscribe", "You are unsubscribed")
		v.look("unsubscribed")
		eventually(t, "the Contact has opted out", func() bool { return v.d.contact(t, email).Fields["HasOptedOutOfEmail"] == true })
		v.open("/subscribers?state=left")
		v.follow(email)
		v.look("person-left")
		v.follow("Consent record")
		v.says("Consent withdrawn")
		v.look("consent")
		v.open("/subscribers?state=left")
		v.follow(email)
		v.follow("Erase")
		v.look("erase")
		v.fill("Reason", "They asked for it by letter")
		v.press("Continue")
		v.fill("Type ERASE to confirm", "ERASE")
		v.look("erase-sure")
		v.press("Erase for good")
		v.says("Gatepost has forgotten this person")
		for name, page := range map[string]string{"erased": "/subscribers/erased", "suppression": "/suppression-list", "protection": "/newsletters/garden-letters/protection", "retention": "/settings/retention"} {
			v.open(page)
			v.look(name)
		}
	})
}

// onlyAPersonPresses has a program send the form of a page, where there is script, and then presses its button until that
// is believed: a press within two seconds isn't, and then a box is to be ticked as well.
func (v *visitor) onlyAPersonPresses(button, heading string) {
	v.t.Helper()
	if !v.p.noScript {
		_, err := v.page.Evaluate(`document.forms[0].submit()`)
		v.step(err, "send the form by a script")
		v.step(expect.Locator(v.page.Locator("#sure")).ToBeVisible(), "be asked whether somebody pressed")
	}
	title := v.page.Locator("h1")
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if n, err := v.page.Locator("#sure").Count(); err == nil && n == 1 {
			v.step(v.page.Locator("#sure").Check(), "tick the box")
		}
		v.press(button)
		if text, err := title.TextContent(); err == nil && strings.Contains(text, heading) {
			return
		}
	}
	v.t.Fatalf("%s isn't believed", button)
}

// leavesBy is the unsubscribe address of the only subscriber of a newsletter, as the portal exports it.
func (v *visitor) leavesBy(slug string) string {
	v.t.Helper()
	res, err := v.page.Request().Get(v.d.portal + "/subscribers.csv?newsletter=" + slug)
	v.step(err, "download the list")
	body, err := res.Body()
	v.step(err, "read the list")
	address := unsubscribeAddress.FindString(string(body))
	if address == "" {
		v.t.Fatalf("no address to leave by in %s", body)
	}
	return address
}
