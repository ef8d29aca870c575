package routes

import (
	"errors"
	"net/http"

	"gatepost/db"
	"gatepost/newsletter"

	"github.com/gofiber/fiber/v2"
)

// errNoNewsletter says that there is no such newsletter for a key.
var errNoNewsletter = errors.New("no such newsletter")

// fieldsError says what is wrong with the fields of a sign-up: a sentence for each, by its name.
type fieldsError map[string]string

// Error is the sentence for the whole.
func (fieldsError) Error() string { return someFieldsWrong }

// apiSignUp handles POST /newsletters/{newsletter}/subscribers: a server hands on what a
// reader sent to it. The answer says that the sign-up is on disk.
func (s *server) apiSignUp(c *fiber.Ctx) error {
	form, wrong, err := decodeSignup(c)
	if name, sentence := aboutJSON(err); name != "" {
		return fieldsError{name: sentence}
	} else if err != nil {
		return invalidBody(err, "an object with the fields of the form")
	}
	n, err := s.newsletterOfKey(c)
	if err != nil {
		return err
	}
	clean, more := form.Check()
	for field, sentence := range wrong {
		more[field] = sentence
	}
	if len(more) > 0 {
		return fieldsError(more)
	}
	if _, err := s.Newsletters.SignUp(c.UserContext(), n, clean, newsletter.FromAPI); err != nil {
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
