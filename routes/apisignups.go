package routes

import (
	"errors"
	"net/http"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"

	"github.com/gofiber/fiber/v2"
)

// errNoNewsletter says that there is no such newsletter for a key.
var errNoNewsletter = errors.New("no such newsletter")

// fieldsError says what is wrong with the fields of a sign-up: a sentence for each, by its name.
type fieldsError map[string]string

// Error is the sentence for the whole.
func (fieldsError) Error() string { return forms.English.Say(forms.NothingStored) }

// apiSignUp handles POST /newsletters/{newsletter}/subscribers: a server hands on what a
// reader sent to it. The answer says that the sign-up is on disk.
func (s *server) apiSignUp(c *fiber.Ctx) error {
	n, err := s.newsletterOfKey(c)
	if err != nil {
		return err
	}
	clean, err := s.handedOn(c, n)
	if err != nil {
		return err
	}
	if _, err := s.Newsletters.SignUp(c.UserContext(), n, clean, newsletter.Came{Source: newsletter.FromAPI, Sender: newsletter.Sender{Key: true}}); err != nil {
		return err
	}
	return c.Status(http.StatusAccepted).JSON(fiber.Map{"status": "received"})
}

// newsletterOfKey returns the newsletter that the address names, if the key is for its
// tenant, or errNoNewsletter.
func (s *server) newsletterOfKey(c *fiber.Ctx) (db.Newsletter, error) {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("newsletter"))
	if errors.Is(err, db.ErrNotFound) || err == nil && !within(n.TenantID, caller(c).Tenants) {
		return db.Newsletter{}, errNoNewsletter
	}
	return n, err
}

// handedOn reads and checks what a reader sent to the server. It is checked for a newsletter
// that is closed too, so that a mistake of the server's is told while it is made.
func (s *server) handedOn(c *fiber.Ctx, n db.Newsletter) (clean newsletter.Checked, err error) {
	if isForm(mediaType(c)) {
		return clean, fiber.ErrUnsupportedMediaType
	}
	sent, err := decodeSignup(c, n.Form)
	if name, sentence := aboutJSON(err); name != "" {
		return clean, fieldsError{name: sentence}
	} else if err != nil {
		return clean, invalidBody(err, "an object with the fields of the form")
	}
	shown, err := s.Newsletters.FormShown(c.UserContext(), n, sent.Text(forms.VersionKey))
	if err != nil {
		return clean, err
	}
	clean, problems := newsletter.CheckForm(n, shown, sent)
	if len(problems) > 0 {
		return clean, fieldsError(problems.In(forms.English))
	}
	return clean, nil
}
