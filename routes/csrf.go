package routes

import (
	"errors"
	"net/http"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

// errForged says that a form did not come from one of our pages, or from one
// that is too old.
var errForged = errors.New("the form's token is missing or wrong")

// csrf is the token that forms carry: of the session, or of a cookie while
// nobody is signed in.
func (s *server) csrf(c *fiber.Ctx) string {
	if v := who(c); v.Session != nil && v.Session.SignedIn() {
		return v.Session.CSRF()
	}
	if token := c.Cookies(s.csrfCookie()); token != "" {
		return token
	}
	if token, ok := c.Locals(s.csrfCookie()).(string); ok {
		return token
	}
	token := auth.NewToken()
	c.Locals(s.csrfCookie(), token)
	c.Cookie(&fiber.Cookie{Name: s.csrfCookie(), Value: token, Path: "/", HTTPOnly: true, Secure: s.secure,
		SameSite: fiber.CookieSameSiteLaxMode, SessionOnly: true})
	return token
}

func (s *server) csrfCookie() string {
	if s.secure {
		return "__Host-gatepost_csrf"
	}
	return "gatepost_csrf"
}

// unforged refuses forms that come from other sites.
func (s *server) unforged(c *fiber.Ctx) error {
	if c.Method() == http.MethodGet || c.Method() == http.MethodHead {
		return c.Next()
	}
	if err := s.origins.Check(who(c).request); err != nil {
		return errors.Join(errForged, err)
	}
	if !auth.EqualTokens(field(c, "csrf"), s.csrf(c)) {
		return errForged
	}
	return c.Next()
}
