package routes

import (
	"net/http"
	"strings"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// signupForm handles GET /signup/{slug}, the public form.
func (s *server) signupForm(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	s.countView(c, n)
	return render(c, http.StatusOK, views.Signup(signupPage(n, newsletter.Form{}, nil)))
}

// signupOptions handles OPTIONS /signup/{slug}: a browser asks whether another
// site may send JSON here.
func (s *server) signupOptions(c *fiber.Ctx) error {
	c.Set("Access-Control-Allow-Methods", "GET, POST")
	c.Set("Access-Control-Allow-Headers", "Content-Type")
	c.Set("Access-Control-Max-Age", "86400")
	return c.SendStatus(http.StatusNoContent)
}

const someFieldsWrong = "Some of the fields are not in order. Nothing was stored."

// signUp handles POST /signup/{slug}: a form, or JSON. The answer says that the
// sign-up is on disk.
func (s *server) signUp(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	asJSON := wantsJSON(c)
	form, wrong, err := decodeSignup(c)
	if name, sentence := aboutJSON(err); name != "" {
		return problem(c, http.StatusUnprocessableEntity, someFieldsWrong, map[string]string{name: sentence})
	} else if err != nil {
		return err
	}
	clean, more := form.Check()
	for field, sentence := range more {
		if wrong[field] == "" {
			wrong[field] = sentence
		}
	}
	if len(wrong) > 0 && asJSON {
		return problem(c, http.StatusUnprocessableEntity, someFieldsWrong, wrong)
	}
	if len(wrong) > 0 {
		return render(c, http.StatusUnprocessableEntity, views.Signup(signupPage(n, form, wrong)))
	}
	source := newsletter.FromForm
	if asJSON {
		source = newsletter.FromAPI
	}
	if _, err := s.Newsletters.SignUp(c.UserContext(), n, clean, source); err != nil {
		return err
	}
	if asJSON {
		return c.Status(http.StatusAccepted).JSON(fiber.Map{"status": "received"})
	}
	return redirect(c, "/signup/"+n.Slug+"/thanks")
}

// thanks handles GET /signup/{slug}/thanks.
func (s *server) thanks(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.SignupThanks(views.SignupThanksPage{PublicPage: publicPage(n.TenantName), Newsletter: n.Name}))
}

// decodeSignup reads the form, in either of its shapes. wrong names the fields that
// hold no text, or no single one.
func decodeSignup(c *fiber.Ctx) (form newsletter.Form, wrong map[string]string, err error) {
	wrong = map[string]string{}
	if isForm(mediaType(c)) {
		for _, f := range []struct {
			name string
			to   *string
		}{{"email", &form.Email}, {"first_name", &form.FirstName}, {"last_name", &form.LastName}} {
			*f.to = input.Unescaped(field(c, f.name))
			if isContradicted(c, f.name) {
				wrong[f.name] = "The form holds this twice, with different values. Please send one of them."
			}
		}
		return form, wrong, nil
	}
	var sent struct {
		Email     input.Text `json:"email"`
		FirstName input.Text `json:"first_name"`
		LastName  input.Text `json:"last_name"`
	}
	if err := decodeReadersJSON(c, &sent); err != nil {
		return form, wrong, err
	}
	for name, text := range map[string]input.Text{"email": sent.Email, "first_name": sent.FirstName, "last_name": sent.LastName} {
		if text.NotText {
			wrong[name] = "This has to be text."
		}
	}
	return newsletter.Form{Email: sent.Email.String, FirstName: sent.FirstName.String, LastName: sent.LastName.String}, wrong, nil
}

// wantsJSON reports whether to answer in JSON: to those who sent it, or who ask
// for it and not for a page.
func wantsJSON(c *fiber.Ctx) bool {
	if c.Method() != http.MethodGet && mediaType(c) == fiber.MIMEApplicationJSON {
		return true
	}
	c.Vary(fiber.HeaderAccept)
	accept := c.Get(fiber.HeaderAccept)
	return strings.Contains(accept, "json") && !strings.Contains(accept, "html")
}

// problem answers with a problem document (RFC 9457); wrong is a sentence for
// each field, if there are any.
func problem(c *fiber.Ctx, status int, sentence string, wrong map[string]string) error {
	return newProblem(c, status, sentence, wrong).send(c)
}

// problemDocument is a problem document with what we add to it.
type problemDocument struct {
	Type      string            `json:"type"`
	Title     string            `json:"title"`
	Status    int               `json:"status"`
	Detail    string            `json:"detail"`
	RequestID string            `json:"request_id"`
	Errors    map[string]string `json:"errors,omitempty"`

	// Of the API for programs alone: see api.go.
	Code       string                 `json:"code,omitempty"`
	Reason     string                 `json:"reason,omitempty"`
	MendedBy   identity.Who           `json:"mended_by,omitempty"`
	Identities []identity.Description `json:"identities,omitempty"`
	More       bool                   `json:"more,omitempty"`
}

func newProblem(c *fiber.Ctx, status int, sentence string, wrong map[string]string) problemDocument {
	return problemDocument{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: sentence, RequestID: requestID(c), Errors: wrong}
}

func (d problemDocument) send(c *fiber.Ctx) error {
	return c.Status(d.Status).JSON(d, "application/problem+json")
}

func publicPage(tenant string) views.PublicPage {
	return views.PublicPage{CSS: static.URL("signup.css"), Icon: static.URL("icon.svg"), Tenant: tenant}
}

func signupPage(n db.Newsletter, f newsletter.Form, wrong map[string]string) views.SignupPage {
	return views.SignupPage{PublicPage: publicPage(n.TenantName), Slug: n.Slug, Newsletter: n.Name, Consent: n.Consent,
		Email: cut(f.Email, 500), FirstName: cut(f.FirstName, 500), LastName: cut(f.LastName, 500), Errors: views.FieldErrors(wrong)}
}

// publicProblem is the page for a reader when something went wrong.
func (s *server) publicProblem(c *fiber.Ctx, status int, sentence string) error {
	if status == http.StatusNotFound {
		return render(c, status, views.SignupNotFound(publicPage("")))
	}
	page := views.SignupProblemPage{PublicPage: publicPage(""), Heading: "That didn’t work", Sentence: sentence, RequestID: requestID(c)}
	if slug := c.Params("slug"); slug != "" {
		page.RetryURL = "/signup/" + slug
	}
	return render(c, status, views.SignupProblem(page))
}
