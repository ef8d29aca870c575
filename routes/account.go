package routes

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// account handles GET /account.
func (s *server) account(c *fiber.Ctx) error { return s.showAccount(c, http.StatusOK, nil) }

func (s *server) showAccount(c *fiber.Ctx, status int, wrong views.FieldErrors) error {
	v := who(c)
	all, err := s.sessions.List(c.UserContext(), v.User.ID)
	if err != nil {
		return err
	}
	page := views.AccountPage{Page: s.page(c, "Account", views.NavNone), Errors: wrong}
	for _, session := range all {
		page.Sessions = append(page.Sessions, views.Session{ID: session.ID, Device: device(session.UserAgent), IP: session.IP,
			Since: session.CreatedAt, LastSeen: session.SeenAt, Current: session.ID == v.Session.ID()})
	}
	return render(c, status, views.Account(page))
}

// changePassword handles POST /account/password. It ends the user's other sessions.
func (s *server) changePassword(c *fiber.Ctx) error {
	v, password := who(c), field(c, "password")
	if password != field(c, "password_again") {
		return s.showAccount(c, http.StatusUnprocessableEntity, views.FieldErrors{"password_again": "This is not the same password."})
	}
	user, err := s.People.ChangePassword(c.UserContext(), v.User.ID, field(c, "current"), password)
	var wrong auth.FieldErrors
	var throttled *auth.ThrottledError
	switch {
	case errors.As(err, &wrong):
		if wrong["current"] != "" {
			s.logAuth(c, confirmRefused, v.User.ID)
		}
		return s.showAccount(c, http.StatusUnprocessableEntity, views.FieldErrors(wrong))
	case errors.As(err, &throttled):
		s.logAuth(c, confirmThrottled, v.User.ID)
		c.Set("Retry-After", strconv.Itoa(int(throttled.Wait.Seconds())+1))
		return s.showAccount(c, http.StatusTooManyRequests, views.FieldErrors{"current": fmt.Sprintf(
			"There were too many wrong passwords. Please wait %d seconds and try again.", int(throttled.Wait.Seconds())+1)})
	case err != nil:
		return err
	}
	s.logAuth(c, passwordChanged, user.ID)
	if err := s.trustDevice(c, user); err != nil {
		return err
	}
	v.Session.SignIn(user, v.Tenant)
	s.flash(c, views.FlashSuccess, "Your password is changed. Everywhere else you have been logged out.")
	return redirect(c, "/account")
}

// endSession handles POST /account/sessions/end.
func (s *server) endSession(c *fiber.Ctx) error {
	v, id := who(c), field(c, "id")
	if id == v.Session.ID() {
		return s.logout(c)
	}
	if err := s.sessions.End(c.UserContext(), v.User.ID, id); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	s.flash(c, views.FlashSuccess, "That session is ended.")
	return redirect(c, "/account")
}

// endSessions handles POST /account/sessions/end-all: log out everywhere, and be
// unknown in all browsers but this one.
func (s *server) endSessions(c *fiber.Ctx) error {
	if err := s.sessions.EndAll(c.UserContext(), who(c).User.ID, c.Cookies(s.deviceCookie())); err != nil {
		return err
	}
	return s.logout(c)
}

// device says what browser a User-Agent header means, as well as can be told.
func device(agent string) string {
	browser := firstOf(agent, "a browser", "Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := firstOf(agent, "", "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS X", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

// firstOf returns the name of the first mark that s contains; pairs are marks
// and names.
func firstOf(s, otherwise string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if strings.Contains(s, pairs[i]) {
			return pairs[i+1]
		}
	}
	return otherwise
}
