package routes

import (
	"log/slog"
	"net/netip"

	"github.com/gofiber/fiber/v2"
)

// doorEvent is what happens at the doors, as the log says it: one line each time, with
// the number of the request, the user's id where there is one, and the network that it
// came from. No line has an address, a password or a token.
type doorEvent struct {
	level slog.Level
	text  string
}

var (
	loggedIn         = newDoorEvent(slog.LevelInfo, "logged in")
	logInRefused     = newDoorEvent(slog.LevelWarn, "log-in refused")
	logInThrottled   = newDoorEvent(slog.LevelWarn, "log-in throttled")
	logInBusy        = newDoorEvent(slog.LevelWarn, "log-in turned away")
	setUp            = newDoorEvent(slog.LevelInfo, "set up")
	setUpRefused     = newDoorEvent(slog.LevelWarn, "set-up link refused")
	resetAsked       = newDoorEvent(slog.LevelInfo, "password reset asked for")
	resetThrottled   = newDoorEvent(slog.LevelWarn, "password reset throttled")
	resetDone        = newDoorEvent(slog.LevelInfo, "password reset")
	resetRefused     = newDoorEvent(slog.LevelWarn, "password reset link refused")
	passwordChanged  = newDoorEvent(slog.LevelInfo, "password changed")
	confirmRefused   = newDoorEvent(slog.LevelWarn, "password change refused")
	confirmThrottled = newDoorEvent(slog.LevelWarn, "password change throttled")
	keyRefused       = newDoorEvent(slog.LevelWarn, "API key refused")
	keyThrottled     = newDoorEvent(slog.LevelWarn, "API key throttled")
	formRefused      = newDoorEvent(slog.LevelWarn, "form refused")
)

// doorEvents are all of them.
var doorEvents []doorEvent

func newDoorEvent(level slog.Level, text string) doorEvent {
	e := doorEvent{level, text}
	doorEvents = append(doorEvents, e)
	return e
}

// atDoor logs an event, with more that is neither personal nor secret.
func (s *server) atDoor(c *fiber.Ctx, e doorEvent, userID string, more ...any) {
	args := []any{"id", requestID(c), "network", roughly(s.clientIP(c))}
	if userID != "" {
		args = append(args, "user", userID)
	}
	s.log.Log(c.UserContext(), e.level, e.text, append(args, more...)...)
}

// roughly is the network that an address is in, so large that it names nobody: the
// /24 of an IPv4 address, the /48 of an IPv6 one.
func roughly(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "unknown"
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked().String()
}
