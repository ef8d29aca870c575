package routes

import (
	"net/http"

	"gatepost/static"

	"github.com/gofiber/fiber/v2"
)

// asset handles GET /static/…: the files that pages load.
func (s *server) asset(c *fiber.Ctx) error {
	a, ok := static.Open(c.Path())
	if !ok {
		return fiber.ErrNotFound
	}
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
const robotsText = "User-agent: *\nAllow: /signup/\nAllow: /static/\nAllow: /favicon.ico\nDisallow: /\n"

// robots handles GET /robots.txt.
func (s *server) robots(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, aDay)
	return c.SendString(robotsText)
}
