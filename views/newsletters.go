package views

import (
	"net/url"
	"time"
)

// Newsletter is one of an organisation's newsletters.
type Newsletter struct {
	Name, Slug  string
	Consent     string // the words that a reader agrees to
	State       string // open, paused or archived
	FormURL     string
	Subscribers int
	Attention   int       // how many of them need attention
	LastHour    time.Time // the hour of the last sign-up; zero when there was none
	Silent      bool      // its form is busy, and yet got no sign-up for long
	Feeds       []CRM     // where its sign-ups go
	Unfed       bool      // the tenant has a CRM, which it doesn't feed
	Chosen      bool      // the tenant has several CRMs, so that where they go is no matter of course
}

// NewslettersPage is the list.
type NewslettersPage struct {
	Page
	All []Newsletter
}

// several reports whether the list says where sign-ups go.
func (p NewslettersPage) several() bool { return len(p.All) > 0 && p.All[0].Chosen }

// NewsletterPage is for the pages of one newsletter.
type NewsletterPage struct {
	Page
	Newsletter
}

func (n Newsletter) path() string { return "/newsletters/" + url.PathEscape(n.Slug) }

func (n Newsletter) testURL() string {
	return "/newsletter/signup?" + url.Values{"newsletter": {n.Slug}}.Encode()
}

func (n Newsletter) subscribersURL() string {
	return "/subscribers?" + url.Values{"newsletter": {n.Slug}}.Encode()
}

func (n Newsletter) attentionURL() string {
	return "/subscribers?" + url.Values{"newsletter": {n.Slug}, "state": {"attention"}}.Encode()
}

// addressID is of the field that holds the form's address.
func (n Newsletter) addressID() string { return "address-" + n.Slug }

func (n Newsletter) tabs(current string) []Tab {
	all := []Tab{{Text: "Form", URL: n.path()}, {Text: "Embed", URL: n.path() + "/embed"}, {Text: "Protection", URL: n.protectionPath()}, {Text: "Settings", URL: n.path() + "/settings"}}
	for i := range all {
		all[i].Current = all[i].Text == current
	}
	return all
}

// head opens the pages of the newsletter.
func (n Newsletter) head() Head {
	return Head{Trail: []Link{{URL: "/newsletters", Text: "Newsletters"}}, Title: n.Name}
}
