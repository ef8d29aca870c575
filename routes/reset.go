package routes

import (
	"errors"
	"net/http"
	"strconv"

	"gatepost/auth"
	"gatepost/input"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// forgotForm handles GET /password/forgot.
func (s *server) forgotForm(c *fiber.Ctx) error {
	return render(c, http.StatusOK, views.Forgot(s.forgotPage(c)))
}

func (s *server) forgotPage(c *fiber.Ctx) views.ForgotPage {
	return views.ForgotPage{Page: s.page(c, "Set a new password", views.NavNone), NoMail: !s.Mail}
}

// forgot handles POST /password/forgot. Whether somebody has the address, nobody
// learns from it.
func (s *server) forgot(c *fiber.Ctx) error {
	if !s.Mail {
		return redirect(c, "/password/forgot")
	}
	email := input.Word(field(c, "email"))
	if email == "" {
		page := s.forgotPage(c)
		page.Errors = views.FieldErrors{"email": "An e-mail address is needed."}
		return render(c, http.StatusUnprocessableEntity, views.Forgot(page))
	}
	asked, err := s.People.RequestReset(c.UserContext(), email, s.clientIP(c))
	var throttled *auth.ThrottledError
	switch {
	case errors.As(err, &throttled):
		s.logAuth(c, resetThrottled, "")
		page := s.forgotPage(c)
		page.Email, page.Wait = cut(email, 254), throttled.Wait
		c.Set("Retry-After", strconv.Itoa(int(throttled.Wait.Seconds())+1))
		return render(c, http.StatusTooManyRequests, views.Forgot(page))
	case err != nil:
		return err
	case asked.Throttled:
		s.logAuth(c, resetThrottled, asked.UserID)
	default:
		s.logAuth(c, resetAsked, asked.UserID)
	}
	return redirect(c, "/password/sent")
}

// resetSent handles GET /password/sent.
func (s *server) resetSent(c *fiber.Ctx) error {
	return render(c, http.StatusOK, views.ResetSent(views.ResetSentPage{Page: s.page(c, "Check your inbox", views.NavNone), DemoMail: s.DemoMail}))
}

// resetForm handles GET /password/reset, where a link of a mail leads.
func (s *server) resetForm(c *fiber.Ctx) error {
	return s.showReset(c, http.StatusOK, c.Query("token"), nil)
}

func (s *server) showReset(c *fiber.Ctx, status int, token string, wrong views.FieldErrors) error {
	user, err := s.People.CheckReset(c.UserContext(), token)
	if errors.Is(err, auth.ErrResetLink) {
		return s.resetLinkEnded(c)
	} else if err != nil {
		return err
	}
	uncompressed(c)
	return render(c, status, views.Reset(views.ResetPage{Page: s.page(c, "Set a new password", views.NavNone), Token: token, Email: user.Email, Errors: wrong}))
}

// resetLinkEnded offers another link.
func (s *server) resetLinkEnded(c *fiber.Ctx) error {
	s.logAuth(c, resetRefused, "")
	page := s.forgotPage(c)
	page.LinkEnded, page.Title = true, "This link has expired"
	return render(c, http.StatusGone, views.Forgot(page))
}

// reset handles POST /password/reset.
func (s *server) reset(c *fiber.Ctx) error {
	token, password := field(c, "token"), field(c, "password")
	if password != field(c, "password_again") {
		return s.showReset(c, http.StatusUnprocessableEntity, token, views.FieldErrors{"password_again": "This is not the same password."})
	}
	user, err := s.People.ResetPassword(c.UserContext(), token, password)
	var wrong auth.FieldErrors
	switch {
	case errors.As(err, &wrong):
		return s.showReset(c, http.StatusUnprocessableEntity, token, views.FieldErrors(wrong))
	case errors.Is(err, auth.ErrResetLink):
		return s.resetLinkEnded(c)
	case err != nil:
		return err
	}
	s.logAuth(c, resetDone, user.ID)
	if err := s.trustDevice(c, user); err != nil {
		return err
	}
	who(c).Session.SignOut()
	return redirect(c, "/login?changed=1")
}
