package routes

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// DemoUser is somebody whom the demo lets in without a password.
type DemoUser struct {
	Email string
	Words string // on the button
}

// forwarding are the headers by which a proxy says that somebody else asks.
var forwarding = []string{fiber.HeaderForwarded, fiber.HeaderXForwardedFor, fiber.HeaderXForwardedHost, "X-Real-IP", fiber.HeaderVia}

// onThisMachine reports whether whoever asks sits at the machine that the demo runs on: a
// proxy's or a tunnel's visitors don't, and neither does a page that has a name of its own
// lead here.
func onThisMachine(c *fiber.Ctx) bool {
	peer, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !ok || !peer.Unmap().IsLoopback() || slices.ContainsFunc(forwarding, func(name string) bool { return c.Get(name) != "" }) {
		return false
	}
	host := c.Get(fiber.HeaderHost)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// demoLogins are the buttons of the log-in page for those who get in without a password.
func (s *server) demoLogins(c *fiber.Ctx) (all []views.DemoLogin) {
	if !onThisMachine(c) {
		return nil
	}
	for _, u := range s.DemoUsers {
		all = append(all, views.DemoLogin{Email: u.Email, Words: u.Words})
	}
	return all
}

// demoLogin handles POST /login/demo, which is there in the demo alone.
func (s *server) demoLogin(c *fiber.Ctx) error {
	email := field(c, "email")
	if !onThisMachine(c) || !slices.ContainsFunc(s.DemoUsers, func(u DemoUser) bool { return u.Email == email }) {
		return fiber.ErrNotFound
	}
	user, err := s.People.UserByEmail(c.UserContext(), email)
	if errors.Is(err, db.ErrNotFound) {
		return fiber.ErrNotFound
	}
	if err != nil {
		return err
	}
	s.logAuth(c, loggedIn, user.ID, "how", "demo")
	return s.welcomeUser(c, user, s.safeNext(field(c, "next")))
}
