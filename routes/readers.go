package routes

import (
	"slices"
	"strings"

	"gatepost/newsletter"

	"github.com/gofiber/fiber/v2"
)

// Pages that readers come to by a link of a mail, which says who they are. Nobody frames them, no
// search engine keeps them, and programs that look through mails change nothing by them.

// readerLinks are how the paths of such pages begin.
var readerLinks = []string{newsletter.UnsubscribePath}

// isReaderLink reports whether a request is for a page that a link of a mail leads to.
func isReaderLink(c *fiber.Ctx) bool {
	return slices.ContainsFunc(readerLinks, func(prefix string) bool { return strings.HasPrefix(c.Path(), prefix) })
}

// readerLinkPolicy is formPolicy, but that nobody may frame the page: a click there means something.
const readerLinkPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pressed reports whether a person pressed the button of such a page, which sends do with a value.
// A program that sends the form by itself leaves the button out; one that has a script press it
// is found out by browsers that say with each page whether a person asked for it. The field sure
// is a box that is shown when that was missing: programs don't tick it.
func pressed(c *fiber.Ctx, do string) bool {
	if field(c, "do") != do {
		return false
	}
	return c.Get("Sec-Fetch-User") == "?1" || !tellsOfPersons(c) || field(c, "sure") != ""
}

// tellsOfPersons reports whether Sec-Fetch-User would be there if a person had asked for the page.
// Safari never sends it (webkit.org/b/247697), and over plain HTTP no browser does.
func tellsOfPersons(c *fiber.Ctx) bool {
	browser := c.Get(fiber.HeaderUserAgent)
	return c.Get("Sec-Fetch-Mode") != "" && (strings.Contains(browser, "Chrome/") || strings.Contains(browser, "Firefox/"))
}
