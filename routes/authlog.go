package routes

import (
	"log/slog"
	"net/netip"

	"github.com/gofiber/fiber/v2"
)

// authEvent is what happens when people and programs log in, or are refused, as the log
// says it: one line each time, with the number of the request, the user's id where there
// is one, and the network that it came from. No line has an address, a password or a
// token.
type authEvent struct {
	level slog.Level
	text  string
}

var (
	loggedIn         = newAuthEvent(slog.LevelInfo, "logged in")
	logInRefused     = newAuthEvent(slog.LevelWarn, "log-in refused")
	logInThrottled   = newAuthEvent(slog.LevelWarn, "log-in throttled")
	logInBusy        = newAuthEvent(slog.LevelWarn, "log-in turned away")
	setUp            = newAuthEvent(slog.LevelInfo, "set up")
	setUpRefused     = newAuthEvent(slog.LevelWarn, "set-up link refused")
	resetAsked       = newAuthEvent(slog.LevelInfo, "password reset asked for")
	resetThrottled   = newAuthEvent(slog.LevelWarn, "password reset throttled")
	resetDone        = newAuthEvent(slog.LevelInfo, "password reset")
	resetRefused     = newAuthEvent(slog.LevelWarn, "password reset link refused")
	passwordChanged  = newAuthEvent(slog.LevelInfo, "password changed")
	confirmRefused   = newAuthEvent(slog.LevelWarn, "password change refused")
	confirmThrottled = newAuthEvent(slog.LevelWarn, "password change throttled")
	keyRefused       = newAuthEvent(slog.LevelWarn, "API key refused")
	keyThrottled     = newAuthEvent(slog.LevelWarn, "API key throttled")
	formRefused      = newAuthEvent(slog.LevelWarn, "form refused")
)

// authEvents are all of them.
var authEvents []authEvent

func newAuthEvent(level slog.Level, text string) authEvent {
	e := authEvent{level, text}
	authEvents = append(authEvents, e)
	return e
}

// logAuth logs an event, with more that is neither personal nor secret.
func (s *server) logAuth(c *fiber.Ctx, e authEvent, userID string, more ...any) {
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
