package routes

import (
	"errors"
	"net/http"

	"gatepost/auth"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// setupForm handles GET /setup, where the first tenant and admin are made.
func (s *server) setupForm(c *fiber.Ctx) error {
	token := c.Query("token")
	if err := s.People.CheckSetup(c.UserContext(), token); err != nil {
		return s.setupLinkEnded(c, err)
	}
	uncompressed(c)
	return render(c, http.StatusOK, views.Setup(views.SetupPage{Page: s.page(c, "Set up Gatepost", views.NavNone), Token: token}))
}

// setup handles POST /setup.
func (s *server) setup(c *fiber.Ctx) error {
	token := field(c, "token")
	form := auth.SetupForm{TenantName: field(c, "organization"), TenantSlug: field(c, "slug"),
		Email: field(c, "email"), Password: field(c, "password")}
	if form.Password != field(c, "password_again") {
		return s.setupRefused(c, token, form, auth.FieldErrors{"password_again": "This is not the same password."})
	}
	user, tenant, err := s.People.Setup(c.UserContext(), token, form)
	var wrong auth.FieldErrors
	switch {
	case errors.As(err, &wrong):
		return s.setupRefused(c, token, form, wrong)
	case err != nil:
		return s.setupLinkEnded(c, err)
	}
	s.logAuth(c, setUp, user.ID)
	if err := s.trustDevice(c, user); err != nil {
		return err
	}
	who(c).Session.SignIn(user, tenant)
	return redirect(c, home)
}

// setupLinkEnded logs a link that doesn't work, and passes the error on.
func (s *server) setupLinkEnded(c *fiber.Ctx, err error) error {
	if errors.Is(err, auth.ErrSetupLink) {
		s.logAuth(c, setUpRefused, "")
	}
	return err
}

func (s *server) setupRefused(c *fiber.Ctx, token string, form auth.SetupForm, wrong auth.FieldErrors) error {
	page := views.SetupPage{Page: s.page(c, "Set up Gatepost", views.NavNone), Token: token,
		Organization: form.TenantName, Slug: form.TenantSlug, Email: form.Email, Errors: views.FieldErrors{}}
	for field, sentence := range wrong {
		if field == "name" {
			field = "organization"
		}
		page.Errors[field] = sentence
	}
	uncompressed(c)
	return render(c, http.StatusUnprocessableEntity, views.Setup(page))
}
