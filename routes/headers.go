package routes

import (
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/static"

	"github.com/gofiber/fiber/v2"
)

const portalPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// formPolicy is for the public form, which any site may frame and which runs no script on its
// own page.
const formPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors *"

// linkPolicy is for the pages behind links of mails to readers, which nobody frames.
const linkPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// publicPolicy is formPolicy; in a frame of another site one small script tells how high the
// form is.
func publicPolicy(c *fiber.Ctx) string {
	if framed(c) {
		return formPolicy + "; script-src 'self'"
	}
	return formPolicy
}

// headers sets what every answer carries. A public form may be framed and called
// from other sites; the portal may not.
func (s *server) headers(c *fiber.Ctx) error {
	s.setHeaders(c)
	return c.Next()
}

func (s *server) setHeaders(c *fiber.Ctx) {
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "no-referrer")
	c.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if s.secure {
		c.Set("Strict-Transport-Security", "max-age=63072000")
	}
	switch {
	case isPublic(c):
		c.Set("Content-Security-Policy", publicPolicy(c))
		c.Set("Access-Control-Allow-Origin", "*")
	case isReaderLink(c):
		c.Set("Content-Security-Policy", linkPolicy)
		c.Set("X-Robots-Tag", "noindex")
		s.alone(c)
	default:
		c.Set("Content-Security-Policy", portalPolicy)
		s.alone(c)
	}
	c.Set("Cache-Control", "no-store")
}

// alone keeps other sites from framing a page or reading it.
func (s *server) alone(c *fiber.Ctx) {
	c.Set("X-Frame-Options", "DENY")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// isReaderLink reports whether a page is behind a link of a mail to a reader.
func isReaderLink(c *fiber.Ctx) bool {
	return strings.HasPrefix(c.Path(), "/confirm/") || strings.HasPrefix(c.Path(), newsletter.UnsubscribePath)
}

func isPublic(c *fiber.Ctx) bool {
	return slices.ContainsFunc([]string{"/signup/", static.Prefix, static.EmbedPrefix}, func(prefix string) bool { return strings.HasPrefix(c.Path(), prefix) })
}

// rejectEncoded refuses compressed bodies, since a small one can hold a huge one.
func rejectEncoded(c *fiber.Ctx) error {
	if e := c.Get(fiber.HeaderContentEncoding); e != "" && e != "identity" {
		return fiber.ErrUnsupportedMediaType
	}
	return c.Next()
}

const localRequestID = "request-id"

// observe gives the request an id and a context of limited time, and logs it:
// with its route, never with its path or query, which can hold personal data.
func (s *server) observe(c *fiber.Ctx) error {
	id := db.NewID()
	c.Locals(localRequestID, id)
	c.Set("X-Request-ID", id)
	ctx, cancel := s.requestContext(c)
	defer cancel()
	c.SetUserContext(ctx)
	begun := time.Now()
	err := c.Next()
	if err != nil { // here rather than above us, so that the status is known
		err = s.fail(c, err)
	}
	s.log.DebugContext(ctx, "request", "id", id, "method", c.Method(), "route", c.Route().Path,
		"status", c.Response().StatusCode(), "ms", time.Since(begun).Milliseconds())
	return err
}

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(localRequestID).(string)
	return id
}
