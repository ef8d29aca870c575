package routes

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"gatepost/seal"

	"github.com/gofiber/fiber/v2"
)

// Programs that look at mails for viruses open each link, run the page's scripts, and some send
// the page's form. None of that may confirm anything for a person. What tells a person's press
// of a button from it, without a script of ours:
//
//   - the button's own name and value: a form that a script submits hasn't got them;
//   - that the page was open for a moment, by a signed time that the form brings back;
//   - what the browser says of the request, where it says something: it came from our page,
//     and Chromium and Firefox say when a person's own act caused it. Safari never does.
//
// Where that leaves doubt, the page comes again with a box to be ticked: nobody is turned away,
// and no program ticks a box that it doesn't understand.

// The fields of such a form.
const (
	openedField = "opened" // when the page was opened
	pressField  = "press"  // the button's own
	sureField   = "sure"   // the box
)

// What a button and a box send.
const pressed = "yes"

// shortestLook is how long a page is open at least before a person presses its button. Programs
// send forms at once.
const shortestLook = 2 * time.Second

// stamp says when a page about something was opened, in a way that only we can write. A page
// that comes again keeps the stamp that it had.
func (s *server) stamp(c *fiber.Ctx, about string) string {
	if at := field(c, openedField); !s.openedAt(at, about).IsZero() {
		return at
	}
	at := strconv.FormatInt(s.Now().UnixMilli(), 10)
	return at + "." + base64.RawURLEncoding.EncodeToString(s.MACs.Sum(seal.FormTime, "page", about, at))
}

// openedAt is the time of a stamp, or the zero time when it isn't one of ours about this.
func (s *server) openedAt(stamp, about string) time.Time {
	at, mac, _ := strings.Cut(stamp, ".")
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil || !s.MACs.Check(seal.FormTime, sum, "page", about, at) {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// pressedByPerson reports whether a person has pressed the button of a page about something.
func (s *server) pressedByPerson(c *fiber.Ctx, about string) bool {
	opened := s.openedAt(field(c, openedField), about)
	looked := !opened.IsZero() && s.Now().Sub(opened) >= shortestLook
	if field(c, pressField) != pressed || !looked || !fromOurPage(c) {
		return false
	}
	return field(c, sureField) == pressed || s.ownAct(c)
}

// fromOurPage reports whether the browser takes the request for one that leads from our page to
// the next, or says nothing of it.
func fromOurPage(c *fiber.Ctx) bool {
	site, mode := c.Get("Sec-Fetch-Site"), c.Get("Sec-Fetch-Mode")
	return (site == "" || site == "same-origin") && (mode == "" || mode == "navigate")
}

// ownAct reports whether the browser doesn't deny that a person's own act caused the request.
// All browsers since 2023 say where a request comes from over HTTPS; which of them also tells a
// person's act is seen by what else only it sends.
func (s *server) ownAct(c *fiber.Ctx) bool {
	if c.Get("Sec-Fetch-Mode") == "" {
		return !s.secure
	}
	agent := c.Get(fiber.HeaderUserAgent)
	tells := c.Get("Sec-CH-UA") != "" || strings.Contains(agent, "Chrome/") || strings.Contains(agent, "Firefox/")
	return !tells || c.Get("Sec-Fetch-User") == "?1"
}
