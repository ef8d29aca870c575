package routes

import (
	"bytes"

	"gatepost/views"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
)

// render sends a component with a status. It renders to a buffer first, so that
// a failure half-way leaves no half page. Times are written in the tenant's zone.
func render(c *fiber.Ctx, status int, component templ.Component) error {
	ctx := c.UserContext()
	if v := who(c); v.zone != nil {
		ctx = views.InZone(ctx, v.zone, v.now)
	}
	var b bytes.Buffer
	if err := component.Render(ctx, &b); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Status(status)
	return sendPage(c, b.Bytes())
}

// wantsFragment reports whether htmx asks for a part of a page: not when it
// follows a link for the whole page or brings one back from the history.
func wantsFragment(c *fiber.Ctx) bool {
	c.Vary("HX-Request")
	return c.Get("HX-Request") == "true" && c.Get("HX-Boosted") == "" && c.Get("HX-History-Restore-Request") == ""
}

// redirect sends the browser on with a GET. path must be ours.
func redirect(c *fiber.Ctx, path string) error {
	return c.Redirect(path, fiber.StatusSeeOther)
}
