package mail

import (
	"cmp"
	"strconv"

	"gatepost/forms"
)

// Confirmation is what the mail says that asks somebody to confirm a sign-up.
type Confirmation struct {
	Language   forms.Language
	Newsletter string // its name
	Sender     string // who sends it, also the name that the mail comes from
	Link       string // the page with the button
	Days       int    // how long the link works
}

// letter is the mail. It holds nothing but its purpose: whatever else it said would make it
// advertising, which nobody has agreed to yet. Its subject and button say the same as the
// page does.
func (c Confirmation) letter() letter {
	say := func(w forms.Word) string {
		return c.Language.Say(w, "n", strconv.Itoa(c.Days), "newsletter", c.Newsletter, "sender", c.Sender)
	}
	within := forms.ConfirmWithin
	if c.Days == 1 {
		within = forms.ConfirmWithinDay
	}
	return letter{
		Lang: c.Language.Tag(), From: cmp.Or(c.Sender, c.Newsletter), Subject: say(forms.ConfirmTitle),
		Before: []string{say(forms.ConfirmAsk)},
		Button: &button{say(forms.ConfirmButton), c.Link},
		After:  []string{say(within)},
		Footer: []string{say(forms.ConfirmWhy)},
	}
}
