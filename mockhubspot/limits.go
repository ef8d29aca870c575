package mockhubspot

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// limiter counts calls in windows that move with the time.
type limiter struct {
	mu      sync.Mutex
	windows map[string][]int64 // by what is limited, when the calls of the last window were made
}

// take counts a call at a time, and reports how many more may follow within the span; -1
// when there already were too many, and the call is not counted.
func (l *limiter) take(what string, limit int, now, span int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.windows[what]
	calls = slices.DeleteFunc(calls, func(at int64) bool { return at <= now-span })
	if len(calls) >= limit {
		l.windows[what] = calls
		return -1
	}
	calls = append(calls, now)
	l.windows[what] = calls
	return limit - len(calls)
}

// forget begins all windows anew.
func (l *limiter) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.windows)
}

// limit counts a call against the limits of an app in an account, and tells in headers how
// much is left. Search has a limit of its own, without headers.
func (s *Server) limit(ctx context.Context, who session, kind string, h http.Header) error {
	set, now := s.set(who.org), s.core.Now()
	if kind == "search" {
		if set.SearchLimit > 0 && s.limits.take("search "+who.org, set.SearchLimit, now, 1000) < 0 {
			return set.tooMany("SECONDLY", "secondly", 1)
		}
		return nil
	}
	if set.DailyLimit > 0 {
		if err := s.limitDay(ctx, who, set, h); err != nil {
			return err
		}
	}
	if set.RateLimit == 0 {
		return nil
	}
	left := s.limits.take(who.org+" "+who.client, set.RateLimit, now, int64(set.RateWindowMS))
	h.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(set.RateLimit))
	h.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(max(0, left)))
	h.Set("X-HubSpot-RateLimit-Interval-Milliseconds", strconv.Itoa(set.RateWindowMS))
	if left < 0 {
		return set.tooMany("TEN_SECONDLY_ROLLING", "ten_secondly_rolling", (set.RateWindowMS+999)/1000)
	}
	return nil
}

// limitDay counts a call against the limit of a day, which ends at midnight where the
// account is.
func (s *Server) limitDay(ctx context.Context, who session, set *settings, h http.Header) error {
	v, err := s.account(ctx, who.org)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(v.TimeZone)
	if err != nil {
		return err
	}
	now := time.UnixMilli(s.core.Now()).In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, zone)
	left := s.limits.take("day "+who.org+" "+who.client+" "+midnight.Format(time.DateOnly), set.DailyLimit, now.UnixMilli(), 2*86_400_000)
	h.Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(set.DailyLimit))
	h.Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(max(0, left)))
	if left < 0 {
		return set.tooMany("DAILY", "daily", int(midnight.Sub(now)/time.Second))
	}
	return nil
}

// tooMany refuses a call beyond a limit, in the older or the newer shape.
func (v *settings) tooMany(policy, name string, seconds int) *apiError {
	e := &apiError{status: v.RateLimitStatus, Message: "You have reached your " + name + " limit.",
		more: map[string]any{"policyName": policy, "groupName": "publicapi:contacts"}}
	if v.RateLimitBody == "category" {
		e.Category = "RATE_LIMITS"
	} else {
		e.more["errorType"] = "RATE_LIMIT"
	}
	if v.RateRetryAfter {
		e.retryAfterSec = seconds
	}
	return e
}
