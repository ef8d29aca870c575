package routes

import (
	"net/http"
	"net/url"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/screening"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// senderOf is what is known of whoever sends a public form.
func (s *server) senderOf(c *fiber.Ctx, sent forms.Sent) newsletter.Sender {
	return newsletter.Sender{Reader: true, IP: s.clientIP(c), Agent: c.Get(fiber.HeaderUserAgent), Site: siteOf(c),
		Trap: sent.Text(forms.TrapKey), Time: sent.Text(forms.TimeKey), Proof: sent.Text(forms.ProofKey)}
}

// siteOf is the site from which a form was sent, as browsers name it; empty where they don't.
func siteOf(c *fiber.Ctx) string {
	if origin := c.Get(fiber.HeaderOrigin); origin != "" && origin != "null" {
		return origin
	}
	u, err := url.Parse(c.Get(fiber.HeaderReferer))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// protected is the page of a form with what is looked at of those who send it. One that is shown
// again goes on having the time at which it was shown first.
func (s *server) protected(c *fiber.Ctx, n db.Newsletter, sent forms.Sent, p views.SignupPage) views.SignupPage {
	if !n.Readers.Screening.Findable {
		c.Set("X-Robots-Tag", "noindex")
	}
	if p.Time = s.Newsletters.FormTime(n, sent.Text(forms.TimeKey)); p.Time == "" {
		return p
	}
	p.Trap = forms.Language(n.Page.Language).Say(forms.TrapLabel)
	if s.Newsletters.AsksProof(n, s.clientIP(c)) {
		allow(c, "; style-src", "; worker-src 'self'; connect-src 'self'; style-src")
		if !framed(c) { // else scripts may run already
			allow(c, "; style-src", "; script-src 'self'; style-src")
		}
		p.Proof = views.ReaderProof{Script: static.URL("proof.js"), Challenge: "/signup/" + url.PathEscape(n.Slug) + "/challenge", Widget: static.URL("altcha.min.js"), Worker: static.URL("altcha-pbkdf2.js")}
	}
	return p
}

// allow has a page's policy say something else in one place.
func allow(c *fiber.Ctx, was, is string) {
	c.Set("Content-Security-Policy", strings.Replace(c.GetRespHeader("Content-Security-Policy"), was, is, 1))
}

// signupChallenge handles GET /signup/{slug}/challenge: what a browser is to solve before it sends
// the form.
func (s *server) signupChallenge(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	return c.JSON(s.Newsletters.Challenge(n))
}

// takeAddress has the address be the one that the reader chose, who was asked which they meant.
func takeAddress(d forms.Definition, sent forms.Sent) {
	chosen := sent.Text(forms.AddressKey)
	if f, ok := d.ByID(forms.EmailID); ok && chosen != "" {
		sent[f.Key] = input.Value{Texts: []string{chosen}}
	}
}

// meantAddress is an address that the reader may have meant, who mistyped a well-known domain, and
// wasn't asked yet; empty otherwise.
func (s *server) meantAddress(c *fiber.Ctx, n db.Newsletter, f newsletter.Checked, sent forms.Sent) string {
	if !n.Readers.Screening.Suggests() || !isForm(mediaType(c)) || sent.Text(forms.AddressKey) != "" {
		return ""
	}
	return screening.Suggest(f.Email())
}

// askAddress shows the form again, and asks whether another address was meant. Nothing is stored
// before the reader has said so.
func (s *server) askAddress(c *fiber.Ctx, n db.Newsletter, shown forms.Definition, sent forms.Sent, typed, meant string) error {
	l, p := forms.Language(n.Page.Language), signupPage(c, n, shown, sent, nil)
	p.Box.Ticked = true // it was, or nothing would have been asked
	p.Meant = views.MeantAddress{Question: l.Say(forms.DidYouMean, "address", meant), Typed: typed, Keep: l.Say(forms.AsTyped, "address", typed), Address: meant, Take: l.Say(forms.AsMeant, "address", meant)}
	return s.renderSignup(c, http.StatusUnprocessableEntity, n, sent, p)
}

// Reports of forms: how long they may be, and how many may come from one address in a minute.
const (
	maxReport        = 2000
	reportsPerMinute = 3
)

// limitReports slows down whoever reports forms without end.
func (s *server) limitReports(c *fiber.Ctx) error {
	return s.limited(c, "report a form", s.clientNetwork(c), reportsPerMinute)
}

// reportForm handles GET /signup/{slug}/report: what is wrong with a form?
func (s *server) reportForm(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	return s.showReport(c, http.StatusOK, n, "", "")
}

func (s *server) showReport(c *fiber.Ctx, status int, n db.Newsletter, typed, wrong string) error {
	l, p := forms.Language(n.Page.Language), publicPage(c, n)
	p.Report = views.ReaderLink{}
	c.Set("X-Robots-Tag", "noindex")
	title := l.Say(forms.ReportForm)
	if wrong != "" {
		title = l.Say(forms.ErrorTitle, "title", title)
	}
	return render(c, status, views.FormReport(views.FormReportPage{PublicPage: p, Title: title + " · " + n.Name, Heading: l.Say(forms.ReportForm), Text: l.Say(forms.ReportText),
		Action: signupAddress(c, n, "/report"), Button: l.Say(forms.ReportSend),
		Why: views.ReaderField{Kind: views.AreaField, Name: "why", Label: l.Say(forms.ReportWhy), Value: typed, Error: wrong, Focused: wrong != ""}}))
}

// report handles POST /signup/{slug}/report.
func (s *server) report(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	l, typed := forms.Language(n.Page.Language), field(c, "why")
	why, err := input.Lines(typed)
	problem := forms.Problem{}
	switch {
	case err != nil:
		problem.Says = forms.FailedUnreadable
	case why == "":
		problem.Says = forms.FillIn
	case len([]rune(why)) > maxReport:
		problem = forms.Problem{Says: forms.TooLong, Most: maxReport}
	}
	if problem.Says != "" {
		return s.showReport(c, http.StatusUnprocessableEntity, n, cut(typed, maxReport*2), problem.In(l))
	}
	if err := s.Newsletters.Report(c.UserContext(), n, why); err != nil {
		return err
	}
	s.log.WarnContext(c.UserContext(), "somebody reported a form: see gatepost newsletter reports", "newsletter", n.Slug)
	return redirect(c, signupAddress(c, n, "/reported"))
}

// reported handles GET /signup/{slug}/reported.
func (s *server) reported(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	l, p := forms.Language(n.Page.Language), publicPage(c, n)
	p.Report = views.ReaderLink{}
	c.Set("X-Robots-Tag", "noindex")
	return render(c, http.StatusOK, views.SignupMessage(views.SignupMessagePage{PublicPage: p, Icon: "check", Title: l.Say(forms.ReportedTitle) + " · " + n.Name, Heading: l.Say(forms.ReportedTitle), Text: l.Say(forms.ReportedText)}))
}
