package views

import (
	"time"

	"github.com/a-h/templ"
)

// HomePage is for Home.
type HomePage struct {
	Page
	Live      Status // with its chart
	Forms     int    // newsletters, each with a form
	Today     Compared
	Week      Compared
	Since     time.Time // the first sign-up; zero when there is none
	Causes    []OpenCause
	Incidents []Incident // about something else than the CRM
	Latest    []LatestSignUp
}

// Compared is how many signed up, and a note that compares it; empty when there is
// nothing to compare with.
type Compared struct {
	N    int
	Note string
}

// OpenCause is a cause for which people need attention or wait, as a row that leads to
// its page.
type OpenCause struct {
	Tone, Icon string
	Title, URL string
	People     int
	Who        string    // can fix it
	Since      time.Time // zero when nobody knows
}

// LatestSignUp is a row of the latest sign-ups.
type LatestSignUp struct {
	ID, Email string
	At        time.Time
}

// StartPage is for Start: what a new tenant does first.
type StartPage struct {
	Page
	Live   Status
	Forms  []SignupForm // the first few
	More   int          // further forms
	Placed bool         // somebody signed up by a form
	Tested bool         // a test sign-up was sent
}

// open stands above the causes: how many people need attention, unless the alert says so.
func (p HomePage) open() string {
	title := people(p.Live.Card.Attention) + attentionWords(p.Live.Card.Attention)
	if p.Live.Card.Attention == 0 || p.Live.alert(clock{}).Title == title {
		return "Problems"
	}
	return title
}

// done is how many of the three steps are.
func (p StartPage) done() (n int) {
	for _, s := range p.steps() {
		if s.Done {
			n++
		}
	}
	return n
}

// steps are the three, of which the first that isn't done is the one to do now.
func (p StartPage) steps() []StepOf {
	name, card := p.Live.Card.Name, p.Live.Card
	connect := StepOf{Title: "Connect " + name, Text: "Log in to " + name + " as somebody who may create " + p.CRM.Records + ", and allow Gatepost to work there. You can take that back at any time.", Done: !p.Live.lost()}
	if connect.Done {
		connect.Text = "Connected to " + card.Org.Name + " by " + card.ConnectedBy + "."
	}
	form := StepOf{Title: "Put the form on your site", Text: "Link to the form, or embed it in a page of yours.", Done: p.Placed}
	if form.Done {
		form.Text = "Somebody has signed up with it."
	}
	test := StepOf{Title: "Send a test sign-up", Text: "Follow one sign-up from the form to " + name + ". It can be undone afterwards.", Done: p.Tested}
	if test.Done {
		test.Text = "A test sign-up was sent."
	}
	all := []StepOf{connect, form, test}
	now := false
	for i := range all {
		all[i].Number = i + 1
		all[i].Now = !all[i].Done && !now
		now = now || all[i].Now
	}
	return all
}

func areDone(n int) string {
	if n == 1 {
		return "is done"
	}
	return "are done"
}

// troubled reports whether the steps have something above them: a connection that is
// lost, or waits for a decision, or people whom the CRM refused.
func (s Status) troubled() bool {
	if s.Card.State == NotConnected {
		return false
	}
	tone := s.alert(clock{}).Tone
	return tone != "good" && tone != ""
}

// since says since when sign-ups come.
func (p HomePage) since(c clock) string {
	if p.Since.IsZero() {
		return ""
	}
	if c.zone == nil {
		return "since " + c.date(p.Since)
	}
	return "since " + p.Since.In(c.zone).Format("2 Jan 2006")
}

// label names the address of a form, by the newsletter where there are several.
func (f SignupForm) label(of int) string {
	if of == 1 {
		return "Address of the form"
	}
	return "Address of the form of " + f.Newsletter
}

// page is the newsletter's own page in the portal.
func (f SignupForm) page() templ.SafeURL { return templ.SafeURL("/newsletters/" + f.Slug) }
