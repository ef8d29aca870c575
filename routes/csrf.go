package routes

import (
	"errors"
	"net/http"
	"strings"

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

// unforged refuses forms that come from other sites: by what the browser says, where
// it says something, and always by the token.
func (s *server) unforged(c *fiber.Ctx) error {
	if c.Method() == http.MethodGet || c.Method() == http.MethodHead {
		return c.Next()
	}
	switch {
	case !s.ofOurs(c.Get("Sec-Fetch-Site"), c.Get(fiber.HeaderOrigin), c.Get(fiber.HeaderHost)):
		return s.forged(c, "the browser says it is from elsewhere")
	case !auth.EqualTokens(field(c, "csrf"), s.csrf(c)):
		return s.forged(c, "its token is missing or wrong")
	}
	return c.Next()
}

func (s *server) forged(c *fiber.Ctx, why string) error {
	s.atDoor(c, formRefused, who(c).User.ID, "route", c.Route().Path, "why", why)
	return errForged
}

// ofOurs reports whether a browser takes a form for one of ours, or says nothing of it.
// Sec-Fetch-Site is believed before Origin, which "null" is when it says nothing:
// Safari before 16.4 sends that for our own pages, because of our Referrer-Policy, and
// has no Sec-Fetch-Site; some proxies take both away. The token alone decides then.
// Nobody else's page can have it: it is derived from a cookie, and a site that frames
// or sends a form of its own, whose origin is null too, has no way to read that.
func (s *server) ofOurs(site, origin, host string) bool {
	switch site {
	case "same-origin", "none":
		return true
	case "":
		scheme, _, _ := strings.Cut(s.URL, "://")
		return origin == "" || origin == "null" || strings.EqualFold(origin, s.URL) || strings.EqualFold(origin, scheme+"://"+host)
	}
	return false
}
