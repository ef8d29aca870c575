package views

import (
	"time"

	"github.com/a-h/templ"
)

// HomePage is for Home.
type HomePage struct {
	Page
	CRMs      []Status // how each gets sign-ups; one at least
	Total     int      // sign-ups ever
	Chart     Chart    // of one of them
	Forms     int      // newsletters, each with a form
	Today     Compared
	Week      Compared
	Since     time.Time // the first sign-up; zero when there is none
	Causes    []OpenCause
	Incidents []Incident // about something else than the CRM
	Latest    []LatestSignUp
	Letters   []LetterNumbers // the newsletters with the most views or sign-ups in the last 30 days
}

// LetterNumbers are what happened at the form of a newsletter.
type LetterNumbers struct {
	Newsletter
	NewsletterNumbers
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
	CRM        CRM // without a name where there is one CRM
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
	Named  bool         // the newsletter has been given a name, or there are several
	Placed bool         // somebody signed up by a form
	Tested bool         // a test sign-up was sent
}

// only is the CRM where there is one; nil where there are several.
func (p HomePage) only() *Status {
	if len(p.CRMs) != 1 {
		return nil
	}
	return &p.CRMs[0]
}

// troubled are the CRMs of which not all is well.
func (p HomePage) troubled(c clock) (all []Status) {
	for _, s := range p.CRMs {
		if s.alert(c).Tone != "good" {
			all = append(all, s)
		}
	}
	return all
}

// homeAlert is the alert of one of several CRMs.
func (s Status) homeAlert(c clock) Alert {
	a := s.alert(c)
	a.About = s.Card.Service
	return a
}

// well says that all is well, and leads to more; nothing where it isn't.
func (p HomePage) well(c clock) (Alert, Link) {
	if len(p.troubled(c)) > 0 {
		return Alert{}, Link{}
	}
	if s := p.only(); s != nil {
		return s.alert(c), Link{URL: string(ServicePage(s.Card.Service)), Text: "View status"}
	}
	return Alert{Tone: "good", Title: "All sign-ups arrive", Text: "In each of your CRMs, no one waits longer than two minutes, and no one needs attention."}, Link{URL: "/integrations", Text: "View integrations"}
}

func (l Link) href() templ.SafeURL { return templ.SafeURL(l.URL) }

// open stands above the causes: how many people need attention, unless the alert says so.
func (p HomePage) open() string {
	s := p.only()
	if s == nil || s.Card.Attention == 0 {
		return "Problems"
	}
	title := people(s.Card.Attention) + attentionWords(s.Card.Attention)
	if s.alert(clock{}).Title == title {
		return "Problems"
	}
	return title
}

// title is the cause, with the CRM where there are several.
func (c OpenCause) title() string {
	if c.CRM.Name == "" {
		return c.Title
	}
	return c.CRM.Name + ": " + c.Title
}

// entered says whether all are accounted for who go to the CRM, where there are several.
func (s Status) entered() string {
	if s.Totals.New == 0 {
		return s.card().sentence(clock{})
	}
	return s.Totals.Accounted()
}

// posts are the way of sign-ups. Several CRMs stand at its end as one, in the tone of the one
// that is worst.
func (p HomePage) posts(c clock) []Post {
	posts := p.CRMs[0].posts(c, p.Forms, p.Today.N)
	if p.only() != nil {
		return posts
	}
	waiting, last := 0, time.Time{}
	for _, s := range p.CRMs {
		one := s.posts(c, p.Forms, p.Today.N)
		for i := 1; i < len(posts); i++ {
			if worse(one[i].Tone, posts[i].Tone) {
				posts[i].Tone = one[i].Tone
			}
		}
		waiting += s.Card.Waiting
		if s.LastDelivered.After(last) {
			last = s.LastDelivered
		}
	}
	posts[1].Text, posts[1].Cut = number(waiting)+" waiting", false
	posts[2].Name, posts[2].Icon, posts[2].Text = count(len(p.CRMs), "CRM", "CRMs"), "plug", "Nothing arrived yet"
	if !last.IsZero() {
		posts[2].Text = "Last arrival " + ago(c, last)
	}
	return posts
}

// worse reports whether a tone is worse than another.
func worse(tone, than string) bool {
	return tone == "bad" && than != "bad" || tone == "warn" && than == ""
}

// done is how many of the steps are.
func (p StartPage) done() (n int) {
	for _, s := range p.steps() {
		if s.Done {
			n++
		}
	}
	return n
}

// steps are all of them, of which the first that isn't done is the one to do now.
func (p StartPage) steps() []StepOf {
	name, card := p.Live.Card.Name, p.Live.Card
	call := StepOf{Title: "Name your newsletter", Text: "Readers see the name on the form, and agree to get it by e-mail.", Done: p.Named}
	if len(p.Forms) > 0 && p.Named {
		call.Text = "It is called " + p.Forms[0].Newsletter + "."
	} else if len(p.Forms) > 0 {
		call.Text = "It is called " + p.Forms[0].Newsletter + " for now. Readers see the name on the form."
	}
	connect := StepOf{Title: "Connect " + name, Text: "Log in to " + name + " as somebody who may create " + card.CRM.Records + ", and allow Gatepost to work there. You can take that back at any time.", Done: !p.Live.lost()}
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
	all := []StepOf{call, connect, form, test}
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

// settings is the page on which the newsletter gets its name.
func (f SignupForm) settings() templ.SafeURL { return f.page() + "/settings" }
