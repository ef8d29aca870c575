package routes

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// unsubscribesPerMinute is how often one unsubscribe address may be asked for in a minute.
const unsubscribesPerMinute = 60

// limitUnsubscribing slows down whoever guesses unsubscribe addresses, or asks for one without end.
// How many real ones come from a network isn't bounded: a mail provider's servers send those of all
// its users.
func (s *server) limitUnsubscribing(c *fiber.Ctx) error {
	if !s.SignupLimits {
		return c.Next()
	}
	token := c.Params("token")
	if _, _, err := s.Newsletters.ReadUnsubscribeToken(token); err != nil {
		return s.limited(c, "guess an unsubscribe address", s.clientNetwork(c), signupsPerMinute)
	}
	return s.limited(c, "unsubscribe", token, unsubscribesPerMinute)
}

// What the form of the page says of how much somebody leaves.
const (
	leaveOne = "one"
	leaveAll = "all"
)

// unsubscribeForm handles GET /unsubscribe/{token}: a page with a button. It changes nothing. Who has left their newsletter is
// told so, and comes by ?of=all to a button for all of the organisation.
func (s *server) unsubscribeForm(c *fiber.Ctx) error {
	l, err := s.Newsletters.Leaver(c.UserContext(), c.Params("token"))
	if err != nil {
		return s.notLeaving(c, err)
	}
	if l.Status == db.Left && (l.LeftAll || c.Query("of") != leaveAll) {
		return render(c, http.StatusOK, views.SignupMessage(leftPage(c, l, l.LeftAll)))
	}
	return render(c, http.StatusOK, views.Unsubscribe(s.unsubscribePage(c, l, false)))
}

// unsubscribe handles POST /unsubscribe/{token}: the form of the page, or what a mail program sends
// (RFC 8058), which gets an empty answer. Whoever has left is told so again.
func (s *server) unsubscribe(c *fiber.Ctx) error {
	l, err := s.Newsletters.Leaver(c.UserContext(), c.Params("token"))
	oneClick := isOneClick(c)
	switch {
	case oneClick && errors.Is(err, db.ErrNotFound):
		return sendNothing(c)
	case err != nil:
		return s.notLeaving(c, err)
	case oneClick:
		if err := s.Newsletters.Leave(c.UserContext(), l, db.Leaving{How: db.LeftByOneClick}, false); err != nil {
			return err
		}
		return sendNothing(c)
	}
	all := field(c, "of") == leaveAll
	done := l.LeftAll || l.Status == db.Left && !all
	if !done && !s.pressedByPerson(c, l.Subscriber.ID) {
		return render(c, http.StatusOK, views.Unsubscribe(s.unsubscribePage(c, l, true)))
	}
	if err := s.Newsletters.Leave(c.UserContext(), l, db.Leaving{How: db.LeftByLink, Why: readWhy(c)}, all); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.SignupMessage(leftPage(c, l, all || l.LeftAll)))
}

// isOneClick reports whether a mail program asks in somebody's name, as RFC 8058 has it.
func isOneClick(c *fiber.Ctx) bool { return field(c, "List-Unsubscribe") == "One-Click" }

// sendNothing answers that all is done, with an empty body.
func sendNothing(c *fiber.Ctx) error { return c.Status(http.StatusOK).SendString("") }

// notLeaving answers who has a link by which nobody can leave: it is damaged, or they are gone.
func (s *server) notLeaving(c *fiber.Ctx, err error) error {
	switch {
	case errors.Is(err, newsletter.ErrToken):
		return s.deadLink(c)
	case !errors.Is(err, db.ErrNotFound):
		return err
	}
	l := browserLanguage(c)
	heading := l.Say(forms.NotThereTitle)
	page := views.SignupMessagePage{PublicPage: unknownPage(c, l), Title: heading, Icon: "check", Heading: heading, Text: l.Say(forms.NotThereText)}
	return render(c, http.StatusOK, views.SignupMessage(page))
}

// whys are the reasons that readers may choose. They are kept in English, for the tenant.
var whys = []struct {
	code string
	word forms.Word
}{{"many", forms.WhyTooMany}, {"interest", forms.WhyNotRelevant}, {"never", forms.WhyNeverSignedUp}, {"other", forms.WhyOther}}

// readWhy is why somebody leaves, as far as they say so. What can't be read is left out: nobody is
// kept by that.
func readWhy(c *fiber.Ctx) string {
	var said []string
	chosen := field(c, "why")
	for _, w := range whys {
		if w.code == chosen {
			said = append(said, forms.English.Say(w.word))
		}
	}
	if note, err := input.Line(strings.Join(strings.Fields(field(c, "note")), " ")); err == nil && note != "" {
		said = append(said, shortened(note, maxNote))
	}
	return strings.Join(said, ": ")
}

// unsubscribePage is the page with the button; unsure says that nobody knows whether it was pressed.
func (s *server) unsubscribePage(c *fiber.Ctx, l newsletter.Leaver, unsure bool) views.UnsubscribePage {
	n := l.Newsletter
	in, public := forms.Language(n.Page.Language), linkPage(c, n)
	p := views.UnsubscribePage{PublicPage: public, Title: in.Say(forms.LeaveTitle, "newsletter", n.Name), Text: in.Say(forms.LeaveText, "email", masked(l.Email)),
		Action: c.Path(), Opened: s.stamp(c, l.Subscriber.ID), What: in.Say(forms.LeaveWhat), Why: in.Say(forms.LeaveWhy), Optional: in.Say(forms.Optional), Button: in.Say(forms.LeaveButton),
		Of: []views.ReaderOption{{Value: leaveAll, Label: in.Say(forms.LeaveAll, "organisation", n.TenantName)}}}
	if l.Status == db.Left {
		p.Title, p.Text = in.Say(forms.LeaveRest, "organisation", n.TenantName), in.Say(forms.LeftOneText, "newsletter", n.Name)
	} else {
		p.Of = append([]views.ReaderOption{{Value: leaveOne, Label: in.Say(forms.LeaveOne, "newsletter", n.Name)}}, p.Of...)
	}
	p.Note = views.ReaderField{Kind: views.AreaField, Name: "note", Label: in.Say(forms.WhyOwnWords), Optional: p.Optional}
	if unsure {
		p.Unsure, p.Sure = in.Say(forms.LeaveUnsure), in.Say(forms.LeaveSure)
		p.Note.Value = field(c, "note")
	}
	chosen := slices.IndexFunc(p.Of, func(o views.ReaderOption) bool { return o.Value == cmp.Or(field(c, "of"), c.Query("of")) })
	p.Of[max(chosen, 0)].Chosen = true
	for _, w := range whys {
		p.Reasons = append(p.Reasons, views.ReaderOption{Value: w.code, Label: in.Say(w.word), Chosen: unsure && field(c, "why") == w.code})
	}
	return p
}

// leftPage says that somebody has left a newsletter, or all of them, and leads back to the form.
func leftPage(c *fiber.Ctx, l newsletter.Leaver, all bool) views.SignupMessagePage {
	n := l.Newsletter
	in := forms.Language(n.Page.Language)
	page := views.SignupMessagePage{PublicPage: linkPage(c, n), Icon: "check", Heading: in.Say(forms.LeftTitle), Text: in.Say(forms.LeftOneText, "newsletter", n.Name), More: in.Say(forms.LeftMore)}
	page.Title = page.Heading + " · " + n.Name
	if all {
		page.Text = in.Say(forms.LeftAllText, "organisation", n.TenantName)
	} else {
		page.Rest = views.ReaderLink{URL: c.Path() + "?of=" + leaveAll, Text: in.Say(forms.LeaveRest, "organisation", n.TenantName)}
	}
	if n.State == db.NewsletterOpen {
		page.Back = views.ReaderLink{URL: signupAddress(c, n, ""), Text: in.Say(forms.SignUpAgain)}
	}
	return page
}

// masked is an address as it is shown to whoever has the link, who may have got it by a mail that was
// passed on.
func masked(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	first := []rune(local)
	if len(first) < 2 {
		return "…@" + domain
	}
	return string(first[0]) + "…@" + domain
}
