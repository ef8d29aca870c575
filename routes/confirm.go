package routes

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// link is a confirmation link that somebody has opened.
type link struct {
	token string
	db.Confirmation
	n db.Newsletter
	l forms.Language
}

// linkOf reads the link of a request. One that isn't there is db.ErrNotFound.
func (s *server) linkOf(c *fiber.Ctx) (k link, err error) {
	k.token = c.Params("token")
	if k.Confirmation, err = s.Newsletters.Confirmation(c.UserContext(), k.token); err != nil {
		return k, err
	}
	k.n, err = s.Newsletters.BySlug(c.UserContext(), k.NewsletterSlug)
	k.l = forms.Language(k.n.Page.Language)
	return k, err
}

// confirmPage handles GET and HEAD /confirm/{token}: a page with a button. Opening it confirms
// nothing, since programs that look at mails open it too.
func (s *server) confirmPage(c *fiber.Ctx) error {
	k, err := s.linkOf(c)
	if err != nil {
		return err
	}
	if c.Method() == http.MethodGet {
		if err := s.Newsletters.OpenConfirmation(c.UserContext(), k.token, k.Confirmation); err != nil {
			return err
		}
	}
	return s.showLink(c, k, k.State(s.Now()), false)
}

// confirm handles POST /confirm/{token}: its button was pressed, by a person or not.
func (s *server) confirm(c *fiber.Ctx) error {
	k, err := s.linkOf(c)
	if err != nil {
		return err
	}
	state := k.State(s.Now())
	if state != db.LinkOpen && state != db.LinkExpired {
		return s.showLink(c, k, state, false)
	}
	if !s.pressedByPerson(c, k.token) {
		return s.showLink(c, k, state, true)
	}
	if state == db.LinkExpired {
		return s.sendAgain(c, k)
	}
	if state, err = s.Newsletters.Confirm(c.UserContext(), k.token, k.Confirmation); err != nil {
		return err
	}
	return s.showLink(c, k, state, false)
}

// sendAgain sends another link, or says from when on that is possible.
func (s *server) sendAgain(c *fiber.Ctx, k link) error {
	next, err := s.Newsletters.AskAgain(c.UserContext(), k.token, k.Confirmation)
	switch {
	case errors.Is(err, db.ErrLost): // confirmed in another window meanwhile
		return redirect(c, "/confirm/"+url.PathEscape(k.token))
	case err != nil:
		return err
	case next.IsZero():
		return s.tellReader(c, k, "check", forms.ResentTitle, forms.ResentText)
	}
	return s.tellReader(c, k, "clock", forms.WaitTitle, forms.WaitText, "wait", waiting(next.Sub(s.Now())))
}

// waiting is a time to wait in minutes or hours, by their signs, which are the same in each
// language.
func waiting(d time.Duration) string {
	if minutes := math.Ceil(d.Minutes()); minutes <= 90 {
		return fmt.Sprintf("%.0f min", max(minutes, 1))
	}
	return fmt.Sprintf("%.0f h", math.Ceil(d.Hours()))
}

// showLink shows what a link does in its state. In doubt who pressed its button, a box is to be
// ticked as well.
func (s *server) showLink(c *fiber.Ctx, k link, state db.ConfirmationState, doubt bool) error {
	switch state {
	case db.LinkOpen:
		return s.showPress(c, k, forms.ConfirmTitle, forms.ConfirmText, forms.ConfirmButton, doubt)
	case db.LinkExpired:
		return s.showPress(c, k, forms.ExpiredTitle, forms.ExpiredText, forms.ResendButton, doubt)
	case db.LinkDone:
		return s.tellReader(c, k, "check", forms.ConfirmedTitle, forms.ConfirmedText)
	}
	page := s.readerMessage(c, k, "minus", forms.NotOnListTitle, forms.NotOnListText)
	page.Button = views.ReaderLink{URL: signupAddress(c, k.n, ""), Text: k.l.Say(forms.SignUp)}
	return render(c, http.StatusOK, views.SignupMessage(page))
}

// showPress shows a page with one button.
func (s *server) showPress(c *fiber.Ctx, k link, title, text, button forms.Word, doubt bool) error {
	page := views.PressPage{PublicPage: linkPage(c, k.n), Heading: k.say(title), Text: k.say(text), Button: k.say(button),
		Action: "/confirm/" + url.PathEscape(k.token), Opened: s.stamp(c, k.token)}
	if doubt {
		page.Doubt, page.Box = k.say(forms.ConfirmUnsure), k.say(forms.ConfirmBox)
	}
	return render(c, http.StatusOK, views.Press(page))
}

// tellReader says something to the person of a link; values are for what stands in braces.
func (s *server) tellReader(c *fiber.Ctx, k link, icon string, title, text forms.Word, values ...string) error {
	return render(c, http.StatusOK, views.SignupMessage(s.readerMessage(c, k, icon, title, text, values...)))
}

func (s *server) readerMessage(c *fiber.Ctx, k link, icon string, title, text forms.Word, values ...string) views.SignupMessagePage {
	page := views.SignupMessagePage{PublicPage: linkPage(c, k.n), Icon: icon, Heading: k.say(title), Text: k.say(text, values...)}
	page.Title = page.Heading + " · " + k.n.Name
	return page
}

// say is a word about the link's person and newsletter.
func (k link) say(w forms.Word, values ...string) string {
	sender := k.n.Page.Sender
	if sender == "" {
		sender = k.n.TenantName
	}
	return k.l.Say(w, append(values, "address", k.Address, "newsletter", k.n.Name, "sender", sender)...)
}

// deadLink is the page of a link of a mail that isn't there, in the language that the reader's
// browser asks for.
func (s *server) deadLink(c *fiber.Ctx) error {
	l := browserLanguage(c)
	page := views.SignupMessagePage{PublicPage: unknownPage(c, l), Icon: "search", Heading: l.Say(forms.DeadLinkTitle), Text: l.Say(forms.DeadLinkText)}
	page.Title = page.Heading
	return render(c, http.StatusNotFound, views.SignupMessage(page))
}

// browserLanguage is the first of our languages that a browser accepts; English when it accepts
// none.
func browserLanguage(c *fiber.Ctx) forms.Language {
	c.Vary(fiber.HeaderAcceptLanguage)
	var codes []string
	for _, l := range forms.Languages {
		codes = append(codes, string(l.Code))
	}
	return forms.Language(c.AcceptsLanguages(codes...))
}
