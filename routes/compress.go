package routes

import (
	"gatepost/static"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// compressFrom is from how many bytes on a page is compressed: a shorter one fits into a
// packet as it is.
const compressFrom = 1 << 10

// compressPublicFrom is compressFrom for the public form.
const compressPublicFrom = 6 << 10

// How hard a page is compressed: 40 KB of one become 5 in a quarter of a millisecond.
// Higher levels take a multiple of that for a tenth less.
const (
	brotliLevel = 4
	gzipLevel   = 4
)

// sendPage sends a page or a part of one, compressed where that can't be turned against
// us. What a visitor may see stands beside text that others may choose, as in a link to
// a search; who sees how long the answers are could guess the one by the other. So
// nothing is compressed that another site has asked the browser for, and the secrets of
// forms are masked for browsers that don't say who asked. The public form has no secret, fits into
// the first packets as a rule, and is answered for thousands in a second: there only a long one
// is compressed.
func sendPage(c *fiber.Ctx, page []byte) error {
	if isPublic(c) {
		c.Vary(fiber.HeaderAcceptEncoding)
		if len(page) < compressPublicFrom {
			return c.Send(page)
		}
		return sendCompressed(c, page)
	}
	c.Vary(fiber.HeaderAcceptEncoding, "Sec-Fetch-Site")
	if len(page) < compressFrom || c.Locals(localUncompressed) != nil || askedByAnotherSite(c) {
		return c.Send(page)
	}
	return sendCompressed(c, page)
}

func sendCompressed(c *fiber.Ctx, page []byte) error {
	switch coding := static.Coding(c.Get(fiber.HeaderAcceptEncoding), "br", "gzip"); coding {
	case "br":
		c.Set(fiber.HeaderContentEncoding, coding)
		return c.Send(fasthttp.AppendBrotliBytesLevel(nil, page, brotliLevel))
	case "gzip":
		c.Set(fiber.HeaderContentEncoding, coding)
		return c.Send(fasthttp.AppendGzipBytesLevel(nil, page, gzipLevel))
	}
	return c.Send(page)
}

const localUncompressed = "uncompressed"

// uncompressed has this answer sent as it is, since a secret of a link stands in it.
func uncompressed(c *fiber.Ctx) { c.Locals(localUncompressed, true) }

// askedByAnotherSite reports whether the browser says that another site, or a neighbour
// of ours, caused the request.
func askedByAnotherSite(c *fiber.Ctx) bool {
	site := c.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}
