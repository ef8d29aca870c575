package routes

import (
	"net/http"
	"strconv"
	"strings"

	"gatepost/static"

	"github.com/gofiber/fiber/v2"
)

// asset handles GET /static/…: the files that pages load.
func (s *server) asset(c *fiber.Ctx) error {
	a, ok := static.Open(c.Path())
	if !ok {
		return fiber.ErrNotFound
	}
	return sendAsset(c, a)
}

// sendAsset sends a file whose address is for this content alone.
func sendAsset(c *fiber.Ctx, a static.Asset) error {
	c.Set(fiber.HeaderContentType, a.ContentType)
	c.Set(fiber.HeaderCacheControl, static.CacheControl)
	c.Set(fiber.HeaderETag, a.ETag)
	c.Vary(fiber.HeaderAcceptEncoding)
	if c.Get(fiber.HeaderIfNoneMatch) == a.ETag {
		return c.SendStatus(http.StatusNotModified)
	}
	body, encoding := a.Encode(c.Get(fiber.HeaderAcceptEncoding))
	if encoding != "" {
		c.Set(fiber.HeaderContentEncoding, encoding)
	}
	return c.Send(body)
}

// embedScript handles GET /embed/{version}.js: a version of the script for forms in other
// sites, which stays at its address for good. Any site may load it and check its hash.
func (s *server) embedScript(c *fiber.Ctx) error {
	number, isScript := strings.CutSuffix(c.Params("file"), ".js")
	version, err := strconv.Atoi(number)
	script, ok := static.Embed(version)
	if !isScript || err != nil || !ok || script.Path != c.Path() {
		return fiber.ErrNotFound
	}
	return sendAsset(c, script.Asset)
}

// aDay is for files whose address stays when they change.
const aDay = "public, max-age=86400"

// favicon handles GET /favicon.ico, which browsers ask for beside what is no page of ours.
func (s *server) favicon(c *fiber.Ctx) error {
	icon, ok := static.Open(static.URL("favicon.ico"))
	if !ok {
		return fiber.ErrNotFound
	}
	c.Set(fiber.HeaderContentType, icon.ContentType)
	c.Set(fiber.HeaderCacheControl, aDay)
	return c.Send(icon.Body)
}

// robotsText lets search engines find the public forms, and nothing else: there is nothing
// for them behind a log-in.
const robotsText = "User-agent: *\nAllow: /signup/\nAllow: /static/\nAllow: /embed/\nAllow: /favicon.ico\nDisallow: /\n"

// robots handles GET /robots.txt.
func (s *server) robots(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, aDay)
	return c.SendString(robotsText)
}
