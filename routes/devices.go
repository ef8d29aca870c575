package routes

import (
	"errors"

	"gatepost/auth"
	"gatepost/db"

	"github.com/gofiber/fiber/v2"
)

// client is where a guess of a password comes from.
func (s *server) client(c *fiber.Ctx) auth.Client {
	return auth.Client{IP: s.clientIP(c), Device: c.Cookies(s.deviceCookie())}
}

// trustDevice has the browser known for a user who gave it a new password, or has
// just been made: by that they get in, whoever is guessing.
func (s *server) trustDevice(c *fiber.Ctx, user db.User) error {
	device, err := s.People.TrustDevice(c.UserContext(), user, c.Cookies(s.deviceCookie()))
	if errors.Is(err, auth.ErrCredentials) { // it was changed again meanwhile: this one's part is done all the same
		return nil
	}
	if err == nil {
		s.rememberDevice(c, device)
	}
	return err
}

func (s *server) rememberDevice(c *fiber.Ctx, device string) {
	c.Cookie(&fiber.Cookie{Name: s.deviceCookie(), Value: device, Path: "/", HTTPOnly: true, Secure: s.secure,
		SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(auth.DeviceFor.Seconds())})
}

func (s *server) deviceCookie() string {
	if s.secure {
		return "__Host-gatepost_device"
	}
	return "gatepost_device"
}
