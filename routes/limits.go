package routes

import (
	"cmp"
	"strconv"
	"time"

	"gatepost/db"

	"github.com/gofiber/fiber/v2"
)

// How often somebody may ask in a minute.
const (
	signupsPerMinute = 30   // sign-ups from one address: a whole office can share it
	apiPerMinute     = 3000 // requests of one API key, unless something else is set
	handedOn         = 600  // sign-ups that one API key hands on, likewise
)

// Limits counts what is asked for, over all processes: *ratelimit.Limits does.
type Limits interface {
	// Take returns how long to wait when there were as many within a minute as may be.
	Take(what, who string, most int) (wait time.Duration)
}

// limited refuses what somebody asks for too often.
func (s *server) limited(c *fiber.Ctx, what, who string, most int) error {
	if err := s.take(c, what, who, most); err != nil {
		return err
	}
	return c.Next()
}

// take counts one more of what somebody asks for, or refuses it.
func (s *server) take(c *fiber.Ctx, what, who string, most int) error {
	wait := s.Limits.Take(what, who, most)
	if wait <= 0 {
		return nil
	}
	c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(wait.Seconds())+1))
	return fiber.ErrTooManyRequests
}

// limitSignUps slows down whoever fills the form without end.
func (s *server) limitSignUps(c *fiber.Ctx) error {
	if !s.SignupLimits {
		return c.Next()
	}
	return s.limited(c, "sign up", s.clientNetwork(c), signupsPerMinute)
}

// takeOfTenant counts one more sign-up of a tenant's forms, and reports whether they may take it: a tenant that is
// flooded leaves the others their share. What is refused is logged once a minute.
func (s *server) takeOfTenant(c *fiber.Ctx, n db.Newsletter) bool {
	if !s.SignupLimits || s.take(c, "sign up at a tenant", n.TenantID, n.PerMinute) == nil {
		return true
	}
	if s.Limits.Take("log a tenant's limit", n.TenantID, 1) <= 0 {
		s.log.WarnContext(c.UserContext(), "sign-ups of a tenant are refused: its forms get more than they may take in a minute", "tenant", n.TenantID, "form", n.Slug, "limit", n.PerMinute)
	}
	return false
}

// limitAPI slows down a program that asks without end.
func (s *server) limitAPI(c *fiber.Ctx) error { return s.limitKey(c, "api", apiPerMinute) }

// limitHandedOn slows down a server that hands on sign-ups without end. They are counted
// apart from what the key asks otherwise.
func (s *server) limitHandedOn(c *fiber.Ctx) error { return s.limitKey(c, "api sign up", handedOn) }

func (s *server) limitKey(c *fiber.Ctx, what string, most int) error {
	err := s.limited(c, what, caller(c).ID, cmp.Or(s.APILimit, most))
	if err == fiber.ErrTooManyRequests {
		s.logAuth(c, keyThrottled, "", "key", caller(c).ID)
	}
	return err
}
