package routes

import (
	"errors"
	"net/http"
	"strings"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

var (
	// errCSRF says that a form did not come from one of our pages, or from one
	// that is too old.
	errCSRF = errors.New("the form's token is missing or wrong")
	// errOtherTenant says that a form's page was written for another tenant of the
	// user's than the session is in now.
	errOtherTenant = errors.New("the form's page is of another tenant")
)

// formToken is what the forms of this answer carry.
func (s *server) formToken(c *fiber.Ctx) string {
	return auth.MaskForm(s.formSecret(c), s.author(c))
}

// formSecret is what tells a form of ours from those of others: of the session, or of a
// cookie while nobody is signed in.
func (s *server) formSecret(c *fiber.Ctx) string {
	if v := who(c); v.Session != nil && v.Session.SignedIn() {
		return v.Session.CSRF()
	}
	if secret := c.Cookies(s.csrfCookie()); auth.IsToken(secret) {
		return secret
	}
	if secret, ok := c.Locals(s.csrfCookie()).(string); ok {
		return secret
	}
	secret := auth.NewToken()
	c.Locals(s.csrfCookie(), secret)
	c.Cookie(&fiber.Cookie{Name: s.csrfCookie(), Value: secret, Path: "/", HTTPOnly: true, Secure: s.secure,
		SameSite: fiber.CookieSameSiteLaxMode, SessionOnly: true})
	return secret
}

func (s *server) csrfCookie() string {
	if s.secure {
		return "__Host-gatepost_csrf"
	}
	return "gatepost_csrf"
}

// author is for whom the page of this answer is written; nil while nobody is signed in.
func (s *server) author(c *fiber.Ctx) []byte {
	v := who(c)
	if v.User.ID == "" {
		return nil
	}
	return auth.Author(v.User, v.Tenant.ID)
}

// csrf refuses forms that come from other sites: by what the browser says, where
// it says something, and always by the token. A form of the same user's that is only of
// an earlier log-in is shown again, to be sent by hand.
func (s *server) csrf(c *fiber.Ctx) error {
	if reads(c) {
		return c.Next()
	}
	secret, author := auth.UnmaskForm(field(c, "csrf"))
	switch {
	case !s.fromOurPages(c):
		return s.refuseForm(c, errCSRF, "the browser says it is from elsewhere")
	case auth.EqualTokens(secret, s.formSecret(c)):
		return c.Next()
	case auth.EqualAuthors(author, s.author(c)):
		err := s.refuseForm(c, errCSRF, "it is of an earlier log-in")
		if t, ok := readTyped(s.carry(c)); ok {
			return s.showTyped(c, http.StatusForbidden, t)
		}
		return err
	}
	return s.refuseForm(c, errCSRF, "its token is missing or wrong")
}

// sameTenant refuses a form whose page was written for another of the user's tenants:
// in another tab they have switched since, and would change what they don't see.
func (s *server) sameTenant(c *fiber.Ctx) error {
	if _, author := auth.UnmaskForm(field(c, "csrf")); reads(c) || auth.EqualAuthors(author, s.author(c)) {
		return c.Next()
	}
	return s.refuseForm(c, errOtherTenant, "its page is of another tenant")
}

// reads reports whether a request changes nothing.
func reads(c *fiber.Ctx) bool { return c.Method() == http.MethodGet || c.Method() == http.MethodHead }

// refuseForm logs why a form is refused, and returns the error for its sender.
func (s *server) refuseForm(c *fiber.Ctx, err error, why string) error {
	s.logAuth(c, formRefused, who(c).User.ID, "route", c.Route().Path, "why", why)
	return err
}

// fromOurPages reports whether the browser takes a request for one of ours.
func (s *server) fromOurPages(c *fiber.Ctx) bool {
	return s.ofOurs(c.Get("Sec-Fetch-Site"), c.Get(fiber.HeaderOrigin), c.Get(fiber.HeaderHost))
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
