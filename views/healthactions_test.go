package views

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// actions are one of each kind under way, and of each that ended.
func actions() Actions {
	a := Actions{Service: "sfdc"}
	for _, kind := range []ActionKind{ActionRetry, ActionTry, ActionDismiss, ActionMove, ActionRecount} {
		one := Action{Kind: kind, Org: hostile, Cause: hostile, Total: 50000, Done: 12400, By: hostile, StartedAt: at}
		a.All = append(a.All, one)
		for _, why := range []string{"", "org_changed", "given_up", "disagrees"} {
			one.EndedAt, one.Error = at, why
			a.All = append(a.All, one)
		}
	}
	return a
}

// healthPages are the pages of the deliveries.
func healthPages() map[string]templ.Component {
	page := portalPage("Health", NavIntegrations)
	return map[string]templ.Component{
		"move":   Move(MovePage{Page: page, Card: card(Connected), N: 2}),
		"moving": Move(MovePage{Page: page, Card: card(Connected), N: 2, Actions: actions(), UnderWay: true}),
	}
}

func TestActionsSayHowFarTheyAre(t *testing.T) {
	for kind, want := range map[ActionKind][2]string{
		ActionRetry:   {"Retrying: 12,400 of 50,000", "Retrying 12,400 sign-ups."},
		ActionTry:     {"Trying now: 12,400 of 50,000", "Trying 12,400 sign-ups now."},
		ActionDismiss: {"Dismissing: 12,400 of 50,000", "Dismissed 12,400 sign-ups."},
		ActionMove:    {"Sending to Contoso: 12,400 of 50,000", "12,400 people are on the way to Contoso."},
		ActionRecount: {"Counting 50,000 people, row by row", "nobody is missing."},
	} {
		a := Action{Kind: kind, Org: "Contoso", Total: 50000, Done: 12400}
		if got := a.doing(); got != want[0] {
			t.Errorf("%s: %s", kind, got)
		}
		page := render(t, ActionList(Actions{Service: "sfdc", All: []Action{a}}))
		if !strings.Contains(page, want[0]) || !strings.Contains(page, "data-poll") || strings.Contains(page, `value=`) == (kind == ActionRecount) {
			t.Errorf("%s: %s", kind, page)
		}
		a.EndedAt = time.Now()
		page = render(t, ActionList(Actions{Service: "sfdc", All: []Action{a}}))
		if !strings.Contains(page, want[1]) || strings.Contains(page, "data-poll") || strings.Contains(page, "<progress") || a.Flash() != FlashSuccess {
			t.Errorf("%s: %s", kind, page)
		}
	}
	for why, kind := range map[string]FlashKind{"org_changed": FlashWarning, "given_up": FlashError, "disagrees": FlashError} {
		a := Action{Kind: ActionMove, Org: "Contoso", Done: 2, EndedAt: time.Now(), Error: why}
		if got := a.Flash(); got != kind || !strings.HasPrefix(a.Text(), "2 people are on the way to Contoso.") {
			t.Errorf("%s: %s, %s", why, got, a.Text())
		}
	}
	if got := (Action{Kind: ActionRecount, Error: "given_up"}).Text(); strings.Contains(got, "agree") {
		t.Error(got)
	}
}
