package e2e

import (
	"testing"

	"github.com/playwright-community/playwright-go"
)

// maria looks after Fabrikam, which the demo fills with six months of sign-ups.
const maria = "Continue as Maria (Fabrikam, six months in)"

// TestTasks counts the clicks from the log-in on to what people come for.
func TestTasks(t *testing.T) {
	t.Parallel()
	tasks := []struct {
		name string
		max  int
		as   string
		do   func(v *visitor)
	}{
		{"see whether all is well", 0, maria, func(v *visitor) { v.says("people need attention") }},
		{"find why a reader isn't in Salesforce", 3, maria, func(v *visitor) {
			v.visit("Subscribers")
			v.follow("Needs attention")
			v.step(v.page.Locator("td .state.bad a").First().Click(), "follow the cause of the first")
			v.clicks++
			v.says("What happened")
		}},
		{"retry all of one cause", 3, maria, func(v *visitor) {
			v.follow("Blocked by duplicate rule")
			v.heading("Blocked by duplicate rule")
			retry := v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Retry all"})
			v.step(retry.First().Click(), "retry all")
			v.clicks++
			v.says("Retr")
		}},
		{"connect", 3, "", func(v *visitor) {
			v.press("Connect Salesforce")
			v.heading("Log In")
		}},
		{"copy the form's address", 2, "", func(v *visitor) {
			v.visit("Newsletters")
			v.press("Copy")
			v.says("Copied")
		}},
	}
	for _, task := range tasks {
		t.Run(task.name, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t, startDemo(t), profile{})
			must(t, v.context.GrantPermissions([]string{"clipboard-read", "clipboard-write"}))
			v.enterAs(task.as)
			v.clicks = 0
			task.do(v)
			if v.clicks > task.max {
				t.Errorf("it took %d clicks, want at most %d", v.clicks, task.max)
			}
		})
	}
}

// enterAs opens the portal and goes on as one of the demo's people: by the button with
// their name, or as John by his password.
func (v *visitor) enterAs(button string) {
	v.t.Helper()
	if button == "" {
		v.enter()
		return
	}
	v.open("/")
	v.press(button)
	v.heading("Home")
}
