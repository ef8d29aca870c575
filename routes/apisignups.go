package routes

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
	"unicode/utf8"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
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
	clean, confirmed, err := s.handedOn(c, n)
	if err != nil {
		return err
	}
	if _, err := s.Newsletters.SignUp(c.UserContext(), n, clean, newsletter.Came{Source: newsletter.FromAPI, Confirmed: confirmed, Sender: newsletter.Sender{Key: true}}); err != nil {
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

// What a server says of somebody who has confirmed with it.
const (
	confirmedAtKey    = "confirmed_at"
	confirmedWordsKey = "confirmed_words"
)

// handedOn reads and checks what a reader sent to the server, and what the server says of it. It
// is checked for a newsletter that is closed too, so that a mistake of the server's is told while
// it is made.
func (s *server) handedOn(c *fiber.Ctx, n db.Newsletter) (clean newsletter.Checked, confirmed newsletter.Confirmed, err error) {
	if isForm(mediaType(c)) {
		return clean, confirmed, fiber.ErrUnsupportedMediaType
	}
	fields := input.Fields{Known: func(name string) bool { return n.Form.Knows(name) || ofServer(n, name) }}
	err = decodeReadersJSON(c, &fields)
	sent := forms.Sent(fields.Values)
	if name, sentence := aboutJSON(err); name != "" {
		return clean, confirmed, fieldsError{name: sentence}
	} else if err != nil {
		return clean, confirmed, invalidBody(err, "an object with the fields of the form")
	}
	shown, err := s.Newsletters.FormShown(c.UserContext(), n, sent.Text(forms.VersionKey))
	if err != nil {
		return clean, confirmed, err
	}
	confirmed, wrong := s.confirmedElsewhere(n, sent)
	clean, problems := newsletter.CheckForm(n, shown, sent)
	maps.Copy(wrong, problems.In(forms.English))
	if len(wrong) > 0 {
		return clean, confirmed, fieldsError(wrong)
	}
	return clean, confirmed, nil
}

// ofServer reports whether a name is what a server says of a sign-up: none that a field of the
// newsletter's form has.
func ofServer(n db.Newsletter, name string) bool {
	return (name == confirmedAtKey || name == confirmedWordsKey) && !n.Form.Knows(name)
}

// confirmedElsewhere is what a server says of when, and with which words, somebody confirmed, or a
// sentence for each field that is not in order. One needs the other.
func (s *server) confirmedElsewhere(n db.Newsletter, sent forms.Sent) (confirmed newsletter.Confirmed, wrong fieldsError) {
	wrong = fieldsError{}
	if !ofServer(n, confirmedAtKey) || !ofServer(n, confirmedWordsKey) {
		return confirmed, wrong
	}
	at, words := sent.Text(confirmedAtKey), sent.Text(confirmedWordsKey)
	if at == "" && words == "" {
		return confirmed, wrong
	}
	var err error
	if confirmed.At, err = time.Parse(time.RFC3339, at); err != nil || confirmed.At.After(s.Now().Add(time.Minute)) || confirmed.At.Year() < 1990 {
		wrong[confirmedAtKey] = "This has to be when they confirmed, as 2026-11-30T12:00:00Z."
	}
	confirmed.Words, err = input.Lines(words)
	if n := utf8.RuneCountInString(confirmed.Words); err != nil || n == 0 || n > forms.MostWords {
		wrong[confirmedWordsKey] = fmt.Sprintf("This has to be the words that they confirmed with, at most %d characters.", forms.MostWords)
	}
	return confirmed, wrong
}
